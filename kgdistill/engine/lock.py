"""One run at a time in a run folder."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from kgdistill.errors import RunFolderError
from kgdistill.storage.shards import disk_errors

PATIENCE_SECONDS = 10.0


class Lock:
    """An exclusive lock on a run folder, held until `close` or the end of the process and its workers.

    Raises RunFolderError when another run holds it. After `kill -9` of a driver its workers end a moment later:
    for these it waits.
    """

    def __init__(self, run: Path) -> None:
        self._path = run / "lock"
        with disk_errors(self._path):
            run.mkdir(parents=True, exist_ok=True)
            self.file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            self._acquire(run)
        except BaseException:
            os.close(self.file)
            raise
        os.ftruncate(self.file, 0)
        os.pwrite(self.file, str(os.getpid()).encode(), 0)

    def _acquire(self, run: Path) -> None:
        give_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                owner = self._owner()
                if _alive(owner) or time.monotonic() > give_up:
                    raise RunFolderError(
                        f"{run} is busy: process {owner} runs there; wait for it, or use another --out"
                    ) from error
            time.sleep(0.05)

    def _owner(self) -> int:
        text = os.pread(self.file, 32, 0).decode("ascii", "ignore").strip()
        return int(text) if text.isdigit() else 0

    def close(self) -> None:
        os.close(self.file)

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _alive(process: int) -> bool:
    if not process:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

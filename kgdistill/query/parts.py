"""Parts of an index on disk: folders that are made once, whole or not there, and named by what they are made from."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from kgdistill.storage.shards import disk_errors, sync_folder

MAKING = ".making"
"""Ends the name of a folder that is not whole yet."""
STALE = 24 * 3600
"""Seconds after which a folder that is not whole is taken for one of a process that was killed."""


def part(folder: Path, make: Callable[[Path], None]) -> Path:
    """`folder`, made by `make` where it is not there yet.

    It is whole or absent. Where two processes make it at the same time, the first one's stays.
    Raises StorageError where the disk does not take it.
    """
    if folder.is_dir():
        return folder
    making = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}{MAKING}")
    with disk_errors(folder):
        making.mkdir(parents=True)
        try:
            make(making)
            _settle(making)
            try:
                making.rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
            sync_folder(folder.parent)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return folder


def tidy(folder: Path, current: str) -> None:
    """Remove all in `folder` but what belongs to `current`, and what killed processes have left of that."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name != current:
            shutil.rmtree(path, ignore_errors=True)
            continue
        for unfinished in path.glob(f".*{MAKING}"):
            with suppress(OSError):
                if time.time() - unfinished.stat().st_mtime > STALE:
                    shutil.rmtree(unfinished, ignore_errors=True)


def digest(files: Iterable[Path], *more: str) -> str:
    """Names the contents of the files together with some words."""
    total = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    for word in more:
        total.update(f"{len(word)}:{word}".encode("utf-8", "surrogatepass"))
    return total.hexdigest()[:16]


def _settle(folder: Path) -> None:
    """Have the disk take every file, before the folder gets its name."""
    for path in folder.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

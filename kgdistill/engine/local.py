"""Crews on this machine: the driver itself, or worker processes of their own."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec

from kgdistill.engine.job import Job, Message, Outcome, Setup, Tick
from kgdistill.engine.worker import CLOSE, Worker

CLOSE_SECONDS = 20


class Crew(Protocol):
    """Some seats with a worker each; a job goes to a free seat, and messages come back."""

    @property
    def seats(self) -> Sequence[int]:
        """The seats that can be used: it may become fewer."""

    def give(self, seat: int, job: Job) -> None:
        """Let the seat's worker run the job; returns at once. A dead worker is replaced first."""

    def wait(self) -> tuple[int, Message | None]:
        """The next message of any seat; None when the seat's worker died."""

    def close(self, *, now: bool) -> None:
        """Let the workers go; `now`: in the middle of what they do."""


class Alone:
    """No other process: the driver works itself, while it waits."""

    seats = (0,)

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._jobs: deque[Job] = deque()
        self.on_tick: Callable[[int, Tick], None] = lambda seat, tick: None

    def give(self, seat: int, job: Job) -> None:
        self._jobs.append(job)

    def wait(self) -> tuple[int, Message | None]:
        return 0, self._worker.run(self._jobs.popleft(), lambda tick: self.on_tick(0, tick))

    def close(self, *, now: bool) -> None:
        pass  # the driver closes its own worker


class Processes:
    """Worker processes, started when they are first needed; what they print goes to `log`."""

    def __init__(self, size: int, setup: Setup, log: Path, lock: int) -> None:
        self.seats = range(size)
        self._setup = msgspec.json.encode(setup)
        self._log = log
        self._lock = lock  # held open by workers too: the folder is busy until the last of them has ended
        self._seats: dict[int, subprocess.Popen[bytes]] = {}
        self._messages: queue.SimpleQueue[tuple[int, Message | None]] = queue.SimpleQueue()

    def give(self, seat: int, job: Job) -> None:
        process = self._seats.get(seat) or self._start(seat)
        with suppress(BrokenPipeError):  # it died just now: its listener says so
            self._write(process, msgspec.json.encode(job))

    def wait(self) -> tuple[int, Message | None]:
        seat, message = self._messages.get()
        if message is None:
            self._seats.pop(seat).wait()
        return seat, message

    def close(self, *, now: bool) -> None:
        for process in self._seats.values():
            with suppress(BrokenPipeError):
                process.kill() if now else self._write(process, CLOSE.strip())
        for process in self._seats.values():
            try:
                process.wait(CLOSE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            with suppress(BrokenPipeError):
                process.stdin.close()  # type: ignore[union-attr]
        self._seats.clear()

    def _start(self, seat: int) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "kgdistill.engine.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(len(self.seats)),
                pass_fds=(self._lock,),
                start_new_session=True,  # Ctrl-C is for the driver, which ends them
            )
        self._seats[seat] = process
        threading.Thread(target=self._listen, args=(seat, process), daemon=True).start()
        with suppress(BrokenPipeError):
            self._write(process, self._setup)
        return process

    @staticmethod
    def _write(process: subprocess.Popen[bytes], line: bytes) -> None:
        assert process.stdin
        process.stdin.write(line + b"\n")
        process.stdin.flush()

    def _listen(self, seat: int, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout
        decoder = msgspec.json.Decoder(Outcome | Tick)
        with process.stdout as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    self._messages.put((seat, decoder.decode(line)))
        self._messages.put((seat, None))


def environment(workers: int) -> dict[str, str]:
    """A worker's environment: the driver's import path, and its share of the cores."""
    found = dict(os.environ, PYTHONPATH=os.pathsep.join(path or os.getcwd() for path in sys.path))  # noqa: PTH109
    found.setdefault("OMP_NUM_THREADS", str(max(1, cores() // workers)))
    found["TOKENIZERS_PARALLELISM"] = "false"
    return found


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

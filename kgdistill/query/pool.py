"""A pool of workers: every query has a deadline, a cap on its answer and a process that can be killed and replaced."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any

import msgspec
from msgspec import Struct

from kgdistill.errors import UserError
from kgdistill.query.worker import DATA, END, HEAD, READY, TASK, Outcome, Setup, Task

GRACE = 0.1
"""Seconds that a query may go on when nobody waits for it any more: cheaper than a new worker, if it is nearly done."""
IN_MEMORY = 1 << 20
"""Bytes of an answer that are held in memory; a longer one waits in a nameless file on disk."""
START_SECONDS = 60


class Limits(Struct, frozen=True):
    """What one query, and all of them together, may take."""

    workers: int = 2
    """Queries that run at the same time."""
    seconds: float = 30.0
    """Computing time of a query; as long may it wait for a free worker."""
    result_bytes: int = 256 << 20
    """Length of an answer."""
    memory_bytes: int = 4 << 30
    """Memory of a worker."""
    waiting: int = 256
    """Queries that may wait for a free worker."""


def limits_of(workers: int, seconds: float, result_mebibytes: int, memory_mebibytes: int) -> Limits:
    """Limits as a person gives them; 0 workers: as many as this machine has cores, and at least two."""
    size = workers or max(2, os.cpu_count() or 1)
    return Limits(size, seconds, result_mebibytes << 20, memory_mebibytes << 20)


class Answered(Struct, frozen=True):
    """An outcome and, if it is an answer, its bytes: a file to read from its start, and to close."""

    outcome: Outcome
    content: SpooledTemporaryFile[bytes]
    length: int = 0


class _Worker:
    """One process, and the two ends of its pipes."""

    def __init__(self, process: Process) -> None:
        assert process.stdin and process.stdout
        self.process, self.into, self.out = process, process.stdin, process.stdout

    def send(self, kind: bytes, content: bytes) -> None:
        self.into.write(HEAD.pack(kind, len(content)) + content)

    async def frame(self) -> tuple[bytes, bytes]:
        """The next frame; raises IncompleteReadError when the process has ended."""
        kind, length = HEAD.unpack(await self.out.readexactly(HEAD.size))
        return kind, await self.out.readexactly(length)

    def kill(self) -> None:
        # Not Process.kill: it looks first whether the process has ended, and so takes its exit code from asyncio.
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)

    async def ended(self) -> int:
        """Kill it, if it is still there, and take it off the system's table."""
        self.kill()
        self.into.close()
        return await self.process.wait()


class Pool:
    """Workers over one store. An asynchronous context manager, to be used from one event loop.

    A worker that dies in a query, is killed for its deadline or its length, or goes on for nobody, is replaced at once.
    """

    def __init__(self, store: Path, prefixes: dict[str, str], limits: Limits) -> None:
        self.limits = limits
        self._setup = msgspec.json.encode(Setup(str(store), prefixes, limits.memory_bytes))
        self._idle: asyncio.Queue[_Worker] = asyncio.Queue()
        self._workers: set[_Worker] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._waiting = 0
        self._closed = False

    async def __aenter__(self) -> Pool:
        """Raises UserError when no worker can be started."""
        try:
            await asyncio.gather(*(self._start() for _ in range(self.limits.workers)))
        except (asyncio.IncompleteReadError, TimeoutError) as error:
            await self.__aexit__()
            raise UserError("the query workers do not start: the lines above say why") from error
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(worker.ended() for worker in self._workers))
        self._workers.clear()

    @property
    def processes(self) -> list[int]:
        """The process ids of the workers that there are."""
        return [worker.process.pid for worker in self._workers]

    async def ask(self, task: Task) -> Answered:
        """Put the question to the next free worker. Whoever cancels this stops the query itself."""
        if (worker := await self._free_worker()) is None:
            message = "too many queries wait for an answer: try again later"
            return Answered(Outcome("busy", message=message), SpooledTemporaryFile())
        talk = self._background(self._talk(worker, task))
        try:
            return await asyncio.shield(talk)
        except asyncio.CancelledError:
            asyncio.get_running_loop().call_later(GRACE, lambda: None if talk.done() else worker.kill())
            raise

    async def _free_worker(self) -> _Worker | None:
        if self._waiting >= self.limits.waiting:
            return None
        self._waiting += 1
        try:
            async with asyncio.timeout(self.limits.seconds):
                while (worker := await self._idle.get()).process.returncode is not None:
                    self._background(self._replace(worker))  # something else has ended it
                return worker
        except TimeoutError:
            return None
        finally:
            self._waiting -= 1

    async def _talk(self, worker: _Worker, task: Task) -> Answered:
        """One question and its answer; then the worker is free again, or replaced."""
        content: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  # the asker closes it
        length, alive = 0, False
        try:
            worker.send(TASK, msgspec.json.encode(task))
            while (frame := await worker.frame())[0] == DATA:
                length += len(frame[1])
                if length > self.limits.result_bytes:
                    return Answered(Outcome("too large", message=self._too_large()), content)
                content.write(frame[1])
            alive = frame[0] == END
            content.seek(0)
            return Answered(msgspec.json.decode(frame[1], type=Outcome), content, length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return Answered(self._obituary(await worker.process.wait()), content)
        finally:
            if alive:
                self._idle.put_nowait(worker)
            elif not self._closed:
                self._background(self._replace(worker))

    def _too_large(self) -> str:
        return f"the answer is longer than {self.limits.result_bytes / (1 << 20):g} MiB: ask for less, as with LIMIT"

    def _obituary(self, code: int) -> Outcome:
        if code == -signal.SIGALRM:
            return Outcome("expired", message=f"the query takes longer than {self.limits.seconds:g} seconds")
        message = f"the query takes more than the {self.limits.memory_bytes / (1 << 20):g} MiB of memory that it may"
        return Outcome("broken", message=f"{message}, or it broke its worker (exit code {code})")

    async def _replace(self, worker: _Worker) -> None:
        self._workers.discard(worker)
        await worker.ended()
        # A store that cannot be opened for now (no memory, no file handles) may be so again.
        pause = 0.1
        while True:
            with suppress(asyncio.IncompleteReadError, TimeoutError, OSError):
                return await self._start()
            await asyncio.sleep(pause)
            pause = min(10.0, pause * 2)

    async def _start(self) -> None:
        path = os.pathsep.join(place or os.getcwd() for place in sys.path)  # noqa: PTH109
        environment = dict(os.environ, PYTHONPATH=path, RUST_BACKTRACE="0")
        command = (sys.executable, "-m", "kgdistill.query.worker")
        # In a session of its own: Ctrl-C is for the server, which ends its workers.
        started = asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, env=environment, start_new_session=True
        )
        worker = _Worker(await started)
        self._workers.add(worker)
        try:
            worker.send(TASK, self._setup)
            kind, _ = await asyncio.wait_for(worker.frame(), START_SECONDS)
            assert kind == READY
        except BaseException:
            self._workers.discard(worker)
            await worker.ended()
            raise
        self._idle.put_nowait(worker)

    def _background(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

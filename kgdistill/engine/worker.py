"""The one worker: runs a job and writes its files. Local processes and Ray differ only in who calls `Worker.run`."""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from kgdistill.contracts import CorpusStage, ShardStage, SourceStage
from kgdistill.engine.bench import Tools, WorkBench, revive
from kgdistill.engine.job import Job, Message, Outcome, Report, Setup, Tick
from kgdistill.errors import KgdistillError, SourceError, StorageError
from kgdistill.records import Failure
from kgdistill.storage.artifact import Artifact
from kgdistill.storage.shards import disk_full, pack, record_id, write_bytes, write_records
from kgdistill.teacher.ledger import Account, Ledger

TICK_SECONDS = 0.5
CLOSE = b"close\n"


class Worker:
    """Holds one teacher and one encoder, and runs jobs with them, one after another."""

    def __init__(self, setup: Setup) -> None:
        self.tools = Tools(setup)

    def run(self, job: Job, report: Callable[[Tick], None] = lambda tick: None) -> Outcome:
        """Run the job, whatever happens: errors come back in the outcome. KeyboardInterrupt goes through."""
        artifact = Artifact(Path(job.folder))
        stage = revive(job.setting)
        folder = artifact.begin() if isinstance(stage, CorpusStage) else artifact.folder
        bench = WorkBench(job, self.tools, folder, _ticker(report))
        started = time.perf_counter()
        try:
            try:
                found = self._work(stage, job, bench, artifact, started)
            finally:
                bench.close()
        except Exception as error:
            name, message = type(error).__name__, str(error)
            if disk_full(error):  # in whatever a stage writes by itself
                name = StorageError.__name__
                message = f"the disk is full at {folder}: make room and run the same command again, nothing is lost"
            return Outcome(job.shard, _spent(bench), None, name, message, traceback.format_exc())
        return Outcome(job.shard, _spent(bench), found)

    def _work(self, stage: Any, job: Job, bench: WorkBench, artifact: Artifact, started: float) -> Report:
        if isinstance(stage, SourceStage):
            return _run_source(stage, bench, artifact, started)
        if isinstance(stage, ShardStage):
            count = write_records(artifact.shard(job.shard), stage.run(bench.feed(), bench))
            return _close_shard(artifact, job.shard, bench, count, started)
        if isinstance(stage, CorpusStage):
            stage.run(bench.feed(), bench)
            return _close_shard(Artifact(bench.folder), job.shard, bench, 0, started)
        raise KgdistillError(f"{job.stage} is neither a source, a shard nor a corpus stage")

    def close(self) -> None:
        self.tools.close()


def _run_source(stage: SourceStage, bench: WorkBench, artifact: Artifact, started: float) -> Report:
    """Pack what the source brings into shards while it streams; an interrupted source starts afresh."""
    artifact.clear()
    total = Report()
    number = 0
    found = (record for record in stage.run(bench) if record_id(record) not in bench.forgotten)
    for number, records in enumerate(pack(found), 1):
        count = write_records(artifact.shard(shard_name(number - 1)), records)
        ledger, bench.ledger = bench.ledger, Ledger()  # its conversation may still be going on
        total.add(_close_shard(artifact, shard_name(number - 1), bench, count, started))
        bench.failures, bench.notes, bench.ledger = [], Counter(), ledger
        started = time.perf_counter()
    if bench.failures or bench.notes or bench.ledger.stages:  # what came after the last record
        total.add(_close_shard(artifact, "end", bench, 0, started))
    if not number:
        first = next(artifact.failures(), None)
        refused = f" ({total.failed + total.rejected} inputs were refused, the first: " if first else ""
        raise SourceError(f"{bench.job.stage} found no document{refused}{first.message + ')' if first else ''}")
    return total


def shard_name(number: int) -> str:
    return f"{number:05d}"


def _close_shard(artifact: Artifact, name: str, bench: WorkBench, records: int, started: float) -> Report:
    """Check the accounts and write failures, then the report that says that the shard is done."""
    bench.ledger.check()
    failed = sum(failure.kind == "failed" for failure in bench.failures)
    report = Report(
        records=records,
        failed=failed,
        rejected=len(bench.failures) - failed,
        reasons=dict(sorted(Counter(failure.reason for failure in bench.failures).items())),
        notes=dict(sorted(bench.notes.items())),
        ledger=bench.ledger,
        seconds=round(time.perf_counter() - started, 3),
    )
    if bench.failures:
        write_records(artifact.failure_file(name), sorted(bench.failures, key=_failure_order))
    else:
        artifact.failure_file(name).unlink(missing_ok=True)
    write_bytes(artifact.report_file(name), msgspec.json.encode(report) + b"\n")
    return report


def _failure_order(failure: Failure) -> tuple[str, int, bytes]:
    """Answers come in any order, and so do failures: written, they stand in one order."""
    return failure.document, failure.chunk, msgspec.json.encode(failure)


def _spent(bench: WorkBench) -> int:
    return bench.budget.used if bench.budget else 0


def _ticker(report: Callable[[Tick], None]) -> Callable[[WorkBench], None]:
    last = time.monotonic()

    def tick(bench: WorkBench) -> None:
        nonlocal last
        if time.monotonic() - last >= TICK_SECONDS:
            last = time.monotonic()
            total = Account()
            for account in bench.ledger.stages.values():
                total.add(account)
            report(Tick(total))

    return tick


def serve() -> None:
    """The far end of a local worker process: setup and jobs come in as JSON lines, messages go out the same way.

    The end of the input means that the driver is gone, whatever ended it; this process then ends at once, so that
    two never write to one journal. What a library prints goes to the error output.
    """
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def listen() -> None:
        for line in sys.stdin.buffer:
            jobs.put(line)
            if line == CLOSE:
                return
        os._exit(1)

    worker = Worker(msgspec.json.decode(sys.stdin.buffer.readline(), type=Setup))
    threading.Thread(target=listen, daemon=True).start()
    encoder = msgspec.json.Encoder()

    def send(message: Message) -> None:
        answers.write(encoder.encode(message) + b"\n")

    while (line := jobs.get()) != CLOSE:
        send(worker.run(msgspec.json.decode(line, type=Job), send))
    worker.close()


if __name__ == "__main__":
    serve()

"""What a person sees while a run goes on: live bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from kgdistill.teacher.ledger import Account

LINE_SECONDS = 10.0


class Quiet:
    """Shows nothing; the others show what they are told."""

    def begin(self, stage: str, shards: int, done: int) -> None:
        """A stage begins (`shards` is 0 when it has none), with `done` of its shards done before."""

    def tick(self, running: Account, shards_done: int) -> None:
        """All finished and running shards of this attempt together."""

    def end(self, stage: str, records: int, seconds: float) -> None:
        """The stage is done."""

    def skip(self, stage: str) -> None:
        """The stage was done before."""

    def close(self) -> None:
        """The run is over, in whatever way."""


def account_line(account: Account, seconds: float) -> str:
    """Requests done, failed and cached, and tokens per second; empty where nothing was asked."""
    if not account.planned:
        return ""
    tokens = account.prompt_tokens + account.reply_tokens
    rate = f" · {tokens / seconds:,.0f} tokens/s" if seconds > 0 and tokens else ""
    return f"{account.ended:,} requests · {account.failures:,} failed · {account.cached:,} cached{rate}"


class Lines(Quiet):
    """One plain line when a stage begins and ends, and every ten seconds between."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._stage, self._shards = "", 0
        self._since = self._last = time.monotonic()

    def _say(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()

    def begin(self, stage: str, shards: int, done: int) -> None:
        self._stage, self._shards = stage, shards
        self._since = self._last = time.monotonic()
        self._say(f"{stage}: {done} of {shards} shards done before" if done else f"{stage}: begins")

    def tick(self, running: Account, shards_done: int) -> None:
        if time.monotonic() - self._last < LINE_SECONDS:
            return
        self._last = time.monotonic()
        parts = [f"{shards_done} of {self._shards} shards" if self._shards else ""]
        parts.append(account_line(running, self._last - self._since))
        self._say(f"{self._stage}: {' · '.join(part for part in parts if part)}")

    def end(self, stage: str, records: int, seconds: float) -> None:
        self._say(f"{stage}: done, {f'{records:,} records, ' if records else ''}{seconds:.1f} s")

    def skip(self, stage: str) -> None:
        self._say(f"{stage}: done before")


class Bars(Quiet):
    """One live line per stage: shards, requests, failures, cached, tokens per second, time left."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description:<14}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[detail]}", style="dim"),
            TimeRemainingColumn(),
            console=console,
        )
        self._progress.start()
        self._task: TaskID | None = None
        self._since = time.monotonic()

    def begin(self, stage: str, shards: int, done: int) -> None:
        self._since = time.monotonic()
        self._task = self._progress.add_task(stage, total=shards or None, completed=done, detail="")

    def tick(self, running: Account, shards_done: int) -> None:
        if self._task is not None:
            detail = account_line(running, time.monotonic() - self._since)
            self._progress.update(self._task, completed=shards_done, detail=detail)

    def end(self, stage: str, records: int, seconds: float) -> None:
        if self._task is not None:
            task = next(task for task in self._progress.tasks if task.id == self._task)
            detail = " · ".join(part for part in (task.fields["detail"], f"{seconds:.1f} s") if part)
            total = task.total or 1
            self._progress.update(self._task, total=total, completed=total, detail=detail)

    def skip(self, stage: str) -> None:
        self._progress.add_task(stage, total=1, completed=1, detail="done before")

    def close(self) -> None:
        self._progress.stop()


def progress_for(stream: TextIO = sys.stderr) -> Quiet:
    """Bars where the stream is a terminal, lines where it is not."""
    console = Console(file=stream)
    return Bars(console) if console.is_terminal and not console.is_dumb_terminal else Lines(stream)

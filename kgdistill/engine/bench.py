"""The bench at which a stage works: teacher and encoder on demand, upstream records, journal, failures and notes."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from kgdistill.contracts import Answer, Card, Dialogue, Encoder, Request, Teacher
from kgdistill.engine.job import Job, Setting, Setup
from kgdistill.engine.layout import find
from kgdistill.errors import KgdistillError
from kgdistill.records import Extraction, Failure, Merge, Pair, Reading, Rewording
from kgdistill.storage.artifact import Artifact
from kgdistill.storage.shards import read_records, record_id
from kgdistill.teacher.dialogue import converse
from kgdistill.teacher.journal import Journal, blueprint_hash, journal_file
from kgdistill.teacher.ledger import Budget, Ledger

Result = TypeVar("Result")

RECORDS: Mapping[str, type[Any]] = {
    "readings": Reading,
    "rewordings": Rewording,
    "names": Merge,
    "pairs": Pair,
    "extractions": Extraction,
}
"""The record type of each kind of artefact that has records."""


class TeacherOnDemand:
    """A teacher that is opened when the first question comes; what it says of itself is known before."""

    def __init__(self, settings: Any) -> None:
        self._settings = settings
        self._opened: Teacher | None = None

    @property
    def _teacher(self) -> Teacher:
        if self._opened is None:
            self._opened = self._settings.open()
        return self._opened

    @property
    def blueprint(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._settings.blueprint()
        return found

    @property
    def card(self) -> Card:
        found: Card = self._settings.card()
        return found

    @property
    def window(self) -> int:
        return self._teacher.window

    def submit(self, ticket: int, request: Request) -> None:
        self._teacher.submit(ticket, request)

    def poll(self) -> list[tuple[int, Answer | Exception]]:
        return self._teacher.poll()

    def count_tokens(self, text: str) -> int:
        return self._teacher.count_tokens(text)

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


class Tools:
    """A worker's teacher and encoder, opened once and kept for all its stages and shards."""

    def __init__(self, setup: Setup) -> None:
        self.teacher = TeacherOnDemand(revive(setup.teacher))
        self._encoder_settings = revive(setup.encoder)
        self._encoder: Encoder | None = None

    @property
    def encoder(self) -> Encoder:
        if self._encoder is None:
            self._encoder = self._encoder_settings.open()
        return self._encoder

    def close(self) -> None:
        self.teacher.close()


def revive(setting: Setting) -> Any:
    """The settings struct that was sent."""
    return msgspec.convert(setting.values, find(setting.implementation))


class WorkBench:
    """The bench for one job; see contracts.Bench."""

    def __init__(self, job: Job, tools: Tools, folder: Path, tick: Callable[[WorkBench], None]) -> None:
        self.job = job
        self.folder = folder
        self.ledger = Ledger()
        self.budget = None if job.allowance is None else Budget(job.allowance)
        self.failures: list[Failure] = []
        self.notes: Counter[str] = Counter()
        self._forgotten = frozenset(job.forgotten)
        self._tools = tools
        self._tick = tick
        self._journal: Journal | None = None
        self._first = job.shard
        self._current = ""

    @property
    def teacher(self) -> Teacher:
        return self._tools.teacher

    @property
    def encoder(self) -> Encoder:
        return self._tools.encoder

    @property
    def base(self) -> str:
        return self.job.base

    @property
    def seed(self) -> int:
        return self.job.seed

    @property
    def run(self) -> str:
        return self.job.run

    @property
    def forgotten(self) -> frozenset[str]:
        return self._forgotten

    def has(self, kind: str) -> bool:
        """Whether an earlier stage gives `kind`, and this one needs or wants it."""
        return kind in self.job.upstream

    def upstream(self, kind: str) -> Path:
        """Folder of the nearest earlier stage that gives `kind`; raises KgdistillError where there is none."""
        if kind not in self.job.upstream:
            raise KgdistillError(f'{self.job.stage} asks for "{kind}", which it does not name, or nobody gives')
        return Path(self.job.upstream[kind])

    @property
    def through(self) -> tuple[Path, ...]:
        """Folders of the shard stages that the records fed have come through, the nearest last."""
        return tuple(map(Path, self.job.through))

    def records(self, kind: str) -> Iterator[Any]:
        """All records of `kind`, over all shards, in order; streaming."""
        return Artifact(self.upstream(kind)).records(RECORDS[kind])

    def feed(self) -> Iterator[Any]:
        """The records that the stage is fed: its shard's, or all."""
        job = self.job
        if job.fed not in RECORDS:  # nothing, or files of another form, which the stage opens itself
            return iter(())
        found = read_records(Path(job.source), RECORDS[job.fed]) if job.source else self.records(job.fed)
        first = next(found, None)
        if first is None:
            return iter(())
        if job.source:
            self._first = record_id(first)
        return self._watched(itertools.chain([first], found))

    def _watched(self, records: Iterator[Any]) -> Iterator[Any]:
        """Remember whose turn it is, so that failures of its dialogues can name their document."""
        for record in records:
            self._current = record_id(record)
            yield record
        self._current = ""

    def converse(self, dialogues: Iterable[Dialogue[Result]]) -> Iterator[Result | None]:
        documents: list[str] = []

        def noted() -> Iterator[Dialogue[Result]]:
            for dialogue in dialogues:
                documents.append(self._current)
                yield dialogue

        results = converse(
            noted(),
            self.teacher,
            self.journal,
            stage=self.job.stage,
            ledger=self.ledger,
            fail=self.fail,
            document_of=documents.__getitem__,
            budget=self.budget,
        )
        with closing(results):  # type: ignore[type-var]
            for result in results:
                self._tick(self)
                yield result

    @property
    def journal(self) -> Journal:
        """The journal of this shard, named by its first record: new settings or documents pay nothing twice."""
        if self._journal is None:
            path = Path(self.job.journal) / journal_file(self._first)
            self._journal = Journal(path, blueprint_hash(self.teacher.blueprint))
        return self._journal

    def fail(self, failure: Failure) -> None:
        if failure.document not in self._forgotten:
            self.failures.append(failure)

    def note(self, name: str, amount: float = 1) -> None:
        self.notes[name] += amount  # type: ignore[assignment]

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()

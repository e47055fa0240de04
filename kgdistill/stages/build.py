"""The building stages: from documents to judged, refined and stored claims."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Protocol, TypeVar, cast

from msgspec.structs import replace

from kgdistill.contracts import Bench, Dialogue, ShardStage, SourceStage
from kgdistill.generate.decontextualize import Decontextualize
from kgdistill.generate.noun_phrases import NounPhrases
from kgdistill.generate.triples import Triples
from kgdistill.judge.combine import Combine, combine
from kgdistill.judge.signals import agreement
from kgdistill.judge.teacher import TeacherJudge
from kgdistill.records import Chunk, ChunkGraph, Claim, Document, Failure, Reading
from kgdistill.storage.sources import fingerprint, read_documents
from kgdistill.text.ground import ground
from kgdistill.text.language import identify
from kgdistill.text.split import split

TEACHER = frozenset({"teacher"})


class _Asking(Protocol):
    """A method that asks a teacher."""

    @property
    def brief(self) -> bool: ...
    @property
    def seed(self) -> int: ...


Method = TypeVar("Method", bound=_Asking)


class Read(SourceStage, frozen=True, forbid_unknown_fields=True):
    """Documents of a folder, glob or file; duplicates and unread languages are set aside with the reason."""

    gives: ClassVar[str] = "readings"
    uses: ClassVar[frozenset[str]] = TEACHER

    path: str
    text_field: str = "text"
    id_field: str = ""
    title_field: str = ""
    languages: tuple[str, ...] | None = None
    """Languages to read (ISO 639-1); None: those on the teacher's card, () every one."""
    duplicates: bool = False
    """Read a text again that an earlier document had."""

    def fingerprint(self) -> str:
        return fingerprint(self.path)

    def run(self, bench: Bench) -> Iterator[Reading]:
        languages = bench.teacher.card.languages if self.languages is None else self.languages
        seen: dict[bytes, str] = {}
        found = read_documents(
            self.path, text_field=self.text_field, id_field=self.id_field, title_field=self.title_field
        )
        for document in found:
            if isinstance(document, Failure):
                bench.fail(document)
                continue
            document = replace(document, language=document.language or identify(document.text))
            first = seen.setdefault(text_digest(document.text), document.id)
            reason = ""
            if first != document.id and not self.duplicates:
                reason = f"duplicate of {first}"
            elif languages and document.language and document.language not in languages:
                reason = f"language: {document.language}"
            if reason:
                short = "language" if reason.startswith("language") else "duplicate"
                bench.fail(Failure("read", document.id, short, "rejected", message=reason))
            yield Reading(document, set_aside=reason)


class Split(ShardStage, frozen=True, forbid_unknown_fields=True):
    """Whole sentences packed into chunks of at most `max_tokens` teacher tokens, without overlap (SynthKG, step 1)."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "readings"
    uses: ClassVar[frozenset[str]] = TEACHER

    max_tokens: int = 256

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        for reading in records:
            if not reading.set_aside:
                chunks = split(reading.document, self.max_tokens, bench.teacher.count_tokens)
                reading = replace(reading, chunks=tuple(map(ChunkGraph, chunks)))
            yield reading


class Decontextualise(Decontextualize, ShardStage, frozen=True, forbid_unknown_fields=True):
    """Chunks rewritten so that each can be read on its own; see generate/decontextualize."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "readings"
    uses: ClassVar[frozenset[str]] = TEACHER

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        method = settled(self, bench)
        for reading in per_reading(records, method, bench):
            yield booked(reading, bench)


class Generate(Triples, ShardStage, frozen=True, forbid_unknown_fields=True):
    """Entities, then propositions with claims, several samples of each chunk; see generate/triples."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "readings"
    uses: ClassVar[frozenset[str]] = TEACHER

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        method = settled(self, bench)
        for reading in per_chunk(records, method, bench):
            yield booked(reading, bench)


class FindNounPhrases(NounPhrases, ShardStage, frozen=True, forbid_unknown_fields=True):
    """A baseline in place of a teacher: pairs of noun phrases and the words between; see generate/noun_phrases.

    It needs no `split`: a document without chunks is read as one.
    """

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "readings"

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        for reading in records:
            chunks = reading.chunks or (ChunkGraph(whole(reading.document)),)
            yield replace(reading, chunks=tuple(self(graph, reading.document.language) for graph in chunks))


class Ground(ShardStage, frozen=True, forbid_unknown_fields=True):
    """Evidence in the document's own characters for every claim that has any."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "readings"

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        for reading in records:
            yield replace(reading, chunks=tuple(ground(graph, reading.document) for graph in reading.chunks))


class Judge(TeacherJudge, ShardStage, frozen=True, forbid_unknown_fields=True):
    """The teacher's P(yes), agreement between samples and grounding, combined by a rule."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "readings"
    uses: ClassVar[frozenset[str]] = TEACHER

    combine: Combine = Combine()

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        method = settled(self, bench)
        agreed = (replace(r, chunks=tuple(agreement(g, g.samples or 1) for g in r.chunks)) for r in records)
        for reading in per_chunk(agreed, method, bench):
            yield booked(reclaimed(reading, lambda claim: combine(claim, self.combine)), bench)


def whole(document: Document) -> Chunk:
    """The document as its only chunk."""
    return Chunk(document.id, 0, 0, len(document.text), document.text)


def reclaimed(reading: Reading, change: Callable[[Claim], Claim]) -> Reading:
    """The reading with every claim changed."""
    chunks = tuple(replace(graph, claims=tuple(map(change, graph.claims))) for graph in reading.chunks)
    return replace(reading, chunks=chunks)


def settled(method: Method, bench: Bench) -> Method:
    """`method` with what its table leaves open: the form of prompts that the teacher reads best, and the run's seed."""
    brief, seed = method.brief or bench.teacher.card.brief, method.seed or bench.seed
    found: Method = replace(cast("Any", method), brief=brief, seed=seed)
    return found


def booked(reading: Reading, bench: Bench) -> Reading:
    """The reading with its chunks' failures entered in the stage's book instead."""
    for graph in reading.chunks:
        for failure in graph.failures:
            bench.fail(failure)
    return replace(reading, chunks=tuple(replace(graph, failures=()) for graph in reading.chunks))


def text_digest(text: str) -> bytes:
    """Equal for texts that differ in white space only; 16 bytes, so that a large corpus's duplicates fit in memory."""
    return hashlib.blake2b(" ".join(text.split()).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def per_reading(
    records: Iterator[Reading], method: Callable[[Reading], Dialogue[Reading]], bench: Bench
) -> Iterator[Reading]:
    """One dialogue for each reading, started as the teacher has room; one that broke leaves its reading as it was."""
    waiting: deque[Reading] = deque()

    def dialogues() -> Iterator[Dialogue[Reading]]:
        for reading in records:
            waiting.append(reading)
            yield method(reading)

    for result in bench.converse(dialogues()):
        before = waiting.popleft()
        yield result or before


def per_chunk(
    records: Iterator[Reading], method: Callable[[ChunkGraph], Dialogue[ChunkGraph]], bench: Bench
) -> Iterator[Reading]:
    """One dialogue for each chunk; a chunk whose dialogue broke stays as it was."""
    waiting: deque[Reading] = deque()

    def dialogues() -> Iterator[Dialogue[ChunkGraph]]:
        for reading in records:
            waiting.append(reading)
            yield from map(method, reading.chunks)

    done: list[ChunkGraph] = []
    for graph in bench.converse(dialogues()):
        while not waiting[0].chunks:
            yield waiting.popleft()
        done.append(graph or waiting[0].chunks[len(done)])
        if len(done) == len(waiting[0].chunks):
            yield replace(waiting.popleft(), chunks=tuple(done))
            done = []
    yield from waiting

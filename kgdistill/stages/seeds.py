"""The source of knowledge that has no document: seeds, of which a model is asked what it knows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from kgdistill.contracts import Bench, SourceStage
from kgdistill.errors import SourceError
from kgdistill.records import Chunk, ChunkGraph, Document, Failure, Reading, RelationSeed, Seed
from kgdistill.storage.seeds import Kind, read_seeds, seed_name
from kgdistill.storage.sources import fingerprint
from kgdistill.text.slots import relation_fault


class Seeds(SourceStage, frozen=True, forbid_unknown_fields=True):
    """Events, pairs of things or relations of a file, a reading each; what is none is refused with the reason."""

    gives: ClassVar[str] = "readings"

    path: str
    kind_of: Kind = "event"
    """What a line of the file holds: "event", "pair" or "relation"."""
    most: int = 0
    """How many to take, from the beginning; 0: all."""
    only: tuple[str, ...] = ()
    """Names of the seeds to take (of relations: their names); none: every one. Another name is an error."""

    def fingerprint(self) -> str:
        return fingerprint(self.path)

    def run(self, bench: Bench) -> Iterator[Reading]:
        taken = 0
        missing = set(self.only)
        for seed in read_seeds(self.path, self.kind_of, relation_fault, bench.note):
            if isinstance(seed, Failure):
                bench.fail(seed)
                continue
            if self.only and seed_name(seed) not in self.only:
                continue
            missing.discard(seed_name(seed))  # before the limit: a name is unknown however few are taken
            if not self.most or taken < self.most:
                taken += 1
                yield seed_reading(seed, Path(self.path).name)
        if missing:
            raise SourceError(f"{self.path} has no usable {self.kind_of} called {min(missing)!r}")


def seed_reading(seed: Seed, source: str) -> Reading:
    """The seed as the record that walks through the building stages: what it says is the document and its one chunk."""
    name = seed_name(seed)
    text = seed.definition if isinstance(seed, RelationSeed) else name
    return Reading(Document(name, text, source), (ChunkGraph(Chunk(name, 0, 0, len(text), text)),), seed=seed)

"""Relations of any kind: prompts for a definition and a few examples, weighed, and the tuples that they harvest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar

from kgdistill.contracts import Bench, Dialogue, ShardStage
from kgdistill.generate.relation_prompts import RelationPrompts
from kgdistill.generate.relations import Relations
from kgdistill.judge.combine import Combine, combine
from kgdistill.judge.consistency import NAME, Consistency, PromptWeights
from kgdistill.records import Reading, RelationSeed
from kgdistill.stages.build import TEACHER, booked, per_reading, reclaimed, settled


class WriteRelationPrompts(RelationPrompts, ShardStage, frozen=True, forbid_unknown_fields=True):
    """More prompts for each relation, by a teacher that writes; see generate/relation_prompts.

    One that only fills blanks cannot: the relation keeps the prompts of its seed, and a note says so.
    """

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "readings"
    uses: ClassVar[frozenset[str]] = TEACHER

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        if bench.teacher.card.fills:
            for reading in records:
                bench.note("relations without paraphrases (the teacher fills blanks and writes nothing)")
                yield reading
            return
        method = settled(self, bench)
        for reading in per_reading(records, method, bench):
            if isinstance(reading.seed, RelationSeed):
                bench.note("prompts", 1 + len(reading.seed.prompts))
            yield booked(reading, bench)


class WeighRelationPrompts(PromptWeights, ShardStage, frozen=True, forbid_unknown_fields=True):
    """Weights for the prompts of each relation; see judge/consistency."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "readings"
    uses: ClassVar[frozenset[str]] = TEACHER

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        for reading in per_reading(records, _for(self, bench), bench):
            if isinstance(reading.seed, RelationSeed):
                bench.note("prompts with a weight", len(reading.seed.weights))
            yield booked(reading, bench)


class HarvestRelations(Relations, ShardStage, frozen=True, forbid_unknown_fields=True):
    """The best tuples of each relation, by a search through the teacher; see generate/relations."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "readings"
    uses: ClassVar[frozenset[str]] = TEACHER

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        for reading in per_reading(records, _for(self, bench), bench):
            bench.note("tuples harvested", len(reading.claims))
            yield booked(reading, bench)


class WeighTuples(Consistency, ShardStage, frozen=True, forbid_unknown_fields=True):
    """How well each tuple fits the weighted prompts, in its best case of letters: its score; see judge/consistency."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "readings"
    uses: ClassVar[frozenset[str]] = TEACHER

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        for reading in per_reading(records, _for(self, bench), bench):
            yield booked(reclaimed(reading, lambda claim: combine(claim, Combine({NAME: 1.0}))), bench)


def _for(method: Callable[[Reading, bool], Dialogue[Reading]], bench: Bench) -> Callable[[Reading], Dialogue[Reading]]:
    """The method for the kind of teacher that this run has."""
    fills = bench.teacher.card.fills
    return lambda reading: method(reading, fills)

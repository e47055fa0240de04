"""What a run of paraphrases found, gathered for its report in one pass: counts for each maker, and pairs to look at."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable

from msgspec import Struct, field

from kgdistill.records import Rewording, TextPair

SHOWN = 12
"""Kept pairs shown; of each rule that drops, `DROPS` are shown."""
DROPS = 3


class PairExample(Struct, frozen=True):
    """A pair with the document behind whose context it was made."""

    pair: TextPair
    document: str


class Maker(Struct):
    """What became of the pairs of a teacher's sentences, or of one student's rewordings."""

    made: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


class FoundPairs(Struct):
    """Everything that was counted and picked out of the rewordings."""

    documents: int = 0
    contexts: int = 0
    sentences: int = 0
    """Different ones behind one context, added up."""
    makers: dict[str, Maker] = field(default_factory=dict)
    kept_examples: list[PairExample] = field(default_factory=list)
    drops: dict[str, list[PairExample]] = field(default_factory=dict)

    @property
    def made(self) -> int:
        return sum(maker.made for maker in self.makers.values())

    @property
    def kept(self) -> int:
        return sum(maker.kept for maker in self.makers.values())

    @property
    def dropped(self) -> Counter[str]:
        return sum((maker.dropped for maker in self.makers.values()), Counter[str]())


def gather_pairs(records: Iterable[Rewording]) -> FoundPairs:
    """Read all rewordings once, keeping counts and the examples that the report shows."""
    found = FoundPairs()
    best: list[tuple[tuple[float, str, str], PairExample]] = []
    for record in records:
        found.documents += 1
        found.contexts += len(record.passages)
        found.sentences += sum(len(passage.sentences) for passage in record.passages)
        own: dict[str, tuple[tuple[float, str, str], PairExample]] = {}
        for pair in record.pairs:
            example = PairExample(pair, record.document.id)
            _count(example, found)
            ranked = (_weaker(pair), pair.id, example.document), example
            if pair.kept and (pair.method not in own or ranked[0] > own[pair.method][0]):
                own[pair.method] = ranked
        for ranked in own.values():  # one of each maker's for a document: more would be of a kind
            if all(ranked[1].pair.id != other.pair.id for _, other in best):
                heapq.heappush(best, ranked) if len(best) < SHOWN else heapq.heappushpop(best, ranked)
    found.kept_examples = [example for _, example in sorted(best, key=lambda one: one[0], reverse=True)]
    return found


def _count(example: PairExample, found: FoundPairs) -> None:
    pair = example.pair
    maker = found.makers.setdefault(pair.method, Maker())
    maker.made += 1
    if not pair.dropped:
        maker.kept += 1
        return
    maker.dropped[pair.dropped.rule] += 1
    picked = found.drops.setdefault(pair.dropped.rule, [])
    if len(picked) < DROPS and all(example.document != other.document for other in picked):
        picked.append(example)


def _weaker(pair: TextPair) -> float:
    """The lower of its scores: how well it serves as an example."""
    return min((verdict.score for verdict in pair.verdicts), default=0.0)

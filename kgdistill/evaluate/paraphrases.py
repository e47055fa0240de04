"""How pairs fare at each filter: how many are left, and which share of a maker's pairs passes, with an interval."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from kgdistill.evaluate.diversity import self_bleu
from kgdistill.evaluate.match import Score
from kgdistill.evaluate.resampling import bootstrap, paired
from kgdistill.records import Rewording, TextPair


class Left(Struct, frozen=True):
    """What is left of one maker's pairs after a filter."""

    method: str
    after: str
    pairs: int
    share: float
    """Of those that the filter before it left; 1.0 where it left none."""
    of_all: float
    contexts: int
    """Documents of which something is left."""


class Passing(Struct, frozen=True):
    """Which share of one maker's pairs passes all tests, over documents, with its 95 % interval."""

    method: str
    documents: int
    pairs: int
    passed: int
    share: float
    low: float
    high: float
    self_bleu: float | None
    """Of the right texts that passed: 1 where all say the same."""


def funnel(records: Iterable[Rewording], rules: Sequence[str], skipped: Sequence[str] = ()) -> list[Left]:
    """For each maker, what is there at first and after each of the rules in turn."""
    rows = [(record.document.id, pair) for record in records for pair in record.pairs]
    found = []
    for method in dict.fromkeys(pair.method for _, pair in rows):
        own = [(name, pair) for name, pair in rows if pair.method == method]
        before, gone = len(own), set[str]()
        for rule in ("made", *rules):
            gone.add(rule)
            left = [(n, pair) for n, pair in own if not pair.dropped or pair.dropped.rule not in gone]
            after = f"{rule} (skipped)" if rule in skipped else rule
            share = len(left) / before if before else 1.0
            contexts = len({name for name, _ in left})
            found.append(Left(method, after, len(left), share, len(left) / max(1, len(own)), contexts))
            before = len(left)
    return found


def passed(pair: TextPair, tests: Sequence[str]) -> bool:
    """Whether the pair passed all tests; rules that only choose among those that did count for nothing."""
    return pair.dropped is None or pair.dropped.rule not in tests


def scores(records: Iterable[Rewording], method: str, tests: Sequence[str]) -> dict[str, Score]:
    """For each document (those passed, all) of the maker's pairs."""
    found: dict[str, Score] = {}
    for record in records:
        own = [pair for pair in record.pairs if pair.method == method]
        known = found.get(record.document.id, Score())
        found[record.document.id] = known + Score(float(sum(passed(pair, tests) for pair in own)), len(own))
    return found


def passing(records: Sequence[Rewording], method: str, tests: Sequence[str], rounds: int = 1000) -> Passing:
    """One maker's share; the interval is by drawing the documents again."""
    each = list(scores(records, method, tests).values())
    total = sum(each, Score())
    low, high = bootstrap(each, _share, rounds)
    texts = [p.right for record in records for p in record.pairs if p.method == method and passed(p, tests)]
    return Passing(
        method, sum(score.predicted > 0 for score in each), total.predicted, round(total.matched), _share(total),
        low, high, self_bleu(texts[:500]),
    )  # fmt: skip


def difference(
    records: Sequence[Rewording], one: str, other: str, tests: Sequence[str], rounds: int = 1000
) -> tuple[float, float, float]:
    """By how much `other`'s share lies above `one`'s, with a paired 95 % interval over the same documents."""
    first: Mapping[str, Score] = scores(records, one, tests)
    second: Mapping[str, Score] = scores(records, other, tests)
    left, right = list(first.values()), [second[name] for name in first]

    def gain(a: Score, b: Score) -> float:
        return _share(b) - _share(a)

    low, high = paired(left, right, gain, rounds)
    return gain(sum(left, Score()), sum(right, Score())), low, high


def _share(score: Score) -> float:
    return score.matched / score.predicted if score.predicted else 0.0

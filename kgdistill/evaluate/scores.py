"""Systems beside each other against gold graphs: every kind of match, coverage, calibration, and facts by length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec import Struct

from kgdistill.contracts import Encoder
from kgdistill.evaluate.match import Comparison, Score, exact, normalised, pairs, total, verbalise
from kgdistill.evaluate.reliability import Reliability, measure
from kgdistill.evaluate.resampling import bootstrap
from kgdistill.records import Fact

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STEPS = 20
"""Points of the threshold sweep."""
BANDS = 3


class Measure(Struct, frozen=True):
    """Precision, recall and F1, each in [0, 1], summed over documents (micro average)."""

    precision: float
    recall: float
    f1: float


class Band(Struct, frozen=True):
    """Documents of similar length."""

    shortest: int
    """Words of the shortest document."""
    longest: int
    documents: int
    facts_per_100_words: float
    gold_per_100_words: float


class Point(Struct, frozen=True):
    """What is left when only facts of at least this score are taken."""

    threshold: float
    share: float
    """Share of all facts that reach the threshold."""
    precision: float
    """Share of these that some gold fact says (`match.Comparison.said`)."""
    recall: float
    """Share of the gold facts that one of these says."""


class Row(Struct, frozen=True):
    """One system. `precision`, `recall` and `f1` are those of the pair match: subject and object found."""

    name: str
    documents: int
    """Documents with gold in which the system found something."""
    facts: int
    precision: float
    recall: float
    f1: float
    low: float
    """Lower end of the 95 % interval of the pair F1, by resampling documents."""
    high: float
    exact: Measure
    normalised: Measure
    pair: Measure
    soft: Measure
    semantic: Measure
    coverage: float
    """Share of gold facts with a predicted one at cosine 0.88 or more (SynthKG, section 4)."""
    semantic_score: float
    """Mean over gold facts of the best cosine (SynthKG, section 4)."""
    relation_accuracy: float | None
    """Share of matched pairs whose relation and polarity are right; None where no pair matches."""
    negation: Measure | None
    """Pair match of negated facts against negated gold; None where no gold fact is negated."""
    bands: tuple[Band, ...]
    calibration: Reliability
    """Fact scores against whether gold says the fact."""
    sweep: tuple[Point, ...]


class Scores(Struct, frozen=True):
    """All systems over the same documents: those that have gold and that some system has read."""

    rows: tuple[Row, ...]
    documents: int = 0
    gold_facts: int = 0
    encoder: str = ""
    """Coverage, soft and semantic figures depend on it."""


def score(
    gold: Mapping[str, Sequence[Fact]],
    systems: Mapping[str, Mapping[str, Sequence[Fact]]],
    encoder: Encoder,
    lengths: Mapping[str, int],
) -> Scores:
    """Score every system on the documents of `gold` (by document id) that at least one system has.

    A system without such a document has found nothing in it. `lengths` counts words; documents that it lacks are left
    out of the length bands. The result depends on nothing but the arguments.
    """
    ids = [document for document in gold if any(document in found for found in systems.values())]
    every = [fact for found in (gold, *systems.values()) for document in ids for fact in found.get(document, ())]
    remembered = Remembered(encoder, every)
    bands = _bands([document for document in ids if document in lengths], lengths)
    rows = tuple(_row(name, found, gold, ids, remembered, bands, lengths) for name, found in systems.items())
    return Scores(rows, len(ids), sum(len(gold[document]) for document in ids), encoder.name)


class Remembered:
    """An encoder that has embedded every wording already, all in one go."""

    def __init__(self, encoder: Encoder, facts: Sequence[Fact]) -> None:
        wordings = sorted({fact.relation for fact in facts} | {verbalise(fact) for fact in facts})
        self.name = encoder.name
        self._places = {wording: place for place, wording in enumerate(wordings)}
        self._vectors = encoder.encode(wordings)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._vectors[[self._places[text] for text in texts]]


def _row(
    name: str,
    found: Mapping[str, Sequence[Fact]],
    gold: Mapping[str, Sequence[Fact]],
    ids: Sequence[str],
    encoder: Encoder,
    bands: Sequence[Sequence[str]],
    lengths: Mapping[str, int],
) -> Row:
    compared = [Comparison(found.get(document, ()), gold[document], encoder) for document in ids]
    matched = [comparison.pairs() for comparison in compared]
    paired = [pair for pair, _ in matched]
    relations = total(right for _, right in matched)
    covered = [comparison.coverage() for comparison in compared]
    low, high = bootstrap(paired, lambda score: score.f1)
    pair = _measure(paired)
    scored = [
        (fact.score, bool(row.any())) for one in compared for fact, row in zip(one.predicted, one.said, strict=True)
    ]
    return Row(
        name=name,
        documents=sum(bool(one.predicted) for one in compared),
        facts=sum(len(one.predicted) for one in compared),
        precision=pair.precision,
        recall=pair.recall,
        f1=pair.f1,
        low=low,
        high=high,
        exact=_measure([exact(one.predicted, one.gold) for one in compared]),
        normalised=_measure([normalised(one.predicted, one.gold) for one in compared]),
        pair=pair,
        soft=_measure([one.soft() for one in compared]),
        semantic=_measure([one.semantic() for one in compared]),
        coverage=total(share for share, _ in covered).recall,
        semantic_score=total(best for _, best in covered).recall,
        relation_accuracy=relations.precision if relations.predicted else None,
        negation=_negation(compared),
        bands=tuple(_band(band, found, gold, lengths) for band in bands),
        calibration=measure([value for value, _ in scored], [right for _, right in scored]),
        sweep=_sweep(compared),
    )


def _measure(scores: Sequence[Score]) -> Measure:
    summed = total(scores)
    return Measure(summed.precision, summed.recall, summed.f1)


def _negation(compared: Sequence[Comparison]) -> Measure | None:
    if not any(fact.negated for one in compared for fact in one.gold):
        return None
    return _measure([pairs(_negated(one.predicted), _negated(one.gold), one.encoder) for one in compared])


def _negated(facts: Sequence[Fact]) -> list[Fact]:
    return [fact for fact in facts if fact.negated]


def _bands(ids: Sequence[str], lengths: Mapping[str, int]) -> list[list[str]]:
    """The documents in `BANDS` parts of equal number, by length."""
    ordered = sorted(ids, key=lambda document: (lengths[document], document))
    cuts = [len(ordered) * part // BANDS for part in range(BANDS + 1)]
    return [ordered[start:end] for start, end in pairwise(cuts) if start < end]


def _band(
    ids: Sequence[str],
    found: Mapping[str, Sequence[Fact]],
    gold: Mapping[str, Sequence[Fact]],
    lengths: Mapping[str, int],
) -> Band:
    words = max(1, sum(lengths[document] for document in ids))
    return Band(
        shortest=lengths[ids[0]],
        longest=lengths[ids[-1]],
        documents=len(ids),
        facts_per_100_words=100 * sum(len(found.get(document, ())) for document in ids) / words,
        gold_per_100_words=100 * sum(len(gold[document]) for document in ids) / words,
    )


def _sweep(compared: Sequence[Comparison]) -> tuple[Point, ...]:
    """Precision and recall at thresholds between which equal numbers of facts lie; facts of one score stay together."""
    import numpy as np

    own = [np.array([fact.score for fact in one.predicted]) for one in compared]
    scores = np.concatenate([*own, np.empty(0)])
    right = np.concatenate([*(one.said.any(axis=1) for one in compared), np.empty(0, bool)])
    # A gold fact is found for as long as the best of the facts that say it is.
    best = [
        np.where(one.said, mine[:, None], -np.inf).max(axis=0, initial=-np.inf)
        for one, mine in zip(compared, own, strict=True)
    ]
    found = np.concatenate([*best, np.empty(0)])
    ordered = np.sort(scores)[::-1]
    ends = {len(ordered) * step // STEPS - 1 for step in range(1, STEPS + 1)} if len(ordered) else set()
    thresholds = sorted({float(ordered[end]) for end in ends if end >= 0}, reverse=True)
    return tuple(
        Point(
            threshold=threshold,
            share=float((scores >= threshold).mean()),
            precision=float(right[scores >= threshold].mean()),
            recall=float((found >= threshold).mean()) if len(found) else 0.0,
        )
        for threshold in thresholds
    )

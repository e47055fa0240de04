"""How comparisons fare at each filter: how many are left, how unlike each other, and how many are right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from kgdistill.evaluate.diversity import self_bleu
from kgdistill.evaluate.match import Score
from kgdistill.evaluate.resampling import bootstrap
from kgdistill.records import Comparative, PairSeed, Reading
from kgdistill.text.comparatives import behind_opening

RULES = (
    "grammar", "same words", "cluster", "contradicted", "discriminator", "repeat", "cap", "circle",
)  # fmt: skip
"""The filters in the order in which they speak."""


class Left(Struct, frozen=True):
    """What is left after one filter."""

    after: str
    statements: int
    pairs: int
    """Pairs of things about which something is left."""
    aspects: int
    self_bleu: float | None
    """Of what the statements say after their opening; None for fewer than two."""
    labelled: int
    valid: int
    """Of the labelled ones."""
    bounds: tuple[float, float] | tuple[None, None] = (None, None)
    """95 % interval of the validity, by drawing pairs again; None where nothing is labelled."""

    @property
    def validity(self) -> float | None:
        return self.valid / self.labelled if self.labelled else None


def funnel(
    readings: Iterable[Reading], labels: Mapping[str, bool] | None = None, skipped: Sequence[str] = ()
) -> list[Left]:
    """What is left at first, and after each filter in turn; `labels` says of statements whether they hold.

    Filters in `skipped` are named as such; other reasons for which a claim was dropped ("low score") are a filter at
    the place where the statement went: the last.
    """
    rows = [row for reading in readings for row in _rows(reading)]
    others = sorted({row.rule for row in rows if row.rule} - set(RULES))
    gone: set[str] = set()
    found = [_left("generated", rows, labels or {})]
    for rule in (*RULES, *others):
        gone.add(rule)
        left = [row for row in rows if row.rule not in gone]
        found.append(_left(f"{rule} (skipped)" if rule in skipped else rule, left, labels or {}))
    return found


class _Row(NamedTuple):
    pair: str
    aspect: str
    statement: str
    said: str
    rule: str


def _rows(reading: Reading) -> Iterator[_Row]:
    seed = reading.seed
    for claim in reading.claims:
        if isinstance(claim, Comparative) and isinstance(seed, PairSeed):
            said = behind_opening(claim.statement, seed.left, seed.right)
            rule = claim.dropped.rule if claim.dropped else ""
            yield _Row(reading.document.id, claim.aspect, claim.statement, said, rule)


def _left(after: str, rows: Sequence[_Row], labels: Mapping[str, bool]) -> Left:
    told: dict[str, list[bool]] = defaultdict(list)
    for row in rows:
        if row.statement in labels:
            told[row.pair].append(labels[row.statement])
    scores = [Score(float(sum(held)), len(held)) for held in told.values()]
    return Left(
        after,
        len(rows),
        len({row.pair for row in rows}),
        len({row.aspect for row in rows}),
        self_bleu(row.said for row in rows),
        sum(map(len, told.values())),
        sum(map(sum, told.values())),
        bootstrap(scores, lambda score: score.precision) if scores else (None, None),
    )

"""A judge checked like an instrument: how many planted false claims of each kind it finds, and what that costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from kgdistill.evaluate.planted import CORRECT, KINDS, kind_of
from kgdistill.records import Claim

SCORES = frozenset({"low score"})
PASSED = frozenset({"repeat", "near repeat", "cap"})
"""Rules whose drops say nothing against a claim."""


class Kind(Struct, frozen=True):
    """Planted claims of one kind, each share with its 95 % interval (Wilson 1927)."""

    name: str
    count: int
    refused: float
    """Share that the rules or the score in use refuse: detection for false claims, the cost for correct ones."""
    low: float
    high: float
    by_score: float
    """Share that the score refuses, where no rule had done so before."""
    teacher: float | None
    """Area under the curve of the teacher's verdict alone, this kind against the correct claims; None: no verdicts."""
    combined: float | None
    """The same of the combined score."""


class Instrument(Struct, frozen=True):
    """All kinds, the correct claims first, then all false ones together, then each kind."""

    rows: tuple[Kind, ...]


def check(claims: Iterable[Claim]) -> Instrument:
    """What became of planted claims after judging and refining; other claims are left out."""
    sorted_out: dict[str, list[Claim]] = {kind: [] for kind in (CORRECT, *KINDS)}
    for claim in claims:
        if kind := kind_of(claim):
            sorted_out[kind].append(claim)
    correct = sorted_out.pop(CORRECT)
    every = [claim for planted in sorted_out.values() for claim in planted]
    groups = {CORRECT: correct, "all false": every, **sorted_out}
    return Instrument(tuple(_kind(name, own, correct) for name, own in groups.items() if own))


def _kind(name: str, claims: Sequence[Claim], correct: Sequence[Claim]) -> Kind:
    rules = [claim.dropped.rule for claim in claims if claim.dropped and claim.dropped.rule not in PASSED]
    low, high = wilson(len(rules), len(claims))
    against = [] if name == CORRECT else claims
    return Kind(
        name=name,
        count=len(claims),
        refused=len(rules) / len(claims),
        low=low,
        high=high,
        by_score=sum(rule in SCORES for rule in rules) / len(claims),
        teacher=_area(correct, against, "teacher"),
        combined=_area(correct, against, "combined"),
    )


def _area(correct: Sequence[Claim], false: Sequence[Claim], judge: str) -> float | None:
    ours, theirs = ([s for c in claims if (s := c.verdict(judge)) is not None] for claims in (correct, false))
    return area(ours, theirs)


def area(right: Sequence[float], wrong: Sequence[float]) -> float | None:
    """Chance that a right claim scores above a wrong one, ties counting half (Mann and Whitney 1947); None without."""
    from scipy.stats import rankdata

    if not right or not wrong:
        return None
    ranks = rankdata([*right, *wrong])
    above = float(ranks[: len(right)].sum()) - len(right) * (len(right) + 1) / 2
    return above / (len(right) * len(wrong))


def wilson(found: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927); (0, 1) where nothing was counted."""
    if not count:
        return 0.0, 1.0
    share, square = found / count, z * z
    middle = (share + square / (2 * count)) / (1 + square / count)
    width = z / (1 + square / count) * ((share * (1 - share) + square / (4 * count)) / count) ** 0.5
    return max(0.0, middle - width), min(1.0, middle + width)

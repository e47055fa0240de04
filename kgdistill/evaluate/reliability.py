"""How far scores can be taken for shares of correct facts: reliability curve, calibration error, Brier score."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct


class Bin(Struct, frozen=True):
    """One point of a reliability curve."""

    score: float
    """Mean score in the bin."""
    correct: float
    """Share of correct facts in the bin."""
    count: int


class Reliability(Struct, frozen=True):
    """A reliability curve with its two summaries; all zero where there was nothing to measure."""

    count: int = 0
    error: float = 0.0
    """Expected calibration error: mean distance of score and share correct over the bins, by count (Naeini 2015)."""
    brier: float = 0.0
    """Mean squared distance between score and label (Brier 1950)."""
    bins: tuple[Bin, ...] = ()


def measure(scores: Sequence[float], labels: Sequence[bool], bins: int = 10) -> Reliability:
    """Reliability over `bins` equal ranges of [0, 1] (1 belongs to the last); empty ranges are left out.

    Raises ValueError for lengths that differ, a score that is not finite, or fewer than one bin.
    """
    if len(scores) != len(labels):
        raise ValueError(f"{len(scores)} scores but {len(labels)} labels")
    if not all(math.isfinite(score) for score in scores):
        raise ValueError("a score is not a finite number")
    if bins < 1:
        raise ValueError("a reliability curve needs at least one bin")
    if not scores:
        return Reliability()
    filled: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for score, label in zip(scores, labels, strict=True):
        filled[min(bins - 1, max(0, int(score * bins)))].append((score, bool(label)))
    curve = tuple(_bin(members) for members in filled if members)
    error = math.fsum(point.count * abs(point.score - point.correct) for point in curve) / len(scores)
    brier = math.fsum((s - bool(label)) ** 2 for s, label in zip(scores, labels, strict=True)) / len(scores)
    return Reliability(len(scores), error, brier, curve)


def _bin(members: list[tuple[float, bool]]) -> Bin:
    score = math.fsum(score for score, _ in members) / len(members)
    return Bin(score, sum(label for _, label in members) / len(members), len(members))

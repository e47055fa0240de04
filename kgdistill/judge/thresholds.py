"""Thresholds: cut-offs of a score that keep a wanted share of what is valid, chosen on validation data only."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

RECALLS = (0.5, 0.6, 0.7, 0.8, 0.9)


class CutOff(Struct, frozen=True):
    """What has at least `score` is kept: `recall` of the valid, at this `precision`, on the data it was chosen on."""

    aim: float
    score: float
    precision: float
    recall: float


def cut_offs(scores: Sequence[float], labels: Sequence[bool], aims: Sequence[float] = RECALLS) -> tuple[CutOff, ...]:
    """For each recall aimed at the highest cut-off that reaches it; a higher aim never has a higher cut-off.

    Raises ValueError for lengths that differ, an aim outside (0, 1], or data without a valid row.
    """
    if len(scores) != len(labels):
        raise ValueError(f"{len(scores)} scores but {len(labels)} labels")
    valid = sorted((score for score, label in zip(scores, labels, strict=True) if label), reverse=True)
    if not valid:
        raise ValueError("no valid row: a recall cannot be aimed at")
    if bad := [aim for aim in aims if not 0 < aim <= 1]:
        raise ValueError(f"a recall lies in (0, 1], not {bad[0]}")
    # The small step back keeps 0.7 x 10 from asking for an eighth row by rounding.
    found = [valid[max(0, math.ceil(aim * len(valid) - 1e-9) - 1)] for aim in aims]
    return tuple(
        CutOff(aim, cut, *precision_and_recall(scores, labels, cut)) for aim, cut in zip(aims, found, strict=True)
    )


def precision_and_recall(scores: Sequence[float], labels: Sequence[bool], cut: float) -> tuple[float, float]:
    """(share of what is kept at `cut` that is valid, share of the valid that is kept); 0.0 where there is nothing."""
    kept = [label for score, label in zip(scores, labels, strict=True) if score >= cut]
    valid = sum(labels)
    return (sum(kept) / len(kept) if kept else 0.0), (sum(kept) / valid if valid else 0.0)


def area(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """Area under the ROC curve: how often a valid row has a higher score than an invalid one, ties counting half.

    0.5 where there are rows of one label only.
    """
    order = sorted(range(len(scores)), key=lambda place: scores[place])
    ranks = [0.0] * len(scores)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and scores[order[end]] == scores[order[start]]:
            end += 1
        for place in order[start:end]:
            ranks[place] = (start + end + 1) / 2
        start = end
    valid = sum(labels)
    if valid in (0, len(labels)):
        return 0.5
    total = math.fsum(rank for rank, label in zip(ranks, labels, strict=True) if label)
    return (total - valid * (valid + 1) / 2) / (valid * (len(labels) - valid))

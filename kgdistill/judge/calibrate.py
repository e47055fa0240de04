"""Calibrate: turn scores into shares of correct claims, learned where gold exists (isotonic regression)."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

from msgspec import Struct

from kgdistill.records import content_id

LEAST = 30
"""Fewer judged claims than this, or claims of one class only, teach nothing."""


class Calibrator(Struct, frozen=True, omit_defaults=True):
    """A rising line through the knots (x, y), flat beyond its ends; without knots it leaves scores alone."""

    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()
    count: int = 0
    """How many judged claims it was fitted on."""
    reason: str = ""
    """Why there is no calibration, where there is none."""

    @property
    def fitted(self) -> bool:
        return bool(self.x)

    def apply(self, score: float) -> float:
        """The calibrated score in [0, 1]; never falls where `score` rises."""
        if not self.x:
            return score
        right = bisect_right(self.x, score)
        if right == 0:
            return self.y[0]
        if right == len(self.x):
            return self.y[-1]
        low, high = self.x[right - 1], self.x[right]
        share = (score - low) / (high - low)
        # The outer min keeps rounding from lifting a score above its right knot, which would break monotony.
        return min(self.y[right], self.y[right - 1] + share * (self.y[right] - self.y[right - 1]))


class Bin(Struct, frozen=True):
    """One point of a reliability curve."""

    score: float
    """Mean score in the bin."""
    correct: float
    """Share of correct claims in the bin."""
    count: int


def fit(scores: Sequence[float], labels: Sequence[bool]) -> Calibrator:
    """Isotonic calibration (Zadrozny and Elkan 2002) of `scores` against `labels` (correct or not), same length.

    Too little gold (fewer than 30 pairs, or one class) gives an unfitted Calibrator that says so in `reason`.
    Raises ValueError for lengths that differ or a score that is not finite.
    """
    _check(scores, labels)
    right = sum(map(bool, labels))
    if len(scores) < LEAST:
        return Calibrator(count=len(scores), reason=f"only {len(scores)} judged claims, {LEAST} are needed")
    if right in (0, len(labels)):
        return Calibrator(
            count=len(scores), reason=f"all {len(scores)} judged claims are {'right' if right else 'wrong'}"
        )
    from sklearn.isotonic import IsotonicRegression

    line = IsotonicRegression(y_min=0.0, y_max=1.0, increasing=True, out_of_bounds="clip")
    line.fit([float(score) for score in scores], [float(bool(label)) for label in labels])
    x = tuple(float(value) for value in line.X_thresholds_)
    y = tuple(min(1.0, max(0.0, float(value))) for value in line.y_thresholds_)
    return Calibrator(x, y, len(scores))


def cross_fit(
    scores: Sequence[float], labels: Sequence[bool], groups: Sequence[str], folds: int = 5
) -> tuple[float, ...]:
    """Each score calibrated by a line that has not seen its group (its document), so that curves are out of sample.

    Groups go to folds by content, never by order. Where the other folds hold too little gold the score stays raw.
    Raises ValueError for lengths that differ or fewer than two folds.
    """
    _check(scores, labels)
    if len(groups) != len(scores):
        raise ValueError(f"{len(scores)} scores but {len(groups)} groups")
    if folds < 2:
        raise ValueError("cross-fitting needs at least two folds")
    ordered = sorted(set(groups), key=lambda group: (content_id("fold", group), group))
    fold_of = {group: place % folds for place, group in enumerate(ordered)}
    own = [fold_of[group] for group in groups]
    lines = {}
    for fold in set(own):
        others = [place for place, other in enumerate(own) if other != fold]
        lines[fold] = fit([scores[place] for place in others], [labels[place] for place in others])
    return tuple(lines[fold].apply(score) for fold, score in zip(own, scores, strict=True))


def reliability(scores: Sequence[float], labels: Sequence[bool], bins: int = 10) -> list[Bin]:
    """Reliability curve over `bins` equal ranges of [0, 1] (1 belongs to the last); empty ones are left out."""
    _check(scores, labels)
    if bins < 1:
        raise ValueError("a reliability curve needs at least one bin")
    filled: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for score, label in zip(scores, labels, strict=True):
        filled[min(bins - 1, max(0, int(score * bins)))].append((score, bool(label)))
    return [
        Bin(
            math.fsum(score for score, _ in members) / len(members),
            sum(label for _, label in members) / len(members),
            len(members),
        )
        for members in filled
        if members
    ]


def expected_calibration_error(scores: Sequence[float], labels: Sequence[bool], bins: int = 10) -> float:
    """Mean distance of score and share correct over the reliability curve, by count (Naeini et al. 2015)."""
    if not scores:
        return 0.0
    curve = reliability(scores, labels, bins)
    return math.fsum(point.count * abs(point.score - point.correct) for point in curve) / len(scores)


def brier(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """Mean squared distance between score and label (Brier 1950); 0 is perfect, and 0.0 for no scores at all."""
    _check(scores, labels)
    if not scores:
        return 0.0
    return math.fsum((score - bool(label)) ** 2 for score, label in zip(scores, labels, strict=True)) / len(scores)


def _check(scores: Sequence[float], labels: Sequence[bool]) -> None:
    if len(scores) != len(labels):
        raise ValueError(f"{len(scores)} scores but {len(labels)} labels")
    if not all(math.isfinite(score) for score in scores):
        raise ValueError("a score is not a finite number")

"""Combine: one score from all verdicts on a claim, by the rule that the recipe names."""

from __future__ import annotations

import math
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from kgdistill.errors import RecipeError
from kgdistill.judge.calibrate import Calibrator
from kgdistill.records import Claim, Verdict

FLOOR = 1e-3
"""Scores are kept this far from 0 and 1 where a logarithm is taken."""


def _default_weights() -> dict[str, float]:
    return {"teacher": 0.6, "agreement": 0.2, "grounding": 0.2}


class Combine(Struct, frozen=True, forbid_unknown_fields=True):
    """How verdicts become the "combined" score. Raises RecipeError for weights that cannot weigh."""

    weights: dict[str, float] = field(default_factory=_default_weights)
    """Weight of each judge by its name; a judge of weight 0 or without an entry is not heard."""
    how: Literal["mean", "product", "minimum", "logistic"] = "mean"
    """Weighted mean, weighted geometric mean, smallest score, or weighted mean of the log-odds."""
    ungrounded: float = 0.3
    """Highest score of a claim without evidence in its document; none for what a model says of itself."""

    def __post_init__(self) -> None:
        bad = [judge for judge, weight in self.weights.items() if not (math.isfinite(weight) and weight >= 0)]
        if bad:
            raise RecipeError(f"combine: the weight of {bad[0]!r} must be a number of at least 0")
        if not any(self.weights.values()):
            raise RecipeError("combine: no judge has a weight above 0; name one, e.g. weights = { teacher = 1.0 }")
        if not 0 <= self.ungrounded <= 1:
            raise RecipeError(f"combine: ungrounded must lie in [0, 1], not {self.ungrounded}")


def combine(claim: Claim, rule: Combine, calibrator: Calibrator | None = None) -> Claim:
    """Append Verdict("combined", score in [0, 1]) made of the latest verdict of each judge that the rule weighs.

    Missing verdicts are left out and the other weights scaled up; the reason says which. A claim on which no weighed
    judge spoke comes back unchanged: "not judged" is not "judged to be wrong". Calibration comes before the cap on
    ungrounded claims, so that the cap always holds.
    """
    heard: list[tuple[float, float]] = []
    missing: list[str] = []
    for judge, weight in rule.weights.items():
        score = claim.verdict(judge)
        if weight == 0:
            continue
        if score is None or math.isnan(score):
            missing.append(judge)
        else:
            heard.append((weight, min(1.0, max(0.0, score))))
    if not heard:
        return claim
    score = _pool(heard, rule.how)
    notes = [f"{rule.how} of {len(heard)}"]
    if missing:
        notes.append("without " + ", ".join(missing))
    if calibrator is not None and calibrator.fitted:
        score = calibrator.apply(score)
        notes.append("calibrated")
    if claim.evidence is None and not claim.said and score > rule.ungrounded:
        score = rule.ungrounded
        notes.append("capped: ungrounded")
    verdict = Verdict("combined", min(1.0, max(0.0, score)), "; ".join(notes))
    return replace(claim, verdicts=(*claim.verdicts, verdict))


def _pool(heard: list[tuple[float, float]], how: str) -> float:
    """One score of (weight, score) pairs."""
    total = math.fsum(weight for weight, _ in heard)
    if how == "minimum":
        return min(score for _, score in heard)
    if how == "product":
        return float(math.prod(score ** (weight / total) for weight, score in heard))
    if how == "logistic":
        odds = math.fsum(weight / total * log_odds(score) for weight, score in heard)
        return 1 / (1 + math.exp(-odds))
    return math.fsum(weight * score for weight, score in heard) / total


def log_odds(score: float, floor: float = FLOOR) -> float:
    """Of a score kept `floor` away from 0 and 1."""
    inside = min(1 - floor, max(floor, score))
    return math.log(inside / (1 - inside))

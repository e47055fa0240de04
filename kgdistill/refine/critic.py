"""The critic's cut: marks as dropped what scores below the cut-off of the recall that a recipe aims at."""

from __future__ import annotations

from kgdistill.records import Claim, Drop, Reading
from kgdistill.refine.rules import mark

JUDGE = "critic"


def criticise(reading: Reading, cut: float, recall: float) -> Reading:
    """Drop claims whose critic's score is below `cut` ("critic"); a claim on which it did not speak passes."""

    def test(claim: Claim) -> Drop | None:
        score = claim.verdict(JUDGE)
        if score is not None and score < cut:
            return Drop("critic", f"P(valid) {score:.3f} is below {cut:.3f}, the cut-off for recall {recall:g}")
        return None

    return mark(reading, test)

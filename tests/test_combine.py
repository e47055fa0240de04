"""The combined score: weights, missing verdicts, rules, calibration and the cap on ungrounded claims."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgdistill.errors import RecipeError
from kgdistill.judge.calibrate import Calibrator
from kgdistill.judge.combine import Combine, combine
from kgdistill.records import Evidence, Span, Triple, Verdict

HOWS = ("mean", "product", "minimum", "logistic")


def claim(grounded: bool = True, **scores: float) -> Triple:
    verdicts = tuple(Verdict(judge, score) for judge, score in scores.items())
    return Triple("1", "A", "r", "B", verdicts=verdicts, evidence=Evidence(Span(0, 1)) if grounded else None)


@pytest.mark.parametrize(
    ("how", "expected"), [("mean", 0.74), ("product", 0.9**0.6 * 0.5**0.4), ("minimum", 0.5), ("logistic", 0.7889)]
)
def test_each_rule(how: str, expected: float) -> None:
    rule = msgspec.convert({"how": how}, Combine)
    assert combine(claim(teacher=0.9, agreement=0.5, grounding=0.5), rule).score == pytest.approx(expected, abs=1e-4)


def test_missing_verdicts_are_left_out_and_named() -> None:
    judged = combine(claim(teacher=0.9, grounding=0.5), Combine())
    assert judged.score == pytest.approx((0.6 * 0.9 + 0.2 * 0.5) / 0.8)
    assert "without agreement" in judged.verdicts[-1].reason
    assert combine(claim(), Combine()) == claim()
    assert combine(claim(teacher=float("nan")), Combine()).verdict("combined") is None


def test_a_judge_of_weight_zero_is_not_heard() -> None:
    assert combine(claim(teacher=0.2, other=0.9), Combine(weights={"teacher": 0.0, "other": 2.0})).score == 0.9


def test_ungrounded_claims_are_capped_after_calibration() -> None:
    lift = Calibrator((0.0, 1.0), (0.9, 1.0), 30)
    assert combine(claim(grounded=False, teacher=0.1), Combine(), lift).score == 0.3
    assert combine(claim(grounded=False, teacher=0.1), Combine()).score == 0.1
    judged = combine(claim(teacher=0.5), Combine(), lift)
    assert judged.score == pytest.approx(0.95) and "calibrated" in judged.verdicts[-1].reason
    assert combine(claim(teacher=0.5), Combine(), Calibrator(reason="too little")).score == 0.5


@given(
    st.dictionaries(st.sampled_from(["teacher", "agreement", "grounding"]), st.floats(0, 1), min_size=1),
    st.sampled_from(HOWS),
)
def test_the_score_lies_between_the_verdicts(scores: dict[str, float], how: str) -> None:
    score = combine(claim(**scores), msgspec.convert({"how": how}, Combine)).score
    slack = 0.002  # log-odds are taken a little inside [0, 1]
    assert min(scores.values()) - slack <= score <= max(scores.values()) + slack and 0 <= score <= 1


@pytest.mark.parametrize(
    "bad", [{"weights": {}}, {"weights": {"teacher": 0.0}}, {"weights": {"teacher": -1.0}}, {"ungrounded": 1.5}]
)
def test_rules_that_cannot_weigh_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(RecipeError):
        Combine(**bad)  # type: ignore[arg-type]

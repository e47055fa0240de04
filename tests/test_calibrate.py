"""Calibration: monotone, clipped, out of sample where reported, refused with a reason where gold is thin."""

from __future__ import annotations

import random
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgdistill.judge.calibrate import (
    Calibrator,
    brier,
    cross_fit,
    expected_calibration_error,
    fit,
    reliability,
)


def overconfident(count: int = 2000, seed: int = 7) -> tuple[list[float], list[bool]]:
    """Scores whose true share of correct claims is their square."""
    chance = random.Random(seed)
    scores = [chance.random() for _ in range(count)]
    return scores, [chance.random() < score**2 for score in scores]


def test_a_fitted_line_mends_overconfidence_out_of_sample() -> None:
    scores, labels = overconfident()
    line = fit(scores, labels)
    fresh, truth = overconfident(seed=8)
    mended = [line.apply(score) for score in fresh]
    assert expected_calibration_error(fresh, truth) > 0.12
    assert expected_calibration_error(mended, truth) < 0.05
    assert brier(mended, truth) < brier(fresh, truth)
    assert line.apply(0.5) == pytest.approx(0.25, abs=0.08)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=30, max_size=60),
    st.lists(st.floats(-1, 2), min_size=2),
)
def test_it_never_falls_and_stays_inside(gold: list[tuple[float, bool]], asked: list[float]) -> None:
    line = fit([score for score, _ in gold], [label for _, label in gold])
    values = [line.apply(score) for score in sorted(asked)]
    if line.fitted:
        assert all(0 <= value <= 1 for value in values)
    assert all(one <= other for one, other in pairwise(values))


def test_a_line_survives_json() -> None:
    line = fit(*overconfident(100))
    assert msgspec.json.decode(msgspec.json.encode(line), type=Calibrator) == line


def test_too_little_gold_says_why_and_leaves_scores_alone() -> None:
    few = fit([0.1] * 29, [True, False] * 14 + [True])
    assert not few.fitted and "29" in few.reason and few.apply(0.3) == 0.3
    one_class = fit([0.1] * 40, [True] * 40)
    assert not one_class.fitted and "right" in one_class.reason


def test_cross_fitting_never_lets_a_document_see_itself() -> None:
    # One document's labels are turned round: only a line that has seen it could follow them.
    scores, labels = overconfident(400)
    groups = [str(place % 10) for place in range(400)]
    out = cross_fit(scores, labels, groups)
    turned = [label != (group == "3") for label, group in zip(labels, groups, strict=True)]
    again = cross_fit(scores, turned, groups)
    own = [place for place, group in enumerate(groups) if group == "3"]
    assert [out[place] for place in own] == [again[place] for place in own]
    assert out != again
    assert expected_calibration_error(out, labels) < expected_calibration_error(scores, labels)


def test_cross_fitting_one_document_leaves_scores_raw() -> None:
    scores, labels = overconfident(50)
    assert cross_fit(scores, labels, ["same"] * 50) == tuple(scores)


def test_measures_of_known_value() -> None:
    assert brier([1.0, 0.0, 0.5], [True, False, True]) == pytest.approx(0.25 / 3)
    curve = reliability([0.05, 0.15, 0.12, 1.0], [False, True, False, True])
    assert [(point.count, point.correct) for point in curve] == [(1, 0.0), (2, 0.5), (1, 1.0)]
    assert expected_calibration_error([0.8, 0.8], [True, False]) == pytest.approx(0.3)
    assert (brier([], []), expected_calibration_error([], []), reliability([], [])) == (0.0, 0.0, [])


def test_input_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="labels"):
        fit([0.1], [])
    with pytest.raises(ValueError, match="finite"):
        brier([float("nan")], [True])
    with pytest.raises(ValueError, match="groups"):
        cross_fit([0.1], [True], [])

"""Scores of systems side by side, with figures worked out by hand."""

from __future__ import annotations

import random
import time

import msgspec
import pytest
from test_match import GOLD, Words

from kgdistill.evaluate.reliability import Bin, measure
from kgdistill.evaluate.scores import Scores, score
from kgdistill.records import Fact

LENGTHS = {"a": 100, "b": 200, "c": 400}
WANTED = {"a": GOLD, "b": (Fact("X", "owns", "Y"), Fact("X", "sells", "Z", negated=True)), "c": ()}


def test_by_hand() -> None:
    systems = {
        "all": WANTED,
        "some": {
            "a": [
                Fact("marie curie", "born in", "Warsaw", score=0.9),
                Fact("Marie Curie", "died", "Warsaw", score=0.2),
            ],
            "b": [Fact("X", "sells", "Z", score=0.6)],
        },
        "none": {},
    }
    scores = score(WANTED, systems, Words(), LENGTHS)
    assert (scores.documents, scores.gold_facts, scores.encoder) == (3, 5, "words")
    whole, some, none = scores.rows
    assert [whole.f1, whole.exact.f1, whole.soft.f1, whole.semantic.f1, whole.coverage] == pytest.approx([1] * 5)
    assert whole.negation and whole.negation.f1 == 1
    assert whole.relation_accuracy == 1
    assert (some.documents, some.facts) == (2, 3)
    assert (some.precision, some.recall) == (pytest.approx(2 / 3), pytest.approx(2 / 5))
    assert some.pair.f1 == some.f1 and some.low <= some.f1 <= some.high
    assert some.exact.f1 == 0
    assert some.normalised.precision == pytest.approx(1 / 3)
    assert some.relation_accuracy == 0.5  # "sells" is denied in gold
    assert some.negation and some.negation.f1 == 0
    bands = [(band.shortest, band.documents, band.facts_per_100_words) for band in some.bands]
    assert bands == [(100, 1, 2), (200, 1, 0.5), (400, 1, 0)]
    assert [b.gold_per_100_words for b in some.bands] == [3, 1, 0]
    assert some.calibration.brier == pytest.approx((0.1**2 + 0.2**2 + 0.6**2) / 3)
    assert [(p.threshold, p.share, p.precision, p.recall) for p in some.sweep] == [
        (0.9, pytest.approx(1 / 3), 1.0, 0.2),
        (0.6, pytest.approx(2 / 3), 0.5, 0.2),
        (0.2, 1.0, pytest.approx(1 / 3), 0.2),
    ]
    assert (none.f1, none.facts, none.relation_accuracy, none.sweep, none.calibration.count) == (0, 0, None, (), 0)


def test_only_documents_that_some_system_read_count() -> None:
    scores = score(WANTED, {"one": {"b": ()}, "other": {}}, Words(), LENGTHS)
    assert (scores.documents, scores.gold_facts) == (1, 2)
    assert score({"a": GOLD}, {"one": {"a": GOLD}}, Words(), {}).rows[0].negation is None


def test_nothing_at_all() -> None:
    assert score({}, {"one": {}}, Words(), {}).rows[0].f1 == 0
    assert score(WANTED, {}, Words(), LENGTHS).rows == ()


def test_the_file_has_the_agreed_shape_and_is_the_same_each_time() -> None:
    systems = {"student": {"a": GOLD[:2], "b": ()}}
    content = msgspec.json.encode(score(WANTED, systems, Words(), LENGTHS))
    row = msgspec.json.decode(content)["rows"][0]
    assert {"name", "documents", "facts", "precision", "recall", "f1", "low", "high"} <= set(row)
    assert content == msgspec.json.encode(score(WANTED, systems, Words(), LENGTHS))
    assert msgspec.json.decode(content, type=Scores).rows[0].facts == 2


def test_hundreds_of_facts_in_several_documents_take_seconds() -> None:
    chance = random.Random(1)
    names = [f"name{n} word{n % 7}" for n in range(300)]

    def some(count: int) -> list[Fact]:
        draw = chance.choice
        return [Fact(draw(names), draw(names[:30]), draw(names), score=chance.random()) for _ in range(count)]

    gold = {str(n): some(30) for n in range(8)}
    systems = {name: {str(n): some(300) for n in range(8)} for name in ("raw", "kept", "student")}
    started = time.process_time()
    score(gold, systems, Words(), dict.fromkeys(gold, 300))
    assert time.process_time() - started < 8


def test_reliability_by_hand() -> None:
    found = measure([0.05, 0.15, 0.15, 1.0], [False, True, False, True])
    assert found.bins == (Bin(0.05, 0.0, 1), Bin(0.15, 0.5, 2), Bin(1.0, 1.0, 1))
    assert found.error == pytest.approx((0.05 + 2 * 0.35 + 0) / 4)
    assert found.brier == pytest.approx((0.05**2 + 0.85**2 + 0.15**2) / 4)
    assert measure([], []).count == 0
    with pytest.raises(ValueError, match="scores but"):
        measure([0.5], [])
    with pytest.raises(ValueError, match="finite"):
        measure([float("nan")], [True])

"""From scored pairs to facts: which of the subjects that an object has is believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kgdistill.distill.students.span_reading import Found, Seen, gather
from kgdistill.records import Span


def found(score: float, subject: str, object_: str, at: int) -> Found:
    """A fact of which the object stands at `at`; no two subjects stand in one place."""
    place = 1000 + 10 * sum(map(ord, subject))
    return Found(score, subject, object_, Span(place, place + 5), Span(at, at + 5), False, "born in", False, False)


def told(*facts: Found, least: float = 0.0) -> dict[tuple[str, str], float]:
    seen = Seen({}, list(facts))
    return {(f.subject, f.object): f.score for f in gather("d", seen, [Span(0, 5000)], 0.3, least).facts}


def test_a_subject_counts_by_its_share_of_the_best_that_its_object_has() -> None:
    scores = told(found(0.8, "Ada", "Turin", 50), found(0.4, "Okoro", "Turin", 50), found(0.4, "Okoro", "1906", 70))
    assert scores == {
        ("Ada", "Turin"): pytest.approx(0.8),
        ("Okoro", "Turin"): pytest.approx(0.2),
        ("Okoro", "1906"): pytest.approx(0.4),
    }


def test_subjects_of_equal_right_keep_their_scores() -> None:
    assert set(told(found(0.7, "Ada", "Maria", 50), found(0.7, "Okoro", "Maria", 50)).values()) == {0.7}


def test_the_same_words_elsewhere_are_another_object() -> None:
    assert told(found(0.8, "Ada", "Turin", 50), found(0.4, "Okoro", "Turin", 90))["Okoro", "Turin"] == 0.4


def test_the_same_said_both_ways_is_believed_one_way() -> None:
    there, back = found(0.8, "Ada", "Byron", 50), found(0.6, "Byron", "Ada", 90)
    assert set(told(back, there)) == {("Ada", "Byron")}
    assert len(told(there, replace(back, relation="child"))) == 2


def test_an_object_inside_of_another_is_none_beside_it() -> None:
    whole = replace(found(0.8, "Ada", "412 people", 50), object_span=Span(50, 60))
    part = replace(found(0.7, "Ada", "412", 50), object_span=Span(50, 53))
    assert set(told(whole, part)) == {("Ada", "412 people")}


@given(st.lists(st.tuples(st.floats(0.05, 1), st.sampled_from("ABCD"), st.sampled_from((50, 70))), max_size=12))
def test_what_is_asked_for_does_not_depend_on_what_is_not(rows: list[tuple[float, str, int]]) -> None:
    facts = [found(score, subject, f"object {at}", at) for score, subject, at in rows]
    everything = told(*facts)
    least = 0.3
    asked = told(*(fact for fact in facts if fact.score >= least), least=least)
    assert asked == {pair: score for pair, score in everything.items() if score >= least}

"""Prompts with slots: filled, found again in a paraphrase, and what is no name."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgdistill.contracts import BLANK
from kgdistill.records import RelationSeed
from kgdistill.text.slots import (
    STOP_WORDS,
    blanked,
    casings,
    examples,
    filled,
    lifted,
    name_fault,
    prompt_fault,
    slots,
    styled,
    weighted,
)

CAPITAL = "<ENT0> is the capital of <ENT1>."
word = st.text(st.characters(categories=["Ll"]), min_size=1, max_size=8)


def test_slots_are_filled_at_once_and_the_beginning_has_a_capital() -> None:
    assert filled(CAPITAL, ("paris", "france")) == "Paris is the capital of france."
    assert filled("the capital of <ENT1> is <ENT0>.", ("<ENT1>", "x")) == "The capital of x is <ENT1>."
    assert slots("<ENT1> has <ENT0>") == (1, 0)
    assert styled("  <ENT0> is  the capital of <ENT1> . ") == CAPITAL


def test_blanks_stand_for_names_or_for_their_first_words() -> None:
    assert blanked(CAPITAL, ("mexico city", "mexico")) == (
        f"{BLANK} is the capital of {BLANK}.",
        ("Mexico city", "mexico"),
    )
    assert blanked(CAPITAL, ("mexico city", "mexico"), whole=False) == (
        f"{BLANK} city is the capital of {BLANK}.",
        ("Mexico", "mexico"),
    )


def test_examples_never_say_a_name_that_is_weighed() -> None:
    seeds = [("paris", "france"), ("tokyo", "japan"), ("cairo", "egypt")]
    assert examples(CAPITAL, seeds, 1) == "Paris is the capital of france.\n"
    shown = examples(CAPITAL, seeds, 2, without=("Paris", "JAPAN"))
    assert shown == "Cairo is the capital of egypt.\n"


@pytest.mark.parametrize(
    ("prompt", "fault"),
    [
        (CAPITAL, ""),
        ('"<ENT0>" and "<ENT1>" differ', ""),
        ("<ENT1>'s capital is <ENT0>", ""),
        ("<ENT0> is the capital", "slots"),
        ("<ENT0> and <ENT0> of <ENT1>", "slots"),
        ("<ENT0> of <ENT1> in <ENT2>", "slots"),
        ("the <ENT0>s of <ENT1>", "glued"),
        ("pre-<ENT0> of <ENT1>", "glued"),
        ("<ENT0> <ENT1>", "empty"),
    ],
)
def test_a_prompt_names_each_thing_once_as_a_word(prompt: str, fault: str) -> None:
    assert prompt_fault(prompt, 2) == fault


@pytest.mark.parametrize(
    ("sentence", "names", "prompt"),
    [
        ("The capital of France is Paris.", ("paris", "france"), "The capital of <ENT1> is <ENT0>"),
        ("Paris is in France. It is big.", ("paris", "france"), "<ENT0> is in <ENT1>"),
        ("you go to the store to buy food", ("go to store", "buy food"), "you <ENT0> to <ENT1>"),
        ("If she is late she must hurry", ("being late", "hurry"), "If she <ENT0> she must <ENT1>"),
        ("A car door is part of a car", ("car door", "car"), "A <ENT0> is part of a <ENT1>"),
        ("Paris is Paris, in France", ("paris", "france"), ""),
        ("A category is no catalogue", ("cat", "catalogue"), ""),
        ("It is the capital", ("paris", "france"), ""),
        ("", ("paris", "france"), ""),
    ],
)
def test_names_are_found_again_once_and_whole(sentence: str, names: tuple[str, ...], prompt: str) -> None:
    """The released code takes "a " out of "banana " and finds "cat" in "category"."""
    assert lifted(sentence, names) == prompt


def test_an_article_goes_only_where_it_is_a_word() -> None:
    assert lifted("banana the bread is a food", ("banana bread", "food")) == "<ENT0> is a <ENT1>"


@settings(deadline=None)
@given(word, word, st.permutations(["alpha", "is", "beyond"]))
def test_filling_and_lifting_are_inverse(one: str, other: str, between: list[str]) -> None:
    names = (f"x{one}", f"y{other}")
    prompt = f"so <ENT0> {' '.join(between)} <ENT1>"
    if not {*names} & {*between, "so"}:
        assert lifted(filled(prompt, names), names) == filled(prompt, ("<ENT0>", "<ENT1>"))


@given(st.text(max_size=60), word, word)
def test_whatever_a_teacher_says_a_lifted_prompt_can_be_filled(said: str, one: str, other: str) -> None:
    found = lifted(said, (one, other))
    assert not found or sorted(slots(found)) == [0, 1]


@pytest.mark.parametrize(
    ("name", "earlier", "fault"),
    [
        ("paris", (), ""),
        ("new york", (), ""),
        ("the city", (), "stop-word"),
        ("uk", (), "short"),
        ("vitamin c", (), "short"),
        ("go up", (), "stop-word"),
        ("bad bad", (), "repeated word"),
        ("paris", ("paris",), "alike"),
        ("steam boat", ("steamboat",), "alike"),
        ("mexico", ("mexico city",), "alike"),
        ("capital", (), "in a prompt"),
        ("cap", (), ""),
    ],
)
def test_what_is_no_name(name: str, earlier: tuple[str, ...], fault: str) -> None:
    assert name_fault(name, earlier, [CAPITAL], STOP_WORDS) == fault


def test_casings_are_all_ways_lower_case_first() -> None:
    assert list(casings(("new york", "usa"))) == [
        ("new york", "usa"), ("new york", "Usa"), ("New York", "usa"), ("New York", "Usa"),
    ]  # fmt: skip
    assert list(casings(("東京", "1"))) == [("東京", "1")]


def test_prompts_that_were_never_weighed_weigh_the_same() -> None:
    seed = RelationSeed("r", "<ENT0> is in <ENT1>", (("a", "b"),), ("<ENT1> has <ENT0>",))
    assert weighted(seed) == {"<ENT0> is in <ENT1>.": 0.5, "<ENT1> has <ENT0>.": 0.5}

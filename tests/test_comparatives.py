"""Comparatives read from statements: aspect, direction, frequency; scales and plurals behind them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgdistill.text.comparatives import Comparison, claim_id, continuation, opening, parse
from kgdistill.text.plurals import mass, plural
from kgdistill.text.scales import Pole, comparative, comparatives, plain_form, pole, poles

SEED = Path(__file__).parent.parent / "data" / "seed" / "comparatives.jsonl"


@pytest.mark.parametrize(
    ("said", "aspect", "direction", "word", "frequency", "auxiliary"),
    [
        (" are typically sweeter.", "sweetness", "more", "sweeter", "typically", "are"),
        (" are often much less sour.", "sourness", "less", "less", "often", "are"),
        (" are always cheaper.", "price", "less", "cheaper", "always", "are"),
        (" are typically more expensive in the north.", "price in the north", "more", "more", "typically", "are"),
        (" are generally lower in fat.", "fat", "less", "lower", "generally", "are"),
        (" have normally more seeds.", "seeds", "more", "more", "normally", "have"),
        (" would often need fewer repairs than cars.", "repairs", "less", "fewer", "often", "would"),
        (" are typically softer on the outside.", "hardness on the outside", "less", "softer", "typically", "are"),
        (" have sharper teeth.", "sharpness of teeth", "more", "sharper", "", "have"),
        (" are typically more brightly coloured.", "brightly coloured", "more", "more", "typically", "are"),
        (" are harder to learn.", "difficulty to learn", "more", "harder", "", "are"),
        (" are harder.", "hardness", "more", "harder", "", "are"),
        (" are typically softer inside.", "hardness inside", "less", "softer", "typically", "are"),
        (" are less fragile.", "sturdiness", "more", "less", "", "are"),
        (" are typically pepperier.", "pepperiness", "more", "pepperier", "typically", "are"),
        (" are better.", "quality", "more", "better", "", "are"),
    ],
)  # fmt: skip
def test_a_statement_is_read(said: str, aspect: str, direction: str, word: str, frequency: str, auxiliary: str) -> None:
    found = parse(said)
    assert isinstance(found, Comparison)
    assert (found.aspect, found.direction, found.word, found.frequency, found.auxiliary) == (
        aspect, direction, word, frequency, auxiliary,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (" are typically red.", "nothing is compared"),
        (" are typically more or less fishy.", "nothing is compared"),
        (" are rather other things.", "nothing is compared"),
        (" are never sweeter.", "'never' denies something"),
        (" are typically more of a choice.", "no aspect is named"),
        (" are typically more.", "no aspect is named"),
        (" are typically more richer.", "more richer compares twice"),
        (" has more usefulness in than banana.", "stops at 'in'"),
        (" are often more useful for.", "stops at 'for'"),
        (" are often softer and.", "stops at 'and'"),
        ("", "nothing is compared"),
    ],
)
def test_what_compares_nothing_says_why(said: str, why: str) -> None:
    assert parse(said) == why


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(said: str) -> None:
    found = parse(said)
    assert isinstance(found, str) or (found.aspect and found.direction in ("more", "less"))


def test_a_comma_in_a_name_does_not_cut_the_statement() -> None:
    """The original takes the clause after the last comma."""
    said = opening("Washington, D.C.", "city") + " are often larger, and older."
    assert continuation(said, "Washington, D.C.", "city") == " are often larger, and older."
    assert continuation("Compared to cats, dogs bark.", "other", "names") == " bark."


def test_more_one_way_is_less_the_other_way() -> None:
    assert claim_id("Lemon", "the banana", "sourness") == claim_id("lemon", "banana", "Sourness")
    assert claim_id("lemon", "banana", "sourness") != claim_id("banana", "lemon", "sourness")


@pytest.mark.parametrize(
    ("word", "plain"),
    [
        ("drier", "dry"), ("bigger", "big"), ("wider", "wide"), ("simpler", "simple"), ("denser", "dense"),
        ("better", "good"), ("fewer", "few"), ("shyer", "shy"), ("harsher", "harsh"), ("bluer", "blue"),
        ("cleverer", "clever"), ("crueler", "cruel"), ("tighter", "tight"), ("Larger", "large"),
        ("other", ""), ("rather", ""), ("clever", ""), ("water", ""), ("more", ""), ("lemon", ""), ("her", ""),
    ],
)  # fmt: skip
def test_forms_in_er_and_words_that_only_look_like_them(word: str, plain: str) -> None:
    """The original takes any adjective that ends in "er", save "other", for a comparative: "clever", "proper"."""
    assert plain_form(word) == plain


def test_every_listed_comparative_leads_back_to_its_scale() -> None:
    words = comparatives()
    assert len(words) > 140 and len(set(words)) == len(words) and {"more", "less", "shorter", "pricier"} <= set(words)
    assert all(plain_form(word) in poles() for word in words[2:])
    assert not {"huger", "gianter", "matter", "nearbier"} & set(words)
    assert comparative("dry") == "drier" and comparative("huge") == "huger"
    assert pole("cheap") == Pole("price", -1) and pole("Peppery") == Pole("pepperiness", 1)
    assert pole("unlistable").aspect == "unlistability"


@pytest.mark.parametrize(
    ("name", "many"),
    [
        ("lemon", "lemons"), ("cherry", "cherries"), ("calf", "calves"), ("mango", "mangoes"), ("sheep", "sheep"),
        ("goldfish", "goldfish"), ("box", "boxes"), ("kiwi", "kiwis"), ("fireman", "firemen"), ("human", "humans"),
        ("glass of milk", "glasses of milk"), ("mother-in-law", "mothers-in-law"), ("Paris", "Paris"), ("milk", "milk"),
        ("breadsticks", "breadsticks"), ("lens", "lenses"), ("house (building)", "houses (building)"), ("", ""),
        ("trousers", "trousers"), ("ice hockey game", "ice hockey games"), ("t2", "t2"), ("bookshelf", "bookshelves"),
    ],
)  # fmt: skip
def test_plurals(name: str, many: str) -> None:
    assert plural(name) == many


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_name_has_a_plural_or_stays(name: str) -> None:
    assert plural(name) == plural(" ".join(name.split()))
    assert isinstance(mass(name), bool)


def test_stuff_is_spoken_of_in_the_singular() -> None:
    assert mass("milk") and mass("mineral water") and mass("milk of goats") and not mass("sheep")


def test_the_seed_statements_are_read() -> None:
    """At least 95 of 100; and wherever the scale is the one that people wrote down, so is the direction."""
    rows = [json.loads(line) for line in SEED.read_bytes().splitlines()]
    found = [(row, parse(continuation(row["statement"], row["left"], row["right"]))) for row in rows]
    read = [(row, comparison) for row, comparison in found if isinstance(comparison, Comparison)]
    assert len(read) >= 0.95 * len(rows)
    same = [(row, comparison) for row, comparison in read if comparison.scale == row["aspect"]]
    assert len(same) >= 200 and all(row["direction"] == comparison.direction for row, comparison in same)
    assert sum(row["statement"].startswith(opening(row["left"], row["right"])) for row in rows) >= 0.99 * len(rows)

"""Pairs made of pairs: whatever is done to a text, spans still hold what they held."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kgdistill.distill.augment import CHANGES, augment
from kgdistill.distill.edits import edited, joined, part
from kgdistill.distill.seed import seed_pairs
from kgdistill.errors import RecipeError
from kgdistill.records import Entity, Fact, Pair, Span
from kgdistill.stages.augment import Augment

SEED = [pair for pair in seed_pairs(Path("data/seed")) if pair.split == "train"][::9]


def held(pair: Pair) -> dict[str, list[str]]:
    """What the text has at each kind of span, in order."""
    facts = (*pair.facts, *pair.negatives)
    return {
        "mentions": [pair.text[s.start : s.end] for e in pair.entities for s in e.spans],
        "subjects": [pair.text[f.subject_span.start : f.subject_span.end] for f in facts if f.subject_span],
        "objects": [pair.text[f.object_span.start : f.object_span.end] for f in facts if f.object_span],
    }


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("pair", SEED, ids=lambda pair: pair.id)
def test_spans_hold_what_they_held(change: str, pair: Pair) -> None:
    made = CHANGES[change](SEED)(pair, random.Random(pair.id))
    if made is None:
        assert change in ("truncated", "recombined", "misspelt")
        return
    before, after = held(pair), held(made)
    if change == "misspelt":
        assert after == before
        assert made.text != pair.text
    elif change == "lowered":
        assert {k: [word.lower() for word in v] for k, v in before.items()} == after
    else:
        every = {k: [word for source in SEED for word in held(source)[k]] for k in before}
        assert all(set(after[k]) <= set(every[k]) for k in after)
    names = {entity.name for entity in made.entities}
    known = {entity.name for entity in pair.entities}
    for fact in made.facts:
        assert 0 <= fact.start < fact.end <= len(made.text)
        assert change == "lowered" or fact.subject in names or fact.subject not in known


def test_a_part_says_only_what_stands_there() -> None:
    text = "Ann met Bo. Bo left Rome."
    ann, bo = Entity("Ann", "person", (Span(0, 3),)), Entity("Bo", "person", (Span(8, 10), Span(12, 14)))
    met = Fact("Ann", "met", "Bo", start=0, end=11, subject_span=Span(0, 3), object_span=Span(8, 10))
    left = Fact("Bo", "left", "Rome", start=12, end=25, subject_span=Span(12, 14), object_span=Span(20, 24))
    false = (replace(met, relation="hit"), replace(left, relation="saw"))
    pair = Pair("d", "d", text, "train", (ann, bo), (met, left), negatives=false)
    second = part(pair, 12, 25)
    assert second.text == "Bo left Rome."
    assert second.entities == (Entity("Bo", "person", (Span(0, 2),)),)
    assert second.facts == (replace(left, start=0, end=13, subject_span=Span(0, 2), object_span=Span(8, 12)),)
    assert second.negatives == (replace(second.facts[0], relation="saw"),)
    both = joined(part(pair, 0, 12), second, "\n")
    assert both.text == "Ann met Bo. \nBo left Rome."
    assert [entity.name for entity in both.entities] == ["Ann", "Bo"]
    assert held(both)["mentions"] == ["Ann", "Bo", "Bo"]
    assert both.facts[1].start == 13
    assert [fact.relation for fact in both.negatives] == ["hit", "saw"]
    assert both.negatives[1] == replace(both.facts[1], relation="saw")


@given(st.text(max_size=40), st.data())
def test_edits_move_every_span_along(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8, unique=True)))
    places = list(zip(cuts[::2], cuts[1::2], strict=False))
    spans = tuple(Span(left[1], right[0]) for left, right in pairwise(places))
    edits = [(start, end, data.draw(st.text(max_size=5))) for start, end in places]
    facts = tuple(Fact("x", "r", "x", 1.0, span.start, span.end, span, span) for span in spans)
    pair = Pair("d", "d", text, "train", (Entity("x", "y", spans),), facts, negatives=facts[::-1])
    made = edited(pair, edits)
    assert held(made) == held(pair)
    assert all(Span(fact.start, fact.end) == fact.subject_span for fact in (*made.facts, *made.negatives))
    assert len(made.text) == len(text) + sum(len(new) - (end - start) for start, end, new in edits)


def test_the_same_seed_makes_the_same_pairs_of_the_training_split_only() -> None:
    others = [replace(SEED[0], id="t", split="test"), replace(SEED[0], id="w", weight=0.5)]
    shares = dict.fromkeys(CHANGES, 0.5)
    made = list(augment([*SEED, *others], shares, 3))
    assert made == list(augment([*SEED, *others], shares, 3))
    assert made != list(augment([*SEED, *others], shares, 4))
    assert all(pair.split == "train" and not pair.id.startswith(("t+", "w+")) for pair in made)
    lowered = sum(pair.id.endswith("+lowered") for pair in made)
    assert 0.3 < lowered / len(SEED) < 0.7, "a share of the pairs is changed, not all"
    assert len({pair.id for pair in made}) == len(made) > len(SEED)


def test_a_change_that_does_not_exist_is_named() -> None:
    with pytest.raises(RecipeError, match="no change is called shuffled; there are truncated"):
        Augment(shares={"shuffled": 0.1})

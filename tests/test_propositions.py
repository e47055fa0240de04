"""Propositions: one block for each sentence whatever a teacher says, the notation, windows, and the four figures."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from cutting import sloppy, tidy
from hypothesis import given, settings
from hypothesis import strategies as st
from test_commonsense import answered

from kgdistill.contracts import Request
from kgdistill.distill.segmenting import reading_cuts, segmenting, segmenting_lessons
from kgdistill.errors import RecipeError
from kgdistill.evaluate.propositions import Cut, by_words, measure, premise_windows
from kgdistill.evaluate.sets import propsegment
from kgdistill.generate.propositions import JUDGE, METHOD, WHOLE, Propositions
from kgdistill.prompts import schemas
from kgdistill.prompts.render import render
from kgdistill.records import Chunk, ChunkGraph, Document, Evidence, Pair, Proposition, Reading, Rewrite, Span, Triple
from kgdistill.text.propositions import (
    distinct,
    read_marked,
    sentences_of,
    unsupported,
    windows,
    wrapped,
    write_marked,
)

SHARED = Path(os.environ.get("KGDISTILL_BENCHMARKS", Path(__file__).parents[2] / "shared" / "benchmarks"))
TEXT = "Ann Lee sang and Bob danced. She was born in Leeds in 1901. She taught Bob and left."


def reading_of(text: str = TEXT, *claims: Triple, rewrite: str = "") -> Reading:
    chunk = Chunk("d", 0, 0, len(text), text, Rewrite(rewrite, 1.0) if rewrite else None)
    return Reading(Document("d", text, "d.txt", language="en"), (ChunkGraph(chunk, claims=claims),))


def said(reading: Reading) -> dict[str, list[str]]:
    """The propositions of each sentence, by the words that stand at their offsets."""
    found: dict[str, list[str]] = {}
    for claim in propositions(reading):
        assert claim.evidence
        span = claim.evidence.sentence
        found.setdefault(reading.document.text[span.start : span.end], []).append(claim.text)
    return found


def propositions(reading: Reading) -> list[Proposition]:
    return [claim for claim in reading.claims if isinstance(claim, Proposition)]


def run(script: Any, reading: Reading | None = None, **settings: Any) -> tuple[Reading, list[Request]]:
    return answered(Propositions(**settings), reading or reading_of(), script=script)


# The notation


texts = st.text().filter(lambda text: any(char.isalnum() for char in text))


@given(st.lists(st.lists(texts)))
def test_the_marked_notation_comes_back(groups: list[list[str]]) -> None:
    plain = [[" ".join(text.replace("<s>", "‹s›").replace("</s>", "‹/s›").split()) for text in g] for g in groups]
    if not any("<s" in text.casefold() or "</s" in text.casefold() for group in plain for text in group):
        assert read_marked(write_marked(groups)) == plain
    assert len(read_marked(write_marked(groups))) == len(groups)


def test_marked_replies_are_read_as_far_as_they_are_whole() -> None:
    assert wrapped(["Ann sang.", "Bob </s> danced."]) == "<s> Ann sang. </s>\n<s> Bob ‹/s› danced. </s>"
    reply = "<s>\n- Ann sang.\nBob danced.\n* Bob left.\n\n</s>\n<s>\n</s>\n<s>\n- cut o"
    assert read_marked(reply) == [["Ann sang.", "Bob danced.", "Bob left."], []]


@given(st.lists(st.integers(1, 50), max_size=30), st.integers(1, 8), st.integers(1, 120), st.integers(0, 5))
def test_windows_cover_every_sentence_once(lengths: list[int], most: int, longest: int, context: int) -> None:
    found = list(windows(lengths, most, longest, context))
    assert [place for w in found for place in range(w.start, w.end)] == list(range(len(lengths)))
    for window in found:
        assert window.context == max(0, window.start - context)
        assert 1 <= window.end - window.start <= most
        assert window.end - window.start == 1 or sum(lengths[window.start : window.end]) <= longest
    with pytest.raises(ValueError, match="at least one"):
        list(windows(lengths or [1], 0, 10, 0))


@given(st.text(alphabet="aB1 .!?\n", max_size=60))
@settings(deadline=None)
def test_sentences_stand_where_they_say(text: str) -> None:
    chunk = Chunk("d", 0, 7, 7 + len(text), text)
    found = sentences_of(chunk, "en")
    assert all(text[s.span.start - 7 : s.span.end - 7] == s.text == s.text.strip() != "" for s in found)
    assert "".join("".join(s.text.split()) for s in found) == "".join(text.split())


def test_a_rewrite_is_used_where_its_sentences_agree() -> None:
    same = reading_of("She sang. He left.", rewrite="Ann sang. Bob left.").chunks[0].chunk
    assert [s.standalone for s in sentences_of(same)] == ["Ann sang.", "Bob left."]
    fewer = reading_of("She sang. He left.", rewrite="Ann sang, and Bob left.").chunks[0].chunk
    assert [s.standalone for s in sentences_of(fewer)] == ["She sang.", "He left."]


@pytest.mark.parametrize(
    ("proposition", "missing"),
    [
        ("Ann Lee was born in Leeds in 1901.", ()),
        ("Ann Lee was born in Leeds in 1902.", ("1902",)),
        ("Ann Lee was born in Paris.", ("Paris",)),
        ("The singer was born in 1,901.", ()),
        ("Ann's teacher was Bob.", ()),
        ("Two of them danced with Carl.", ("Carl",)),
    ],
)
def test_strange_numbers_and_names(proposition: str, missing: tuple[str, ...]) -> None:
    assert unsupported(proposition, TEXT) == missing


def test_repeats_go() -> None:
    assert distinct(["Ann sang.", " ann  sang", "", "...", "Bob danced."]) == ("Ann sang.", "Bob danced.")


# The method


def test_each_sentence_has_its_block() -> None:
    found, asked = run(tidy)
    assert said(found) == {
        "Ann Lee sang and Bob danced.": ["Ann Lee sang.", "Bob danced."],
        "She was born in Leeds in 1901.": ["She was born in Leeds in 1901."],
        "She taught Bob and left.": ["She taught Bob.", "left."],
    }
    assert len(asked) == 1 and "1. Ann Lee sang" in asked[0].prompt and asked[0].schema
    assert {claim.method for claim in propositions(found)} == {METHOD} and not found.failures


def test_a_sentence_without_a_block_is_asked_about_alone_and_then_kept_whole() -> None:
    def script(request: Request, sample: int) -> str:
        first = {"number": 1, "propositions": ["Ann Lee sang.", "ann lee sang", "Carl sang in 1777."]}
        twice = [{"number": 2, "propositions": ["x"]}] * 2
        if "2. She was born" in request.prompt:
            return json.dumps({"sentences": [first, *twice, {"number": 9, "propositions": ["y"]}]})
        return tidy(request) if "1. She was born" in request.prompt else "no"

    found, asked = run(script)
    assert said(found)["She was born in Leeds in 1901."] == ["She was born in Leeds in 1901."]
    assert said(found)["She taught Bob and left."] == ["She taught Bob and left."]
    assert [claim.method for claim in propositions(found)] == [METHOD, METHOD, METHOD, WHOLE]
    assert [request.temperature for request in asked] == [0.0, 0.7, 0.7]
    assert '"""\nAnn Lee sang and Bob danced.\n"""' in asked[1].prompt, "the sentence before is shown"
    assert sorted(failure.reason for failure in found.failures) == ["blocks", "malformed", "no block"]
    strange = propositions(found)[1]
    assert strange.verdict(JUDGE) == 0.0 and "'1777'" in strange.verdicts[0].reason
    assert propositions(found)[0].verdict(JUDGE) == 1.0


@given(st.lists(st.one_of(st.text(max_size=30), st.just(""), st.just('{"sentences":[]}')), min_size=1, max_size=4))
@settings(deadline=None, max_examples=40)
def test_whatever_is_said_each_sentence_has_one_block(replies: list[str]) -> None:
    for form in ("grouped", "marked"):
        found, _ = run(lambda request, sample: replies[len(request.prompt) % len(replies)], form=form)
        assert list(said(found)) == [s.text for s in sentences_of(found.chunks[0].chunk, "en")]
        ids = [claim.id for claim in propositions(found)]
        assert len(set(ids)) == len(ids)


def test_the_notation_of_the_released_models() -> None:
    def script(request: Request, sample: int) -> str:
        blocks = request.prompt.splitlines()
        groups = [[f"{block} is said"] for block in (b.removeprefix("<s> ").removesuffix(" </s>") for b in blocks)]
        return write_marked(groups if len(blocks) != 2 else [*groups, ["one too many"]])

    found, asked = run(script, form="marked", window=2, context=1, again=0)
    assert [request.prompt.count("<s>") for request in asked] == [2, 2] and not asked[0].schema
    # The first window's reply has a block too many, and so has the second's: the sentence before, then its own.
    assert {claim.method for claim in propositions(found)} == {WHOLE}
    found, _ = run(script, form="marked", window=3, again=0)
    assert said(found)["She taught Bob and left."] == ["She taught Bob and left. is said"]


def test_an_embedded_teacher_writes_claims_too() -> None:
    def script(request: Request, sample: int) -> str:
        if request.purpose == "entities":
            return '{"entities": [{"name": "Ann Lee", "type": "person"}]}'
        if "Leeds" not in request.prompt:
            return '{"propositions": []}'
        claims = [
            {"subject": "Ann Lee", "relation": "born in", "object": o, "status": "stated"} for o in ("Leeds", "1901")
        ]
        return json.dumps({"propositions": [{"text": "Ann Lee was born in Leeds in 1901.", "claims": claims}]})

    found, asked = run(script, reading_of(rewrite=TEXT.replace("She", "Ann Lee")), brief=True, again=1)
    triples = [claim for claim in found.claims if isinstance(claim, Triple)]
    [one] = [claim for claim in propositions(found) if claim.method == METHOD]
    assert one.triples == tuple(claim.id for claim in triples) and len(triples) == 2
    assert one.text == "Ann Lee was born in Leeds in 1901." and one.verdict(JUDGE) == 1.0
    assert sum(claim.method == WHOLE for claim in propositions(found)) == 2
    assert len(asked) == 2 + 2 * 4, "two sentences are asked about again"


def test_claims_that_were_there_are_linked_by_their_ends() -> None:
    here = Triple("t1", "Ann Lee", "did", "sang", evidence=Evidence(Span(0, 28)))
    elsewhere = Triple("t2", "Bob", "did", "danced", evidence=Evidence(Span(29, 60)))
    found, _ = run(tidy, reading_of(TEXT, here, elsewhere))
    assert [claim.triples for claim in propositions(found)][:2] == [("t1",), ()]
    assert [claim for claim in found.claims if isinstance(claim, Triple)] == [here, elsewhere]


def test_long_documents_come_in_windows_and_empty_ones_ask_nothing() -> None:
    long = " ".join(f"Ann counted {number} and left." for number in range(40))
    found, asked = run(tidy, reading_of(long), window=6, context=2)
    assert len(said(found)) == 40 and len(asked) == 7
    assert "Before:" not in asked[0].prompt and "Ann counted 5 and left." in asked[1].prompt.partition("Text:")[0]
    found, asked = run(tidy, reading_of("... --- 123"))
    assert not asked and not found.claims
    with pytest.raises(RecipeError, match="window"):
        Propositions(window=0)


def test_a_sloppy_teacher_loses_nothing() -> None:
    long = " ".join(f"Ann counted {number} and left." for number in range(30))
    found, asked = run(sloppy, reading_of(long), window=5)
    assert len(said(found)) == 30 and len(asked) > 6
    kept_whole = [claim for claim in propositions(found) if claim.method == WHOLE]
    assert len(kept_whole) == sum(failure.reason == "no block" for failure in found.failures) < 15


def test_prompts_hold_what_they_promise() -> None:
    full = render("segment", brief=False, previous="Before it.", text='1. x """ y')
    assert full.endswith("Task: segment\n") and '""""\n1. x """ y\n""""' in full
    assert len(render("segment", brief=True, previous="", text="1. x")) < 50
    assert schemas.schema(schemas.Segmentation).count("maxItems") == 2


# The student's lessons


def test_lessons_are_what_the_method_asks() -> None:
    found, asked = run(tidy, window=1, form="grouped", brief=True, context=3)
    cuts = list(reading_cuts(found))
    assert [cut.sentence for cut in cuts] == list(said(found))
    lesson = segmenting(cuts[2], 3)
    assert lesson.turns[0].prompt == asked[2].prompt
    reply = schemas.read(lesson.turns[0].reply, schemas.Segmentation)
    assert [text.strip() for text in reply.sentences[0].propositions] == list(cuts[2].propositions)
    first, second = (next(segmenting_lessons([], cuts, seed)) for seed in (1, 1))
    assert first == second
    with pytest.raises(ValueError, match="no sentences"):
        next(segmenting_lessons([], [], 0))


# The four figures


ANN, GOLD = "Ann sang and Bob danced.", ("Ann sang.", "Bob danced.")


@pytest.mark.parametrize(
    ("said", "figures"),
    [
        (GOLD, (1, 1, 1, 1)),
        ((ANN,), (1, 1, 0, 0)),  # copying the sentence is exposed by the reference-based pair alone
        (("Ann sang.",), (1, 0, 1, 0.5)),
        (("Carl sang.", "Ann sang."), (0.5, 0, 0.5, 0.5)),
        ((), (0, 0, 0, 0)),
    ],
)
@pytest.mark.parametrize("nearest", [0, 5])
def test_worked_examples(said: tuple[str, ...], figures: tuple[float, ...], nearest: int) -> None:
    found = measure([Cut((ANN,), said, GOLD)], by_words, nearest=nearest)
    assert (found.supported, found.covered, found.precision, found.recall) == figures


def test_figures_are_means_over_texts_and_need_gold_for_two() -> None:
    found = measure([Cut((ANN,), GOLD), Cut((ANN,), ())], by_words)
    assert (found.supported, found.covered, found.texts, found.precision, found.f1) == (0.5, 0.5, 2, None, None)
    assert measure([], by_words).supported is None


@given(st.lists(st.text("ab ", min_size=1, max_size=20), max_size=20), st.integers(5, 60))
def test_long_premises_come_in_overlapping_windows(parts: list[str], longest: int) -> None:
    found = premise_windows(parts, longest)
    assert all(any(part in window for window in found) for part in parts)
    assert all(len(window) <= longest or window in parts for window in found)


def test_entailment_by_words_is_calibrated() -> None:
    """The digest's three checks: the same, something else, and one side of a conjunction."""
    pairs = [(ANN, ANN), (ANN, "It rained."), (ANN, "Ann sang."), ("Ann sang.", ANN)]
    assert by_words(pairs) == [1.0, 0.0, 1.0, 0.0]


@pytest.mark.skipif(not (SHARED / "propsegment").is_dir(), reason="PropSegmEnt is not on this machine")
def test_propsegment_is_read() -> None:
    found = list(propsegment.read(SHARED / "propsegment" / "wiki_propositions_dev.jsonl"))
    documents = [pair for pair in found if isinstance(pair, Pair)]
    assert len(documents) == len(found) == 45
    facts = [fact for pair in documents for fact in pair.facts]
    assert 1300 < len(facts) <= 1597 and all(fact.proposition and fact.end > fact.start for fact in facts)

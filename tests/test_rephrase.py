"""Training pairs in other words: no mention is lost, and every span still says what it said."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from kgdistill.distill.paraphraser import rows_of
from kgdistill.distill.rephrase import known_paraphrases, occurrences, rephrase
from kgdistill.records import Drop, Entity, Fact, Pair, Span, TextPair
from kgdistill.text.sentences import sentence_spans

FIRST, SECOND = "Marie Curie won the Nobel Prize in 1903.", "She was born in Warsaw."
TEXT = f"{FIRST} {SECOND}"


def spans(name: str, text: str) -> tuple[Span, ...]:
    return tuple(Span(start, start + len(name)) for start in occurrences(name, text))


def pair(text: str = TEXT) -> Pair:
    [curie], [prize], [warsaw] = (spans(name, text) for name in ("Marie Curie", "Nobel Prize", "Warsaw"))
    end = len(FIRST)
    facts = (
        Fact("Marie Curie", "won", "Nobel Prize", 1.0, 0, end + 1, curie, prize),
        Fact("Marie Curie", "born in", "Warsaw", 1.0, end + 1, len(text), curie, warsaw),
    )
    entities = tuple(Entity(name, "x", spans(name, text)) for name in ("Marie Curie", "Nobel Prize", "Warsaw"))
    return Pair("p", "d", text, "train", entities, facts)


def known(*others: str) -> dict[str, list[str]]:
    return known_paraphrases(TextPair(str(n), FIRST, other) for n, other in enumerate(others))


def check(found: Pair) -> None:
    for entity in found.entities:
        assert entity.spans and all(found.text[s.start : s.end] == entity.name for s in entity.spans)
    for fact in (*found.facts, *found.negatives):
        for name, span in ((fact.subject, fact.subject_span), (fact.object, fact.object_span)):
            assert span is None or found.text[span.start : span.end] == name


def test_a_sentence_is_exchanged_and_all_spans_move_along() -> None:
    new = "In 1903 the Nobel Prize went to Marie Curie."
    found, count = rephrase(pair(), known(new), random.Random(0))
    assert count == 1 and found.text == f"{new} {SECOND}"
    check(found)
    first, second = found.facts
    assert found.text[first.start : first.end].strip() == new
    assert found.text[second.start : second.end] == SECOND


def test_nothing_changes_where_a_mention_would_be_lost() -> None:
    for other in ("In 1903 the Nobel Prize went to Curie.", "Marie Curie, Marie Curie! The Nobel Prize in 1903."):
        assert rephrase(pair(), known(other), random.Random(0)) == (pair(), 0)
    assert rephrase(pair(), {}, random.Random(0)) == (pair(), 0)
    assert rephrase(pair(), known("In 1903 the Nobel Prize went to Marie Curie."), random.Random(0), 0.0)[1] == 0


def test_evidence_of_more_than_the_sentence_stays_as_it_is() -> None:
    whole = pair()
    wide = Fact("Marie Curie", "won", "Warsaw", 1.0, 0, len(TEXT), None, None)
    whole = Pair("p", "d", TEXT, "train", whole.entities, (wide,))
    assert rephrase(whole, known("In 1903 the Nobel Prize went to Marie Curie."), random.Random(0))[1] == 0


def test_evidence_of_less_than_the_sentence_stays_as_it_is() -> None:
    [curie] = spans("Marie Curie", TEXT)
    narrow = Fact("Marie Curie", "is", "known", 1.0, curie.start, curie.end, curie, None)
    part = Pair("p", "d", TEXT, "train", pair().entities, (narrow,))
    assert rephrase(part, known("In 1903 the Nobel Prize went to Marie Curie."), random.Random(0)) == (part, 0)


def test_a_mention_that_would_stand_twice_stays_as_it_is_though_no_fact_names_it() -> None:
    silent = Pair("p", "d", TEXT, "train", pair().entities, ())
    twice = "In 1903 the Nobel Prize went to Marie Curie, yes, Marie Curie."
    assert rephrase(silent, known(twice), random.Random(0)) == (silent, 0)


def test_paraphrases_serve_both_ways_and_dropped_ones_do_not() -> None:
    other = "In 1903 the Nobel Prize went to Marie Curie."
    pairs = [TextPair("1", FIRST, other), TextPair("2", FIRST, "x", dropped=Drop("wording", "x"))]
    assert known_paraphrases(pairs) == {FIRST: [other], other: [FIRST]}
    assert rows_of(pairs[:1], "paraphrase", both_ways=True)[1] == (other, "paraphrase", FIRST)
    assert len(rows_of(pairs[:1], "summary", both_ways=True)) == 1


WORDS = st.sampled_from(["Ann", "Ann Lee", "Bo", "saw", "met", "and", "in", "Rome"])
SENTENCE = st.lists(WORDS, min_size=1, max_size=6).map(lambda words: f"Then {' '.join(words)}.")


@settings(deadline=None)
@given(st.lists(SENTENCE, min_size=1, max_size=4), st.data())
def test_spans_say_what_they_said_whatever_is_exchanged(sentences: list[str], data: st.DataObject) -> None:
    text = "  ".join(sentences)
    names = ["Ann", "Ann Lee", "Bo", "Rome"]
    entities = tuple(Entity(name, "x", spans(name, text)) for name in names if spans(name, text))
    facts = []
    for sentence in sentence_spans(text):
        inside = [(e.name, s) for e in entities for s in e.spans if sentence.start <= s.start and s.end <= sentence.end]
        if inside:
            (one, first), (other, second) = data.draw(st.tuples(st.sampled_from(inside), st.sampled_from(inside)))
            facts.append(Fact(one, "r", other, 1.0, sentence.start, sentence.end, first, second))
    before = Pair("p", "d", text, "train", entities, tuple(facts))
    table = {sentence: data.draw(st.lists(SENTENCE, min_size=1, max_size=3)) for sentence in sentences}
    after, count = rephrase(before, table, random.Random(1))
    check(after)
    assert (count == 0) is (after == before) or after.text == before.text
    assert [len(e.spans) for e in after.entities] == [len(e.spans) for e in before.entities]
    told = set(map(_bare(after.text), sentence_spans(after.text)))
    assert all(_bare(after.text)(Span(f.start, f.end)) in told for f in after.facts)


def _bare(text: str):  # type: ignore[no-untyped-def]
    def bare(span: Span) -> Span:
        said = text[span.start : span.end]
        start = span.start + len(said) - len(said.lstrip())
        return Span(start, start + len(said.strip()))

    return bare

"""Claims tied to the characters of the document."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kgdistill.records import Chunk, ChunkGraph, Claim, Document, Entity, Rewrite, Span, Triple, Verdict
from kgdistill.text.ground import ground

HEAD = "A title before the chunk.\n\n"
BODY = "Ada Lovelace wrote the first program. She was born in London in 1815. Babbage built 3 engines."
TEXT = HEAD + BODY
REWRITE = (
    "Ada Lovelace wrote the first program. Ada Lovelace was born in London in 1815. Charles Babbage built 3 engines."
)


def run(*claims: Claim, rewrite: str = "", entities: tuple[Entity, ...] = ()) -> ChunkGraph:
    document = Document("d", TEXT, "d", language="en")
    form = Rewrite(rewrite, 0.8) if rewrite else None
    chunk = Chunk("d", 1, len(HEAD), len(TEXT), BODY, form)
    return ground(ChunkGraph(chunk, entities, claims), document)


def quoted(span: Span | None) -> str | None:
    return None if span is None else TEXT[span.start : span.end]


def test_both_ends_literal_in_one_sentence() -> None:
    [claim] = run(Triple("1", "babbage", "built", "3  Engines", proposition="Babbage built 3 engines.")).claims
    assert (claim.subject, claim.object) == ("Babbage", "3 engines")
    assert claim.evidence is not None
    assert quoted(claim.evidence.sentence) == "Babbage built 3 engines."
    assert quoted(claim.evidence.subject) == "Babbage"
    assert quoted(claim.evidence.object) == "3 engines"
    assert claim.verdict("grounding") == 1.0


def test_a_pronoun_resolved_earlier_in_the_chunk() -> None:
    [claim] = run(
        Triple("1", "Ada Lovelace", "born in", "London", proposition="Ada Lovelace was born in London.")
    ).claims
    assert claim.evidence is not None
    assert quoted(claim.evidence.sentence) == "She was born in London in 1815."
    assert quoted(claim.evidence.subject) == "Ada Lovelace"
    assert claim.evidence.subject < claim.evidence.sentence
    assert 0 < (claim.verdict("grounding") or 0) < 1


def test_a_name_that_only_the_rewrite_has() -> None:
    said = Triple("1", "Charles Babbage", "built", "3 engines", proposition="Charles Babbage built 3 engines.")
    [claim] = run(said, rewrite=REWRITE).claims
    assert claim.evidence is not None
    assert quoted(claim.evidence.sentence) == "Babbage built 3 engines."
    assert claim.evidence.subject is None
    assert claim.subject == "Charles Babbage"
    assert 0 < (claim.verdict("grounding") or 0) < 1


def test_what_the_text_does_not_say() -> None:
    claims = run(
        Triple("1", "Ada Lovelace", "born in", "1816"),
        Triple("2", "Ada Lovelace", "born in", "Paris", proposition="Ada Lovelace was born in Paris."),
        Triple("3", "Napoleon", "ruled", "France", verdicts=(Verdict("agreement", 1.0), Verdict("grounding", 1.0))),
    ).claims
    for claim in claims:
        assert claim.evidence is None
        assert claim.verdict("grounding") == 0.0
        assert claim.verdicts[-1].reason
    assert "1816" in claims[0].verdicts[-1].reason
    assert [verdict.judge for verdict in claims[2].verdicts] == ["agreement", "grounding"]


def test_entities_get_their_mentions_and_the_documents_spelling() -> None:
    [london, absent] = run(entities=(Entity("LONDON", "place"), Entity("Paris", "place"))).entities
    assert london.name == "London"
    assert [quoted(span) for span in london.spans] == ["London"]
    assert absent == Entity("Paris", "place")


name = st.one_of(st.sampled_from(["Ada Lovelace", "London", "1815", "engines", "🙂", "title"]), st.text(max_size=12))


@given(st.text(max_size=80), st.text(max_size=20), name, name, st.text(max_size=30))
@settings(deadline=None)
def test_offsets_hold_for_any_text(before: str, after: str, subject: str, object_: str, proposition: str) -> None:
    text = before + BODY + after
    document = Document("d", text, "d")
    start = len(before) // 2
    chunk = Chunk("d", 0, start, len(text), text[start:])
    claim = Triple("1", subject, "of", object_, proposition=proposition)
    grounded = ground(ChunkGraph(chunk, (Entity(subject, "thing"),), (claim,)), document)
    [claim] = grounded.claims
    score = claim.verdict("grounding")
    assert score is not None
    assert 0 <= score <= 1
    assert (score == 0) == (claim.evidence is None)
    for span in grounded.entities[0].spans:
        assert start <= span.start < span.end <= len(text)
    if claim.evidence:
        assert start <= claim.evidence.sentence.start < claim.evidence.sentence.end <= len(text)
        sentence = text[claim.evidence.sentence.start : claim.evidence.sentence.end]
        assert sentence == sentence.strip()

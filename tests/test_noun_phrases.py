"""The rule baseline: phrases stand where it says, claims are pairs in a sentence, and a spaCy pipeline can be named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgdistill.errors import RecipeError
from kgdistill.generate.noun_phrases import NounPhrases
from kgdistill.records import Chunk, ChunkGraph
from kgdistill.text.noun_phrases import noun_phrases

SENTENCE = "In 1867 Marie Curie was born in the old city of Warsaw, but she never left the University of Paris."


def graph(text: str, start: int = 0) -> ChunkGraph:
    return ChunkGraph(Chunk("d", 0, start, start + len(text), text))


def said(text: str, **settings: object) -> list[tuple[str, str, str]]:
    found = NounPhrases(**settings)(graph(text))  # type: ignore[arg-type]
    return [(claim.subject, claim.relation, claim.object) for claim in found.claims]


def test_phrases_of_a_sentence() -> None:
    phrases = [SENTENCE[span.start : span.end] for span in noun_phrases(SENTENCE)]
    assert phrases == ["1867 Marie Curie", "old city", "Warsaw", "University of Paris"]
    dated = "She received 3.5 million dollars on 7 November 1911 from Alfred Nobel's foundation."
    assert [dated[span.start : span.end] for span in noun_phrases(dated)] == [
        "3.5 million dollars", "7 November 1911", "Alfred Nobel's",
    ]  # fmt: skip


def test_claims_are_neighbours_with_the_words_between() -> None:
    text = "Ada Byron met Charles Babbage in London. Paris is large."
    assert said(text, reach=1) == [("Ada Byron", "met", "Charles Babbage"), ("Charles Babbage", "in", "London")]
    assert ("Ada Byron", "met charles babbage in", "London") in said(text, reach=2)
    assert not said("Rome and Oslo.", reach=1)
    far = "Rome lies very many long words away from where one would find Oslo."
    assert said(far, most_between=12) and not said(far, most_between=3)


def test_a_denial_makes_the_claim_negated() -> None:
    [claim] = NounPhrases()(graph("Ada Byron never visited Rome.")).claims
    assert (claim.relation, claim.negated) == ("visited", True)


@given(st.text(max_size=200) | st.lists(st.sampled_from(SENTENCE.split()), max_size=30).map(" ".join))
def test_phrases_are_in_order_and_evidence_is_the_documents_own(text: str) -> None:
    spans = noun_phrases(text)
    assert all(left.end <= right.start for left, right in zip(spans, spans[1:], strict=False))  # noqa: RUF007
    assert all(text[span.start : span.end].strip() for span in spans)
    before = "Before it. "
    for claim in NounPhrases()(graph(text, len(before))).claims:
        assert claim.evidence and claim.evidence.subject and claim.evidence.object
        document = before + text
        for name, span in ((claim.subject, claim.evidence.subject), (claim.object, claim.evidence.object)):
            assert name == " ".join(document[span.start : span.end].split())
            assert claim.evidence.sentence.start <= span.start < span.end <= claim.evidence.sentence.end
        assert claim.subject != claim.object
        assert claim.relation == claim.relation.lower() and claim.relation.strip()


def test_a_pipeline_that_is_not_there_is_one_line() -> None:
    with pytest.raises(RecipeError, match="no spaCy pipeline 'en_nowhere'"):
        said(SENTENCE, pipeline="en_nowhere")


def test_a_spacy_pipeline_gives_its_noun_chunks(tmp_path: Path) -> None:
    import spacy
    from spacy.language import Language
    from spacy.tokens import Doc

    @Language.component("toy_parser")
    def parse(document: Doc) -> Doc:
        """ "the X verb Y": a parse of four words by hand."""
        tags = ["DT", "NN", "VBD", "NNP"]
        for token, tag in zip(document, tags, strict=True):
            token.tag_ = tag
        heads = [document[1], document[2], document[2], document[2]]
        for token, head, relation in zip(document, heads, ["det", "nsubj", "ROOT", "dobj"], strict=True):
            token.head, token.dep_ = head, relation
        return document

    nlp = spacy.blank("en")
    nlp.add_pipe("toy_parser", name="parser")
    nlp.to_disk(tmp_path / "toy")
    assert said("the engineer visited Rome", pipeline=str(tmp_path / "toy")) == [("engineer", "visited", "Rome")]
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(RecipeError, match="has no parser"):
        said(SENTENCE, pipeline=str(tmp_path / "blank"))

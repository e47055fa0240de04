"""Where a seed document names its entities: what a student learns of who is who stands or falls with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgdistill.distill.lessons import read_seed
from kgdistill.distill.mentions import _PLURAL, locate_mentions
from kgdistill.distill.seed import seed_pairs
from kgdistill.distill.swaps import SeedDocument, SeedEntity, SeedSentence
from kgdistill.records import Pair, Span

SEED = Path(__file__).resolve().parents[1] / "data" / "seed"


def mentions(text: str, standalone: str, *entities: tuple[str, ...]) -> dict[str, list[str]]:
    """Entities (name, mention, …) of a document of one sentence, each with its mentions as they stand in the text."""
    rows = tuple(SeedEntity(name, "thing", (name, *others)) for name, *others in entities)
    document = SeedDocument("d", "", "", text, (SeedSentence(text, standalone, ()),), rows)
    found = locate_mentions(document, [Span(0, len(text))])
    return {name: [text[span.start : span.end] for span in sorted(spans)] for name, spans in found.items()}


@pytest.mark.parametrize(
    ("standalone", "meant"),
    [
        ("The Okoro Travel Scholarship is small.", "Okoro Travel Scholarship"),
        ("Okoro is small.", "Okoro"),
        ("Okoro's letter is small.", "letter"),
        ("The letter of Okoro is small.", "letter"),
        ("The little letter is small.", "letter"),
        ("The iron ship is small.", None),
    ],
)
def test_a_pronoun_stands_for_the_head_of_what_replaces_it(standalone: str, meant: str | None) -> None:
    entities = ("Okoro Travel Scholarship",), ("Okoro",), ("letter", "it"), ("I", "it")
    found = mentions("It is small.", standalone, *entities)
    assert [name for name, spans in found.items() if "It" in spans] == ([meant] if meant else [])


def test_a_plural_stands_for_all_that_its_replacement_names() -> None:
    found = mentions("They met.", "Ada Byron and Okoro met.", ("Ada Byron", "Ada"), ("Okoro",), ("Byron",))
    assert found == {"Ada Byron": ["They"], "Okoro": ["They"], "Byron": []}


def test_a_pronoun_is_found_by_a_short_name_too() -> None:
    assert mentions("Ada Byron says she wrote.", "Ada Byron says Ada wrote.", ("Ada Byron", "Ada")) == {
        "Ada Byron": ["Ada Byron", "she"]
    }


def test_an_article_is_part_of_a_mention_only_where_it_is_part_of_a_name() -> None:
    text = "The shed of the firm stood by the Dane's, as The Dane and The Hague knew; a shed it was."
    found = mentions(
        text, text, ("shed", "the shed", "The shed"), ("Hague", "The Hague"), ("Utzon", "The Dane", "the firm")
    )
    assert found["shed"] == ["shed", "shed"]
    assert found["Hague"] == ["The Hague"]
    assert found["Utzon"] == ["firm", "Dane", "The Dane"]
    assert mentions("I read the Times.", "I read the Times.", ("the Times",)) == {"the Times": ["the Times"]}


def test_what_is_the_name_of_one_entity_is_a_mention_of_no_other() -> None:
    text = "The mayor of Cork, Ada, is the mayor."
    assert mentions(text, text, ("mayor",), ("Ada", "the mayor", "mayor")) == {
        "mayor": ["mayor", "mayor"],
        "Ada": ["Ada"],
    }


def test_hardly_a_mention_of_the_seed_belongs_to_two() -> None:
    """But for "they", which may stand for several."""
    owners = [
        (pair.id, span)
        for pair in seed_pairs(SEED)
        for entity in pair.entities
        for span in entity.spans
        if quoted(pair, span) not in _PLURAL
    ]
    assert len(set(owners)) > 40_000
    assert len(owners) - len(set(owners)) < 0.003 * len(owners)


def quoted(pair: Pair, span: Span) -> str:
    return pair.text[span.start : span.end].lower()


def test_every_sentence_of_the_seed_is_found_in_its_text() -> None:
    documents = {document.id: document for document in read_seed(SEED)}
    for pair in seed_pairs(SEED):
        for fact in pair.facts:
            said = pair.text[fact.start : fact.end].split()
            assert any(said == sentence.text.split() for sentence in documents[pair.id].sentences), fact

"""The demonstration corpus is what the readers give, and its gold graphs say only what stands in it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from kgdistill.records import Document, Failure
from kgdistill.storage.sources import read_documents
from kgdistill.text.names import find, normal

DATA = Path(__file__).parents[1] / "data"
CORPUS = DATA / "corpus"
FORMATS = {".txt", ".md", ".html", ".pdf", ".docx", ".csv", ".jsonl"}
GERMAN, DUPLICATE, ORIGINAL = "der_buchdruck.txt", "penicillin_copy.txt", "penicillin.txt"


def fold(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


@pytest.fixture(scope="module")
def found() -> list[Document | Failure]:
    return list(read_documents(CORPUS))


@pytest.fixture(scope="module")
def documents(found: list[Document | Failure]) -> dict[str, Document]:
    return {document.id: document for document in found if isinstance(document, Document)}


@pytest.fixture(scope="module")
def gold() -> dict[str, dict[str, Any]]:
    lines = (DATA / "gold" / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    graphs = [json.loads(line) for line in lines]
    assert len({graph["id"] for graph in graphs}) == len(graphs)
    return {graph["id"]: graph for graph in graphs}


def test_at_least_forty_documents_of_a_hundred_to_six_hundred_words(documents: dict[str, Document]) -> None:
    lengths = {id: len(document.text.split()) for id, document in documents.items()}
    assert len(documents) >= 40
    # A heading or the marks of a list count as words too.
    assert not {id: words for id, words in lengths.items() if not 100 <= words <= 620}
    assert sum(words >= 300 for words in lengths.values()) >= 4


def test_every_format_is_there() -> None:
    assert {path.suffix for path in CORPUS.iterdir()} == FORMATS


def test_nothing_fails_but_the_duplicate_that_is_there_on_purpose(found: list[Document | Failure]) -> None:
    assert (CORPUS / DUPLICATE).read_bytes() == (CORPUS / ORIGINAL).read_bytes()
    failures = [failure for failure in found if isinstance(failure, Failure)]
    assert [failure for failure in failures if "duplicate" not in f"{failure.reason} {failure.message}"] == []


def test_one_document_is_german_and_has_no_gold(documents: dict[str, Document], gold: dict[str, Any]) -> None:
    assert len(documents[GERMAN].text.split()) >= 120
    assert "Straßburg" in documents[GERMAN].text
    assert set(documents) - set(gold) <= {GERMAN, DUPLICATE, ORIGINAL}
    assert GERMAN not in gold


def test_every_gold_graph_is_of_a_document_that_is_read(documents: dict[str, Document], gold: dict[str, Any]) -> None:
    assert len(gold) >= 40
    duplicates = {DUPLICATE, ORIGINAL} - set(documents)
    assert len(duplicates) <= 1
    assert set(gold) - set(documents) <= duplicates


def test_encodings_scripts_and_signs_come_through(documents: dict[str, Document]) -> None:
    with pytest.raises(UnicodeDecodeError):
        (CORPUS / "bela_bartok.txt").read_bytes().decode("utf-8")
    assert (CORPUS / "garcia_marquez.txt").read_bytes()[:2] == b"\xff\xfe"
    assert "Nagyszentmiklós" in documents["bela_bartok.txt"].text
    assert "Gabriel García Márquez" in documents["garcia_marquez.txt"].text
    assert all(name in documents["voices_of_the_east.txt"].text for name in ("أم كلثوم", "עפרה חזה", "🎶"))


def test_hostile_text_stays_as_it_is(documents: dict[str, Document]) -> None:
    text = documents["prompt_injection.txt"].text
    assert all(
        sign in text for sign in ("</text>", "<script>alert(1)</script>", '" ; DROP', "<|endoftext|>", "@prefix")
    )


def test_menus_and_scripts_of_pages_are_left_out(documents: dict[str, Document]) -> None:
    pages = [document for id, document in documents.items() if id.endswith(".html")]
    assert len(pages) == 4
    for page in pages:
        assert not re.search(r"Gift shop|Suspension bridges|nofollow|console\.log|createElement|Insects", page.text)


def test_quotes_are_sentences_of_their_documents(documents: dict[str, Document], gold: dict[str, Any]) -> None:
    for id in gold.keys() & documents.keys():
        text = fold(documents[id].text)
        assert [fact["quote"] for fact in gold[id]["facts"] if fold(fact["quote"]) not in text] == [], id


def test_names_stand_in_the_document(documents: dict[str, Document], gold: dict[str, Any]) -> None:
    for id in gold.keys() & documents.keys():
        text = documents[id].text
        names = {entity["name"] for entity in gold[id]["entities"]}
        names |= {fact[end] for fact in gold[id]["facts"] for end in ("subject", "object")}
        assert sorted(name for name in names if find(name, text) is None) == [], id


def test_facts_are_well_formed_and_said_once(gold: dict[str, Any]) -> None:
    for id, graph in gold.items():
        entities = {entity["name"] for entity in graph["entities"]}
        assert len(graph["facts"]) >= 12, id
        triples = [(normal(f["subject"]), f["relation"], normal(f["object"])) for f in graph["facts"]]
        assert len(set(triples)) == len(triples), id
        for fact in graph["facts"]:
            assert set(fact) - {"negated", "hedged"} == {"subject", "relation", "object", "quote"}, (id, fact)
            assert fact["subject"] in entities and normal(fact["subject"]) != normal(fact["object"]), (id, fact)
            relation = fact["relation"]
            assert relation == relation.lower() and 1 <= len(relation.split()) <= 6, (id, fact)
    claims = [fact for graph in gold.values() for fact in graph["facts"]]
    assert any(fact.get("negated") for fact in claims) and any(fact.get("hedged") for fact in claims)


def test_no_document_is_about_a_subject_of_the_seed(documents: dict[str, Document], gold: dict[str, Any]) -> None:
    seed = [
        json.loads(line)
        for file in DATA.glob("*/pairs_*.jsonl")
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    taught = {normal(document["title"]) for document in seed}
    taught |= {normal(document["entities"][0]["name"]) for document in seed if document["entities"]}
    subjects = {normal(graph["entities"][0]["name"]) for graph in gold.values()}
    assert not subjects & taught
    assert not {normal(document.title) for document in documents.values() if document.title} & taught

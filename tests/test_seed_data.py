"""The seed pairs keep the rules they were written by; whatever is distilled from them relies on that."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

SEED = Path(__file__).parents[1] / "data" / "seed"
FILES = [*sorted(SEED.glob("pairs_*.jsonl")), SEED / "example.jsonl"]
FACT_KEYS = {"proposition", "subject", "relation", "object", "negated", "hedged"}

pytestmark = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def fold(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().casefold()


def documents(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def facts(file: Path) -> list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """(where, document, sentence, fact) for every fact, `where` being what a failure should say."""
    return [
        (f"{document['id']}, sentence {number}: {fact}", document, sentence, fact)
        for document in documents(file)
        for number, sentence in enumerate(document["sentences"])
        for fact in sentence["facts"]
    ]


def test_every_document_is_complete_and_its_sentences_are_its_text(file: Path) -> None:
    assert documents(file)
    for document in documents(file):
        assert set(document) >= {"id", "domain", "title", "text", "sentences", "entities"}, document["id"]
        assert all(sentence["text"] and sentence["standalone"] for sentence in document["sentences"]), document["id"]
        joined = " ".join(sentence["text"] for sentence in document["sentences"])
        assert fold(joined) == fold(document["text"]), document["id"]


def test_entities_and_their_mentions_stand_in_the_text(file: Path) -> None:
    for document in documents(file):
        text = fold(document["text"])
        for entity in document["entities"]:
            assert set(entity) == {"name", "type", "mentions"} and entity["mentions"], (document["id"], entity)
            absent = [name for name in (entity["name"], *entity["mentions"]) if fold(name) not in text]
            assert not absent, (document["id"], absent)


def test_facts_join_an_entity_to_something_that_the_sentence_names(file: Path) -> None:
    for where, document, sentence, fact in facts(file):
        assert {"proposition", "subject", "relation", "object"} <= set(fact) <= FACT_KEYS, where
        assert fact["subject"] in {entity["name"] for entity in document["entities"]}, where
        assert fold(fact["subject"]) != fold(fact["object"]), where
        for end in (fact["subject"], fact["object"]):
            assert fold(end) in fold(fact["proposition"]), where
            assert fold(end) in fold(sentence["standalone"]), where


def test_relations_are_short_lower_case_phrases(file: Path) -> None:
    for where, _, _, fact in facts(file):
        relation = fact["relation"]
        assert relation == relation.lower() and "_" not in relation and 1 <= len(relation.split()) <= 6, where


def test_ids_and_titles_are_used_once_in_all_files(file: Path) -> None:
    every = [document for path in FILES for document in documents(path)]
    ids = Counter(document["id"] for document in every)
    titles = Counter(document["title"] for document in every)
    for document in documents(file):
        assert ids[document["id"]] == 1, document["id"]
        assert titles[document["title"]] == 1, document["title"]


def test_there_are_two_thousand_documents_of_many_kinds(file: Path) -> None:
    every = [document for path in FILES for document in documents(path)]
    lengths = sorted(len(document["text"].split()) for document in every)
    assert len(every) >= 2000 and len({document["domain"] for document in every}) >= 100
    assert lengths[0] < 40 and lengths[-1] > 350
    assert sum(not any(s["facts"] for s in document["sentences"]) for document in every) >= 10

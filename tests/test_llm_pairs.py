"""Pairs by other models come in the form of the seed: literal ends, our relation names, a sentence for each fact."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgdistill.distill.llm_pairs import proposition, read_llm_pairs
from kgdistill.distill.swaps import SeedDocument, SeedFact
from kgdistill.errors import SourceError

PUBLIC = Path(os.environ.get("KGDISTILL_BENCHMARKS", Path(__file__).parents[2] / "shared" / "benchmarks")) / "llm_pairs"
TEXT = (
    "Teresa Obi founded the Harmattan Press in Jos in 1994. It was bought by Kelima Books, and it never printed maps."
)


def documents(folder: Path, *triples: list[str], text: str = TEXT) -> list[SeedDocument]:
    content = {"docs": [{"title": "Harmattan Press", "text": text, "extracted_triples": triples}]}
    (folder / "passages.json").write_text(json.dumps(content))
    return list(read_llm_pairs(folder))


def facts(folder: Path, *triples: list[str], text: str = TEXT) -> list[SeedFact]:
    return [fact for d in documents(folder, *triples, text=text) for s in d.sentences for fact in s.facts]


def test_a_triple_becomes_a_fact_with_a_sentence_of_its_own(tmp_path: Path) -> None:
    [fact] = facts(tmp_path, ["Harmattan Press", "bought by", "Kelima Books"])
    assert (fact.subject, fact.relation, fact.object) == ("Harmattan Press", "bought by", "Kelima Books")
    assert fact.proposition == "Harmattan Press was bought by Kelima Books."


@pytest.mark.parametrize(
    ("said", "relation"),
    [
        ("is a", "instance of"),
        ("is located in", "located in"),
        ("current editor is", "current editor"),
        ("IS IN", "located in"),
    ],
)
def test_relations_are_named_as_we_name_them(tmp_path: Path, said: str, relation: str) -> None:
    [fact] = facts(tmp_path, ["Harmattan Press", said, "Jos"])
    assert fact.relation == relation


def test_what_is_denied_keeps_a_positive_relation(tmp_path: Path) -> None:
    [fact] = facts(tmp_path, ["Harmattan Press", "never printed", "maps"])
    assert fact.negated and fact.relation == "printed" and "never" in fact.proposition


@pytest.mark.parametrize(
    "triple",
    [
        ["Harmattan Press", "owned by", "Zenith"],
        ["Harmattan Press", "bought by"],
        ["1994", "year of", "Harmattan Press"],
        ["Jos", "is", "jos"],
        ["", "is", "Jos"],
        ["Harmattan Press", "is one of the many names that it has", "Jos"],
    ],
)
def test_what_the_text_does_not_say_in_these_words_is_left_out(tmp_path: Path, triple: list[str]) -> None:
    assert facts(tmp_path, triple) == []


def test_a_fact_stands_with_the_sentence_that_names_both_ends(tmp_path: Path) -> None:
    [document] = documents(
        tmp_path, ["Teresa Obi", "founded", "Harmattan Press"], ["Harmattan Press", "printed", "maps"]
    )
    assert [len(sentence.facts) for sentence in document.sentences] == [1, 1]


def test_the_marks_of_old_tokenizers_go(tmp_path: Path) -> None:
    [document] = documents(tmp_path, ["Obi", "wrote", "Tide"], text="Obi wrote `` Tide '' , a well - known book.")
    assert document.text == 'Obi wrote "Tide" , a well-known book.'


def test_answers_are_read_too(tmp_path: Path) -> None:
    folder = tmp_path / "refchecker" / "some_context"
    folder.mkdir(parents=True)
    rows = [
        {
            "id": 7,
            "response": "Sage repels mosquitoes.",
            "claude2_response_kg": [{"triplet": ["Sage", "repels", "mosquitoes"]}],
        }
    ]
    rows.append({"id": 8, "response": None, "claude2_response_kg": None})
    (folder / "answers.json").write_text(json.dumps(rows))
    assert [d.id for d in read_llm_pairs(tmp_path)] == ["answers/7"]


def test_a_broken_or_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no document-graph pairs"):
        list(read_llm_pairs(tmp_path))
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(SourceError, match=r"broken\.json"):
        list(read_llm_pairs(tmp_path))


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_a_proposition_holds_both_ends_whatever_they_are(subject: str, said: str, object_: str) -> None:
    found = proposition(subject, said, object_, "")
    assert object_ in found and subject[1:] in found


@pytest.mark.skipif(
    not PUBLIC.is_dir(), reason=f"{PUBLIC.name} is not on this machine; KGDISTILL_BENCHMARKS names its folder"
)
def test_the_public_sets_read_as_seed_documents() -> None:
    read = list(read_llm_pairs(PUBLIC))
    every = [(document, fact) for document in read for s in document.sentences for fact in s.facts]
    assert len(read) > 3000 and len(every) > 18_000
    assert all(fact.object in document.text and fact.relation for document, fact in every)

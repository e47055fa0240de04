"""Readers of public data sets: on samples of our own in each format, on random ones, and on the real sets if there."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import benchmark_samples as samples
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgdistill.evaluate.benchmarks import READERS, read_set, sample, set_of
from kgdistill.evaluate.sets import carb, webnlg
from kgdistill.evaluate.sets.tokens import joined, within
from kgdistill.evaluate.standings import aliases
from kgdistill.records import Failure, Pair
from kgdistill.stages.measure import seed_documents

PUBLIC = Path(os.environ.get("KGDISTILL_BENCHMARKS", samples.HOME.parent / "shared" / "benchmarks"))
TOKENS = st.lists(st.text(alphabet='aB1é😀.,("-%', min_size=1, max_size=4), min_size=1, max_size=12)
WORD = st.text(alphabet="abcdeXYZ", min_size=1, max_size=6)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return samples.folder(tmp_path_factory.mktemp("sets"))


def read(home: Path, name: str, place: str) -> tuple[list[Pair], list[Failure]]:
    found = list(read_set(name, str(home / place), READERS[name]))
    return [one for one in found if isinstance(one, Pair)], [one for one in found if isinstance(one, Failure)]


def triples(pair: Pair) -> list[tuple[str, str, str]]:
    return [(fact.subject, fact.relation, fact.object) for fact in pair.facts]


def test_webnlg_in_words(home: Path) -> None:
    (lake, mira), failures = read(home, "webnlg", "webnlg/dev.jsonl")
    assert not failures
    assert (lake.id, mira.id) == ("webnlg/1", "webnlg/2")
    assert lake.text == samples.WEBNLG[0]["texts"][0]
    assert triples(lake) == [
        ("Lake Orvane", "area total", "12.5"),
        ("Lake Orvane", "located in/country", "Tessaly (region)"),
    ]
    assert triples(mira) == [("Mira Holt", "birth place", "Oslo")]
    assert webnlg.relation("elevationAboveTheSeaLevel_(in_metres)") == "elevation above the sea level (in metres)"
    assert webnlg.relation("ISBN_number") == "ISBN number"


@given(st.lists(st.text(alphabet="abcde", min_size=2, max_size=6), min_size=1, max_size=5))
def test_camel_case_comes_apart(words: list[str]) -> None:
    camel = words[0] + "".join(word.capitalize() for word in words[1:])
    assert webnlg.relation(camel).split() == words


def test_redocred_knows_every_mention(home: Path) -> None:
    [document], failures = read(home, "redocred", "redocred/dev_revised.json")
    assert not failures
    assert document.text == "Mira Holt (born 1950) founded Holt & Sons. Holt never left Oslo."
    assert triples(document) == [("Holt & Sons", "founded by", "Mira Holt"), ("Mira Holt", "date of birth", "1950")]
    assert aliases(document)["Mira Holt"] == ("Holt",)
    assert {entity.type for entity in document.entities} == {"per", "time", "org", "loc"}


def test_crossre_by_token_index(home: Path) -> None:
    [document], failures = read(home, "crossre", "crossre/*-dev.json")
    assert not failures
    assert document.text == "The Perceptron, by Frank Rosen, is a classifier."
    assert triples(document) == [("Perceptron", "origin", "Frank Rosen"), ("Perceptron", "type of", "classifier")]


def test_carb_takes_two_arguments(home: Path) -> None:
    [document], failures = read(home, "carb", "carb/gold_dev.tsv")
    assert not failures
    assert document.text == "She won't sell the house (built in 1950)."
    assert triples(document) == [("She", "will sell", "the house"), ("the house", "built in", "1950")]
    assert [fact.negated for fact in document.facts] == [True, False]


def test_biored_joins_the_names_of_one_thing(home: Path) -> None:
    [document], failures = read(home, "biored", "biored/Dev.PubTator")
    assert not failures
    assert document.id == "biored/7"
    assert triples(document) == [("Aspirin", "negative correlation", "fever")]
    assert aliases(document)["Aspirin"] == ("ASA",)


def test_knowledgenet_leaves_out_what_only_a_pronoun_names(home: Path) -> None:
    [document], failures = read(home, "knowledgenet", "knowledgenet/folds.jsonl")
    assert not failures
    assert triples(document) == [("Mira Holt", "employee of", "Holt & Sons"), ("Mira Holt", "lives in", "Oslo")]


def test_the_seed_gives_its_test_split_only(home: Path) -> None:
    test = list(seed_documents(home / "seed"))
    every = list(seed_documents(home / "seed", every=True))
    assert all(isinstance(pair, Pair) and pair.split == "test" for pair in test)
    assert 0 < len(test) < len(every) / 5
    for pair in test:
        assert isinstance(pair, Pair)
        assert all(0 <= fact.start <= fact.end <= len(pair.text) for fact in pair.facts)


@given(TOKENS)
def test_tokens_are_found_in_the_text_again(tokens: list[str]) -> None:
    text, spans = joined(tokens)
    assert len(spans) == len(tokens)
    assert [text[span.start : span.end] for span in spans] == tokens
    assert text.replace(" ", "") == "".join(tokens)
    assert all(left.end <= right.start <= left.end + 1 for left, right in pairwise(spans))
    assert within(0, len(tokens) - 1, spans).end == len(text)
    with pytest.raises(IndexError):
        within(0, len(tokens), spans)


@given(st.lists(TOKENS, min_size=1, max_size=3), st.data())
def test_any_redocred_mention_is_a_span_of_the_text(sentences: list[list[str]], data: st.DataObject) -> None:
    def mention() -> dict[str, object]:
        sentence = data.draw(st.integers(0, len(sentences) - 1))
        first = data.draw(st.integers(0, len(sentences[sentence]) - 1))
        end = data.draw(st.integers(first + 1, len(sentences[sentence])))
        return {"sent_id": sentence, "pos": [first, end], "type": "MISC"}

    clusters = [[mention() for _ in range(data.draw(st.integers(1, 3)))] for _ in range(data.draw(st.integers(1, 4)))]
    label = {"r": "P7", "h": 0, "t": len(clusters) - 1}
    item = {"sents": sentences, "vertexSet": clusters, "labels": [label]}
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "dev.json"
        path.write_text(json.dumps([item]))
        [pair] = READERS["redocred"](path)
    assert isinstance(pair, Pair)
    for entity, cluster in zip(pair.entities, clusters, strict=True):
        names = {pair.text[span.start : span.end].replace(" ", "") for span in entity.spans}
        wanted = {"".join(sentences[m["sent_id"]][slice(*m["pos"])]) for m in cluster}  # type: ignore[index,misc]
        assert names == wanted
        assert entity.name.replace(" ", "") in wanted
    assert [fact.relation for fact in pair.facts] == ["P7"]


@given(st.lists(st.tuples(WORD, WORD, WORD), min_size=1, max_size=4))
def test_any_carb_row_comes_back(rows: list[tuple[str, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "gold.tsv"
        path.write_text(samples.carb_text([(["A", "sentence", "."], *row) for row in rows]))
        [pair] = carb.read(path)
    assert isinstance(pair, Pair)
    assert triples(pair) == list(dict.fromkeys((subject, relation, object_) for relation, subject, object_ in rows))


def damaged() -> Iterator[tuple[str, str]]:
    """(format, content of a file) that no reader can make sense of."""
    yield "webnlg", '{"triples": [["a", "b"]], "texts": ["x"]}\nnot json\n{"triples": [], "texts": []}\n'
    yield "crossre", '{"sentence": ["a"], "ner": [], "relations": [[0, 0, 5, 5, "x", "", false, false]]}\n[]\n{}\n'
    yield "knowledgenet", '{"start": 0, "text": "a", "facts": [{"property": "X", "spans": [0, 9, 0, 1]}]}\n7\nx\n'
    yield "carb", "a sentence\tonly a relation\nno tab\na\t\t\tx\n"
    yield "redocred", '[1, {"sents": [["a"]], "vertexSet": [[]]}, {"sents": [], "vertexSet": [], "labels": [3]}]'
    yield "biored", "one line\n\n7|t|title\n7|a|abstract\n7\t0\t99\tx\tT\tD1\n\n8|t|a\n8|a|b\n8\tBind\tD1\tD2\tNo\n"


@pytest.mark.parametrize(("name", "content"), list(damaged()), ids=lambda value: value if value in READERS else "")
def test_what_does_not_decode_is_recorded(name: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(content)
    found = list(read_set(name, str(path), READERS[name]))
    assert len(found) == 3
    assert all(isinstance(one, Failure) and one.reason == "malformed" and one.message for one in found)


@pytest.mark.parametrize("name", READERS)
def test_bytes_that_are_no_text_end_in_a_failure(name: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\xff\xfe\x00\x80\n")
    [found] = read_set(name, str(path), READERS[name])
    assert isinstance(found, Failure) and found.reason == "malformed"


def test_a_tuple_without_an_object_is_rejected_by_name(tmp_path: Path) -> None:
    path = tmp_path / "gold.tsv"
    path.write_text("He slept .\tslept\tHe\n")
    [found] = carb.read(path)
    assert isinstance(found, Failure)
    assert (found.reason, found.kind) == ("no object", "rejected")


def test_a_set_that_is_not_there_is_one_rejection(tmp_path: Path) -> None:
    [found] = read_set("webnlg", str(tmp_path / "none.jsonl"), webnlg.read)
    assert isinstance(found, Failure)
    assert (found.reason, found.kind) == ("absent", "rejected")


def test_a_smaller_sample_is_part_of_a_larger(home: Path) -> None:
    pairs = [pair for pair in seed_documents(home / "seed", every=True) if isinstance(pair, Pair)]
    large, small = sample(pairs, 30, 0), sample(reversed(pairs), 10, 0)
    assert small == large[:10]
    assert sample(pairs, 10, 1) != small
    assert set_of("crossre/ai-dev/7") == "crossre"


REAL = {
    "webnlg": ("webnlg/dev.jsonl", 1619, 4706),
    "redocred": ("redocred/dev_revised.json", 500, 17284),
    "crossre": ("crossre/*-dev.json", 2151, 8199),
    "carb": ("carb/gold_dev.tsv", 637, 2400),
    "biored": ("biored/Dev.PubTator", 100, 1162),
    "knowledgenet": ("knowledgenet/knowledgenet_folds.jsonl", 5728, 4500),
}


@pytest.mark.parametrize("name", REAL)
def test_the_real_sets_are_read_whole(name: str) -> None:
    place, documents, facts = REAL[name]
    if not (PUBLIC / name).is_dir():
        pytest.skip(f"the public set {name} is not on this machine (KGDISTILL_BENCHMARKS names its folder)")
    pairs, failures = read(PUBLIC, name, place)
    assert len(pairs) == documents
    assert not [failure for failure in failures if failure.kind == "failed"]
    assert sum(len(pair.facts) for pair in pairs) >= facts
    for pair in pairs:
        assert pair.text.strip()
        assert all(fact.subject.strip() and fact.relation.strip() and fact.object.strip() for fact in pair.facts)
        for entity in pair.entities:
            assert entity.name in {pair.text[span.start : span.end] for span in entity.spans}

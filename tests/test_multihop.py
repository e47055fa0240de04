"""Multi-hop questions: their readers, on samples of our own and on the real sets if there, and what is counted."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgdistill.errors import SourceError
from kgdistill.evaluate.retrieval import Outcome, Piece, answer_found, line, markdown, passages_found
from kgdistill.evaluate.sets.multihop import Question, read

SHARED = Path(__file__).resolve().parents[2] / "shared" / "benchmarks"
PUBLIC = Path(os.environ.get("KGDISTILL_BENCHMARKS", SHARED)) / "multihop"

PASSAGES = [("Ada Holt", "Ada Holt was born in Port Ellery."), ("Port Ellery", "Port Ellery lies on Lower Bramble.")]
PASSAGES += [("Ada Holt", "Ada Holt is also a ship."), ("Salt Harbour", "Salt Harbour has a lighthouse.")]


def folder(path: Path) -> Path:
    """Both sets in small, of our own making."""

    def write(name: str, content: Any) -> None:
        (path / name).write_text(json.dumps(content), encoding="utf-8")

    def paragraphs(*numbers: int, needed: tuple[int, ...]) -> list[dict[str, Any]]:
        return [
            {"idx": n, "title": PASSAGES[n][0], "paragraph_text": PASSAGES[n][1], "is_supporting": n in needed}
            for n in numbers
        ]

    first = {"id": "q1", "question": "Where does Ada Holt's birthplace lie?", "answer": "Lower Bramble"}
    second = {"id": "q2", "question": "What has Salt Harbour?", "answer": "a lighthouse"}
    write("musique_train_corpus.json", [{"title": title, "text": text} for title, text in PASSAGES])
    write(
        "musique_train.json",
        [
            {**first, "answer_aliases": ["Bramble", "Lower Bramble"], "paragraphs": paragraphs(2, 0, 1, needed=(0, 1))},
            {**second, "paragraphs": paragraphs(3, 1, needed=(3,))},
        ],
    )
    write("hotpotqa_train_corpus.json", {"A": ["A is red.", " A is old."], "B": ["B is red."], "C": ["C is blue."]})
    hotpot = {"_id": "h1", "question": "Are A and B of one colour?", "answer": "yes", "level": "easy"}
    facts, context = [["A", 0], ["B", 0], ["A", 1]], [["B", ["…"]], ["A", ["…"]], ["C", ["…"]]]
    write("hotpotqa_train.json", [{**hotpot, "supporting_facts": facts, "context": context}])
    return path


def test_musique(tmp_path: Path) -> None:
    data = read(folder(tmp_path), "musique")
    assert [one.text for one in data.passages] == [f"{title}\n{text}" for title, text in PASSAGES]
    first, second = data.questions
    assert first.answers == ("Lower Bramble", "Bramble") and first.worded
    assert first.supporting == ("musique/0000", "musique/0001"), "two passages have one title"
    assert first.given == ("musique/0002", "musique/0000", "musique/0001")
    assert second.supporting == ("musique/0003",)


def test_hotpotqa(tmp_path: Path) -> None:
    data = read(folder(tmp_path), "hotpotqa")
    assert data.passages[0].text == "A\nA is red. A is old." and data.passages[0].title == "A"
    [question] = data.questions
    assert question.supporting == ("hotpotqa/0000", "hotpotqa/0001") and not question.worded


def test_a_part_of_a_set_has_all_that_its_questions_came_with(tmp_path: Path) -> None:
    data = read(folder(tmp_path), "musique")
    part = data.first(3)
    assert [question.id for question in part.questions] == ["q1"]
    assert {one.id for one in part.passages} == set(part.questions[0].given)
    assert data.first(4) == data and data.first(0) is data and data.first(2).questions == ()


@pytest.mark.parametrize(
    ("name", "content"),
    [("musique_train.json", "{"), ("musique_train_corpus.json", "[{}]"), ("musique_train_corpus.json", "[]")],
)
def test_what_is_not_there_or_broken_is_one_line(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(SourceError, match="No such file"):
        read(tmp_path, "musique")
    (folder(tmp_path) / name).write_text(content)
    with pytest.raises(SourceError) as caught:
        read(tmp_path, "musique")
    assert "\n" not in str(caught.value)
    with pytest.raises(SourceError, match="choose from musique, hotpotqa"):
        read(tmp_path, "triviaqa")


@pytest.mark.parametrize(("name", "passages", "words"), [("musique", 1890, 100), ("hotpotqa", 994, 91)])
def test_the_real_sets(name: str, passages: int, words: int) -> None:
    if not PUBLIC.is_dir():
        pytest.skip("the public sets are not on this machine (KGDISTILL_BENCHMARKS names their folder)")
    data = read(PUBLIC, name)
    assert (len(data.questions), len(data.passages)) == (100, passages)
    texts = {one.id: one.text for one in data.passages}
    assert len(texts) == passages
    assert all(2 <= len(question.supporting) <= 4 for question in data.questions)
    assert all(set(question.supporting) <= set(question.given) <= texts.keys() for question in data.questions)
    assert sum(question.worded for question in data.questions) == words
    everything = [
        Outcome(question, tuple(Piece(id, texts[id]) for id in question.supporting), 1.0) for question in data.questions
    ]
    found = line("gold", everything)
    assert found.passages[5].value == 1 and found.answers[5].value > 0.95


QUESTION = Question("q", "?", ("Port Ellery", "Ellery"), ("a", "b"), ("a", "b", "c"))


def outcome(*documents: str, text: str = "…") -> Outcome:
    return Outcome(QUESTION, tuple(Piece(name, text) for name in documents), 1.0)


def test_a_passage_counts_once_however_many_of_its_sentences_are_found() -> None:
    found = outcome("a", "a", "a", "c", "b")
    assert [passages_found(found, most) for most in (1, 2, 3)] == [0.5, 0.5, 1.0]
    assert passages_found(outcome(), 10) == 0


def test_an_answer_counts_where_it_stands_as_words() -> None:
    for text, expected in (("in port  ELLERY.", 1), ("Ellery's", 1), ("Portellery", 0), ("", 0)):
        assert answer_found(outcome("c", text=text), 5) == expected
    assert answer_found(outcome("c", text="Ellery"), 0) == 0


@given(st.lists(st.sampled_from("abcd"), max_size=12))
def test_more_is_never_less(documents: list[str]) -> None:
    found = [passages_found(outcome(*documents), most) for most in range(13)]
    assert found == sorted(found) and found[-1] == len({"a", "b"} & set(documents)) / 2


def test_a_table_has_a_line_for_each_method() -> None:
    yes = Question("y", "?", ("yes",), ("a",), ("a",))
    found = line("dense", [outcome("a", "c", text="Ellery"), Outcome(yes, (Piece("a", "Yes."),), 3.0)])
    assert (found.passages[2].value, found.passages[2].questions) == (0.75, 2)
    assert (found.answers[2].value, found.answers[2].questions) == (1.0, 1), "yes is no answer that stands in a text"
    assert found.passages[2].low <= 0.75 <= found.passages[2].high and found.milliseconds == 2
    head, rule, row = markdown([found]).splitlines()
    assert head.count("|") == rule.count("|") == row.count("|") and row.startswith("| dense | 0.750 [")

"""The generative student: targets, training with loss on them only, folders, and replies that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from students import pair, tiny_writer

from kgdistill.distill.settings import GenerativeSettings
from kgdistill.distill.students.generative import (
    IGNORE,
    GenerativeStudent,
    graph_text,
    located,
)
from kgdistill.errors import ModelError
from kgdistill.records import Fact, Span
from kgdistill.text.notation import read_lenient
from kgdistill.text.split import sentence_spans


def start(folder: Path, *, paired: bool, rank: int = 4) -> GenerativeStudent:
    model = tiny_writer(folder / "model", paired=paired)
    return GenerativeStudent.start(
        GenerativeSettings(model=str(model), rank=rank, epochs=2, batch=2, max_source=400, max_target=60)
    )


@pytest.mark.parametrize("paired", [False, True])
def test_labels_stand_on_the_target_only(tmp_path: Path, paired: bool) -> None:
    student = start(tmp_path, paired=paired)
    student.config = type(student.config)("generative", paired, 400, 400)
    row = student.row(pair(1))
    assert row is not None
    wanted = [label for label in row["labels"] if label != IGNORE]
    assert student.tokenizer.decode(wanted[:-1]) == graph_text(pair(1))
    assert wanted[-1] == student.tokenizer.eos_token_id
    assert pair(1).text in student.tokenizer.decode(row["input_ids"])
    assert read_lenient(graph_text(pair(1)))[2] == []


def test_a_pair_that_does_not_fit_is_left_out(tmp_path: Path) -> None:
    assert start(tmp_path, paired=False).row(pair(1)) is None


@pytest.mark.parametrize(("paired", "rank"), [(False, 4), (True, 0)])
def test_it_learns_is_kept_and_comes_back(tmp_path: Path, paired: bool, rank: int) -> None:
    student = start(tmp_path, paired=paired, rank=rank)
    student.config = type(student.config)("generative", paired, 400, 200)
    pairs = [pair(i) for i in range(4)]
    figures = student.fit(pairs, pairs[:2], tmp_path / "checkpoints")
    losses = [row["eval_loss"] for row in figures["log"] if "eval_loss" in row]
    assert losses[-1] < losses[0] and figures["too_long"] == 0
    student.config = type(student.config)("generative", paired, 400, 20)
    student.save_pretrained(tmp_path / "saved")
    again = GenerativeStudent.from_pretrained(tmp_path / "saved")
    found = again.extract(pair(1).text, id="d1")
    assert found.id == "d1"
    assert all(failure.stage == "extract" and failure.raw for failure in again.failures)


def test_what_it_writes_is_read_grounded_and_its_faults_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    student = start(tmp_path, paired=False)
    written = graph_text(pair(1)) + "\nno line of ours"
    monkeypatch.setattr(student, "_write", lambda text: (written, 0.75))
    text = pair(1).text
    found = student.extract(text, id="d1")
    assert [(f.subject, f.relation, f.object, f.score) for f in found.facts] == [
        ("Yaw Osei", "born in", "Turin", 0.75),
        ("Yaw Osei", "occupation", "chemist", 0.75),
    ]
    assert text[found.facts[1].start : found.facts[1].end].startswith("She was a chemist")
    assert found.entities[0].spans == (Span(0, 8),)
    assert [failure.reason for failure in student.failures] == ["malformed"]
    assert [f.relation for f in student.extract(text, relations=["Born in"]).facts] == ["born in"]
    assert student.extract(text, 0.9).facts == ()


def test_a_long_text_is_read_in_runs_of_whole_sentences(tmp_path: Path) -> None:
    student = start(tmp_path, paired=False)
    text = " ".join(pair(i).text for i in range(12))
    runs = student._runs(text, sentence_spans(text))
    assert len(runs) > 1 and "".join(text[r.start : r.end] for r in runs) == text
    assert all(len(student._source(text[r.start : r.end])) <= 400 for r in runs)


def test_evidence_is_the_sentence_with_both_ends() -> None:
    text = "Ada met Yaw. Ada paid Mei. Yaw met Mei."
    fact = located(Fact("Ada", "paid", "Mei"), text, Span(0, len(text)), sentence_spans(text), 0.5)
    assert text[fact.start : fact.end].strip() == "Ada paid Mei."
    nowhere = located(Fact("X", "paid", "Z"), text, Span(0, len(text)), sentence_spans(text), 0.5)
    assert (nowhere.start, nowhere.end, nowhere.subject_span) == (0, len(text), None)


def test_a_folder_without_a_model_is_a_clear_mistake(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model"):
        GenerativeStudent.start(GenerativeSettings(model=str(tmp_path)))
    with pytest.raises(ModelError, match="no generative student"):
        GenerativeStudent.from_pretrained(tmp_path)

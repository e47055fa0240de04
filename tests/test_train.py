"""Training in one call: splits, a finished folder, figures, the card; the extractor, JSON and spaCy on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import spacy
import torch
from msgspec.structs import replace
from spacy.tokens import Doc
from students import pair, tiny_encoder

import kgdistill
from kgdistill.distill.extractor import Extractor, to_json
from kgdistill.distill.settings import SpanSettings
from kgdistill.distill.train import calibration_error, splits, train
from kgdistill.errors import ModelError, SourceError
from kgdistill.records import Entity, Extraction, Fact, Pair, Span

PAIRS = [*(pair(i) for i in range(5)), pair(5, "validation"), pair(6, "test")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    room = tmp_path_factory.mktemp("train")
    torch.manual_seed(0)
    encoder = tiny_encoder(room / "encoder")
    plan = SpanSettings(encoder=str(encoder), epochs=2, batch=2, width=32, check_every=1)
    figures = train(PAIRS, plan, room / "student")
    assert figures["documents"] == {"train": 5, "validation": 1, "test": 1}
    assert set(figures["test"]) >= {"precision", "recall", "f1", "calibration_error"}
    before = (room / "student" / "model.safetensors").stat().st_mtime_ns
    assert train(PAIRS, plan, room / "student") == json.loads((room / "student" / "metrics.json").read_text())
    assert (room / "student" / "model.safetensors").stat().st_mtime_ns == before
    assert not (room / "student" / "checkpoints").exists()
    return room / "student"


def test_the_folder_has_its_card_and_names_no_path(folder: Path) -> None:
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlicense: apache-2.0") and "5 documents" in card
    assert all(str(folder.parent) not in path.read_text() for path in folder.glob("*.json"))


def test_the_extractor_gives_the_promised_json(folder: Path) -> None:
    text = pair(1).text
    found = to_json(kgdistill.Extractor.from_pretrained(folder).extract(text, 0.0, id="d1"))
    assert json.loads(json.dumps(found)) == found and set(found) == {"id", "entities", "facts"} and found["id"] == "d1"
    made = to_json(
        Extraction(
            "x", (Entity("Ada", "person", (Span(2, 5),)), Entity("Q", "thing")), (Fact("Ada", "r", "b", 0.51239, 1, 9),)
        )
    )
    assert made["entities"] == [
        {"name": "Ada", "type": "person", "start": 2, "end": 5},
        {"name": "Q", "type": "thing", "start": -1, "end": -1},
    ]
    assert made["facts"] == [
        {
            "subject": "Ada",
            "relation": "r",
            "object": "b",
            "score": 0.5124,
            "start": 1,
            "end": 9,
            "negated": False,
            "hedged": False,
        }
    ]


def test_spacy_pipeline_has_the_component(folder: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("kgdistill", config={"path": str(folder), "min_score": 0.0})
    doc = nlp(pair(1).text)
    assert doc._.facts == Extractor.from_pretrained(folder).extract(doc.text, 0.0).facts
    assert isinstance(doc._.knowledge, Extraction)


def test_what_the_component_found_goes_with_the_document(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("kgdistill")
    doc = nlp("Maria Kovač was born in Zagreb.")
    again = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    assert again._.knowledge == doc._.knowledge and doc._.facts
    assert [other._.facts for other in nlp.pipe([doc.text] * 2, n_process=2)] == [doc._.facts] * 2
    assert nlp.make_doc("Not read.")._.knowledge is None
    with pytest.raises(ModelError, match="holds no student"):
        nlp.add_pipe("kgdistill", name="other", config={"path": str(tmp_path)})


def test_a_folder_without_a_student_is_a_clear_mistake(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no student"):
        Extractor.from_pretrained(tmp_path)
    (tmp_path / "kgdistill_student.json").write_text('{"family": "other"}')
    with pytest.raises(ModelError, match="unknown family"):
        Extractor.from_pretrained(tmp_path)
    (tmp_path / "kgdistill_student.json").write_text("[")
    with pytest.raises(ModelError, match="damaged"):
        Extractor.from_pretrained(tmp_path)


def test_half_written_metrics_are_no_finished_training(tmp_path: Path) -> None:
    plan = SpanSettings(encoder=str(tiny_encoder(tmp_path / "encoder")), epochs=1, batch=2, width=32)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/metrics.json").write_text('{"key": "')
    assert train([pair(i) for i in range(4)], plan, tmp_path / "out")["epochs"] == 1


def test_no_document_is_on_both_sides() -> None:
    pairs = [replace(pair(i), id=f"{i}+{part}") for i in range(20) for part in range(3)]
    learnt, validation, _ = splits(pairs)
    assert len(validation) == 6 and not {p.document for p in learnt} & {p.document for p in validation}


def test_splits_hold_documents_out_where_none_are_given() -> None:
    learnt, validation, test = splits([pair(i) for i in range(20)])
    assert len(validation) == 2 and len(learnt) == 18 and not test
    assert not {p.id for p in learnt} & {p.id for p in validation}
    with pytest.raises(SourceError, match="no training pairs"):
        splits([Pair("a", "a", "nothing", "train")])


def test_calibration_error_is_the_gap_between_score_and_truth() -> None:
    gold = Pair("a", "a", "t", "test", facts=(Fact("Ada", "r", "Oslo"), Fact("Yaw", "r", "Accra")))
    right = Extraction("a", facts=(Fact("Ada", "r", "Oslo", 1.0), Fact("Yaw", "r", "Accra", 1.0)))
    assert calibration_error([right], [gold]) == 0.0
    half = Extraction("a", facts=(Fact("Ada", "r", "Oslo", 0.95), Fact("x", "r", "y", 0.95)))
    assert calibration_error([half], [gold]) == pytest.approx(0.45)


def test_the_shipped_extractor_reads_a_plain_sentence() -> None:
    found = Extractor.from_pretrained().extract("Maria Kovač was born in Zagreb. She worked as a chemist in Graz.", 0.0)
    assert ("Maria Kovač", "Zagreb") in {(fact.subject, fact.object) for fact in found.facts}
    assert "Maria Kovač" in {entity.name for entity in found.entities}

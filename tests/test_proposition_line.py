"""The whole recipe of propositions through the engine, with small models: graph, report, notebook; what stops it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from line import CATALOGUE, HOME, here
from notebook import execute
from students import tiny_encoder
from test_constrained import make_opt
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

from kgdistill.distill.lessons import read_seed, split_of
from kgdistill.engine.progress import Quiet
from kgdistill.engine.recipe import Recipe, decode
from kgdistill.engine.runner import run
from kgdistill.errors import RecipeError, UserError
from kgdistill.evaluate.comparison import read_comparison
from kgdistill.evaluate.report import write_report
from kgdistill.generate.propositions import WHOLE
from kgdistill.graph.store import KnowledgeGraph
from kgdistill.records import Proposition, Reading
from kgdistill.storage.artifact import latest
from kgdistill.storage.shards import read_records

BUILT = (
    "propositions",
    "ground",
    "judge_propositions",
    "refine",
    "store",
    "segmenter",
    "segment",
    "weigh_propositions",
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny causal model, a tiny classifier of text pairs, and a folder with six seed documents."""
    root = tmp_path_factory.mktemp("models")
    (root / "opt").mkdir()
    encoder = tiny_encoder(root / "encoder")
    torch.manual_seed(0)
    config = BertConfig.from_pretrained(
        encoder, id2label={0: "not_entailment", 1: "entailment"}, label2id={"not_entailment": 0, "entailment": 1}
    )
    BertForSequenceClassification(config).save_pretrained(root / "judge")
    AutoTokenizer.from_pretrained(encoder).save_pretrained(root / "judge")
    (root / "seed").mkdir()
    lines = (HOME / "data" / "seed" / "pairs_a.jsonl").read_text(encoding="utf-8").splitlines()
    splits = {document.id: split_of(document.id) for document in read_seed(HOME / "data" / "seed")}
    chosen = [[line for line in lines if splits[json.loads(line)["id"]] == split][:2] for split in ("train", "test")]
    (root / "seed" / "pairs_a.jsonl").write_text("\n".join(line for part in chosen for line in part), encoding="utf-8")
    return {"opt": make_opt(root / "opt"), "judge": root / "judge", "seed": root / "seed"}


def plain(folders: dict[str, Path], *stages: str, **changes: Any) -> dict[str, Any]:
    judge, seed = str(folders["judge"]), str(folders["seed"])
    tables: dict[str, Any] = {
        "benchmarks": {"sets": {"seed": {"format": "seed", "path": seed}}},
        "split": {"max_tokens": 300},
        "propositions": {"window": 4},
        "judge_propositions": {"entailment": judge, "threads": 1},
        "refine": {"rules": {"min_score": 0.0, "per_hundred_words": 0.0}},
        "segmenter": {"model": str(folders["opt"]), "seed_folder": seed, "tokens": 4096, "threads": 1},
        "segment": {"max_tokens": 8, "again": 0, "threads": 1},
        "weigh_propositions": {"entailment": judge, "threads": 1},
    }
    stages = stages or ("benchmarks", "documents", "split", *BUILT)
    return {
        "name": "props",
        "base": "https://kg.test/",
        "tolerance": 1.0,
        "stages": list(stages),
        "teacher": {"kind": "scripted", "script": "cutting:sloppy", "languages": ["en"]},
        **{name: table for name, table in tables.items() if name in stages},
        **changes,
    }


def recipe(folders: dict[str, Path], *stages: str, **changes: Any) -> Recipe:
    return decode(plain(folders, *stages, **changes), CATALOGUE)


@pytest.fixture(scope="module")
def finished(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "props"
    run(recipe(folders), out, workers=0, progress=Quiet())
    return out


def propositions(out: Path) -> list[Proposition]:
    found = [c for r in latest(out, "readings").records(Reading) for c in r.claims]
    return [claim for claim in found if isinstance(claim, Proposition)]


def test_the_graph_has_propositions_with_their_sentences(finished: Path) -> None:
    found = propositions(finished)
    assert found and any(claim.method == WHOLE for claim in found) and any(claim.kept for claim in found)
    assert all(claim.verdict("entailment") is not None and claim.score <= 1 for claim in found)
    with KnowledgeGraph.open(finished) as graph:
        rows = list(
            graph.query("""SELECT ?text ?quote WHERE {
                ?node a kgd:Proposition ; kgd:text ?text ; kgd:quote ?quote ; kgd:start ?start ; kgd:end ?end ;
                      kgd:score ?score ; prov:wasDerivedFrom/dcterms:identifier ?document .
            }""")
        )
    assert {row["text"].value for row in rows} == {claim.text for claim in found}
    report = json.loads((latest(finished, "store").folder / "validation.json").read_text())
    assert not report["violations"]


def test_student_and_teacher_stand_side_by_side(finished: Path) -> None:
    table = read_comparison(latest(finished, "weighed").folder)
    assert table
    rows = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert list(rows) == ["teacher", "teacher, kept", "student", "sentences", "gold"]
    assert {row["texts"] for row in rows.values()} == {2} and {row["set"] for row in rows.values()} == {"seed"}
    assert all(0 <= float(row["recall"] or 0) <= 1 and row["supported"] is not None for row in rows.values())
    read = list(read_records(latest(finished, "segmented").folder / "student.jsonl", Reading))
    assert len(read) == 2 and all(reading.claims for reading in read)
    folder = latest(finished, "segmenter").folder
    assert json.loads((folder / "kgdistill.json").read_text())["brief"] is True
    assert "no" in (folder / "README.md").read_text()
    assert "Propositions side by side" in write_report(finished).read_text(encoding="utf-8")


def test_the_notebook_runs_on_it(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KGDISTILL_RUN", str(finished))
    execute("propositions")
    out = capsys.readouterr().out
    assert "propositions of" in out and "teacher, kept" in out and "  = " in out


def test_running_again_asks_nothing(finished: Path, folders: dict[str, Path]) -> None:
    before = {path: path.read_bytes() for path in finished.glob("*-????????/shards/*")}
    run(recipe(folders), finished, workers=0, progress=Quiet())
    assert {path: path.read_bytes() for path in finished.glob("*-????????/shards/*")} == before


def test_what_is_kept_is_learnt_where_nothing_is_measured(folders: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("Ann sang and Bob danced. Carl left and Dora came.", encoding="utf-8")
    stages = ("read", "split", "propositions", "judge_propositions", "refine", "segmenter")
    tables = {"read": {"path": str(tmp_path / "texts")}, "teacher": {"kind": "scripted", "script": "cutting:tidy"}}
    tables["segmenter"] = {"model": str(folders["opt"]), "tokens": 2048, "threads": 1}
    run(recipe(folders, *stages, **tables), tmp_path / "run", workers=0, progress=Quiet())
    state = json.loads((tmp_path / "run" / "run.json").read_text())
    assert "sentences of this run learnt" in json.dumps(state)
    tables["refine"] = {"rules": {"min_score": 1.0}}
    with pytest.raises(UserError, match=r"segmenter: there are no sentences .*seed_folder"):
        run(recipe(folders, *stages, **tables), tmp_path / "run", workers=0, progress=Quiet())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"propositions": {"window": 0}}, "window must be at least 1"),
        ({"propositions": {"form": "loose"}}, "form"),
        ({"judge_propositions": {"combine": {"weights": {"entailment": 0}}}}, "no judge has a weight"),
    ],
)
def test_bad_settings_are_one_clear_line(folders: dict[str, Path], change: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        recipe(folders, **change)


def test_a_judge_that_is_not_there_is_one_clear_line(
    folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_text("Ann sang.", encoding="utf-8")
    (tmp_path / "r.toml").write_text(
        'name = "x"\nbase = "https://kg.test/"\nstages = ["read", "split", "propositions", "judge_propositions"]\n'
        f'[read]\npath = "{tmp_path}/a.txt"\n[judge_propositions]\nentailment = "{tmp_path}/none"\n',
        encoding="utf-8",
    )
    code, _, error = here(capsys, "plan", str(tmp_path / "r.toml"))
    assert code == 2 and "no such model folder" in error

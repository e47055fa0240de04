"""The benchmark's own recipe, end to end on small sets of ours: every row, resumable, and shown to people."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import benchmark_samples
import line
import msgspec
import pytest
from students import tiny_encoder
from test_report import Page

from kgdistill.distill.lessons import split_of
from kgdistill.engine.forecast import forecast
from kgdistill.engine.recipe import Recipe, decode
from kgdistill.engine.runner import run
from kgdistill.engine.summary import summary
from kgdistill.errors import RecipeError, SourceError
from kgdistill.evaluate.benchmark import Benchmark
from kgdistill.evaluate.planted import CORRECT, KINDS, kind_of
from kgdistill.evaluate.report import write_report
from kgdistill.records import Extraction, Pair, Reading
from kgdistill.storage.artifact import Artifact, latest, run_state
from kgdistill.storage.shards import read_records

pytestmark = pytest.mark.timeout(900)
RECIPE = line.HOME / "pipelines" / "benchmark_mini.toml"
SYSTEMS = [
    "rule baseline", "mini teacher, greedy", "mini teacher, 4 samples raw", "mini teacher, judged and refined",
    "mini extractor, seed only", "mini extractor",
]  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("benchmark")
    tiny_encoder(place / "encoder")
    benchmark_samples.folder(place / "data")
    few_seeds(place / "seed")
    return place


def few_seeds(folder: Path) -> None:
    """Some seed documents of each split: enough to train on in a moment."""
    rows = (line.HOME / "data" / "seed" / "pairs_a.jsonl").read_text(encoding="utf-8").splitlines()
    splits: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for row in rows:
        splits[split_of(json.loads(row)["id"])].append(row)
    folder.mkdir()
    kept = splits["train"][:4] + splits["validation"][:1] + splits["test"]
    (folder / "pairs_a.jsonl").write_text("\n".join(kept), encoding="utf-8")


def recipe(home: Path, *changes: str, **tables: Any) -> Recipe:
    """The recipe that ships, with a scripted teacher, a tiny student and few documents."""
    plain = tomllib.loads(RECIPE.read_text(encoding="utf-8"))
    plain["teacher"] = {"kind": "scripted", "script": "reader:tidy", "languages": ["en"]}
    plain["train"] = {"settings": {"encoder": str(home / "encoder"), "epochs": 1}}
    plain["benchmarks"] |= {"most": 3}
    plain["sample"] |= {"most": 2}
    plain["seed_pairs"] |= {"seed_folder": str(home / "seed")}
    plain["benchmarks"]["sets"]["seed"] |= {"path": str(home / "seed")}
    whole = {**plain, **tables}
    wanted = {*whole["stages"], "teacher"}
    whole = {key: value for key, value in whole.items() if not isinstance(value, dict) or key in wanted}
    return decode(whole, line.CATALOGUE, [f"data={home / 'data'}", *changes])


@pytest.fixture(scope="module")
def done(home: Path) -> Iterator[Path]:
    run(recipe(home), home / "run", workers=1)
    yield home / "run"


@pytest.fixture(scope="module")
def found(done: Path) -> Benchmark:
    content = (latest(done, "benchmark").folder / "benchmark.json").read_bytes()
    return msgspec.json.decode(content, type=Benchmark)


def stage(run_folder: Path, name: str) -> Artifact:
    return Artifact(run_folder / next(s["folder"] for s in run_state(run_folder)["stages"] if s["name"] == name))


def test_every_row_stands_on_every_set(found: Benchmark) -> None:
    sets = ["seed", "webnlg", "redocred", "carb", "crossre"]
    shared = [(line.set, line.system) for line in found.lines if not line.whole]
    assert shared == [(set_, system) for set_ in sets for system in SYSTEMS]
    whole = {(line.set, line.system) for line in found.lines if line.whole}
    assert whole == {("seed", system) for system in SYSTEMS[-2:]}
    assert all(line.per_second and line.per_second > 0 for line in found.lines)
    assert any(line.pairs.f1.value > 0 for line in found.lines if line.system == "rule baseline")
    assert {aim.name for aim in found.aims} >= {"precision gained by judging", "pair F1 of the extractor on webnlg"}


def test_the_judge_was_checked_with_claims_planted_in_the_seed(done: Path, found: Benchmark) -> None:
    assert found.judge
    assert [row.name for row in found.judge.rows][:2] == [CORRECT, "all false"]
    assert {row.name for row in found.judge.rows} <= {CORRECT, "all false", *KINDS}
    readings = list(stage(done, "refine_planted").records(Reading))
    assert {reading.document.id.partition("/")[0] for reading in readings} == {"seed"}
    claims = [claim for reading in readings for claim in reading.claims]
    assert all(kind_of(claim) and claim.verdict("teacher") is not None for claim in claims)
    assert sum(row.count for row in found.judge.rows) == len(claims) + found.judge.rows[1].count


def test_systems_are_what_they_are_called(done: Path) -> None:
    folder = latest(done, "extractions").folder
    counts = {
        name: sum(len(one.facts) for one in read_records(folder / f"{name}.jsonl", Extraction))
        for name in ("teacher_greedy", "teacher_raw", "teacher_judged", "phrases", "student")
    }
    assert 0 < counts["teacher_judged"] < counts["teacher_raw"]
    assert counts["phrases"]
    [greedy] = {graph.samples for r in stage(done, "greedy").records(Reading) for graph in r.chunks if graph.claims}
    assert greedy == 1
    sampled = {graph.samples for r in stage(done, "generate").records(Reading) for graph in r.chunks if graph.claims}
    assert sampled == {4}


def test_no_test_document_was_trained_on(done: Path) -> None:
    gold = {pair.id for pair in read_records(stage(done, "benchmarks").folder / "gold.jsonl", Pair)}
    pairs = latest(done, "pairs").folder
    trained = {f"seed/{name}/{pair.id}" for name in ("train", "validation") for pair in read_rows(pairs, name)}
    trained |= {f"seed/{pair.id}" for name in ("train", "validation") for pair in read_rows(pairs, name)}
    assert gold and not gold & trained


def read_rows(folder: Path, name: str) -> list[Pair]:
    from kgdistill.distill.pairs import read_pairs

    return list(read_pairs(folder, name))  # type: ignore[arg-type]


def test_a_second_run_does_nothing_again(home: Path, done: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in done.glob("*-????????/manifest.json")}
    state = run(recipe(home), done, workers=1)
    assert all(one.done for one in state.stages)
    assert {path: path.stat().st_mtime_ns for path in done.glob("*-????????/manifest.json")} == before


def test_its_cost_is_forecast_before_anything_is_paid(home: Path, tmp_path: Path) -> None:
    from rich.console import Console

    console = Console(width=200, record=True)
    console.print(forecast(recipe(home, stages=["benchmarks", "sample", "split", "greedy"]), tmp_path, workers=1))
    assert re.search(r"greedy\s+\d+\s+\d+ \(", console.export_text())


def test_people_are_shown_the_tables(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = Page(write_report(done).read_text())
    assert any(attributes.get("id") == "benchmark" for _, attributes in page.elements)
    for text in (*SYSTEMS, "dropped negation", "precision gained by judging", "semantic F1"):
        assert text in page.text
    tables = (latest(done, "benchmark").folder / "benchmark.md").read_text()
    assert tables.count("| rule baseline |") == 7, "the overview, five sets, and what negation is worth"
    from rich.console import Console

    Console(width=200).print(summary(done))
    shown = capsys.readouterr().out
    assert "pair F1 on public data sets" in shown and "benchmark.md" in shown


def test_without_a_folder_the_seed_alone_is_measured(home: Path, tmp_path: Path) -> None:
    stages = ["benchmarks", "sample", "phrases", "collect_phrases", "compare"]
    compare = {"systems": {"phrases": "rule baseline"}}
    state = run(recipe(home, f"data={tmp_path / 'nowhere'}", stages=stages, compare=compare), tmp_path / "run")
    assert state.failures == 0
    assert state.stages[0].reasons == {"absent": 4}
    content = (latest(tmp_path / "run", "benchmark").folder / "benchmark.json").read_bytes()
    assert {line.set for line in msgspec.json.decode(content, type=Benchmark).lines} == {"seed"}


def test_mistakes_are_one_line(home: Path, tmp_path: Path) -> None:
    stages = ["benchmarks", "sample", "phrases", "collect_phrases", "compare"]
    nothing = {"sets": {"webnlg": {"format": "webnlg", "path": "{data}/none.jsonl"}}}
    with pytest.raises(SourceError, match="no benchmark set is there"):
        run(recipe(home, stages=stages, benchmarks=nothing), tmp_path / "run")
    with pytest.raises(RecipeError, match="nobody has collected 'typo'; there are phrases"):
        run(recipe(home, stages=stages, compare={"systems": {"typo": "x"}}), tmp_path / "other")
    with pytest.raises(RecipeError, match=r"benchmarks\.sets"):
        recipe(home, "benchmarks.sets.webnlg.format=wbnlg")


def test_another_set_is_named_on_the_command_line(home: Path, tmp_path: Path) -> None:
    own = f'benchmarks.sets.mine={{ format = "pairs", path = "{line.HOME / "data" / "seed" / "pairs_a.jsonl"}" }}'
    stages = ["benchmarks", "sample", "phrases", "collect_phrases", "compare"]
    run(recipe(home, own, stages=stages, compare={"systems": {"phrases": "x"}}), tmp_path / "run")
    gold = list(read_records(stage(tmp_path / "run", "benchmarks").folder / "gold.jsonl", Pair))
    assert sum(pair.id.startswith("mine/") for pair in gold) == 3

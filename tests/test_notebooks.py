"""The notebooks that open a graph and that train an extractor, executed on real runs."""

from __future__ import annotations

import re
from pathlib import Path

import line
import pytest
from notebook import execute
from students import tiny_encoder

from kgdistill.engine.runner import run
from kgdistill.engine.toml import to_toml

DOCUMENTS = ("penicillin.txt", "panama_canal.txt", "cacao.md", "places.csv", "der_buchdruck.txt")


@pytest.fixture(autouse=True)
def without_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "Agg")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return line.corpus(tmp_path_factory.mktemp("notebooks") / "corpus", DOCUMENTS)


def test_exploring_a_graph(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(line.recipe(corpus), tmp_path / "run", workers=1)
    monkeypatch.setenv("KGDISTILL_RUN", str(tmp_path / "run"))
    names = execute("explore_graph")
    said = capsys.readouterr().out
    assert f"{len(names['claims'])} claims, {len(names['facts'])} of them facts" in said
    assert re.search(r"^    \S+: .*\[\w[^]]*\].*\[", said, re.MULTILINE), "evidence with both ends marked"
    assert set(names["central"]) <= set(names["network"]) and names["central"]
    tables = [table for table in names["shown"] if hasattr(table, "columns")]
    assert any("documents" in table.columns for table in tables)
    dropped = next(table for table in tables if "example" in table.columns)
    assert dropped["claims"].sum() == (~names["claims"]["kept"]).sum() > 0


def test_training_on_ones_own_corpus(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_encoder(tmp_path / "encoder")
    recipe = line.plain(corpus) | {
        "train": {"settings": {"encoder": str(tmp_path / "encoder"), "epochs": 1, "width": 32, "check_every": 1}}
    }
    (tmp_path / "recipe.toml").write_text(to_toml(recipe), encoding="utf-8")
    for name, value in line.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KGDISTILL_CORPUS", str(corpus))
    monkeypatch.setenv("KGDISTILL_RECIPE", str(tmp_path / "recipe.toml"))
    monkeypatch.setenv("KGDISTILL_RUN", str(tmp_path / "run"))
    names = execute("train_on_your_corpus")
    said = capsys.readouterr().out
    assert "forecast" in said.lower() and "report:" in said and "facts at its own threshold" in said
    assert {pair.split for pair in names["pairs"]} >= {"train"}
    assert len(names["more"].facts) >= len(names["found"].facts)

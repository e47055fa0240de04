"""The real line for tests: its recipe with the scripted reader, some of the corpus, and the real command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pyoxigraph
import pytest

from kgdistill import catalog, cli
from kgdistill.engine.recipe import Catalogue, Recipe, decode
from kgdistill.records import Reading
from kgdistill.stages import STAGES
from kgdistill.storage.artifact import latest

HOME = Path(__file__).resolve().parent.parent
CATALOGUE = Catalogue(STAGES, catalog.TEACHERS, catalog.ENCODERS)

DOCUMENTS = (
    "apollo_11.html", "bretton_woods.docx", "cacao.md", "jupiter.pdf", "panama_canal.txt", "penicillin.txt",
    "penicillin_copy.txt", "der_buchdruck.txt", "places.csv",
)  # fmt: skip
INNER = "e"
"""Under this folder's name the documents fall into several shards."""
BUILDING = (
    "read", "split", "decontextualise", "generate", "ground", "judge", "calibrate", "names", "refine", "store", "pairs",
)  # fmt: skip
"""The building stages: reading, judging, refining, storing. These encode sentences."""
SHORT = ("read", "split", "generate", "ground", "judge", "store", "pairs")
"""Those that load no model."""


def corpus(folder: Path, documents: Iterable[str] = DOCUMENTS) -> Path:
    """A folder with a folder with some of the sample corpus."""
    inner = folder / INNER
    inner.mkdir(parents=True)
    for name in documents:
        shutil.copyfile(HOME / "data" / "corpus" / name, inner / name)
    return folder


def plain(path: Path, stages: Iterable[str] = BUILDING, script: str = "tidy", **teacher: Any) -> dict[str, Any]:
    """A recipe's tables."""
    tables: dict[str, dict[str, Any]] = {
        "read": {"path": str(path)},
        "split": {"max_tokens": 60},
        "names": {"define": True},
        "store": {"validate": 0},
    }
    return {
        "name": "line",
        "base": "https://kg.test/",
        "stages": list(stages),
        "teacher": {"kind": "scripted", "script": f"reader:{script}", "languages": ["en"], **teacher},
        **{name: table for name, table in tables.items() if name in stages},
    }


def recipe(path: Path, *changes: str, stages: Iterable[str] = BUILDING, script: str = "tidy", **teacher: Any) -> Recipe:
    return decode(plain(path, stages, script, **teacher), CATALOGUE, changes)


def environment(log: Path | None = None) -> dict[str, str]:
    found = dict(os.environ, PYTHONPATH=f"{HOME / 'tests'}{os.pathsep}{HOME}", HF_HUB_OFFLINE="1")
    found.setdefault("OMP_NUM_THREADS", "1")
    return {**found, "READER_LOG": str(log or "")}


def command(*arguments: str, cwd: Path, log: Path | None = None) -> subprocess.Popen[str]:
    """The real command in a process of its own."""
    program = [sys.executable, "-m", "kgdistill.cli", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(program, cwd=cwd, env=environment(log), stdout=pipe, stderr=pipe, text=True)


def finished(*arguments: str, cwd: Path, log: Path | None = None) -> tuple[int, str, str]:
    """(exit code, output, errors) of the real command; nothing ever ends in a traceback."""
    process = command(*arguments, cwd=cwd, log=log)
    out, error = process.communicate(timeout=280)
    assert "Traceback" not in error, error
    return process.returncode, out, error


def here(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The same in this process, which has loaded everything already."""
    capsys.readouterr()
    code = cli._guarded(list(arguments), debug=False)
    out, error = capsys.readouterr()
    assert "Traceback" not in error, error
    return code, out, error


def last_line(error: str) -> str:
    """The one line that says what is wrong."""
    return error.strip().splitlines()[-1]


def readings(out: Path) -> list[Reading]:
    """The last readings of a run."""
    return list(latest(out, "readings").records(Reading))


def quads(out: Path) -> list[str]:
    """The stored graph as sorted N-Quads."""
    store = pyoxigraph.Store.read_only(str(latest(out, "store").folder / "oxigraph"))
    return sorted(map(str, store))


def tree(out: Path) -> dict[str, bytes]:
    """Every artefact file but those that hold times, and the database, whose pages lie as they like."""
    left_out = {"reports", "oxigraph"}
    files = (path for path in sorted(out.glob("*-????????/**/*")) if path.is_file() and path.name != "seconds.json")
    return {str(path.relative_to(out)): path.read_bytes() for path in files if path.parent.name not in left_out}


def asked(log: Path) -> list[dict[str, str]]:
    """What the reader was asked, as far as it is written down."""
    lines = log.read_bytes().splitlines(keepends=True) if log.exists() else []
    return [msgspec.json.decode(line) for line in lines if line.endswith(b"\n")]


def keys(log: Path) -> list[str]:
    return [line["key"] for line in asked(log)]

"""The command line: exit codes and one line for every mistake."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import line
import pytest
import toys

from kgdistill import cli
from kgdistill.engine import papers
from kgdistill.engine.toml import to_toml

HOME = Path(__file__).resolve().parent.parent
PROGRAM = """
import sys
from types import ModuleType
import kgdistill
import toys
sys.modules["kgdistill.catalog"] = kgdistill.catalog = catalog = ModuleType("kgdistill.catalog")
sys.modules["kgdistill.stages"] = stages = ModuleType("kgdistill.stages")
stages.STAGES, catalog.TEACHERS, catalog.ENCODERS = (toys.CATALOGUE.stages, toys.Endpoint, toys.ToyEncoder)
from kgdistill.cli import main
main()
"""


def command(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """The real command in a process of its own, with the toy catalogue."""
    environment = dict(os.environ, PYTHONPATH=f"{HOME / 'tests'}{os.pathsep}{HOME}")
    program = [sys.executable, "-c", PROGRAM, *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(program, cwd=cwd, env=environment, stdout=pipe, stderr=pipe, text=True)


def finished(*arguments: str, cwd: Path) -> tuple[int, str, str]:
    process = command(*arguments, cwd=cwd)
    out, error = process.communicate(timeout=60)
    return process.returncode, out, error


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "toy.toml"
    path.write_text(to_toml(toys.plain()))
    return path


def test_run_and_show(recipe: Path, tmp_path: Path) -> None:
    code, out, error = finished("run", "toy.toml", "--workers", "1", cwd=tmp_path)
    assert code == 0, error
    assert "claims" in out and "400" in out
    assert "ask: done, 20 records" in error
    code, again, _ = finished("show", "runs/toy", cwd=tmp_path)
    assert code == 0 and again == out
    code, out, _ = finished("show", "runs/toy", "--failures", cwd=tmp_path)
    assert code == 0 and "nothing failed" in out


def test_failures_end_with_three_and_say_how_to_see_them(recipe: Path, tmp_path: Path) -> None:
    code, out, _ = finished("run", "toy.toml", "--workers", "1", "--set", "read.bad=true", cwd=tmp_path)
    assert code == 3
    assert "1 failed: `kgdistill show runs/toy --failures` shows which and why" in out
    code, out, _ = finished("show", "runs/toy", "--failures", cwd=tmp_path)
    assert code == 0 and "bad.pdf is not a PDF" in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "toy.toml", "--set", "read.count=x"], 2, "toy.toml: read.count: Expected int, got str"),
        (["run", "none.toml"], 2, "none.toml: No such file"),
        (["run", "toy.toml", "--set", "read.count=0"], 2, "read found no document"),
        (["run", "toy.toml", "--workers", "1", "--max-tokens", "50"], 4, "budget of 50 tokens is spent"),
        (["run", "toy.toml", "--without-merge", "m1"], 2, "no stage is named 'names'"),
        (["show", "nowhere"], 2, "nowhere is not a run folder"),
        (["shwo", "nowhere"], 2, "No such command 'shwo'"),
        (["query", "nowhere", "ASK {}"], 2, "nowhere is no folder"),
    ],
)
def test_mistakes_are_one_line(recipe: Path, tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    found, _, error = finished(*arguments, cwd=tmp_path)
    last = error.strip().splitlines()[-1]
    assert found == code, error
    assert last.startswith("kgdistill: ") and said in last
    assert "Traceback" not in error


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    code, _, error = finished("--debug", "run", "none.toml", cwd=tmp_path)
    assert code == 2 and "Traceback" in error


def test_interrupted_says_how_to_go_on(recipe: Path, tmp_path: Path) -> None:
    process = command("run", "toy.toml", "--workers", "1", "--set", "teacher.latency_s=0.3", "--set",
                      "teacher.window=2", cwd=tmp_path)  # fmt: skip
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob("runs/toy/journal/ask/*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert (
        error.strip().splitlines()[-1] == "kgdistill: interrupted; a run goes on when the same command is given again"
    )
    assert finished("run", "toy.toml", "--workers", "1", cwd=tmp_path)[0] == 0


def test_plan_of_a_recipe_that_asks_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = str(HOME / "pipelines" / "mini_entailment.toml")
    code, out, error = line.here(capsys, "plan", recipe, "--out", str(tmp_path / "run"))
    assert code == 0 and "to do" in out, error


def test_plan_shows_the_steps(recipe: Path, tmp_path: Path) -> None:
    code, out, error = finished("plan", "toy.toml", "--no-probe", cwd=tmp_path)
    assert code == 0, error
    assert out.count("to do") == 4 and not (tmp_path / "runs").exists()
    code, out, error = finished("plan", "toy.toml", "--workers", "1", cwd=tmp_path)
    assert code == 0 and "forecast" in out, error


def test_help_loads_nothing_heavy() -> None:
    program = "import sys, kgdistill.cli; sys.argv = ['kgdistill', '--help']\n" \
        "try: kgdistill.cli.main()\nexcept SystemExit: pass\n" \
        "heavy = {'torch', 'transformers', 'rich.progress', 'pyoxigraph', 'spacy', 'pandas', 'numpy', 'ray'}\n" \
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"  # fmt: skip
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=HOME, check=False)
    assert found.returncode == 0, found.stderr
    for name in ("run", "plan", "show", "doctor", "extract", "query", "export", "papers"):
        assert f"  {name} " in found.stdout


@pytest.mark.slow
def test_help_comes_at_once() -> None:
    times = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "kgdistill.cli", "--help"], capture_output=True, cwd=HOME, check=True)
        times.append(time.perf_counter() - started)
    assert min(times) < 0.3


WORKING = {
    "amar2025",
    "choubey2024synthkg",
    "hao2023bertnet",
    "hosseini2024propositions",
    "howard2024neurocomparatives",
    "huang2025graphjudge",
    "jung2024impossible",
    "west2022symbolic",
}


def test_every_paper_is_told() -> None:
    found = papers.read_papers()
    assert len(found) == 44 == len({paper.key for paper in found})
    assert {paper.key for paper in found if paper.status == "works"} == WORKING
    assert all(paper.idea.endswith(".") and paper.title and paper.home for paper in found)


def test_the_doctor_names_what_is_required() -> None:
    from kgdistill.engine.doctor import Finding

    assert Finding("torch", False, "pip install torch").fatal
    assert not Finding("vllm", False, "only needed for vllm", required=False).fatal
    assert cli.FAILURES == 3

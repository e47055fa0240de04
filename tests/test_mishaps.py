"""What can go wrong, through the real command: one line that says what, an exit code, and never a traceback."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import line
import msgspec
import pytest

from kgdistill.engine.runner import run
from kgdistill.engine.state import load_state
from kgdistill.engine.summary import all_failures
from kgdistill.engine.toml import to_toml
from kgdistill.records import Chunk

ASKING = ("read", "split", "generate", "ground")
ONE = ("run", "line.toml", "--workers", "1")


def write_recipe(
    folder: Path, documents: Path, stages: tuple[str, ...] = ASKING, script: str = "tidy", **tables: Any
) -> None:
    (folder / "line.toml").write_text(to_toml(line.plain(documents, stages, script) | tables))


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    return line.corpus(tmp_path / "documents", ("cacao.md", "panama_canal.txt"))


def assert_one_line(found: tuple[int, str, str], code: int, said: str) -> None:
    """The command ended with `code`, and its last line says what is wrong."""
    ended, _, error = found
    last = line.last_line(error)
    assert ended == code, error
    assert last.startswith("kgdistill: ") and re.search(said, last), error
    assert len(last) < 600


def test_an_empty_corpus(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    write_recipe(tmp_path, tmp_path / "documents")
    assert_one_line(line.finished(*ONE, cwd=tmp_path), 2, r"documents holds no files: put in documents \(txt, md")


def test_a_corpus_of_empty_files(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "void.txt").write_text(" \n")
    write_recipe(tmp_path, tmp_path / "documents")
    said = r"read found no document \(1 inputs were refused, the first: no text in it\)"
    assert_one_line(line.finished(*ONE, cwd=tmp_path), 2, said)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    write_recipe(tmp_path, tmp_path / "nowhere")
    assert_one_line(line.finished(*ONE, cwd=tmp_path), 2, r"nowhere does not exist: name a file, a folder or a glob")


def encrypted_pdf(path: Path) -> None:
    from fpdf import FPDF

    page = FPDF()
    page.add_page()
    page.set_font("helvetica")
    page.cell(text="A secret.")
    page.set_encryption(owner_password="owner", user_password="user")
    page.output(str(path))


def test_unreadable_files_are_failures_and_the_rest_is_read(documents: Path, tmp_path: Path) -> None:
    (documents / "junk.pdf").write_bytes(bytes(range(256)) * 40)
    (documents / "junk.docx").write_bytes(b"PK\x03\x04 and nothing more")
    (documents / "junk.txt").write_bytes(bytes(range(256)) * 40)
    encrypted_pdf(documents / "secret.pdf")
    write_recipe(tmp_path, documents)
    code, out, error = line.finished(*ONE, cwd=tmp_path)
    assert code == 3, error
    assert "4 failed: `kgdistill show runs/line --failures` shows which and why" in out
    recorded = [failure for _, failure in all_failures(tmp_path / "runs" / "line")]
    found = {failure.document: failure for failure in recorded if failure.kind == "failed"}
    assert found.keys() == {"junk.pdf", "junk.docx", "junk.txt", "secret.pdf"}
    assert all(failure.stage == "read" and failure.message for failure in found.values())
    assert sum(bool(reading.claims) for reading in line.readings(tmp_path / "runs" / "line")) == 2
    code, shown, _ = line.finished("show", "runs/line", "--failures", cwd=tmp_path)
    assert code == 0 and "secret.pdf" in shown and "junk.docx" in shown


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_dead_endpoint(documents: Path, tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{closed_port()}/v1"
    teacher = {"kind": "server", "base_url": address, "model": "none", "retries": 1, "timeout_s": 2.0}
    (tmp_path / "line.toml").write_text(to_toml(line.plain(documents, ASKING) | {"teacher": teacher}))
    said = r"no usable answer from 127\.0\.0\.1:\d+/v1 at all, tried 2 times \(ConnectError.*\): start it"
    assert_one_line(line.finished(*ONE, cwd=tmp_path), 2, said)
    assert "no usable answer" in load_state(tmp_path / "runs" / "line").state


def test_malformed_json(documents: Path, tmp_path: Path) -> None:
    write_recipe(tmp_path, documents, script="babble")
    said = r"generate stopped: (\d+) of \1 requests failed \(\1 malformed\), more than the 5%"
    assert_one_line(line.finished(*ONE, cwd=tmp_path), 3, said)
    found = [failure for _, failure in all_failures(tmp_path / "runs" / "line")]
    assert {failure.raw for failure in found} == {"Certainly! Here is what I found: {"}
    assert {failure.document for failure in found} == {"e/cacao.md", "e/panama_canal.txt"}


def test_a_model_whose_weights_are_no_numbers(
    documents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import test_local
    import torch
    from transformers import AutoModelForCausalLM

    folder = test_local.make_model(tmp_path / "model")
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        model.model.decoder.layers[0].fc1.bias[0] = float("nan")
    model.save_pretrained(folder)
    (documents / "e" / "panama_canal.txt").unlink()
    tables = {"teacher": {"kind": "local", "model": str(folder)}, "generate": {"brief": True}}
    plain = line.plain(documents, ASKING) | tables
    (tmp_path / "line.toml").write_text(to_toml(plain))
    said = r"generate stopped: (\d+) of \1 requests failed \(\1 not a number\)"
    assert_one_line(guarded(tmp_path, ["--workers", "1"], capsys), 3, said)
    messages = {failure.message for _, failure in all_failures(tmp_path / "run")}
    assert messages == {"the model produced a NaN or infinite logit"}


def test_a_damaged_journal(documents: Path, tmp_path: Path) -> None:
    write_recipe(tmp_path, documents, ("read", "split", "generate"))
    assert line.finished(*ONE, cwd=tmp_path)[0] == 0
    journal = max((tmp_path / "runs" / "line" / "journal" / "generate").iterdir(), key=lambda path: path.stat().st_size)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([lines[0][:50] + b"\n", *lines[1:]]))
    shutil.rmtree(next(tmp_path.glob("runs/line/generate-*")))
    said = r"line 1 of the journal .* is damaged: delete it and run again"
    assert_one_line(line.finished(*ONE, cwd=tmp_path), 1, said)


SMALL_DISK = """
mount -t tmpfs -o size=$1 tmpfs runs || exit 77
shift
"$@"
echo "first $?"
mount -o remount,size=64m runs
cp -r runs "$KEEP-first"
READER_LOG="$READER_LOG-second" "$@"
echo "second $?"
cp -r runs "$KEEP"
"""


def started(program: list[str], cwd: Path, log: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    variables = line.environment(log) | more
    return subprocess.run(program, cwd=cwd, env=variables, capture_output=True, text=True, timeout=280, check=False)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(documents, a run of them that nothing happened to)."""
    place = tmp_path_factory.mktemp("reference")
    documents = line.corpus(place / "documents", ("cacao.md", "panama_canal.txt"))
    run(line.recipe(documents, stages=line.SHORT), place / "run", workers=1)
    return documents, place / "run"


@pytest.mark.parametrize("size", ["8k", "60k", "800k"])
def test_a_full_disk(reference: tuple[Path, Path], tmp_path: Path, size: str) -> None:
    """A disk of the given size, then a larger one: the same command goes on and pays for nothing written again."""
    documents, whole = reference
    if not shutil.which("unshare") or subprocess.run(["unshare", "-Urm", "true"], check=False).returncode:
        pytest.skip("needs a mount namespace for a small disk")
    write_recipe(tmp_path, documents, line.SHORT)
    (tmp_path / "runs").mkdir()
    log, kept = tmp_path / "log", tmp_path / "kept"
    command = [sys.executable, "-m", "kgdistill.cli", *ONE]
    found = started(["unshare", "-Urm", "sh", "-c", SMALL_DISK, "sh", size, *command], tmp_path, log, KEEP=str(kept))
    if found.returncode == 77:
        pytest.skip("tmpfs cannot be mounted here")
    assert "Traceback" not in found.stderr
    ends = [text for text in found.stdout.splitlines() if re.match("first|second", text)]
    assert ends == ["first 1", "second 0"], found
    said = [text for text in found.stderr.splitlines() if text.startswith("kgdistill: ")]
    assert len(said) == 1 and re.search("full at|No space left.*make room", said[0]), found.stderr
    paid = {msgspec.json.decode(text)["key"] for path in tmp_path.glob("kept-first/line/journal/*/*")
            for text in path.read_bytes().splitlines()}  # fmt: skip
    assert not paid & set(line.keys(tmp_path / "log-second")), "what was written down is asked again"
    assert line.tree(kept / "line") == line.tree(whole)


def long_text(size: int) -> Iterator[str]:
    """Different sentences from the corpus' words, `size` bytes at least."""
    sample = (line.HOME / "data" / "corpus" / "panama_canal.txt").read_text()
    done = number = 0
    while done < size:
        number += 1
        text = sample.replace("Panama", f"Panama {number}").replace("1881", str(1000 + number % 1000))
        done += len(text.encode())
        yield text


# VmHWM, not ru_maxrss: that one begins with what the process had that started this one, here a large pytest.
MEASURED = """
import resource, sys
from pathlib import Path
from kgdistill.cli import main
try:
    main()
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(int(status["VmHWM"].split()[0]) / 1024, used.ru_utime + used.ru_stime, file=sys.stderr)
"""


def test_one_document_of_five_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("\n\n".join(long_text(5_000_000)))
    assert path.stat().st_size >= 5_000_000
    tables = {"split": {"max_tokens": 512}, "generate": {"samples": 1}}
    write_recipe(tmp_path, path, ("read", "split", "generate"), **tables)
    found = started([sys.executable, "-c", MEASURED, *ONE], tmp_path)
    assert found.returncode == 0 and "Traceback" not in found.stderr, found.stderr
    megabytes, seconds = map(float, line.last_line(found.stderr).split())
    assert megabytes < 2000 and seconds < 180, "a book must not cost this much of memory or of computing"
    [reading] = line.readings(tmp_path / "runs" / "line")
    chunks: list[Chunk] = [graph.chunk for graph in reading.chunks]
    assert "".join(chunk.text for chunk in chunks) == reading.document.text == path.read_text()
    assert all(len(chunk.text.split()) <= 512 for chunk in chunks) and len(chunks) > 1500
    assert sum(bool(graph.claims) for graph in reading.chunks) > 0.9 * len(chunks)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "generate.sampels=2"], r"line\.toml: generate\.sampels: unknown key; did you mean samples\?"),
        (["--set", "generate.samples=many"], r"line\.toml: generate\.samples: Expected int, got str"),
        (["--set", "refine.rules.min_scor=1"], r"no stage is named 'refine'"),
        (["--set", "nonsense"], r'--set wants stage\.key=value, not "nonsense"'),
        (
            ["--set", "teacher.kind=oracle"],
            r"teacher\.kind: 'oracle' is not one of local, masked, scripted, server, vllm",
        ),
        (["--set", 'stages=["read","split","train"]'], r'train needs "pairs", which no earlier stage gives'),
        (["--set", 'stages=["read","splt"]'], r"splt: no stage is of kind 'splt'; did you mean split\?"),
        (["--set", 'stages=["split"]'], r'split needs "readings", which no earlier stage gives \(it is the first\)'),
        (["--set", "teacher.script=reader:nobody"], r'teacher script "reader:nobody" is neither "echo" nor'),
    ],
)
def test_mistakes_in_a_recipe(
    documents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    write_recipe(tmp_path, documents)
    assert_one_line(guarded(tmp_path, arguments, capsys), 2, said)


def guarded(folder: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    return line.here(capsys, "run", str(folder / "line.toml"), "--out", str(folder / "run"), *arguments)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"combine": {"weights": {"teacher": -1.0}}}, r"combine: the weight of 'teacher' must be a number of at"),
        ({"combine": {"weigths": {"teacher": 1.0}}}, r"judge\.combine\.weigths: unknown key; did you mean weights\?"),
    ],
)
def test_mistakes_deep_in_a_recipe(
    documents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], table: dict[str, Any], said: str
) -> None:
    write_recipe(tmp_path, documents, (*ASKING, "judge"), judge=table)
    assert_one_line(guarded(tmp_path, [], capsys), 2, said)

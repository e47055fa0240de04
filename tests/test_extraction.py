"""The `extract` command with the extractor that ships: which documents it reads, and what it says of them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kgdistill.distill.extractor import Extractor
from kgdistill.engine.extraction import extract_documents, write_extractions
from kgdistill.errors import SourceError, UserError
from kgdistill.records import Document, Failure

ADA, YAW = "Ada Byron was born in London.", "Yaw Osei was born in Accra."


def files(folder: Path, **texts: str) -> list[str]:
    for name, text in texts.items():
        path = folder / name.replace("__", "/").replace("_md", ".md").replace("_txt", ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [str(path) for path in sorted(folder.rglob("*.*"))]


def read(*paths: str) -> tuple[list[tuple[Document, set[tuple[str, str, str]]]], list[str]]:
    said: list[str] = []
    found = [item for item in extract_documents(paths, "", None, said.append) if not isinstance(item, Failure)]
    return [(d, {(f.subject, f.relation, f.object) for f in e.facts}) for d, e in found], said


def test_two_files_of_one_name_are_two_documents(tmp_path: Path) -> None:
    files(tmp_path, a__x_txt=ADA, b__x_txt=YAW)
    here = [str(tmp_path / "a/x.txt"), str(tmp_path / "b"), str(tmp_path / "b/x.txt")]
    found, _ = read(*here)
    assert [d.id for d, _ in found] == ["x.txt", here[2], f"{here[2]} (2)"]


def test_rows_and_globs_keep_their_ids_where_names_meet(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.jsonl").write_text(json.dumps({"text": ADA}) + "\n")
    found, _ = read(str(tmp_path / "a/x.jsonl"), str(tmp_path / "b/*.jsonl"))
    assert [d.id for d, _ in found] == ["x.jsonl#0", str(tmp_path / "b/x.jsonl#0")]


def test_a_wrong_path_is_told_before_anything_is_read(tmp_path: Path) -> None:
    [good] = files(tmp_path, x_txt=ADA)
    with pytest.raises(SourceError, match="does not exist"):
        next(extract_documents([good, str(tmp_path / "nope")], "", None, print))


def test_standard_input_is_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(ADA.encode())))
    [(document, facts)], _ = read("-")
    assert document.id == "stdin.txt" and ("Ada Byron", "born in", "London") in facts


def test_rows_have_their_text_where_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(f"number,body\n1,{ADA}\n")
    [found] = [e for _, e in extract_documents([str(tmp_path)], "", None, print, "body")]
    with pytest.raises(SourceError, match="no document"):
        read(str(tmp_path))
    assert found.id == "rows.csv#0" and [f.object for f in found.facts] == ["London"]


def test_a_text_in_another_language_is_read_with_a_word_of_warning(tmp_path: Path) -> None:
    german = "Die Filiale in der Hauptstraße wurde im Jahr 1986 geschlossen, weil niemand mehr kam."
    names = files(tmp_path, de_txt=german, en_txt=ADA, list_txt="Ada Byron, London\nYaw Osei, Accra")
    found, said = read(*names)
    assert len(found) == 3
    assert [line.partition(":")[0] for line in said] == ["de.txt"] and "(de)" in said[0]


def test_markdown_is_read_without_its_marks_at_its_own_offsets(tmp_path: Path) -> None:
    text = (
        "# Who\n\n**Ada Byron** was born in [London](https://x.org/london).\n\n```\nYaw Osei was born in Accra.\n```\n"
    )
    [(document, facts)], _ = read(*files(tmp_path, x_md=text))
    assert document.text == text and facts == {("Ada Byron", "born in", "London")}
    fact = Extractor.from_pretrained().read(document).facts[0]
    assert text[fact.start : fact.end] == "**Ada Byron** was born in [London](https://x.org/london)."
    assert fact.object_span and text[fact.object_span.start : fact.object_span.end] == "London"


def test_a_table_that_is_piped_on_has_a_line_for_each_fact(tmp_path: Path) -> None:
    long = f"{ADA[:-1]}, and {'then nothing of any note happened there, ' * 20}as far as anybody knew."
    out = io.StringIO()
    assert write_extractions(extract_documents(files(tmp_path, x_txt=long), "", None, print), "table", out) == 0
    [line] = [line for line in out.getvalue().splitlines() if "born in" in line]
    assert "Ada Byron" in line and "London" in line and "…" in line and len(line) < 300


def test_lines_of_json_are_utf8_on_any_terminal(tmp_path: Path) -> None:
    raw = io.BytesIO()
    terminal = io.TextIOWrapper(raw, encoding="latin-1")
    write_extractions(
        extract_documents(files(tmp_path, x_txt="Jiří Novák was born in Brno."), "", None, print), "jsonl", terminal
    )
    assert json.loads(raw.getvalue().decode("utf-8"))["id"] == "x.txt"


def test_a_terminal_that_lacks_letters_gets_marks_in_their_place(tmp_path: Path) -> None:
    names = files(tmp_path, x_txt="Jiří Novák was born in Brno.")
    command = [sys.executable, "-m", "kgdistill.cli", "extract", *names, "--format", "table"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ran = subprocess.run(command, capture_output=True, env=environment, timeout=120, check=True)
    assert b"Ji?? Nov?k" in ran.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        {"text": None},
        {"text": b"Ada"},
        {"text": ADA, "min_score": 2},
        {"text": ADA, "min_score": float("nan")},
        {"text": ADA, "relations": "born in"},
        {"text": ADA, "relations": []},
        {"text": ADA, "relations": [1]},
    ],
)
def test_what_is_no_text_or_setting_is_refused_with_a_word(arguments: dict[str, object]) -> None:
    with pytest.raises(UserError):
        Extractor.from_pretrained("kgdistill-mini-extractor").extract(**arguments)


def test_a_lone_surrogate_harms_nothing() -> None:
    found = Extractor.from_pretrained().extract(f"\ud800 {ADA}")
    assert [f.object for f in found.facts] == ["London"] and found.facts[0].end == len(ADA) + 2


def test_a_relation_of_dates_is_not_said_of_a_place() -> None:
    student = Extractor.from_pretrained()
    text = "Delaro Ltd was founded in Prague. Norlink AS was founded in 1891."
    said = {(f.object, f.relation) for f in student.extract(text).facts}
    assert {("Prague", "founded in"), ("1891", "founded on")} <= said
    assert {f.relation for f in student.extract(text, relations=["founded on"]).facts} == {"founded on"}

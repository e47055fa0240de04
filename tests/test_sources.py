"""Every format read as it stands, and nothing lost at the door."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kgdistill.errors import SourceError
from kgdistill.records import Document, Failure
from kgdistill.storage.pages import readable
from kgdistill.storage.sources import fingerprint, read_documents

anything = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60).filter(str.strip)
FORMATS = ["txt", "md", "html", "pdf", "docx", "csv", "tsv", "jsonl", "json", "parquet", "xyz"]
in_a_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)


def read(path: Path | str, **fields: str) -> tuple[list[Document], list[Failure]]:
    found = list(read_documents(path, **fields))
    return [d for d in found if isinstance(d, Document)], [f for f in found if isinstance(f, Failure)]


@given(
    anything.filter(lambda text: not text.startswith("\ufeff")),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
)
@in_a_folder
def test_plain_text_comes_out_as_it_went_in(tmp_path: Path, text: str, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    documents, failures = read(tmp_path)
    assert not failures
    assert documents == [Document("a.txt", text, "a.txt")]


@given(st.lists(anything, min_size=1, max_size=5))
@in_a_folder
def test_rows_come_out_as_they_went_in(tmp_path: Path, texts: list[str]) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([["id", "text"], *([str(number), text] for number, text in enumerate(texts))])
    (tmp_path / "b.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    (tmp_path / "c.json").write_text(
        json.dumps([{"text": text} for text in texts], ensure_ascii=False), encoding="utf-8"
    )
    parquet.write_table(pyarrow.table({"text": texts}), tmp_path / "d.parquet")
    documents, failures = read(tmp_path)
    assert not failures
    for name in ("a.csv", "b.jsonl", "c.json", "d.parquet"):
        mine = [document for document in documents if document.source == name]
        assert [document.text for document in mine] == texts
        assert [document.id for document in mine] == [f"{name}#{row}" for row in range(len(texts))]


@given(st.binary(max_size=300), st.sampled_from(FORMATS))
@in_a_folder
def test_any_bytes_are_a_document_or_a_failure(tmp_path: Path, content: bytes, suffix: str) -> None:
    (tmp_path / f"a.{suffix}").write_bytes(content)
    documents, failures = read(tmp_path / f"a.{suffix}")
    assert documents or failures
    for document in documents:
        assert "\0" not in document.text
        assert document.text.encode("utf-8")
    for failure in failures:
        assert failure.stage == "read"
        assert failure.reason
        assert "\n" not in failure.message


def test_western_bytes_without_a_mark(tmp_path: Path) -> None:
    text = "Café Müller ist seit 1990 ein Stück von Pina Bausch, aufgeführt in Wuppertal.\r\n"
    (tmp_path / "a.txt").write_bytes(text.encode("cp1252"))
    assert read(tmp_path)[0][0].text == text
    russian = "Москва является столицей России и крупнейшим городом страны. " * 4
    (tmp_path / "a.txt").write_bytes(russian.encode("cp1251"))
    assert read(tmp_path)[0][0].text == russian


def test_html_gives_readable_text_only(tmp_path: Path) -> None:
    page = """<?xml version="1.0" encoding="utf-8"?><!doctype html>
    <html><head><title>A &amp; B</title><style>x{}</style></head>
    <body><nav>Home</nav><h1>Head</h1><p>One <b>bold</b>&nbsp;word<br>next &lt;b&gt; <!-- no --> line.</p>
    <script>1<2</script> tail <ul><li>first<li>second</ul><table><tr><td>a</td><td>b</td></tr></table><pre>x  y
z</pre></body></html>"""
    (tmp_path / "a.html").write_text(page, encoding="utf-8")
    [document], failures = read(tmp_path)
    assert not failures
    assert document.title == "A & B"
    blocks = ["Head", "One bold\xa0word\nnext <b> line.", "tail", "first", "second", "a\tb", "x  y\nz"]
    assert document.text == "\n\n".join(blocks)


SITE = "<header><a href=/>City of Bridges</a><h1>Bridges!</h1></header>"
TEXT = "<header><h1>Golden Gate</h1><p>by Ada</p></header><p>It spans the strait.</p><footer>Printed 1937.</footer>"
AROUND = "<aside>Read next: arches</aside><footer>Opening hours <p>daily</footer>"


@pytest.mark.parametrize("wrap", ["<article>{}</article>", "<main>{}</main>", "<div><main><article>{}</main></div>"])
def test_what_a_site_puts_around_its_pages_is_left_out(wrap: str) -> None:
    text, _ = readable(f"<body>{SITE}{wrap.format(TEXT)}{AROUND}</body>")
    assert text == "Golden Gate\n\nby Ada\n\nIt spans the strait.\n\nPrinted 1937."


def test_a_page_that_does_not_say_where_its_text_is_keeps_its_headings() -> None:
    assert readable(f"<body>{TEXT}")[0].startswith("Golden Gate\n\nby Ada\n\nIt spans")
    assert readable("<body><header>City of Bridges</header><p>It spans the strait.")[0] == "It spans the strait."
    assert readable("<body><div><header>City</header></div> tail <p>x</p></body>")[0] == "tail\n\nx"
    assert "Read next" in readable(f"<body><p>x</p>{AROUND}")[0]


def test_html_declared_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.htm").write_bytes('<html><meta charset="iso-8859-2"><p>Łódź źrebię'.encode("iso-8859-2"))
    assert read(tmp_path)[0][0].text == "Łódź źrebię"


def test_pdf_and_docx(tmp_path: Path) -> None:
    import docx
    from fpdf import FPDF

    for name in ("a.pdf", "b.pdf"):
        pdf = FPDF()
        pdf.set_title("Two pages")
        for page in ("First page.", "Second page."):
            pdf.add_page()
            pdf.set_font("helvetica", size=12)
            pdf.cell(text=page)
        if name == "b.pdf":
            pdf.set_encryption(owner_password="a", user_password="b")
        pdf.output(str(tmp_path / name))
    paper = docx.Document()
    paper.add_paragraph("Before.")
    table = paper.add_table(rows=1, cols=2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "left", "right"
    paper.add_paragraph("After.")
    paper.save(str(tmp_path / "c.docx"))
    documents, failures = read(tmp_path)
    assert [(d.id, d.text) for d in documents] == [
        ("a.pdf", "First page.\nSecond page."),
        ("c.docx", "Before.\n\nleft\tright\n\nAfter."),
    ]
    assert documents[0].title == "Two pages"
    assert [(f.document, f.reason) for f in failures] == [("b.pdf", "encrypted")]


def test_saved_datasets(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    one = datasets.Dataset.from_dict({"text": ["a b", "c d"], "name": ["n1", "n2"]})
    datasets.DatasetDict({"train": one, "test": one.select([1])}).save_to_disk(str(tmp_path / "saved"))
    documents, failures = read(tmp_path / "saved")
    assert not failures
    assert [(d.id, d.text) for d in documents] == [("test#0", "c d"), ("train#0", "a b"), ("train#1", "c d")]
    documents, _ = read(tmp_path / "saved" / "train", id_field="name", title_field="name")
    assert [(d.id, d.title, d.source) for d in documents] == [("n1", "n1", "train"), ("n2", "n2", "train")]
    assert len(fingerprint(tmp_path / "saved")) == 64


def test_what_gives_no_text_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "image.png").write_bytes(b"\x89PNG")
    (tmp_path / "nul.md").write_bytes(b"a\0b")
    (tmp_path / "rows.csv").write_text("body,title\nx,y\n")
    (tmp_path / "rows.jsonl").write_text(
        '{"text": "good"}\n{"text": 3}\n{broken\n{"body": "x"}\n[1]\n{"text": "\\ud800"}\n'
    )
    (tmp_path / ".hidden.txt").write_text("secret")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config.txt").write_text("secret")
    documents, failures = read(tmp_path)
    assert [document.id for document in documents] == ["rows.jsonl#0"]
    reasons = {failure.document: failure.reason for failure in failures}
    assert {name: reasons[name] for name in ("empty.txt", "image.png", "nul.md", "rows.csv")} == {
        "empty.txt": "empty",
        "image.png": "unknown format",
        "nul.md": "unreadable",
        "rows.csv": "no such field",
    }
    assert {f"rows.jsonl#{row}" for row in (1, 2, 3, 4, 5)} <= set(reasons)
    [message] = [failure.message for failure in failures if failure.document == "rows.csv"]
    assert "body, title" in message


def test_folders_globs_and_ids(tmp_path: Path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / "b" / "c" / "x.txt").write_text("x")
    (tmp_path / "b" / "y.md").write_text("y")
    (tmp_path / "a.txt").write_text("a")
    assert [d.id for d in read(tmp_path)[0]] == ["a.txt", "b/c/x.txt", "b/y.md"]
    assert [d.id for d in read(f"{tmp_path}/**/*.txt")[0]] == ["a.txt", "b/c/x.txt"]
    assert [d.id for d in read(tmp_path / "b" / "y.md")[0]] == ["y.md"]


def test_repeated_ids_stay_apart(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id;text\nk;one\nk;two\n")
    assert [d.id for d in read(tmp_path, id_field="id")[0]] == ["k", "a.csv#1"]


def test_nothing_there_says_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        read_documents(tmp_path / "missing")
    with pytest.raises(SourceError, match="holds no files"):
        read_documents(tmp_path)
    with pytest.raises(SourceError, match="nothing matches"):
        read_documents(f"{tmp_path}/*.txt")


def test_fingerprint_follows_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    first = fingerprint(tmp_path)
    assert fingerprint(tmp_path) == first
    (tmp_path / "a.txt").write_text("two")
    second = fingerprint(tmp_path)
    (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    assert len({first, second, fingerprint(tmp_path)}) == 3

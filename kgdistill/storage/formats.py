"""What a file of each known format says: its text, or one text per row."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from kgdistill.storage.pages import readable

MARKDOWN = (".md", ".markdown")
_BLOCK = 1 << 20
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Unreadable(Exception):
    """A file, or one row of it, that gives no text: `reason` is the code it is recorded under."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Fields(Struct, frozen=True):
    """Which fields of a row hold what; an empty name means that there is none."""

    text: str = "text"
    id: str = ""
    title: str = ""


class Passage(Struct, frozen=True):
    """One text as it stands in a file; `row` is its number from 0 in row formats, else -1."""

    text: str
    title: str = ""
    row: int = -1
    id: str = ""
    problem: Unreadable | None = None


Reader = Callable[[Path, Fields], Iterator[Passage]]


def encoding_of(path: Path) -> str:
    """The encoding of a text file: its byte order mark, UTF-8 where all of it is, else the most likely one.

    The file is read in blocks. Raises Unreadable("unreadable") for what is no text at all.
    """
    utf8 = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        sample = block = file.read(_BLOCK)
        for mark, name in _BOMS:
            if sample.startswith(mark):
                return name
        if b"\0" in sample:
            raise Unreadable("unreadable", "binary file, not text")
        try:
            while block:
                utf8.decode(block)
                block = file.read(_BLOCK)
            utf8.decode(b"", final=True)
        except UnicodeDecodeError:
            return _likely(sample)
    return "utf-8"


def _likely(sample: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    if best is None or len(_CONTROL.findall(sample.decode("latin-1"))) * 100 > len(sample):
        raise Unreadable("unreadable", "binary file or unknown encoding")
    try:
        western = sample.decode("cp1252")
    except UnicodeDecodeError:
        return str(best.encoding)
    # Western text is commonest by far, and a few accented letters leave the guess wide open.
    accented = [letter for letter in western if ord(letter) > 127]
    letters = sum(letter in "ÀÂÄÅÆÇÈÉÊËÍÎÏÑÓÔÖÙÚÛÜßàáâäåæçèéêëìíîïñòóôöøùúûüœŒ’‘“”–—…«»°©§£€·" for letter in accented)
    sparse = len(accented) * 5 < len(western)
    return "cp1252" if sparse and letters * 10 >= 9 * len(accented) else str(best.encoding)


def _decoded(path: Path) -> str:
    name = encoding_of(path)
    try:
        return path.read_bytes().decode(name)
    except UnicodeError as error:
        raise Unreadable("unreadable", f"not valid {name}: {error}") from error


def read_plain(path: Path, fields: Fields) -> Iterator[Passage]:
    """Text and Markdown: every character as it stands, line ends included."""
    yield Passage(_decoded(path))


def read_html(path: Path, fields: Fields) -> Iterator[Passage]:
    """The readable text of a page, and its title."""

    content = path.read_bytes()
    declared = re.search(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([\w-]+)", content[:4096], re.IGNORECASE)
    text = ""
    if declared and not content.startswith(tuple(mark for mark, _ in _BOMS)):
        try:
            text = content.decode(declared.group(1).decode("ascii"))
        except (LookupError, UnicodeError):
            text = ""
    body, title = readable(text or _decoded(path))
    yield Passage(body, title)


def read_pdf(path: Path, fields: Fields) -> Iterator[Passage]:
    """The text layer, pages joined by line ends; words broken at a line's end stay broken."""
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        reason = "encrypted" if "password" in str(error).lower() else "unreadable"
        raise Unreadable(reason, f"PDF: {error}") from error
    try:
        pages = []
        for page in pdf:
            layer = page.get_textpage()
            pages.append(layer.get_text_range())
            layer.close()
            page.close()
        title = pdf.get_metadata_value("Title")
    finally:
        pdf.close()
    # PDFium ends lines as Windows does, and marks the hyphen of a broken word with U+FFFE.
    text = "\n".join(pages).replace("\r\n", "\n").replace("\ufffe", "-").replace("\x02", "-")
    yield Passage(_CONTROL.sub("", text), _CONTROL.sub("", title))


def read_docx(path: Path, fields: Fields) -> Iterator[Passage]:
    """Paragraphs and table rows in their order, a blank line between them."""
    import docx
    from docx.table import Table

    document = docx.Document(str(path))
    parts: list[str] = []
    for item in document.iter_inner_content():
        if not isinstance(item, Table):
            parts.append(item.text)
            continue
        for row in item.rows:
            cells: list[str] = []
            last = None
            for cell in row.cells:
                # A merged cell is given once for every column that it covers.
                if cell._tc is not last:
                    cells.append(cell.text)
                last = cell._tc
            parts.append("\t".join(cells))
    yield Passage("\n\n".join(part for part in parts if part.strip()), document.core_properties.title or "")


def read_csv(path: Path, fields: Fields) -> Iterator[Passage]:
    """One passage per row below the header, streamed; the separator is the one that gives a text field."""
    csv.field_size_limit(2**31 - 1)
    name = encoding_of(path)
    with path.open(encoding=name, newline="") as file:
        head = file.readline()
        file.seek(0)
        tried = ("\t",) if path.suffix.lower() == ".tsv" else (",", ";", "\t", "|")
        mark = next((mark for mark in tried if fields.text in next(csv.reader([head], delimiter=mark), [])), tried[0])
        rows = csv.DictReader(file, delimiter=mark)
        names = list(rows.fieldnames or [])
        if not names:
            return
        _demand(names, fields)
        try:
            for number, row in enumerate(rows):
                yield _passage(row, number, fields)
        except (csv.Error, UnicodeError) as error:
            raise Unreadable("unreadable", f"row {rows.line_num}: {error}") from error


def read_lines(path: Path, fields: Fields) -> Iterator[Passage]:
    """One JSON object per line, streamed; a damaged line is a problem of its own and the rest is read."""
    decode = msgspec.json.Decoder().decode
    with path.open("rb") as file:
        number = 0
        for line in file:
            line = line.removeprefix(codecs.BOM_UTF8) if number == 0 else line
            if not line.strip():
                continue
            try:
                yield _passage(decode(line), number, fields)
            except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
                yield Passage("", row=number, problem=Unreadable("malformed", f"no JSON: {error}"))
            number += 1


def read_json(path: Path, fields: Fields) -> Iterator[Passage]:
    """A JSON array of objects, or a single object; a file of JSON lines under this name is read as such."""
    try:
        content = msgspec.json.decode(path.read_bytes().removeprefix(codecs.BOM_UTF8))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        yield from read_lines(path, fields)
        return
    for number, row in enumerate(content if isinstance(content, list) else [content]):
        yield _passage(row, number, fields)


def read_parquet(path: Path, fields: Fields) -> Iterator[Passage]:
    """One passage per row, in batches of at most 1,000 rows."""
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        wanted = _demand(list(file.schema_arrow.names), fields)
        yield from _rows(file.iter_batches(batch_size=1000, columns=wanted), fields)


def read_dataset(folder: Path, fields: Fields) -> Iterator[Passage]:
    """A folder written by `datasets.save_to_disk`, read batch by batch from its Arrow files."""
    from pyarrow import ipc, memory_map

    state = msgspec.json.decode((folder / "state.json").read_bytes())
    first = 0
    for name in [entry["filename"] for entry in state["_data_files"]]:
        with memory_map(str(folder / Path(name).name)) as source, ipc.open_stream(source) as batches:
            wanted = _demand(list(batches.schema.names), fields)
            for passage in _rows((batch.select(wanted) for batch in batches), fields, first):
                first = passage.row + 1
                yield passage


def _rows(batches: Iterator[Any], fields: Fields, first: int = 0) -> Iterator[Passage]:
    for batch in batches:
        for start in range(0, batch.num_rows, 1000):
            for row in batch.slice(start, 1000).to_pylist():
                yield _passage(row, first, fields)
                first += 1


def _demand(names: list[str], fields: Fields) -> list[str]:
    """The fields wanted, each once; raises Unreadable("no such field") that names the fields there are."""
    wanted = [name for name in (fields.text, fields.id, fields.title) if name]
    for name in wanted:
        if name not in names:
            there = ", ".join(map(str, names)) or "none"
            raise Unreadable("no such field", f"no field {name!r}; the fields are: {there}")
    return list(dict.fromkeys(wanted))


def _passage(row: Any, number: int, fields: Fields) -> Passage:
    if not isinstance(row, dict):
        return Passage("", row=number, problem=Unreadable("malformed", f"a row must be an object, not {row!r:.60}"))
    try:
        _demand(list(row), Fields(fields.text, fields.id))
    except Unreadable as problem:
        return Passage("", row=number, problem=problem)
    text = row[fields.text]
    if text is not None and not isinstance(text, str):
        wrong = Unreadable("malformed", f"field {fields.text!r} holds no text but {text!r:.60}")
        return Passage("", row=number, problem=wrong)
    key, title = (row.get(name) if name else None for name in (fields.id, fields.title))
    return Passage(text or "", "" if title is None else str(title), number, "" if key is None else str(key))


READERS: dict[str, Reader] = {
    ".txt": read_plain,
    ".text": read_plain,
    **dict.fromkeys(MARKDOWN, read_plain),
    ".html": read_html,
    ".htm": read_html,
    ".pdf": read_pdf,
    ".docx": read_docx,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".jsonl": read_lines,
    ".ndjson": read_lines,
    ".json": read_json,
    ".parquet": read_parquet,
}
"""Readers by suffix, in small letters."""

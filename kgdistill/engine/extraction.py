"""The `extract` command: documents through a student, printed as JSON lines, RDF or a table."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TextIO

import msgspec
from msgspec.structs import replace
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kgdistill.distill.extractor import Extractor, to_json
from kgdistill.distill.student import SHIPPED, student_folder
from kgdistill.errors import SourceError
from kgdistill.graph.terms import prefixes
from kgdistill.graph.vocabulary import quads
from kgdistill.records import (
    Chunk,
    ChunkGraph,
    Document,
    Evidence,
    Extraction,
    Fact,
    Failure,
    Reading,
    Span,
    Triple,
    Verdict,
    content_id,
)
from kgdistill.storage.sources import read_documents, root_of
from kgdistill.text.language import foreign

BASE = "https://w3id.org/kgdistill/extract/"
_WIDEST = 2_000
_QUOTE = 100
"""Characters of a sentence that a table shows."""
Found = tuple[Document, Extraction]


def extract_documents(
    paths: Iterable[str],
    student: str,
    min_score: float | None,
    complain: Callable[[str], None],
    text_field: str = "text",
) -> Iterator[Found | Failure]:
    """What the student reads in each document; inputs that cannot be read come as failures, with a line for each.

    Raises ModelError without a student and SourceError where a path is wrong or there is no document at all.
    """
    given = [
        (path, _standard_input() if path == "-" else read_documents(path, text_field=text_field)) for path in paths
    ]
    extractor = Extractor.from_pretrained(student)
    seen: set[str] = set()
    for path, documents in given:
        for document in documents:
            if isinstance(document, Failure):
                way_out = "; --text-field NAME says which" if document.reason == "no such field" else ""
                complain(f"{document.document}: {document.message or document.reason}{way_out}")
                yield document
                continue
            own = replace(document, id=_distinct_id(document.id, path, seen))
            if student_folder(student) == SHIPPED and (language := foreign(own.text)):
                complain(f"{own.id}: seems to be in another language ({language}); this student reads English only")
            yield own, extractor.read(own, min_score)
    if not seen:
        raise SourceError(f"no document found in {', '.join(path for path, _ in given)}")


def _standard_input() -> Iterator[Document | Failure]:
    """What is piped in, as a file "stdin.txt"."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "stdin.txt")
        file.write_bytes(sys.stdin.buffer.read())
        yield from read_documents(file)


def _distinct_id(id_: str, path: str, seen: set[str]) -> str:
    """An id for a document of `path` that no other has: with its folder where two paths have a file of one name."""
    name = id_
    if name in seen and path != "-":
        name = os.fsencode((root_of(path) / id_).as_posix()).decode("utf-8", "replace")
    if name in seen:
        name = next(f"{name} ({number})" for number in count(2) if f"{name} ({number})" not in seen)
    seen.add(name)
    return name


def write_extractions(found: Iterable[Found | Failure], form: str, out: TextIO) -> int:
    """Print extractions as "jsonl", "turtle", "nquads" or "table" (all but the table stream); returns the failures."""
    failures = 0

    def fine() -> Iterator[Found]:
        nonlocal failures
        for item in found:
            if isinstance(item, Failure):
                failures += 1
            else:
                yield item

    if form == "jsonl":
        for _, extraction in fine():
            _write_line(msgspec.json.encode(to_json(extraction)) + b"\n", out)
    elif form == "table":
        # What is piped on has a line for each fact, however wide.
        Console(file=out, width=None if out.isatty() else _WIDEST).print(_table(fine()))
    else:
        _write_rdf(fine(), form, out)
    return failures


def _write_line(line: bytes, out: TextIO) -> None:
    """A line of JSON: UTF-8, whatever the terminal's own encoding is."""
    out.flush()
    if (stream := getattr(out, "buffer", None)) is None:
        out.write(line.decode())
    else:
        stream.write(line)
        stream.flush()


def _table(found: Iterable[Found]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("document", "subject", "relation", "object", "score"):
        table.add_column(column, overflow="fold", justify="right" if column == "score" else "left")
    table.add_column("said as", no_wrap=True)
    for document, extraction in found:
        for fact in extraction.facts:
            relation = f"not: {fact.relation}" if fact.negated else fact.relation
            relation = f"perhaps: {relation}" if fact.hedged else relation
            quote = _quote(document.text, fact)
            cells = (extraction.id, fact.subject, relation, fact.object, f"{fact.score:.2f}", quote)
            table.add_row(*map(Text, cells))
    return table


def _quote(text: str, fact: Fact) -> str:
    """The sentence of a fact on one line; of a long one what stands about the object."""
    where = fact.object_span or fact.subject_span or Span(fact.start, fact.start)
    start, end = max(fact.start, where.end - _QUOTE), min(fact.end, max(where.end, fact.start + _QUOTE))
    if start > fact.start and (space := text.find(" ", start, where.start)) >= 0:
        start = space  # no word is cut
    if fact.end - end < 4:
        end = fact.end
    elif (space := text.rfind(" ", where.end, end + 1)) >= 0:
        end = space
    inside = " ".join(text[start:end].split()) if fact.start >= 0 else ""
    return f"{'… ' if start > fact.start else ''}{inside}{' …' if end < fact.end else ''}"


def _write_rdf(found: Iterable[Found], form: str, out: TextIO) -> None:
    import pyoxigraph

    stream: IO[bytes] = getattr(out, "buffer", None) or io.BytesIO()
    all_quads = (quad for item in found for quad in quads(as_reading(*item), base=BASE, run="extract"))
    if form == "turtle":
        triples = (quad.triple for quad in all_quads)
        pyoxigraph.serialize(triples, stream, format=pyoxigraph.RdfFormat.TURTLE, prefixes=prefixes(BASE))
    else:
        pyoxigraph.serialize(all_quads, stream, format=pyoxigraph.RdfFormat.N_QUADS)
    stream.flush()
    if isinstance(stream, io.BytesIO):
        out.write(stream.getvalue().decode())


def as_reading(document: Document, extraction: Extraction) -> Reading:
    """An extraction in the form in which the graph's vocabulary knows claims: one chunk with all of them."""
    chunk = Chunk(document.id, 0, 0, len(document.text), document.text)
    claims = tuple(_claim(document.id, number, fact) for number, fact in enumerate(extraction.facts))
    return Reading(document, (ChunkGraph(chunk, extraction.entities, claims),))


def _claim(document: str, number: int, fact: Fact) -> Triple:
    evidence = None
    if fact.start >= 0:
        evidence = Evidence(Span(fact.start, fact.end), fact.subject_span, fact.object_span)
    return Triple(
        id=content_id(document, number, fact.subject, fact.relation, fact.object),
        subject=fact.subject,
        relation=fact.relation,
        object=fact.object,
        literal=fact.literal,
        proposition=fact.proposition,
        negated=fact.negated,
        hedged=fact.hedged,
        method="student",
        evidence=evidence,
        verdicts=(Verdict("combined", fact.score),),
    )

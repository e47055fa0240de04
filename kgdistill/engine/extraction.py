"""The `extract` command: documents through a student, printed as JSON lines, RDF or a table."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TextIO

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kgdistill.distill.extractor import Extractor, to_json
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
from kgdistill.storage.sources import read_documents

BASE = "https://w3id.org/kgdistill/extract/"
Found = tuple[Document, Extraction]


def extract_documents(
    paths: Iterable[str], student: str, min_score: float | None, complain: Callable[[str], None]
) -> Iterator[Found | Failure]:
    """What the student reads in each document; inputs that cannot be read come as failures, with a line for each.

    Raises ModelError without a student and SourceError where there is no document at all.
    """
    extractor = Extractor.from_pretrained(student)
    read = 0
    for path in paths:
        for document in read_documents(path):
            if isinstance(document, Failure):
                complain(f"{document.document}: {document.message or document.reason}")
                yield document
            else:
                read += 1
                yield document, extractor.extract(document.text, min_score, id=document.id)
    if not read:
        raise SourceError(f"no document found in {', '.join(paths)}")


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
            out.write(msgspec.json.encode(to_json(extraction)).decode() + "\n")
            out.flush()
    elif form == "table":
        Console(file=out, width=None if out.isatty() else 160).print(_table(fine()))
    else:
        _write_rdf(fine(), form, out)
    return failures


def _table(found: Iterable[Found]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("document", "subject", "relation", "object", "score", "said as"):
        table.add_column(column, overflow="fold", justify="right" if column == "score" else "left")
    for document, extraction in found:
        for fact in extraction.facts:
            relation = f"not: {fact.relation}" if fact.negated else fact.relation
            relation = f"perhaps: {relation}" if fact.hedged else relation
            quote = document.text[fact.start : fact.end] if fact.start >= 0 else ""
            cells = (extraction.id, fact.subject, relation, fact.object, f"{fact.score:.2f}", " ".join(quote.split()))
            table.add_row(*map(Text, cells))
    return table


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

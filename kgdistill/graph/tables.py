"""Tables: the same claims, entities and documents as Parquet, written in row groups as they come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kgdistill.graph.labels import Renaming
from kgdistill.graph.literals import scrub, text_digest
from kgdistill.records import Claim, Document, Reading, Span
from kgdistill.storage.shards import disk_errors

ROWS = 20_000
"""Rows in a row group: what is held in memory at once."""

CLAIMS = {
    "id": "string",
    "kind": "string",
    "from_model": "bool",
    "subject": "string",
    "relation": "string",
    "object": "string",
    "subject_text": "string",
    "relation_text": "string",
    "object_text": "string",
    "literal": "bool",
    "negated": "bool",
    "hedged": "bool",
    "kept": "bool",
    "asserted": "bool",
    "rule": "string",
    "reason": "string",
    "instead": "string",
    "score": "float64",
    "document": "string",
    "source": "string",
    "chunk": "int64",
    "start": "int64",
    "end": "int64",
    "quote": "string",
    "proposition": "string",
    "subject_start": "int64",
    "subject_end": "int64",
    "object_start": "int64",
    "object_end": "int64",
    "method": "string",
    "samples": "int64",
}
ENTITIES = {"name": "string", "text": "string", "type": "string", "document": "string", "mentions": "int64"}
DOCUMENTS = {
    "id": "string",
    "title": "string",
    "source": "string",
    "language": "string",
    "sha256": "string",
    "length": "int64",
    "claims": "int64",
    "set_aside": "string",
}


class Table:
    """One Parquet file that grows a row group at a time; a context manager.

    Columns are scalars, empty where there is nothing to say, so that CSV can hold the same rows.
    Raises StorageError where the disk does not take them.
    """

    def __init__(self, path: Path, columns: dict[str, str]) -> None:
        import pyarrow

        self.path, self.count = path, 0
        self.schema = pyarrow.schema([(name, pyarrow.type_for_alias(kind)) for name, kind in columns.items()])
        self._rows: list[dict[str, Any]] = []
        self._writer: Any = None

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        self.count += 1
        if len(self._rows) >= ROWS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow
        from pyarrow import parquet

        with disk_errors(self.path):
            if self._writer is None:
                self._writer = parquet.ParquetWriter(self.path, self.schema, compression="zstd")
            self._writer.write_table(pyarrow.Table.from_pylist(self._rows, schema=self.schema))
        self._rows.clear()

    def __enter__(self) -> Table:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None and (self._rows or self._writer is None):
            self._flush()
        if self._writer is not None:
            self._writer.close()


def claim_rows(reading: Reading) -> Iterator[dict[str, Any]]:
    """A row for each claim, kept or not."""
    for graph in reading.chunks:
        for claim in graph.claims:
            place = {"chunk": graph.chunk.index, "from_model": reading.seed is not None}
            yield {**_said(claim), **_found(claim, reading.document), **place}


def entity_rows(reading: Reading, renaming: Renaming) -> Iterator[dict[str, Any]]:
    """A row for each name and type that a document's chunks give, with how often it is mentioned there."""
    known = {claim.subject: claim.names[0] for claim in reading.claims}
    known |= {claim.object: claim.names[2] for claim in reading.claims if not claim.literal}
    mentions: dict[tuple[str, str], int] = {}
    for entity in (entity for graph in reading.chunks for entity in graph.entities):
        key = entity.name, entity.type
        mentions[key] = mentions.get(key, 0) + len(entity.spans)
    for (name, kind), count in mentions.items():
        canonical = known.get(name) or renaming.follow(name)
        yield {
            "name": scrub(canonical),
            "text": scrub(name),
            "type": scrub(kind),
            "document": scrub(reading.document.id),
            "mentions": count,
        }


def document_row(reading: Reading) -> dict[str, Any]:
    document = reading.document
    return {
        "id": scrub(document.id),
        "title": scrub(document.title),
        "source": scrub(document.source),
        "language": document.language,
        "sha256": text_digest(document.text),
        "length": len(document.text),
        "claims": len(reading.claims),
        "set_aside": scrub(reading.set_aside),
    }


def _said(claim: Claim) -> dict[str, Any]:
    subject, relation, target = claim.names
    dropped = claim.dropped
    return {
        "id": scrub(claim.id),
        "kind": str(claim.__struct_config__.tag),
        "subject": scrub(subject),
        "relation": scrub(relation),
        "object": scrub(target),
        "subject_text": scrub(claim.subject),
        "relation_text": scrub(claim.relation),
        "object_text": scrub(claim.object),
        "literal": claim.literal,
        "negated": claim.negated,
        "hedged": claim.hedged,
        "kept": claim.kept,
        "asserted": claim.asserted,
        "rule": scrub(dropped.rule) if dropped else "",
        "reason": scrub(dropped.reason) if dropped else "",
        "instead": scrub(dropped.instead) if dropped else "",
        "score": claim.score if claim.verdict("combined") is not None else None,
        "proposition": scrub(claim.proposition),
        "method": scrub(claim.method),
        "samples": len(claim.samples),
    }


def _found(claim: Claim, document: Document) -> dict[str, Any]:
    row: dict[str, Any] = {"document": scrub(document.id), "source": scrub(document.source), "quote": ""}
    if claim.evidence is None:
        return row
    sentence, subject, target = claim.evidence.sentence, claim.evidence.subject, claim.evidence.object
    row["quote"] = scrub(document.text[sentence.start : sentence.end])
    row["start"], row["end"] = sentence.start, sentence.end
    return {**row, **_ends("subject", subject), **_ends("object", target)}


def _ends(name: str, span: Span | None) -> dict[str, int]:
    return {f"{name}_start": span.start, f"{name}_end": span.end} if span else {}

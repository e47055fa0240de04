"""Tables: all that the RDF says of claims, entities and documents, as Parquet, in row groups as they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from kgdistill.graph.labels import Renaming
from kgdistill.graph.literals import text_digest
from kgdistill.records import (
    Claim,
    Comparative,
    Document,
    EventSeed,
    Merge,
    PairSeed,
    Proposition,
    Reading,
    Span,
    Triple,
    Utterance,
)
from kgdistill.storage.shards import disk_errors
from kgdistill.text.surrogates import scrub

ROWS = 20_000
"""Rows in a row group: what is held in memory at once."""
Kind = str | dict[str, str]
"""What a column holds: one value (its type as Arrow names it), a list of "texts", or a list of records by field."""
VERDICT: Kind = {"judge": "string", "score": "float64", "reason": "string"}
UTTERANCE: Kind = {"prompt": "string", "sample": "int64", "logprob": "float64", "tokens": "int64"}
CLAIMS: dict[str, Kind] = {
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
    "aspect": "string",
    "direction": "string",
    "frequency": "string",
    "others": "texts",
    "states": "texts",
    "merges": "texts",
    "verdicts": VERDICT,
    "utterances": UTTERANCE,
}
ENTITIES: dict[str, Kind] = {
    "name": "string",
    "text": "string",
    "type": "string",
    "document": "string",
    "mentions": "int64",
}
DOCUMENTS: dict[str, Kind] = {
    "id": "string",
    "title": "string",
    "source": "string",
    "language": "string",
    "sha256": "string",
    "length": "int64",
    "claims": "int64",
    "set_aside": "string",
    "from_model": "bool",
    "definition": "string",
    "left": "string",
    "right": "string",
    "utterances": UTTERANCE,
}
MERGES: dict[str, Kind] = {
    "id": "string",
    "kind": "string",
    "name": "string",
    "into": "string",
    "reason": "string",
    "score": "float64",
}
PROMPTS: dict[str, Kind] = {"document": "string", "key": "string", "text": "string", "model": "string"}
STORED = {"facts": CLAIMS, "entities": ENTITIES, "documents": DOCUMENTS, "merges": MERGES, "prompts": PROMPTS}
"""The tables of a store, by the names of their files."""


def schema_of(columns: Mapping[str, Kind]) -> Any:
    """The columns as an Arrow schema."""
    import pyarrow

    return pyarrow.schema([(name, _arrow(kind)) for name, kind in columns.items()])


def _arrow(kind: Kind) -> Any:
    import pyarrow

    if isinstance(kind, dict):
        return pyarrow.list_(pyarrow.struct([(name, pyarrow.type_for_alias(field)) for name, field in kind.items()]))
    return pyarrow.list_(pyarrow.string()) if kind == "texts" else pyarrow.type_for_alias(kind)


def flat(columns: Mapping[str, Kind]) -> dict[str, str]:
    """The columns for formats without lists: these are JSON, as `as_json` writes them."""
    return {name: "string" if kind == "texts" or isinstance(kind, dict) else kind for name, kind in columns.items()}


def as_json(found: list[Any]) -> str:
    """A list of texts or of records as JSON in one line."""
    return msgspec.json.encode(found).decode()


class Table:
    """One Parquet file that grows a row group at a time; a context manager.

    Raises StorageError where the disk does not take the rows.
    """

    def __init__(self, path: Path, columns: Mapping[str, Kind]) -> None:
        self.path, self.count, self.schema = path, 0, schema_of(columns)
        self._rows: list[dict[str, Any]] = []
        self._writer: Any = None

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        self.count += 1
        if len(self._rows) >= ROWS:
            self._flush()

    def extend(self, rows: Iterable[dict[str, Any]]) -> None:
        for row in rows:
            self.add(row)

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
    """What is known of a document; of a seed also what it is, and how a model came to make it up."""
    document, seed = reading.document, reading.seed
    pair = {"left": scrub(seed.left), "right": scrub(seed.right)} if isinstance(seed, PairSeed) else {}
    return {
        "id": scrub(document.id),
        "title": scrub(document.title),
        "source": scrub(document.source),
        "language": document.language,
        "sha256": text_digest(document.text),
        "length": len(document.text),
        "claims": len(reading.claims),
        "set_aside": scrub(reading.set_aside),
        "from_model": seed is not None,
        "definition": scrub(document.text) if seed is not None else None,
        **pair,
        "utterances": _utterances((seed.said,) if isinstance(seed, EventSeed) and seed.said else ()),
    }


def merge_row(merge: Merge) -> dict[str, Any]:
    texts = ("id", "kind", "name", "into", "reason")
    return {**{name: scrub(getattr(merge, name)) for name in texts}, "score": float(merge.score)}


def prompt_rows(reading: Reading, teacher: str) -> Iterator[dict[str, Any]]:
    """A row for each prompt that a seed's claims, or the seed itself, came of."""
    for prompt in reading.prompts:
        row = {"key": prompt.key, "text": prompt.prompt, "model": prompt.model or teacher}
        yield {"document": scrub(reading.document.id), **{name: scrub(text) for name, text in row.items()}}


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
        **_own(claim),
        "merges": [scrub(merge) for merge in claim.canonical.merges] if claim.canonical else [],
        "verdicts": [
            {"judge": scrub(given.judge), "score": float(given.score), "reason": scrub(given.reason)}
            for given in claim.verdicts
        ],
        "utterances": _utterances(claim.said),
    }


def _own(claim: Claim) -> dict[str, Any]:
    """What only some kinds of claims have."""
    found: dict[str, Any] = {"others": [], "states": []}
    if isinstance(claim, Comparative):
        found |= {"aspect": scrub(claim.aspect), "direction": claim.direction, "frequency": scrub(claim.frequency)}
    if isinstance(claim, Triple):
        found["others"] = [scrub(other) for other in claim.others]
    if isinstance(claim, Proposition):
        found["states"] = [scrub(triple) for triple in claim.triples]
    return found


def _utterances(said: Iterable[Utterance]) -> list[dict[str, Any]]:
    return [
        {"prompt": scrub(one.request), "sample": one.sample, "logprob": float(one.logprob), "tokens": one.tokens}
        for one in said
    ]


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

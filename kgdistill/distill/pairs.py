"""From readings to training pairs (document text, graph), and pairs as Parquet and JSON lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from kgdistill.records import Entity, Fact, Pair, Reading, Span, Triple, content_id

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class PairSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How pairs are made; shares are of documents, the rest is for training."""

    validation: float = 0.1
    test: float = 0.1
    seed: int = 0
    negatives: bool = True
    neutral: tuple[str, ...] = ("cap", "repeat")
    """Rules whose drops say nothing against a claim: never negatives."""
    empty: bool = False
    """Keep documents of which no claim was kept."""


def make_pairs(readings: Iterable[Reading], settings: PairSettings) -> Iterator[Pair]:
    """One pair for each document that was read, in order; a text seen before is left out, and so are seeds.

    Subject and object are spelt as in the document (a student copies them), the relation is canonical.
    """
    seen: set[str] = set()
    for reading in readings:
        text = reading.document.text
        key = content_id(" ".join(text.split()).casefold(), length=32)
        if reading.set_aside or reading.seed or key in seen:
            continue
        pair = make_pair(reading, settings)
        if pair.facts or settings.empty:
            seen.add(key)
            yield pair


def make_pair(reading: Reading, settings: PairSettings) -> Pair:
    """The pair of one reading."""
    document = reading.document
    triples = [claim for claim in reading.claims if isinstance(claim, Triple)]
    kept = [claim for claim in triples if claim.kept and claim.evidence]
    facts = _distinct(map(_fact, kept))
    held = {(f.subject, f.relation, f.object) for f in facts}
    dropped = [
        claim
        for claim in triples
        if claim.dropped and claim.dropped.rule not in settings.neutral and not claim.dropped.instead
    ]
    negatives = _distinct(map(_fact, dropped)) if settings.negatives else ()
    return Pair(
        content_id("pair", document.id, document.text),
        document.id,
        document.text,
        split_of(document.id, settings),
        _entities(reading, kept),
        facts,
        tuple(f for f in negatives if (f.subject, f.relation, f.object) not in held),
    )


def split_of(document: str, settings: PairSettings) -> Split:
    """The split that a document's id alone decides, under the settings' seed and shares."""
    place = int(content_id("split", settings.seed, document), 16) / 16**16
    if place < settings.test:
        return "test"
    return "validation" if place < settings.test + settings.validation else "train"


def _fact(claim: Triple) -> Fact:
    evidence = claim.evidence
    return Fact(
        claim.subject,
        claim.canonical.relation if claim.canonical else claim.relation,
        claim.object,
        claim.score,
        evidence.sentence.start if evidence else -1,
        evidence.sentence.end if evidence else -1,
        evidence.subject if evidence else None,
        evidence.object if evidence else None,
        claim.literal,
        claim.negated,
        claim.hedged,
        claim.proposition,
    )


def _distinct(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """Of equal facts at one place the best scored, in the order of the text."""
    best: dict[tuple[str, str, str, int], Fact] = {}
    for fact in facts:
        key = (fact.subject, fact.relation, fact.object, fact.start)
        if key not in best or fact.score > best[key].score:
            best[key] = fact
    return tuple(sorted(best.values(), key=lambda f: (f.start, f.subject, f.relation, f.object)))


def _entities(reading: Reading, kept: Iterable[Triple]) -> tuple[Entity, ...]:
    """The entities that kept claims speak of, with all their mentions, over the chunks."""
    spoken = {name for claim in kept for name in (claim.subject, *(() if claim.literal else (claim.object,)))}
    found: dict[str, tuple[str, set[Span]]] = {}
    for graph in reading.chunks:
        for entity in graph.entities:
            if entity.name in spoken:
                found.setdefault(entity.name, (entity.type, set()))[1].update(entity.spans)
    return tuple(Entity(name, type_, tuple(sorted(spans))) for name, (type_, spans) in found.items())


def write_pairs(folder: Path, pairs: Iterable[Pair]) -> dict[str, int]:
    """Write SPLIT.parquet, SPLIT.jsonl and README.md (a data card) into `folder`; returns pairs per split.

    Both are read by `datasets.load_dataset("parquet" or "json", data_files=...)`, with spans as {"start", "end"}.
    Splits without pairs are files too, so that a reader finds all three.
    """
    import pyarrow
    from pyarrow import parquet

    folder.mkdir(parents=True, exist_ok=True)
    counts = dict.fromkeys(SPLITS, 0)
    sizes = {"facts": 0, "negatives": 0, "words": 0}
    schema = _schema(pyarrow)
    writers = {split: parquet.ParquetWriter(folder / f"{split}.parquet", schema) for split in SPLITS}
    lines = {split: (folder / f"{split}.jsonl").open("wb") for split in SPLITS}
    waiting: dict[Split, list[dict[str, Any]]] = {split: [] for split in SPLITS}
    try:
        for pair in pairs:
            row = to_row(pair)
            counts[pair.split] += 1
            sizes["facts"] += len(pair.facts)
            sizes["negatives"] += len(pair.negatives)
            sizes["words"] += len(pair.text.split())
            lines[pair.split].write(msgspec.json.encode(row) + b"\n")
            waiting[pair.split].append(row)
            if len(waiting[pair.split]) == 500:
                writers[pair.split].write_table(pyarrow.Table.from_pylist(waiting[pair.split], schema))
                waiting[pair.split].clear()
        for split, rows in waiting.items():
            writers[split].write_table(pyarrow.Table.from_pylist(rows, schema))
    finally:
        for writer in (*writers.values(), *lines.values()):
            writer.close()
    (folder / "README.md").write_text(data_card(counts, sizes), encoding="utf-8")
    return {str(split): count for split, count in counts.items()}


def read_pairs(folder: Path, split: Split | None = None) -> Iterator[Pair]:
    """The pairs that `write_pairs` wrote, of one split or of all."""
    for name in SPLITS if split is None else (split,):
        with (folder / f"{name}.jsonl").open("rb") as lines:
            for line in lines:
                yield from_row(msgspec.json.decode(line))


def to_row(pair: Pair) -> dict[str, Any]:
    """Plain columns: every key is there in every row, spans are {"start", "end"} or None."""

    def span(value: Span | None) -> dict[str, int] | None:
        return {"start": value.start, "end": value.end} if value else None

    def fact(value: Fact) -> dict[str, Any]:
        columns = {name: getattr(value, name) for name in Fact.__struct_fields__}
        return columns | {"subject_span": span(value.subject_span), "object_span": span(value.object_span)}

    return {
        "id": pair.id,
        "document": pair.document,
        "text": pair.text,
        "split": pair.split,
        "entities": [{"name": e.name, "type": e.type, "spans": [span(s) for s in e.spans]} for e in pair.entities],
        "facts": [fact(f) for f in pair.facts],
        "negatives": [fact(f) for f in pair.negatives],
        "weight": pair.weight,
    }


def from_row(row: dict[str, Any]) -> Pair:
    """The pair of a row of `to_row`, or of one that `datasets` loaded."""

    def span(value: dict[str, int] | None) -> Span | None:
        return Span(value["start"], value["end"]) if value else None

    def fact(value: dict[str, Any]) -> Fact:
        spans = {"subject_span": span(value["subject_span"]), "object_span": span(value["object_span"])}
        return Fact(**(value | spans))

    return Pair(
        row["id"],
        row["document"],
        row["text"],
        row["split"],
        tuple(
            Entity(e["name"], e["type"], tuple(Span(s["start"], s["end"]) for s in e["spans"])) for e in row["entities"]
        ),
        tuple(map(fact, row["facts"])),
        tuple(map(fact, row["negatives"])),
        row.get("weight", 1.0),
    )


def _schema(pyarrow: Any) -> Any:
    text, whole, truth = pyarrow.string(), pyarrow.int64(), pyarrow.bool_()
    span = pyarrow.struct([("start", whole), ("end", whole)])
    kinds = dict.fromkeys(Fact.__struct_fields__, text)
    kinds |= {"score": pyarrow.float64(), "start": whole, "end": whole, "subject_span": span, "object_span": span}
    kinds |= dict.fromkeys(("literal", "negated", "hedged"), truth)
    facts = pyarrow.list_(pyarrow.struct(list(kinds.items())))
    entity = pyarrow.struct([("name", text), ("type", text), ("spans", pyarrow.list_(span))])
    return pyarrow.schema(
        [(name, text) for name in ("id", "document", "text", "split")]
        + [("entities", pyarrow.list_(entity)), ("facts", facts), ("negatives", facts)]
        + [("weight", pyarrow.float64())]
    )


def data_card(counts: dict[Split, int], sizes: dict[str, int]) -> str:
    """The README of a folder of pairs, with its figures."""
    files = "\n".join(f"      - split: {split}\n        path: {split}.parquet" for split in SPLITS if counts[split])
    return f"""---
configs:
  - config_name: default
    data_files:
{files}
task_categories:
  - token-classification
tags:
  - knowledge-graph
---
# Pairs of documents and knowledge graphs

{sum(counts.values())} documents ({", ".join(f"{counts[split]} {split}" for split in SPLITS)}), {sizes["words"]} words,
{sizes["facts"]} facts and {sizes["negatives"]} negatives (facts that were dropped).
Made by kgdistill from a teacher's judged claims.

- `text`: the document, untouched. Every offset counts its Unicode code points.
- `entities`: name, type, and where each is mentioned.
- `facts`: subject and object as the document spells them, canonical relation, score, evidence
  sentence (`start`, `end`), spans of subject and object where they occur literally,
  `negated` and `hedged` (the relation itself stays positive).
- The split is by document: the hash of its id decides. Equal texts occur once.

Facts are a model's reading, not a person's: expect mistakes and gaps.
"""

"""Hugging Face: the graph's tables as a dataset folder with a card, as `datasets.load_dataset` reads it."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from kgdistill.graph.store import KnowledgeGraph
from kgdistill.graph.tables import ROWS, STORED, schema_of
from kgdistill.graph.views import batches
from kgdistill.storage.shards import write_bytes

TABLES = {
    "facts": ("facts", "claim that was kept and is neither negated nor hedged"),
    "claims": ("facts", "claim that was ever made; dropped ones have `rule` and `reason`"),
    "entities": ("entities", "name, type and document, with the spelling there (`text`) and how often it is mentioned"),
    "documents": ("documents", "document (`set_aside`: why not read), or thing that a model was asked (`from_model`)"),
    "merges": ("merges", "decision that two names mean the same, with its reason"),
    "prompts": ("prompts", "prompt that a model was given for what no document says"),
}
"""Configurations of the dataset, each with the store's table that it comes from, and what its rows are."""
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def fill(graph: KnowledgeGraph, folder: Path) -> int:
    """Write a Parquet file for each of `TABLES` that has rows and the card README.md; returns the number of facts."""
    counts = {}
    for name, (table, _) in TABLES.items():
        path = folder / f"{name}.parquet"
        with path.open("wb") as file:
            counts[name] = copy_rows(graph, table, file, asserted=name == "facts")
        if not counts[name] and name != "documents":
            path.unlink()  # `datasets` cannot load a table without rows
    write_bytes(folder / "README.md", card(graph, counts).encode())
    return counts["facts"]


def copy_rows(graph: KnowledgeGraph, table: str, file: IO[bytes], *, asserted: bool = False) -> int:
    """Copy one of `tables.STORED` by row groups, all of it or the asserted claims; returns the number of rows."""
    import pyarrow
    from pyarrow import parquet

    count = 0
    columns = STORED[table]
    with parquet.ParquetWriter(file, schema_of(columns), compression="zstd") as writer:
        for batch in batches(graph.folder / f"{table}.parquet", list(columns), ROWS):
            kept = batch.filter(batch.column("asserted")) if asserted else batch
            writer.write_table(pyarrow.Table.from_batches([kept]))
            count += kept.num_rows
    return count


def card(graph: KnowledgeGraph, counts: dict[str, int]) -> str:
    """The dataset's README: what loads it, what its columns mean, how it was made and where it ends."""
    there = [name for name in TABLES if counts[name]] or ["documents"]
    configurations = "\n".join(
        f"  - config_name: {name}\n    default: {str(name == there[0]).lower()}\n    data_files: {name}.parquet"
        for name in there
    )
    table = "\n".join(f"| `{name}` | {TABLES[name][1]} |" for name in there)
    size = next((label for limit, label in _SIZES if counts["claims"] < limit), "n>1M")
    teacher = f" by the model `{graph.about.teacher}`" if graph.about.teacher else ""
    return f"""---
configs:
{configurations}
size_categories:
  - {size}
tags:
  - knowledge-graph
  - rdf
---
# {graph.about.run}: a knowledge graph with evidence

{counts["documents"]:,} documents, read{teacher} with kgdistill: {counts["claims"]:,} claims, of which
{counts["facts"]:,} became facts.

```python
from datasets import load_dataset

{there[0]} = load_dataset("path/to/this/folder", "{there[0]}", split="train")
```

| configuration | a row for each |
|---|---|
{table}

- `subject`, `relation`, `object`: under canonical names. `subject_text`, `relation_text` and `object_text`: as the
  claim itself spells them.
- `document`, `start`, `end`, `quote`: the sentence that says so. Offsets count Unicode code points of the document's
  text, which is not part of this dataset; `sha256` (in `documents`) tells whether a text is the right one.
- `from_model`: no document says it, but the model by itself; `document` is then what the model was asked about.
- `score`: from 0 to 1, empty where no judge spoke. `verdicts`: what each judge said, in order: judge, score, reason.
- `merges`: ids of those that led to the canonical names. `states`: ids of the claims that a proposition holds.
  `others`: what else stands in a relation of more than two things. `utterances`: the samples of a model that say so.
- Addresses in the RDF export begin with `{graph.base}`.

Facts are a model's reading, not a person's: expect mistakes and gaps. The licence is that of the documents; name it
before you publish this.
"""

"""Hugging Face: the graph's tables as a dataset folder with a card, as `datasets.load_dataset` reads it."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from kgdistill.graph.store import KnowledgeGraph
from kgdistill.storage.shards import write_bytes

TABLES = {"facts": "facts", "claims": "facts", "entities": "entities", "documents": "documents"}
"""Configurations of the dataset, each with the store's table that it comes from."""
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def fill(graph: KnowledgeGraph, folder: Path) -> int:
    """Write facts, claims, entities and documents.parquet and the card README.md; returns the number of facts."""
    counts = {}
    for name, table in TABLES.items():
        with (folder / f"{name}.parquet").open("wb") as file:
            counts[name] = copy_rows(graph.folder / f"{table}.parquet", file, asserted=name == "facts")
    write_bytes(folder / "README.md", card(graph, counts).encode())
    return counts["facts"]


def copy_rows(source: Path, file: IO[bytes], *, asserted: bool = False) -> int:
    """Copy a Parquet table row group by row group, all of it or the asserted claims; returns the number of rows."""
    import pyarrow
    from pyarrow import parquet

    count = 0
    table = parquet.ParquetFile(source)
    with table, parquet.ParquetWriter(file, table.schema_arrow, compression="zstd") as writer:
        for batch in table.iter_batches():
            kept = batch.filter(batch.column("asserted")) if asserted else batch
            writer.write_table(pyarrow.Table.from_batches([kept]))
            count += kept.num_rows
    return count


def card(graph: KnowledgeGraph, counts: dict[str, int]) -> str:
    """The dataset's README: what loads it, what its columns mean, how it was made and where it ends."""
    configurations = "\n".join(
        f"  - config_name: {name}\n    default: {str(name == 'facts').lower()}\n    data_files: {name}.parquet"
        for name in TABLES
    )
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

facts = load_dataset("path/to/this/folder", "facts", split="train")
```

| configuration | a row for each |
|---|---|
| `facts` | claim that was kept and is neither negated nor hedged |
| `claims` | claim that was ever made; dropped ones have `rule` and `reason` |
| `entities` | name, type and document, with the spelling there (`text`) and how often it is mentioned |
| `documents` | document; those that were not read have `set_aside` |

- `subject`, `relation`, `object`: under canonical names. `subject_text`, `relation_text` and `object_text`: as the
  claim itself spells them.
- `document`, `start`, `end`, `quote`: the sentence that says so. Offsets count Unicode code points of the document's
  text, which is not part of this dataset; `sha256` (in `documents`) tells whether a text is the right one.
- `from_model`: no document says it, but the model by itself; `document` is then what the model was asked about.
- `score`: from 0 to 1, empty where no judge spoke.
- Addresses in the RDF export begin with `{graph.base}`.

Facts are a model's reading, not a person's: expect mistakes and gaps. The licence is that of the documents; name it
before you publish this.
"""

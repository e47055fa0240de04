"""Neo4j: the asserted facts as the CSV files that `neo4j-admin database import` reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from kgdistill.graph.property_graph import EDGE, Edge, Node, PropertyGraph
from kgdistill.graph.store import KnowledgeGraph

NODES = {
    "iri:ID": "string",
    "name": "string",
    "types:string[]": "string",
    "aliases:string[]": "string",
    ":LABEL": "string",
}
_KINDS = {"string": "", "int64": ":long", "float64": ":double", "bool": ":boolean"}
RELATIONSHIPS = {
    ":START_ID": "string",
    ":END_ID": "string",
    ":TYPE": "string",
    "claim": "string",
    **{name + _KINDS[kind]: kind for name, kind in EDGE.items()},
}
_ROWS = 10_000
_COMMAND = """neo4j-admin database import full --nodes=nodes.csv --relationships=relationships.csv \\
    --multiline-fields=true --overwrite-destination neo4j"""
_ABOUT = f"""# A knowledge graph for Neo4j

Made by kgdistill. Import it, with the database stopped, from inside this folder:

```bash
{_COMMAND}
```

- A node is an `Entity` or a `Value`, and also bears its types as labels (letters, digits and `_` only). `name`, `types`
  and `aliases` are as the graph has them. A `;` inside a type or an alias stands as `；`: Neo4j would cut there.
- A relationship is one fact in one document. Its type is the relation in capitals (`born in` is `BORN_IN`), `relation`
  has it as it is. `document`, `start`, `end` and `quote` say where the fact stands (offsets count Unicode code points),
  `claim` is its address in the RDF export.
- Neo4j has no lists of records: `verdicts` (judge, score, reason), `utterances`, `merges` and `others` are JSON, empty
  where there are none. `apoc.convert.fromJsonList(r.verdicts)` reads one.
"""


def fill(graph: KnowledgeGraph, folder: Path) -> int:
    """Write nodes.csv, relationships.csv and README.md into `folder`; returns the number of relationships."""
    with PropertyGraph(graph) as found:
        _write(folder / "nodes.csv", NODES, map(_node, found.nodes()))
        count = _write(folder / "relationships.csv", RELATIONSHIPS, map(_relationship, found.edges()))
    (folder / "README.md").write_text(_ABOUT, encoding="utf-8")
    return count


def _node(node: Node) -> list[Any]:
    labels = dict.fromkeys(["Value" if node.literal else "Entity", *filter(None, map(_word, node.types))])
    return [node.id, node.name, _array(node.types), _array(node.aliases), ";".join(labels)]


def _relationship(edge: Edge) -> list[Any]:
    kind = _word(edge.said["relation"]).upper() or "RELATED_TO"
    return [edge.source, edge.target, kind, edge.id, *edge.said.values()]


def _word(text: str) -> str:
    return re.sub(r"\W+", "_", text).strip("_")


def _array(texts: Iterable[str]) -> str | None:
    return ";".join(text.replace(";", "；") for text in texts) or None


def _write(path: Path, columns: dict[str, str], rows: Iterator[list[Any]]) -> int:
    """A CSV file with texts in double quotes, as RFC 4180 has them, and nothing where there is nothing to say."""
    import pyarrow
    from pyarrow import csv

    schema = pyarrow.schema([(name, pyarrow.type_for_alias(kind)) for name, kind in columns.items()])
    options = csv.WriteOptions(include_header=False)
    count = 0
    with path.open("wb") as file:
        file.write(f"{','.join(columns)}\n".encode())
        with csv.CSVWriter(file, schema, write_options=options) as writer:
            while batch := list(islice(rows, _ROWS)):
                count += len(batch)
                found = zip(zip(*batch, strict=True), schema.types, strict=True)
                cells = [pyarrow.array(values, kind) for values, kind in found]
                writer.write_batch(pyarrow.RecordBatch.from_arrays(cells, schema=schema))
    return count

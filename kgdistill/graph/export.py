"""Export: a graph as one file that other tools read, in the format that the file's name asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pyoxigraph

from kgdistill.errors import UserError
from kgdistill.graph.store import KnowledgeGraph
from kgdistill.storage.shards import atomic, disk_errors


def export(graph: KnowledgeGraph, to: Path) -> int:
    """Write the graph to `to`; returns how many quads, triples, edges or rows it holds.

    .nq .trig .jsonld   all quads in their named graphs
    .ttl                all graphs as one: facts, claims with evidence (reified), names and merges
    .graphml            the asserted facts: nodes with label and types, edges with relation, score and evidence
    .parquet .csv       a row for each claim, dropped ones too

    Everything but GraphML is streamed. The file is whole or not there. Raises UserError at any other ending and
    StorageError where the disk does not take it.
    """
    write = FORMATS.get(to.suffix.lower())
    if write is None:
        raise UserError(f'"{to.name}" has no ending that kgdistill exports to: choose {" ".join(FORMATS)}')
    with atomic(to) as file, disk_errors(to):
        return write(graph, file)


def _quads(form: pyoxigraph.RdfFormat) -> Callable[[KnowledgeGraph, IO[bytes]], int]:
    def write(graph: KnowledgeGraph, file: IO[bytes]) -> int:
        counted = _Counted(iter(graph.store))
        pyoxigraph.serialize(counted, file, format=form, prefixes=graph.prefixes)
        return counted.count

    return write


def _turtle(graph: KnowledgeGraph, file: IO[bytes]) -> int:
    # A pattern over the union would hold all triples to tell which it has had: the few that several documents
    # share (activities, agents) are simply written again, which Turtle allows.
    counted = _Counted(quad.triple for quad in graph.store)
    pyoxigraph.serialize(counted, file, format=pyoxigraph.RdfFormat.TURTLE, prefixes=graph.prefixes)
    return counted.count


class _Counted:
    """An iterator that knows how many it has given."""

    def __init__(self, items: Iterator[Any]) -> None:
        self._items, self.count = items, 0

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            self.count += 1
            yield item


def _parquet(graph: KnowledgeGraph, file: IO[bytes]) -> int:
    from pyarrow import parquet

    with parquet.ParquetFile(graph.folder / "facts.parquet") as source:
        with parquet.ParquetWriter(file, source.schema_arrow, compression="zstd") as writer:
            for batch in source.iter_batches():
                writer.write_batch(batch)
        return int(source.metadata.num_rows)


def _csv(graph: KnowledgeGraph, file: IO[bytes]) -> int:
    from pyarrow import csv, parquet

    with parquet.ParquetFile(graph.folder / "facts.parquet") as source:
        with csv.CSVWriter(file, source.schema_arrow) as writer:
            for batch in source.iter_batches():
                writer.write_batch(batch)
        return int(source.metadata.num_rows)


def _graphml(graph: KnowledgeGraph, file: IO[bytes]) -> int:
    import networkx

    network = graph.to_networkx()
    plain = networkx.MultiDiGraph()
    # GraphML knows scalars only, and XML no control characters.
    names = {
        node: f"{'v' if data['literal'] else 'e'}:{_xml(data['label'])}" for node, data in network.nodes(data=True)
    }
    for node, data in network.nodes(data=True):
        plain.add_node(
            names[node], label=_xml(data["label"]), types=_xml("|".join(data["types"])), literal=data["literal"]
        )
    for source, target, key, data in network.edges(keys=True, data=True):
        present = {
            name: _xml(value) if isinstance(value, str) else value for name, value in data.items() if value is not None
        }
        plain.add_edge(names[source], names[target], key=_xml(key), **present)
    networkx.write_graphml(plain, file)
    return int(plain.number_of_edges())


def _xml(text: str) -> str:
    allowed = (c if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff") else f"\\u{ord(c):04x}" for c in text)
    return "".join(allowed)


FORMATS: dict[str, Callable[[KnowledgeGraph, IO[bytes]], int]] = {
    ".ttl": _turtle,
    ".nq": _quads(pyoxigraph.RdfFormat.N_QUADS),
    ".trig": _quads(pyoxigraph.RdfFormat.TRIG),
    ".jsonld": _quads(pyoxigraph.RdfFormat.JSON_LD),
    ".graphml": _graphml,
    ".parquet": _parquet,
    ".csv": _csv,
}

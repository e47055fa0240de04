"""Export: a graph as one file or folder that other tools read, in the format that the name's ending asks for."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import pyoxigraph

from kgdistill.errors import UserError
from kgdistill.graph import graphml, hugging_face, neo4j
from kgdistill.graph.reifiers import reified
from kgdistill.graph.store import KnowledgeGraph
from kgdistill.graph.tables import CLAIMS, as_json, flat, schema_of
from kgdistill.graph.views import batches
from kgdistill.storage.shards import atomic, disk_errors, sync_folder

Write = Callable[[KnowledgeGraph, IO[bytes]], int]
Fill = Callable[[KnowledgeGraph, Path], int]


def export(graph: KnowledgeGraph, to: Path) -> int:
    """Write the graph to `to`; returns how many quads, triples, edges or rows it holds.

    .nq .trig .jsonld          all quads in their named graphs
    .ttl                       all graphs as one: facts, claims with evidence (reified), names and merges
    .rdf12.ttl .rdf12.trig     the same as .ttl and .trig in RDF 1.2: a claim is a reifier of its triple
    .graphml                   the asserted facts: nodes with names and types, edges with relation, verdicts, evidence
    .parquet .csv              a row for each claim, dropped ones too, with verdicts; lists are JSON in CSV
    .neo4j                     a folder that `neo4j-admin database import` reads: the same nodes and edges as CSV
    .dataset                   a folder that `datasets.load_dataset` reads, with its card

    Everything is streamed. A file or folder is whole or not there. Raises UserError at any other ending, and where a
    folder is to be written over something; RunFolderError where an older version has written the graph; StorageError
    where the disk does not take it.
    """
    name = to.name.lower()
    ending = max((known for known in FORMATS if name.endswith(known)), key=len, default="")
    if not ending:
        raise UserError(f'"{to.name}" has no ending that kgdistill exports to: choose {" ".join(FORMATS)}')
    if ending in FOLDERS:
        return _fill(FOLDERS[ending], graph, to)
    with atomic(to) as file, disk_errors(to):
        return FILES[ending](graph, file)


def _fill(fill: Fill, graph: KnowledgeGraph, to: Path) -> int:
    """A folder written beside its place, which gets its name when it is whole."""
    if to.exists():
        raise UserError(f"{to} is there already: remove it, or export to another name")
    part = to.with_name(f".{to.name}.part")
    with disk_errors(to):
        if part.exists():
            shutil.rmtree(part)  # left over from a kill
        part.mkdir(parents=True)
        try:
            count = fill(graph, part)
            part.rename(to)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        sync_folder(to.parent)
    return count


def _quads(form: pyoxigraph.RdfFormat) -> Write:
    return lambda graph, file: _serialize(graph, iter(graph.store), form, file)


def _triples(graph: KnowledgeGraph, file: IO[bytes]) -> int:
    # A pattern over the union would hold all triples to tell which it has had: the few that several documents
    # share (activities, agents) are simply written again, which Turtle allows.
    return _serialize(graph, (quad.triple for quad in graph.store), pyoxigraph.RdfFormat.TURTLE, file)


def _reified_quads(graph: KnowledgeGraph, file: IO[bytes]) -> int:
    return _serialize(graph, reified(graph.store), pyoxigraph.RdfFormat.TRIG, file)


def _reified_triples(graph: KnowledgeGraph, file: IO[bytes]) -> int:
    return _serialize(graph, (quad.triple for quad in reified(graph.store)), pyoxigraph.RdfFormat.TURTLE, file)


def _serialize(graph: KnowledgeGraph, items: Iterable[Any], form: pyoxigraph.RdfFormat, file: IO[bytes]) -> int:
    counted = _Counted(items)
    pyoxigraph.serialize(counted, file, format=form, prefixes=graph.prefixes)
    return counted.count


class _Counted:
    """Items, and how many of them were given."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items, self.count = items, 0

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            self.count += 1
            yield item


def _parquet(graph: KnowledgeGraph, file: IO[bytes]) -> int:
    return hugging_face.copy_rows(graph, "facts", file)


def _csv(graph: KnowledgeGraph, file: IO[bytes]) -> int:
    import pyarrow
    from pyarrow import csv

    schema = schema_of(flat(CLAIMS))
    count = 0
    with csv.CSVWriter(file, schema) as writer:
        for batch in batches(graph.folder / "facts.parquet", list(CLAIMS)):
            writer.write_batch(
                pyarrow.RecordBatch.from_arrays([_flat(column) for column in batch.columns], schema=schema)
            )
            count += batch.num_rows
    return count


def _flat(column: Any) -> Any:
    """Lists as JSON: CSV has none."""
    import pyarrow

    if not pyarrow.types.is_list(column.type):
        return column
    return pyarrow.array(map(as_json, column.to_pylist()), pyarrow.string())


FILES: dict[str, Write] = {
    ".ttl": _triples,
    ".nq": _quads(pyoxigraph.RdfFormat.N_QUADS),
    ".trig": _quads(pyoxigraph.RdfFormat.TRIG),
    ".jsonld": _quads(pyoxigraph.RdfFormat.JSON_LD),
    ".rdf12.ttl": _reified_triples,
    ".rdf12.trig": _reified_quads,
    ".graphml": graphml.write,
    ".parquet": _parquet,
    ".csv": _csv,
}
FOLDERS: dict[str, Fill] = {".neo4j": neo4j.fill, ".dataset": hugging_face.fill}
FORMATS = (*FILES, *FOLDERS)

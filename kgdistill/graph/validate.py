"""Validation: a graph held against the project's own SHACL shapes, one document's evidence at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import msgspec
import pyoxigraph
from msgspec import Struct

from kgdistill.graph.constraints import Node
from kgdistill.graph.shacl import Shapes, Violation, describe
from kgdistill.graph.terms import DERIVED, TYPE, own
from kgdistill.storage.shards import write_bytes

NAMES = 100
"""Names and merges that are checked for each document where the number of documents is limited."""
LENGTH = own("length")
CLAIMS = {own("Claim"), own("ModelClaim")}
SHOWN = 100
"""Violations that a report spells out; all are counted."""


class Report(Struct, frozen=True):
    """What validation found."""

    documents: int
    claims: int
    count: int
    violations: tuple[Violation, ...]

    @property
    def conforms(self) -> bool:
        return not self.count


def validate_store(folder: Path, limit: int = -1) -> Report:
    """Validate the store in `folder` and leave the report there as validation.json.

    At most `limit` documents are checked (0: nothing is, -1: all).
    """
    store = pyoxigraph.Store.read_only(str(folder / "oxigraph"))
    report = Report(0, 0, 0, ()) if limit == 0 else validate(store, limit=None if limit < 0 else limit)
    write_bytes(folder / "validation.json", msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    return report


def validate(graph: pyoxigraph.Store | Iterable[pyoxigraph.Quad], *, limit: int | None = None) -> Report:
    """Hold the evidence of at most `limit` documents, and names and merges, against shapes.ttl (None: everything).

    A limit holds for names and merges too (`NAMES` for each document), so that it bounds the time. Each evidence graph
    is whole in itself, so they are checked one by one; plain facts have no provenance and nothing to check.
    """
    shapes = Shapes(Path(__file__).with_name("shapes.ttl"))
    documents = claims = count = 0
    found: list[Violation] = []
    for part, of_document in _parts(graph, limit) if isinstance(graph, pyoxigraph.Store) else _gathered(graph, limit):
        documents += of_document
        claims += sum(not CLAIMS.isdisjoint(node.get(TYPE, ())) for node in part.values())
        for violation in shapes.violations(part):
            count += 1
            if len(found) < SHOWN:
                found.append(violation)
    return Report(documents, claims, count, tuple(found))


Part = tuple[dict[Any, Node], bool]
"""What is checked together, and whether it is a document's evidence."""


def _parts(store: pyoxigraph.Store, limit: int | None) -> Iterator[Part]:
    """The evidence graphs of a database whole, names and merges one by one."""
    documents = 0
    for graph in store.named_graphs():
        quads = store.quads_for_pattern(None, None, None, graph)
        kind = _kind(graph)
        if kind == "names":
            # The database on disk keeps the quads of a subject together.
            subjects = groupby(quads, key=lambda quad: quad.subject)
            for _, group in islice(subjects, None if limit is None else limit * NAMES):
                yield describe(group), False
        elif kind == "evidence" and (limit is None or documents < limit):
            documents += 1
            yield with_lengths(describe(quads)), True


def _gathered(quads: Iterable[pyoxigraph.Quad], limit: int | None) -> Iterator[Part]:
    """The same of quads in any order, all in memory."""
    graphs: dict[Any, dict[pyoxigraph.Quad, None]] = {}
    for quad in quads:
        graphs.setdefault(quad.graph_name, {})[quad] = None
    evidence = [graph for graph in graphs if _kind(graph) == "evidence"][:limit]
    yield from ((describe(graphs[graph]), False) for graph in graphs if _kind(graph) == "names")
    yield from ((with_lengths(describe(graphs[graph])), True) for graph in evidence)


def _kind(graph: Any) -> str:
    """What a named graph holds: "facts", "names" or "evidence"."""
    name = graph.value
    plain = name.endswith(("graph/facts", "graph/model-facts"))
    return "facts" if plain else "names" if name.endswith("graph/names") else "evidence"


def with_lengths(evidence: dict[Any, Node]) -> dict[Any, Node]:
    """The same, with each claim told the length of its document: SHACL compares properties of one node only."""
    for node in evidence.values():
        sources = (evidence.get(document, {}) for document in node.get(DERIVED, ()))
        lengths = [length for source in sources for length in source.get(LENGTH, ())]
        if lengths:
            node[own("documentLength")] = lengths
    return evidence

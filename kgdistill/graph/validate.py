"""Validation: a graph held against the project's own SHACL shapes, a bounded number of claims at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pyoxigraph
from msgspec import Struct

from kgdistill.graph.views import term
from kgdistill.graph.vocabulary import DERIVED, TYPE, own
from kgdistill.storage.shards import write_bytes

if TYPE_CHECKING:
    import rdflib

NAMES = 100
"""Names and merges that are checked for each document where the number of documents is limited."""
BATCH = 20_000
"""Quads put before pySHACL at once; more is no faster, and memory stays bounded."""
SHOWN = 100
"""Violations that a report spells out; all are counted."""


class Violation(Struct, frozen=True):
    """One thing that the shapes refuse: the node, its property (or ""), and why."""

    focus: str
    path: str
    message: str


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
    is whole in itself, so documents are checked in batches; plain facts have no provenance and nothing to check.
    """
    if not isinstance(graph, pyoxigraph.Store):
        quads, graph = graph, pyoxigraph.Store()
        graph.extend(quads)
    shapes = _shapes()
    documents = claims = count = 0
    found: list[Violation] = []
    for batch, new_documents, new_claims in _batches(graph, limit):
        violations = _check(batch, shapes)
        documents, claims, count = documents + new_documents, claims + new_claims, count + len(violations)
        found += violations[: SHOWN - len(found)]
    return Report(documents, claims, count, tuple(found))


def _shapes() -> rdflib.Graph:
    import rdflib

    return rdflib.Graph().parse(Path(__file__).with_name("shapes.ttl"), format="turtle")


Quads = list[pyoxigraph.Quad]


def _batches(store: pyoxigraph.Store, limit: int | None) -> Iterator[tuple[Quads, int, int]]:
    """(quads, documents in them, claims in them): evidence graphs whole, other graphs cut between subjects."""
    batch: Quads = []
    documents = claims = 0
    for part, of_document in _parts(store, limit):
        batch += part
        documents += of_document
        claims += sum(quad.predicate == TYPE and quad.object == own("Claim") for quad in part)
        if len(batch) >= BATCH:
            yield batch, documents, claims
            batch, documents, claims = [], 0, 0
    if batch:
        yield batch, documents, claims


def _parts(store: pyoxigraph.Store, limit: int | None) -> Iterator[tuple[Quads, bool]]:
    """(quads that are checked together, whether they are a document's evidence)."""
    documents = 0
    for graph in store.named_graphs():
        name = graph.value
        if name.endswith("graph/facts"):
            continue
        quads = store.quads_for_pattern(None, None, None, graph)
        if name.endswith("graph/names"):
            # Within a graph the database keeps the quads of a subject together.
            subjects = groupby(quads, key=lambda quad: quad.subject)
            yield from ((list(group), False) for _, group in islice(subjects, None if limit is None else limit * NAMES))
        elif limit is None or documents < limit:
            documents += 1
            yield list(quads), True


def _check(quads: Quads, shapes: rdflib.Graph) -> list[Violation]:
    import rdflib
    from pyshacl import validate as shacl

    graph = rdflib.Graph()
    terms: dict[Any, Any] = {}

    def convert(value: Any) -> Any:
        if value not in terms:
            terms[value] = term(value)
        return terms[value]

    lengths: dict[Any, Any] = {quad.subject: quad.object for quad in quads if quad.predicate == own("length")}
    for quad in quads:
        graph.add((convert(quad.subject), convert(quad.predicate), convert(quad.object)))
        if quad.predicate == DERIVED and quad.object in lengths:
            # SHACL compares properties of one node only, so each claim is told the length of its document.
            graph.add((convert(quad.subject), convert(own("documentLength")), convert(lengths[quad.object])))
    conforms, results, _ = shacl(graph, shacl_graph=shapes, inference="none", advanced=False, meta_shacl=False)
    return [] if conforms else sorted(_violations(results), key=lambda v: (v.focus, v.path, v.message))


def _violations(results: rdflib.Graph) -> Iterator[Violation]:
    from rdflib import SH

    for result in results.subjects(SH.focusNode, None):
        if (None, SH.result, result) in results:
            parts = (results.value(result, name) for name in (SH.focusNode, SH.resultPath, SH.resultMessage))
            yield Violation(*("" if part is None else str(part) for part in parts))

"""Census: what a store holds, counted while it is written, so that nobody has to scan it later to describe it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyoxigraph
from pyoxigraph import NamedNode, Quad

from kgdistill.graph import iri
from kgdistill.graph.terms import CONCEPT, TYPE


class Census:
    """The distinct properties and classes of the quads that pass; they are held, the quads are not."""

    def __init__(self) -> None:
        self.properties: set[NamedNode] = set()
        self.classes: set[Any] = set()

    def pass_through(self, quads: Iterable[Quad]) -> Iterator[Quad]:
        for quad in quads:
            predicate = quad.predicate
            self.properties.add(predicate)
            if predicate == TYPE:
                self.classes.add(quad.object)
            yield quad

    def figures(self, store: pyoxigraph.Store, base: str) -> dict[str, int]:
        """The counts of the store that they went into, by their names in `StoreCounts`; reads three graphs once."""
        return {
            "entities": _count(store, iri.names_iri(base), f"?s {TYPE} {CONCEPT}"),
            "properties": len(self.properties),
            "classes": len(self.classes),
            "facts_graph": _count(store, iri.facts_iri(base), "?s ?p ?o"),
            "model_facts_graph": _count(store, iri.model_facts_iri(base), "?s ?p ?o"),
            "names_graph": _count(store, iri.names_iri(base), "?s ?p ?o"),
        }


def _count(store: pyoxigraph.Store, graph: str, pattern: str) -> int:
    found: Any = store.query(f"SELECT (COUNT(*) AS ?n) {{ GRAPH {NamedNode(graph)} {{ {pattern} }} }}")
    return int(next(found)["n"].value)

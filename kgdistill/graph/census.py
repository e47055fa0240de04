"""Census: what a store holds, counted while it is written, so that nobody has to scan it later to describe it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyoxigraph
from pyoxigraph import NamedNode, Quad

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


def triples_in(store: pyoxigraph.Store, graph: str) -> int:
    """The triples of one named graph, by reading it once."""
    return _count(store, graph, "?s ?p ?o")


def entities_in(store: pyoxigraph.Store, graph: str) -> int:
    """The things with a name in the graph of names."""
    return _count(store, graph, f"?s {TYPE} {CONCEPT}")


def _count(store: pyoxigraph.Store, graph: str, pattern: str) -> int:
    found: Any = store.query(f"SELECT (COUNT(*) AS ?n) {{ GRAPH {NamedNode(graph)} {{ {pattern} }} }}")
    return int(next(found)["n"].value)

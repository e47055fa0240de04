"""Reifiers: a store's quads in RDF 1.2, where a claim names the triple that it makes, not its three parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyoxigraph
from pyoxigraph import NamedNode, Quad, Triple

from kgdistill.graph.terms import OWN_TRIPLE, RDF, RDF_OBJECT, RDF_PREDICATE, RDF_STATEMENT, RDF_SUBJECT, TYPE

REIFIES = NamedNode(RDF + "reifies")
_SUBJECT, _PREDICATE, _OBJECT = OWN_TRIPLE
_REPLACED = {_PREDICATE, _OBJECT, RDF_SUBJECT, RDF_PREDICATE, RDF_OBJECT}


def reified(store: pyoxigraph.Store) -> Iterator[Quad]:
    """All quads, streamed; the seven that say which triple a claim makes become one `rdf:reifies` (RDF 1.2 Concepts).

    A reified triple is not asserted by that: what is a fact stands in the graph of facts, as before.
    """
    for quad in store:
        if quad.predicate == _SUBJECT:
            predicate = _part(store, quad, _PREDICATE)
            triple = Triple(quad.object, predicate, _part(store, quad, _OBJECT))
            yield Quad(quad.subject, REIFIES, triple, quad.graph_name)
        elif quad.predicate not in _REPLACED and not (quad.predicate == TYPE and quad.object == RDF_STATEMENT):
            yield quad


def _part(store: pyoxigraph.Store, claim: Quad, name: NamedNode) -> Any:
    found = store.quads_for_pattern(claim.subject, name, None, claim.graph_name)
    return next(iter(found)).object

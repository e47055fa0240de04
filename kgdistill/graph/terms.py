"""Terms: the namespaces and fixed terms of a graph, and the addresses of what is in it as terms."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from pyoxigraph import Literal, NamedNode

KGD = "https://w3id.org/kgdistill/ns#"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
SKOS = "http://www.w3.org/2004/02/skos/core#"
PROV = "http://www.w3.org/ns/prov#"
DCTERMS = "http://purl.org/dc/terms/"
XSD = "http://www.w3.org/2001/XMLSchema#"
SPACES = {"rdf": RDF, "rdfs": RDFS, "skos": SKOS, "prov": PROV, "xsd": XSD, "dcterms": DCTERMS, "kgd": KGD}

Object = NamedNode | Literal
Pairs = Iterator[tuple[NamedNode, Object]]
"""(property, value) of one subject."""

TYPE = NamedNode(RDF + "type")
TRUE, FALSE = Literal(True), Literal(False)


def prefixes(base: str) -> dict[str, str]:
    """The prefixes offered to queries and exports; the empty one is the base."""
    return {**SPACES, "": base}


@lru_cache(maxsize=1024)
def own(name: str) -> NamedNode:
    """A term of our own namespace."""
    return NamedNode(KGD + name)


DEFINITION = NamedNode(SKOS + "definition")
RDF_STATEMENT, RDF_PROPERTY, RDFS_CLASS = (NamedNode(i) for i in (RDF + "Statement", RDF + "Property", RDFS + "Class"))
RDF_SUBJECT, RDF_PREDICATE, RDF_OBJECT = (NamedNode(RDF + name) for name in ("subject", "predicate", "object"))
RDFS_LABEL = NamedNode(RDFS + "label")
CONCEPT, PREFERRED, ALTERNATIVE = (NamedNode(SKOS + name) for name in ("Concept", "prefLabel", "altLabel"))
ENTITY, ACTIVITY, AGENT = (NamedNode(PROV + name) for name in ("Entity", "Activity", "SoftwareAgent"))
DERIVED, GENERATED, ASSOCIATED = (
    NamedNode(PROV + name) for name in ("wasDerivedFrom", "wasGeneratedBy", "wasAssociatedWith")
)
IDENTIFIER, TITLE, SOURCE, LANGUAGE = (
    NamedNode(DCTERMS + name) for name in ("identifier", "title", "source", "language")
)


@lru_cache(maxsize=65536)
def node(address: str) -> NamedNode:
    """Terms are immutable: the same few names recur in most claims."""
    return NamedNode(address)


OWN_TRIPLE = own("subject"), own("predicate"), own("object")

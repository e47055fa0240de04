"""What the service says of itself: a SPARQL 1.1 Service Description with VoID, for programs."""

from __future__ import annotations

from collections.abc import Iterator

import pyoxigraph
from pyoxigraph import Literal, NamedNode, Triple

from kgdistill.graph import iri
from kgdistill.graph.store import About
from kgdistill.graph.terms import DCTERMS, RDF, SPACES, prefixes

SD = "http://www.w3.org/ns/sparql-service-description#"
VOID = "http://rdfs.org/ns/void#"
FORMATS = "http://www.w3.org/ns/formats/"
WRITTEN = (
    "SPARQL_Results_JSON", "SPARQL_Results_XML", "SPARQL_Results_CSV", "SPARQL_Results_TSV",
    "Turtle", "N-Triples", "JSON-LD", "RDF_XML", "TriG", "N-Quads",
)  # fmt: skip


def description(about: About, root: str, media: str) -> bytes:
    """Service and data set as RDF of this media type; `root` is the address of the service, with a slash at its end."""
    names = {"sd": SD, "void": VOID, **{name: SPACES[name] for name in ("rdf", "dcterms")}}
    form = pyoxigraph.RdfFormat.from_media_type(media)
    return pyoxigraph.serialize(_triples(about, root), format=form, prefixes=names) or b""


def _triples(about: About, root: str) -> Iterator[Triple]:
    service, data, default = (NamedNode(root + place) for place in ("sparql", "#dataset", "#default-graph"))

    def say(subject: NamedNode, predicate: str, *values: NamedNode | Literal) -> Iterator[Triple]:
        return (Triple(subject, NamedNode(predicate), value) for value in values)

    yield from say(service, RDF + "type", NamedNode(SD + "Service"))
    yield from say(service, SD + "endpoint", service)
    yield from say(service, SD + "supportedLanguage", NamedNode(SD + "SPARQL11Query"))
    yield from say(service, SD + "feature", NamedNode(SD + "UnionDefaultGraph"))
    yield from say(service, SD + "resultFormat", *(NamedNode(FORMATS + name) for name in WRITTEN))
    yield from say(service, SD + "defaultDataset", data)
    yield from say(data, RDF + "type", NamedNode(SD + "Dataset"), NamedNode(VOID + "Dataset"))
    yield from say(data, DCTERMS + "title", Literal(about.run))
    yield from say(data, VOID + "sparqlEndpoint", service)
    yield from say(data, VOID + "triples", Literal(about.counts.quads))
    yield from say(data, VOID + "documents", Literal(about.counts.documents))
    yield from say(data, VOID + "uriSpace", Literal(about.base))
    spaces = (space for name, space in prefixes(about.base).items() if name not in ("", "xsd"))
    yield from say(data, VOID + "vocabulary", *(NamedNode(space) for space in spaces))
    yield from say(data, SD + "defaultGraph", default)
    yield from say(default, RDF + "type", NamedNode(SD + "Graph"))
    # The graphs of single documents are too many to be named here; GRAPH ?g finds them.
    for number, graph in enumerate((iri.facts_iri(about.base), iri.names_iri(about.base))):
        named = NamedNode(f"{root}#graph-{number}")
        yield from say(data, SD + "namedGraph", named)
        yield from say(named, RDF + "type", NamedNode(SD + "NamedGraph"))
        yield from say(named, SD + "name", NamedNode(graph))

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
    yield from _say(service, RDF + "type", NamedNode(SD + "Service"))
    yield from _say(service, SD + "endpoint", service)
    yield from _say(service, SD + "supportedLanguage", NamedNode(SD + "SPARQL11Query"))
    yield from _say(service, SD + "feature", NamedNode(SD + "UnionDefaultGraph"))
    yield from _say(service, SD + "resultFormat", *(NamedNode(FORMATS + name) for name in WRITTEN))
    yield from _say(service, SD + "defaultDataset", data)
    yield from _say(data, RDF + "type", NamedNode(SD + "Dataset"), NamedNode(VOID + "Dataset"))
    yield from _say(data, DCTERMS + "title", Literal(about.run))
    yield from _say(data, VOID + "sparqlEndpoint", service)
    counts = about.counts
    yield from _say(data, VOID + "triples", Literal(counts.quads))
    yield from _say(data, VOID + "documents", Literal(counts.documents))
    for name in ("entities", "properties", "classes"):
        if number := getattr(counts, name):
            yield from _say(data, VOID + name, Literal(number))
    yield from _say(data, VOID + "uriSpace", Literal(about.base))
    spaces = (space for name, space in prefixes(about.base).items() if name not in ("", "xsd"))
    yield from _say(data, VOID + "vocabulary", *(NamedNode(space) for space in spaces))
    yield from _say(data, SD + "defaultGraph", default)
    yield from _say(default, RDF + "type", NamedNode(SD + "Graph"))
    yield from _graphs(about, data, root)


def _graphs(about: About, data: NamedNode, root: str) -> Iterator[Triple]:
    """The graphs by name; those of single documents and seeds are too many for that, and come as where they begin."""
    base, counts = about.base, about.counts
    single = [
        ("facts", iri.facts_iri(base), counts.facts_graph, "What documents state: kept, neither negated nor hedged."),
        ("names", iri.names_iri(base), counts.names_graph, "Labels and types of entities and relations, and merges."),
    ]
    many = [
        ("evidence", iri.evidence_space(base), "One named graph for each document: its claims with their evidence."),
    ]
    if counts.model_facts:
        facts = "What a model states and no document vouches for."
        single.append(("model-facts", iri.model_facts_iri(base), counts.model_facts_graph, facts))
        evidence = "One named graph for each seed: what a model was asked of it, and what it said."
        many.append(("model-evidence", iri.model_evidence_space(base), evidence))
    for name, address, number, text in single:
        named, graph = NamedNode(f"{root}#{name}-graph"), NamedNode(f"{root}#{name}")
        yield from _say(data, SD + "namedGraph", named)
        yield from _say(named, RDF + "type", NamedNode(SD + "NamedGraph"))
        yield from _say(named, SD + "name", NamedNode(address))
        yield from _say(named, SD + "graph", graph)
        yield from _say(graph, RDF + "type", NamedNode(SD + "Graph"), NamedNode(VOID + "Dataset"))
        yield from _say(graph, DCTERMS + "description", Literal(text))
        if number:
            yield from _say(graph, VOID + "triples", Literal(number))
    for name, address, text in many:
        graphs = NamedNode(f"{root}#{name}")
        yield from _say(data, VOID + "subset", graphs)
        yield from _say(graphs, RDF + "type", NamedNode(VOID + "Dataset"))
        yield from _say(graphs, DCTERMS + "description", Literal(f"{text} Their names begin with the uriSpace."))
        yield from _say(graphs, VOID + "uriSpace", Literal(address))


def _say(subject: NamedNode, predicate: str, *values: NamedNode | Literal) -> Iterator[Triple]:
    return (Triple(subject, NamedNode(predicate), value) for value in values)

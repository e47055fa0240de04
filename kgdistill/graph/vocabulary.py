"""Vocabulary: readings as RDF quads, with the claims' evidence and provenance; pure, no file is touched.

    <base>graph/facts            plain triples of asserted claims, under canonical names
    <base>evidence/<document>    the document and one node for each of its claims, dropped ones with their reason
    <base>graph/names            labels, types and the merges that brought names together
    <base>graph/model-facts      reserved for claims that no document vouches for

Everything is a typed term (no text is ever pasted into RDF syntax) and RDF 1.1. Claims are reified twice: under our own
properties and as rdf:Statement, so that every tool reads them; activities are PROV-O, labels SKOS.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

from msgspec import Struct
from pyoxigraph import Literal, NamedNode, Quad

from kgdistill.graph import iri
from kgdistill.graph.literals import literal, scrub, text_digest
from kgdistill.records import Claim, Document, Merge, Reading, Span, Verdict

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


class Renaming(Struct, frozen=True):
    """Where the corpus' merges lead: name -> canonical name, for entities that no claim of their document names."""

    entities: dict[str, str] = {}

    @classmethod
    def of(cls, merges: Iterable[Merge]) -> Renaming:
        return cls({merge.name: merge.into for merge in merges if merge.kind == "entity"})

    def follow(self, name: str) -> str:
        seen = {name}
        while (further := self.entities.get(name)) is not None and further not in seen:
            seen.add(further)
            name = further
        return name


def quads(
    reading: Reading, *, base: str, run: str, teacher: str = "", merges: Renaming | Iterable[Merge] = ()
) -> Iterator[Quad]:
    """All quads of one document: facts, evidence, names. Quads that documents share come again with each of them.

    `base` must have passed `iri.check_base`. `merges` only serves to name entities that stand in no claim (pass a
    `Renaming` when calling for many documents); the merges' own records come from `merge_quads`.
    """
    document = reading.document
    evidence = node(iri.evidence_iri(base, document.id))
    derived = node(iri.document_iri(base, document.id))
    for predicate, value in _document(reading):
        yield Quad(derived, predicate, value, evidence)
    methods: set[str] = set()
    for chunk in reading.chunks:
        for claim in chunk.claims:
            activity = node(iri.activity_iri(base, run, claim.method))
            if claim.method not in methods:
                methods.add(claim.method)
                yield from _activity(activity, base, run, claim.method, teacher, evidence)
            yield from _claim(claim, document, chunk.chunk.index, base, evidence, (derived, activity))
    yield from _names(reading, base, merges if isinstance(merges, Renaming) else Renaming.of(merges))


def merge_quads(merges: Iterable[Merge], *, base: str) -> Iterator[Quad]:
    """One record for each merge, in the graph of names."""
    graph = node(iri.names_iri(base))
    for merge in merges:
        address = iri.entity_iri if merge.kind == "entity" else iri.relation_iri
        subject = NamedNode(iri.merge_iri(base, merge.id))
        yield Quad(subject, TYPE, own("Merge"), graph)
        yield Quad(subject, IDENTIFIER, Literal(scrub(merge.id)), graph)
        yield Quad(subject, own("kind"), Literal(merge.kind), graph)
        yield Quad(subject, own("from"), Literal(scrub(merge.name)), graph)
        yield Quad(subject, own("into"), node(address(base, merge.into)), graph)
        yield Quad(subject, own("intoName"), Literal(scrub(merge.into)), graph)
        yield Quad(subject, own("reason"), Literal(scrub(merge.reason)), graph)
        yield Quad(subject, own("score"), Literal(float(merge.score)), graph)


def object_term(base: str, claim: Claim) -> Object:
    """The object of a claim as RDF has it: an entity, or a value."""
    _, relation, target = claim.names
    return literal(target, relation) if claim.literal else node(iri.entity_iri(base, target))


def _document(reading: Reading) -> Pairs:
    document = reading.document
    yield TYPE, own("Document")
    yield TYPE, ENTITY
    yield IDENTIFIER, Literal(scrub(document.id))
    yield SOURCE, Literal(scrub(document.source))
    yield own("sha256"), Literal(text_digest(document.text))
    yield own("length"), Literal(len(document.text))
    optional = ((TITLE, document.title), (LANGUAGE, document.language), (own("setAside"), reading.set_aside))
    yield from ((predicate, Literal(scrub(value))) for predicate, value in optional if value)


def _activity(activity: NamedNode, base: str, run: str, method: str, teacher: str, graph: NamedNode) -> Iterator[Quad]:
    yield Quad(activity, TYPE, ACTIVITY, graph)
    yield Quad(activity, own("run"), Literal(scrub(run)), graph)
    yield Quad(activity, own("method"), Literal(scrub(method)), graph)
    if teacher:
        agent = node(iri.agent_iri(base, teacher))
        yield Quad(activity, ASSOCIATED, agent, graph)
        yield Quad(agent, TYPE, AGENT, graph)
        yield Quad(agent, RDFS_LABEL, Literal(scrub(teacher)), graph)


def _claim(
    claim: Claim,
    document: Document,
    chunk: int,
    base: str,
    evidence: NamedNode,
    provenance: tuple[NamedNode, NamedNode],
) -> Iterator[Quad]:
    address = iri.claim_iri(base, document.id, claim.id)
    subject = NamedNode(address)
    triple = _terms(claim, base)
    if claim.asserted:
        yield Quad(*triple, node(iri.facts_iri(base)))
    for predicate, value in _reified(claim, triple):
        yield Quad(subject, predicate, value, evidence)
    for predicate, value in _qualities(claim, chunk):
        yield Quad(subject, predicate, value, evidence)
    for predicate, value in _place(claim, document.text):
        yield Quad(subject, predicate, value, evidence)
    yield Quad(subject, DERIVED, provenance[0], evidence)
    yield Quad(subject, GENERATED, provenance[1], evidence)
    for number, verdict in enumerate(claim.verdicts):
        given = NamedNode(f"{address}/verdict/{number}")
        yield Quad(subject, own("verdict"), given, evidence)
        for predicate, value in _verdict(verdict):
            yield Quad(given, predicate, value, evidence)


def _terms(claim: Claim, base: str) -> tuple[NamedNode, NamedNode, Object]:
    subject, relation, _ = claim.names
    return node(iri.entity_iri(base, subject)), node(iri.relation_iri(base, relation)), object_term(base, claim)


def _reified(claim: Claim, triple: tuple[NamedNode, NamedNode, Object]) -> Pairs:
    yield TYPE, own("Claim")
    yield TYPE, RDF_STATEMENT
    for ours, everyones, term in zip(OWN_TRIPLE, (RDF_SUBJECT, RDF_PREDICATE, RDF_OBJECT), triple, strict=True):
        yield ours, term
        yield everyones, term
    yield own("subjectText"), Literal(scrub(claim.subject))
    yield own("relationText"), Literal(scrub(claim.relation))
    yield own("objectText"), Literal(scrub(claim.object))


OWN_TRIPLE = own("subject"), own("predicate"), own("object")


def _qualities(claim: Claim, chunk: int) -> Pairs:
    yield IDENTIFIER, Literal(scrub(claim.id))
    yield own("kept"), TRUE if claim.kept else FALSE
    yield own("negated"), TRUE if claim.negated else FALSE
    yield own("hedged"), TRUE if claim.hedged else FALSE
    yield own("chunk"), Literal(chunk)
    yield own("samples"), Literal(len(claim.samples))
    if claim.verdict("combined") is not None:
        yield own("score"), Literal(float(claim.score))
    texts = [("method", claim.method), ("proposition", claim.proposition)]
    if claim.dropped:
        texts += [("rule", claim.dropped.rule), ("reason", claim.dropped.reason), ("instead", claim.dropped.instead)]
    texts += [("merge", merge) for merge in (claim.canonical.merges if claim.canonical else ())]
    for name, text in texts:
        if text:
            yield own(name), Literal(scrub(text))


def _place(claim: Claim, text: str) -> Pairs:
    """Where the document says so: offsets in code points, and the words there."""
    if claim.evidence is None:
        return
    sentence = claim.evidence.sentence
    yield from _bounds("", sentence)
    yield own("quote"), Literal(scrub(text[sentence.start : sentence.end]))
    for name, span in (("subject", claim.evidence.subject), ("object", claim.evidence.object)):
        if span is not None:
            yield from _bounds(name, span)


def _bounds(name: str, span: Span) -> Pairs:
    start, end = (f"{name}Start", f"{name}End") if name else ("start", "end")
    yield own(start), Literal(span.start)
    yield own(end), Literal(span.end)


def _verdict(verdict: Verdict) -> Pairs:
    yield TYPE, own("Verdict")
    yield own("judge"), Literal(scrub(verdict.judge))
    yield own("score"), Literal(float(verdict.score))
    if verdict.reason:
        yield own("reason"), Literal(scrub(verdict.reason))


def _names(reading: Reading, base: str, renaming: Renaming) -> Iterator[Quad]:
    """Concepts with labels and types, and properties with labels, once each for the document."""
    graph = node(iri.names_iri(base))
    entities: dict[tuple[str, str], None] = {}
    relations: dict[tuple[str, str], None] = {}
    for claim in reading.claims:
        subject, relation, target = claim.names
        entities[subject, claim.subject] = None
        relations[relation, claim.relation] = None
        if not claim.literal:
            entities[target, claim.object] = None
    known = {name: canonical for canonical, name in entities}
    typed: dict[tuple[str, str], None] = {}
    for entity in (entity for chunk in reading.chunks for entity in chunk.entities):
        canonical = known.get(entity.name) or renaming.follow(entity.name)
        entities[canonical, entity.name] = None
        if entity.type:
            typed[canonical, entity.type] = None
    yield from _labels(entities, base, graph)
    for canonical, kind in typed:
        minted = node(iri.type_iri(base, kind))
        yield Quad(node(iri.entity_iri(base, canonical)), TYPE, minted, graph)
        yield Quad(minted, TYPE, RDFS_CLASS, graph)
        yield Quad(minted, RDFS_LABEL, _label(kind), graph)
    for canonical in dict.fromkeys(canonical for canonical, _ in relations):
        predicate = node(iri.relation_iri(base, canonical))
        yield Quad(predicate, TYPE, RDF_PROPERTY, graph)
        yield Quad(predicate, RDFS_LABEL, _label(canonical), graph)
    for canonical, name in relations:
        if name != canonical:
            yield Quad(node(iri.relation_iri(base, canonical)), ALTERNATIVE, _label(name), graph)


def _labels(entities: Iterable[tuple[str, str]], base: str, graph: NamedNode) -> Iterator[Quad]:
    for canonical in dict.fromkeys(canonical for canonical, _ in entities):
        subject = node(iri.entity_iri(base, canonical))
        yield Quad(subject, TYPE, CONCEPT, graph)
        yield Quad(subject, PREFERRED, _label(canonical), graph)
    for canonical, name in entities:
        if _nfc(name) != _nfc(canonical):
            yield Quad(node(iri.entity_iri(base, canonical)), ALTERNATIVE, _label(name), graph)


def _label(name: str) -> Literal:
    # In NFC like the address, so that one entity never has two preferred labels.
    return Literal(_nfc(name))


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", scrub(name))

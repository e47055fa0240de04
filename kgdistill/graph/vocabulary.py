"""Vocabulary: readings as RDF quads, with the claims' evidence and provenance; pure, no file is touched.

    <base>graph/facts                  plain triples of asserted claims, under canonical names
    <base>evidence/<document>          the document and one node for each of its claims, dropped ones with their reason
    <base>graph/names                  labels, types and the merges that brought names together
    <base>graph/model-facts            plain triples of asserted claims that no document vouches for
    <base>model-evidence/<seed>        the seed, the prompts that a model was given about it, and what it said

Everything is a typed term (no text is ever pasted into RDF syntax) and RDF 1.1. Claims are reified twice: under our own
properties and as rdf:Statement, so that every tool reads them; activities are PROV-O, labels SKOS.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct
from pyoxigraph import Literal, NamedNode, Quad

from kgdistill.graph import iri
from kgdistill.graph.labels import Renaming, names
from kgdistill.graph.literals import literal, text_digest
from kgdistill.graph.terms import (
    ACTIVITY,
    AGENT,
    ALTERNATIVE,
    ASSOCIATED,
    DERIVED,
    ENTITY,
    FALSE,
    GENERATED,
    IDENTIFIER,
    KGD,
    LANGUAGE,
    OWN_TRIPLE,
    PREFERRED,
    RDF_OBJECT,
    RDF_PREDICATE,
    RDF_STATEMENT,
    RDF_SUBJECT,
    RDFS_LABEL,
    SOURCE,
    TITLE,
    TRUE,
    TYPE,
    Object,
    Pairs,
    node,
    own,
    prefixes,
)
from kgdistill.graph.utterances import prompts, seed_properties, utterances
from kgdistill.records import Claim, Comparative, Merge, Proposition, Reading, Span, Triple, Verdict
from kgdistill.text.surrogates import scrub

__all__ = [
    "ALTERNATIVE", "DERIVED", "GENERATED", "KGD", "PREFERRED", "RDFS_LABEL", "RDF_OBJECT", "RDF_STATEMENT", "TYPE",
    "Renaming", "merge_quads", "object_term", "own", "prefixes", "quads",
]  # fmt: skip


class _Home(Struct, frozen=True):
    """Where what a reading says is written: that of documents and that of models never meet in one graph or class."""

    facts: NamedNode
    evidence: NamedNode
    derived: NamedNode
    """The document or seed."""
    kind: NamedNode
    """Class of its claims."""


def _home(reading: Reading, base: str) -> _Home:
    name = reading.document.id
    if reading.seed is None:
        facts, evidence, derived = iri.facts_iri(base), iri.evidence_iri(base, name), iri.document_iri(base, name)
        kind = own("Claim")
    else:
        facts, evidence = iri.model_facts_iri(base), iri.model_evidence_iri(base, name)
        derived, kind = iri.seed_iri(base, name), own("ModelClaim")
    return _Home(node(facts), node(evidence), node(derived), kind)


def quads(
    reading: Reading, *, base: str, run: str, teacher: str = "", merges: Renaming | Iterable[Merge] = ()
) -> Iterator[Quad]:
    """All quads of one document or seed: facts, evidence, names. Quads that several share come again with each.

    `base` must have passed `iri.check_base`. `merges` only serves to name entities that stand in no claim (pass a
    `Renaming` when calling for many documents); the merges' own records come from `merge_quads`.
    """
    home = _home(reading, base)
    for predicate, value in _document(reading) if reading.seed is None else seed_properties(reading, base):
        yield Quad(home.derived, predicate, value, home.evidence)
    yield from prompts(reading, base, teacher, home.evidence)
    methods: set[str] = set()
    for chunk in reading.chunks:
        for claim in chunk.claims:
            activity = node(iri.activity_iri(base, run, claim.method))
            if claim.method not in methods:
                methods.add(claim.method)
                yield from _activity(activity, base, run, claim.method, teacher, home.evidence)
            yield from _claim(claim, reading, chunk.chunk.index, base, home)
            yield Quad(_address(claim, reading, base), GENERATED, activity, home.evidence)
    yield from names(reading, base, merges if isinstance(merges, Renaming) else Renaming.of(merges))


def _address(claim: Claim, reading: Reading, base: str) -> NamedNode:
    mint = iri.claim_iri if reading.seed is None else iri.model_claim_iri
    return node(mint(base, reading.document.id, claim.id))


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


def _claim(claim: Claim, reading: Reading, chunk: int, base: str, home: _Home) -> Iterator[Quad]:
    subject = _address(claim, reading, base)
    if claim.asserted:
        yield Quad(*_terms(claim, base), home.facts)
    if isinstance(claim, Proposition):
        parts = [_sentence(claim, reading, base)]
    else:
        parts = [_reified(claim, _terms(claim, base), home.kind), _others(claim, base)]
    parts += [_qualities(claim, chunk), _place(claim, reading.document.text)]
    for predicate, value in (pair for part in parts for pair in part):
        yield Quad(subject, predicate, value, home.evidence)
    yield Quad(subject, DERIVED, home.derived, home.evidence)
    yield from utterances(claim, subject, base, home.evidence)
    for number, verdict in enumerate(claim.verdicts):
        given = NamedNode(f"{subject.value}/verdict/{number}")
        yield Quad(subject, own("verdict"), given, home.evidence)
        for predicate, value in _verdict(verdict):
            yield Quad(given, predicate, value, home.evidence)


def _sentence(claim: Proposition, reading: Reading, base: str) -> Pairs:
    """A proposition is a text with the claims that it holds."""
    yield TYPE, own("Proposition")
    yield own("text"), Literal(scrub(claim.text))
    mint = iri.claim_iri if reading.seed is None else iri.model_claim_iri
    yield from ((own("states"), node(mint(base, reading.document.id, triple))) for triple in claim.triples)


def _terms(claim: Claim, base: str) -> tuple[NamedNode, NamedNode, Object]:
    subject, relation, _ = claim.names
    return node(iri.entity_iri(base, subject)), node(iri.relation_iri(base, relation)), object_term(base, claim)


def _reified(claim: Claim, triple: tuple[NamedNode, NamedNode, Object], kind: NamedNode) -> Pairs:
    yield TYPE, kind
    yield TYPE, RDF_STATEMENT
    for ours, everyones, term in zip(OWN_TRIPLE, (RDF_SUBJECT, RDF_PREDICATE, RDF_OBJECT), triple, strict=True):
        yield ours, term
        yield everyones, term
    yield own("subjectText"), Literal(scrub(claim.subject))
    yield own("relationText"), Literal(scrub(claim.relation))
    yield own("objectText"), Literal(scrub(claim.object))


def _others(claim: Claim, base: str) -> Pairs:
    """What else stands in a relation between more than two things: the claim's own node holds them together."""
    if isinstance(claim, Triple):
        for other in claim.others:
            yield own("other"), node(iri.entity_iri(base, other))
            yield own("otherText"), Literal(scrub(other))


def _qualities(claim: Claim, chunk: int) -> Pairs:
    yield IDENTIFIER, Literal(scrub(claim.id))
    yield own("kept"), TRUE if claim.kept else FALSE
    yield own("negated"), TRUE if claim.negated else FALSE
    yield own("hedged"), TRUE if claim.hedged else FALSE
    yield own("chunk"), Literal(chunk)
    yield own("samples"), Literal(len(claim.samples))
    if claim.verdict("combined") is not None:
        yield own("score"), Literal(float(claim.score))
    texts = [("method", claim.method)]
    if not isinstance(claim, Proposition):
        texts.append(("proposition", claim.proposition))
    if isinstance(claim, Comparative):
        texts += [("aspect", claim.aspect), ("direction", claim.direction), ("frequency", claim.frequency)]
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

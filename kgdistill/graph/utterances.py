"""Utterances: what stands behind a claim without a document, as RDF: the seed, the prompts, and what was sampled."""

from __future__ import annotations

from collections.abc import Iterator

from pyoxigraph import Literal, NamedNode, Quad

from kgdistill.graph import iri
from kgdistill.graph.terms import (
    AGENT,
    ASSOCIATED,
    DEFINITION,
    ENTITY,
    IDENTIFIER,
    RDFS_LABEL,
    SOURCE,
    TYPE,
    Pairs,
    node,
    own,
)
from kgdistill.records import Claim, EventSeed, PairSeed, Reading, Utterance
from kgdistill.text.surrogates import scrub


def seed_properties(reading: Reading, base: str) -> Pairs:
    """What a seed is; an event that a model made up says how."""
    document, seed = reading.document, reading.seed
    yield TYPE, own("Seed")
    yield TYPE, ENTITY
    yield IDENTIFIER, Literal(scrub(document.id))
    yield SOURCE, Literal(scrub(document.source))
    yield DEFINITION, Literal(scrub(document.text))
    if isinstance(seed, PairSeed):
        yield own("left"), node(iri.entity_iri(base, seed.left))
        yield own("right"), node(iri.entity_iri(base, seed.right))
    if isinstance(seed, EventSeed) and seed.said:
        yield from _sampled(seed.said, base)


def prompts(reading: Reading, base: str, teacher: str, graph: NamedNode) -> Iterator[Quad]:
    """A node for each prompt that the seed's claims came of, and the model that was asked."""
    for prompt in reading.prompts:
        subject = node(iri.prompt_iri(base, prompt.key))
        yield Quad(subject, TYPE, own("Prompt"), graph)
        yield Quad(subject, own("text"), Literal(scrub(prompt.prompt)), graph)
        if model := prompt.model or teacher:
            agent = node(iri.agent_iri(base, model))
            yield Quad(subject, ASSOCIATED, agent, graph)
            yield Quad(agent, TYPE, AGENT, graph)
            yield Quad(agent, RDFS_LABEL, Literal(scrub(model)), graph)


def utterances(claim: Claim, subject: NamedNode, base: str, graph: NamedNode) -> Iterator[Quad]:
    """A node for each sample that says the claim."""
    for number, said in enumerate(claim.said):
        given = NamedNode(f"{subject.value}/utterance/{number}")
        yield Quad(subject, own("utterance"), given, graph)
        yield Quad(given, TYPE, own("Utterance"), graph)
        for predicate, value in _sampled(said, base):
            yield Quad(given, predicate, value, graph)


def _sampled(said: Utterance, base: str) -> Pairs:
    yield own("prompt"), node(iri.prompt_iri(base, said.request))
    yield own("sample"), Literal(said.sample)
    yield own("logProbability"), Literal(float(said.logprob))
    yield own("tokens"), Literal(said.tokens)

"""Entities first, then propositions with their claims, several times over (SynthKG, steps 3 and 4)."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from kgdistill.contracts import Dialogue, Reply, Request
from kgdistill.errors import ReplyError
from kgdistill.prompts import schemas
from kgdistill.prompts.render import line, render, template_text
from kgdistill.records import Chunk, ChunkGraph, Claim, Entity, Failure, Triple, content_id
from kgdistill.text.names import find, normal


class Triples(Struct, frozen=True):
    """Overgenerates claims: `samples` readings of every chunk, each claim with the samples that made it.

    The subject of a claim is an entity of the chunk, its object an entity or a literal. A subject that is not among
    the entities but stands in the chunk word for word joins them; one that the chunk does not name is refused.
    Source: Choubey et al., Distill-SynthKG (2024), section 3.
    """

    samples: int = 4
    temperature: float = 0.8
    top_p: float = 1.0
    subjects: Literal["any", "listed"] = "any"
    """What a claim may be about: "listed" holds its subject to the entities listed before, letter by letter."""
    entity_tokens: int = 512
    proposition_tokens: int = 1536
    seed: int = 0
    brief: bool = False

    def texts(self) -> dict[str, str]:
        return {name: template_text(name) for name in ("entities", "propositions")}

    def __call__(self, graph: ChunkGraph) -> Dialogue[ChunkGraph]:
        text = graph.chunk.standalone.strip()
        if not any(char.isalpha() for char in text):
            return graph
        ask = Request(
            purpose="entities",
            prompt=render("entities", brief=self.brief, text=text),
            schema=schemas.schema(schemas.EntityList),
            max_tokens=self.entity_tokens,
            seed=self.seed,
        )
        [replies] = yield [ask]
        collected = _Collected(graph.chunk, text, self.brief)
        for reply in replies:
            collected.add_entities(reply)
        if not collected.entities:
            return collected.graph(graph)
        ask = Request(
            purpose="propositions",
            prompt=render("propositions", brief=self.brief, text=text, entities=collected.listed()),
            schema=self._shape(collected),
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.proposition_tokens,
            samples=self.samples,
            seed=self.seed,
        )
        [replies] = yield [ask]
        for number, reply in enumerate(replies):
            collected.add_propositions(reply, number)
        return collected.graph(graph)

    def _shape(self, collected: _Collected) -> str:
        if self.subjects == "any":
            return schemas.schema(schemas.PropositionList)
        return schemas.propositions_about([e.name for e in collected.entities.values()], brief=self.brief)


class _Collected:
    """What the replies about one chunk have given so far; equal claims of several samples are one."""

    def __init__(self, chunk: Chunk, text: str, brief: bool) -> None:
        self.chunk, self.text, self.brief = chunk, text, brief
        self.entities: dict[str, Entity] = {}
        self.claims: dict[str, Triple] = {}
        self.failures: list[Failure] = []
        self.samples = 0

    def add_entities(self, reply: Reply) -> None:
        try:
            listed = schemas.read(reply.text, schemas.EntityList).entities
        except ReplyError as error:
            self._fail(reply, "malformed", str(error))
            return
        for entity in listed:
            name = line(entity.name)
            if key := normal(name):
                self.entities.setdefault(key, Entity(name, line(entity.type).lower()))

    def listed(self) -> str:
        """The entities as the reply that lists them, for the next prompt."""
        named = [schemas.NamedEntity(e.name, e.type) for e in self.entities.values()]
        return schemas.write(schemas.EntityList(named), brief=self.brief)

    def add_propositions(self, reply: Reply, sample: int) -> None:
        try:
            propositions = schemas.read(reply.text, schemas.PropositionList).propositions
        except ReplyError as error:
            self._fail(reply, "malformed", str(error))
            return
        self.samples += 1
        for proposition in propositions:
            for stated in proposition.claims:
                self._add_claim(line(proposition.text), stated, sample)

    def _add_claim(self, proposition: str, stated: schemas.StatedClaim, sample: int) -> None:
        subject, object_ = line(stated.subject), line(stated.object)
        relation = line(stated.relation.replace("_", " ")).lower()
        if not (normal(subject) and relation and normal(object_)):
            self._reject("empty", stated)
            return
        if normal(subject) not in self.entities:
            if find(subject, self.text) is None:
                self._reject("no entity", stated)
                return
            self.entities[normal(subject)] = Entity(subject, "")
        claim_id = content_id(
            self.chunk.document, self.chunk.index, normal(subject), relation, normal(object_), stated.status
        )
        known = self.claims.get(claim_id) or Triple(
            id=claim_id,
            subject=subject,
            relation=relation,
            object=object_,
            proposition=proposition,
            negated=stated.status == "denied",
            hedged=stated.status == "hedged",
            method="triples",
        )
        self.claims[claim_id] = msgspec.structs.replace(known, samples=tuple(sorted({*known.samples, sample})))

    def graph(self, graph: ChunkGraph) -> ChunkGraph:
        claims: tuple[Claim, ...] = tuple(
            msgspec.structs.replace(claim, literal=normal(claim.object) not in self.entities)
            for claim in self.claims.values()
        )
        return msgspec.structs.replace(
            graph,
            entities=tuple(self.entities.values()),
            claims=claims,
            failures=(*graph.failures, *self.failures),
            samples=self.samples,
        )

    def _fail(self, reply: Reply, reason: str, message: str) -> None:
        self.failures.append(
            Failure(
                "generate",
                self.chunk.document,
                reason,
                chunk=self.chunk.index,
                message=message,
                raw=reply.text,
                request=reply.request,
            )
        )

    def _reject(self, reason: str, stated: schemas.StatedClaim) -> None:
        self.failures.append(
            Failure(
                "generate",
                self.chunk.document,
                reason,
                kind="rejected",
                chunk=self.chunk.index,
                message="the subject is neither an entity nor in the text" if reason == "no entity" else "an empty end",
                raw=schemas.write(stated),
            )
        )

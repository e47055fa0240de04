"""Inferences about an event: under each relation many samples, cleaned, with the people put back in place of names."""

from __future__ import annotations

import random

import msgspec
from msgspec import Struct

from kgdistill.contracts import Dialogue, Reply, Request
from kgdistill.errors import RecipeError, ReplyError
from kgdistill.generate.example_inferences import EXAMPLES
from kgdistill.prompts.render import line, render, template_text
from kgdistill.prompts.schemas import EventInference, read, schema
from kgdistill.records import Asked, ChunkGraph, Claim, Failure, Inference, Utterance, content_id
from kgdistill.text.inferences import RELATIONS, clean_tail, tail_fault, tail_key
from kgdistill.text.people import choose_names, roles, strangers, with_names, without_names

METHOD = "inferences"


class Inferences(Struct, frozen=True):
    """For an event and each relation, `samples` tails of each of `prompts` prompts.

    Every prompt gives the people of the event and of each example names of their own, drawn at random; the names are
    taken back from the tails. Tails that differ in case, articles or punctuation only are one, within event and
    relation. All prompts about an event go out together. Raises RecipeError for an unknown relation.
    Source: West et al., Symbolic Knowledge Distillation (2022), section 3.2.
    """

    relations: tuple[str, ...] = tuple(RELATIONS)
    prompts: int = 1
    """Differently named prompts for each event and relation."""
    samples: int = 10
    """Tails asked for with each prompt."""
    examples: int = 5
    """Worked examples in each prompt; a teacher that was trained on these prompts is shown none."""
    shortest_tail: int = 3
    """A tail of fewer characters is none."""
    temperature: float = 1.0
    top_p: float = 0.5
    max_tokens: int = 48
    seed: int = 0
    brief: bool = False

    def __post_init__(self) -> None:
        unknown = [relation for relation in self.relations if relation not in RELATIONS]
        if unknown or not self.relations:
            said = f"{unknown[0]!r} is no relation" if unknown else "no relation is named"
            raise RecipeError(f"relations: {said}; known: {', '.join(RELATIONS)}")

    def texts(self) -> dict[str, str]:
        return {"inference": template_text("inference"), "examples": msgspec.json.encode(EXAMPLES).decode()}

    def __call__(self, graph: ChunkGraph) -> Dialogue[ChunkGraph]:
        collected = _Collected(graph, self.shortest_tail)
        plan = [(relation, number) for relation in self.relations for number in range(self.prompts)]
        named = [self._names(graph.chunk.text, relation, number) for relation, number in plan]
        requests = [
            self._ask(graph.chunk.text, relation, number, names)
            for (relation, number), names in zip(plan, named, strict=True)
        ]
        answers = yield requests
        for (relation, number), names, request, replies in zip(plan, named, requests, answers, strict=True):
            collected.asked.append(Asked(request.key, request.prompt))
            for sample, reply in enumerate(replies):
                collected.add(relation, names, reply, number * self.samples + sample)
        return collected.graph(self.prompts * self.samples)

    def _names(self, event: str, relation: str, number: int) -> dict[str, str]:
        """Who the people of the event are in one prompt: only those whom the event names."""
        chance = random.Random(content_id("names", self.seed, event, relation, number))
        names = choose_names(event, chance=chance)
        if self.brief:  # such teachers have learnt of PersonY under that name only
            return {"PersonX": names["PersonX"]}
        return {role: names[role] for role in roles(event) or ("PersonX",)}

    def _ask(self, event: str, relation: str, number: int, names: dict[str, str]) -> Request:
        chance = random.Random(content_id("examples", self.seed, event, relation, number))
        known = EXAMPLES[relation]
        shown = [] if self.brief else chance.sample(known, min(self.examples, len(known)))
        examples = []
        for other, tail in shown:
            own = choose_names(other, tail, *names.values(), chance=chance)
            examples.append({"event": with_names(other, own), "tail": with_names(tail, own)})
        return Request(
            purpose="inference",
            prompt=render(
                "inference", brief=self.brief, event=with_names(event, names), relation=relation, examples=examples
            ),
            schema=schema(EventInference),
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            samples=self.samples,
            seed=self.seed,
        )


class _Collected:
    """What the replies about one event have given so far; equal tails of several samples are one claim."""

    def __init__(self, graph: ChunkGraph, shortest: int) -> None:
        self.before, self.event, self.shortest = graph, graph.chunk.text, shortest
        self.claims: dict[str, Inference] = {}
        self.failures: list[Failure] = []
        self.asked: list[Asked] = []

    def add(self, relation: str, names: dict[str, str], reply: Reply, sample: int) -> None:
        try:
            said = line(read(reply.text, EventInference).inference)
        except ReplyError as error:
            self._fail(reply, "malformed", str(error), "failed")
            return
        tail = without_names(clean_tail(said), names)
        fault = "stranger" if strangers(said, names) else tail_fault(tail, self.event, self.shortest)
        if fault:
            self._fail(reply, fault, f"{relation}: {tail!r}", "rejected")
            return
        identity = content_id(self.event, relation, tail_key(tail))
        known = self.claims.get(identity) or Inference(identity, self.event, relation, tail, method=METHOD)
        self.claims[identity] = msgspec.structs.replace(
            known,
            samples=(*known.samples, sample),
            said=(*known.said, Utterance(reply.request, sample, reply.logprob, reply.tokens)),
        )

    def _fail(self, reply: Reply, reason: str, message: str, kind: str) -> None:
        failure = Failure("infer", self.before.chunk.document, reason, message=message, raw=reply.text)
        self.failures.append(msgspec.structs.replace(failure, request=reply.request, kind=kind, chunk=0))

    def graph(self, samples: int) -> ChunkGraph:
        claims: tuple[Claim, ...] = tuple(self.claims.values())
        return msgspec.structs.replace(
            self.before,
            claims=(*self.before.claims, *claims),
            failures=(*self.before.failures, *self.failures),
            asked=(*self.before.asked, *self.asked),
            samples=samples,
        )

"""Events like those shown: many samples, of which the finished, well-formed and likely ones are kept."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from msgspec import Struct

from kgdistill.contracts import Dialogue, Reply, Request
from kgdistill.errors import ReplyError
from kgdistill.prompts.render import render, template_text
from kgdistill.prompts.schemas import NewEvent, read, schema
from kgdistill.records import Asked, EventSeed, Failure, Utterance
from kgdistill.text.inferences import clean_event, event_fault
from kgdistill.text.names import normal

STAGE = "events"


class Drafts(Struct, frozen=True):
    """What one prompt gave: events with their samples, and what was refused."""

    events: tuple[EventSeed, ...] = ()
    failures: tuple[Failure, ...] = ()


class EventWriter(Struct, frozen=True):
    """New events in the style of `shown` random seed events for each prompt.

    A reply that the token limit cuts never counts as an event: it is asked for again, then recorded as cut.
    Source: West et al., Symbolic Knowledge Distillation (2022), section 3.1.
    """

    prompts: int = 20
    shown: int = 10
    """Seed events in each prompt, drawn at random."""
    samples: int = 10
    """Events asked for with each prompt."""
    share: float = 0.8
    """Share of the new events that is kept: the likeliest, by log-probability for each token."""
    temperature: float = 1.0
    top_p: float = 0.9
    max_tokens: int = 48
    seed: int = 0
    brief: bool = False

    def texts(self) -> dict[str, str]:
        return {"event": template_text("event")}

    def showings(self, events: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """The events of each prompt."""
        chance = random.Random(self.seed)
        for _ in range(self.prompts):
            yield tuple(chance.sample(events, min(self.shown, len(events))))

    def __call__(self, shown: Sequence[str]) -> Dialogue[Drafts]:
        request = Request(
            purpose="event",
            prompt=render("event", brief=self.brief, events=shown),
            schema=schema(NewEvent),
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            samples=self.samples,
            seed=self.seed,
        )
        [replies] = yield [request]
        asked = Asked(request.key, request.prompt)
        found = [_event(reply, number, asked) for number, reply in enumerate(replies)]
        events = tuple(event for event in found if isinstance(event, EventSeed))
        return Drafts(events, tuple(failure for failure in found if isinstance(failure, Failure)))


def _event(reply: Reply, sample: int, asked: Asked) -> EventSeed | Failure:
    try:
        event = clean_event(read(reply.text, NewEvent).event)
    except ReplyError as error:
        return Failure(STAGE, "", "malformed", message=str(error), raw=reply.text, request=asked.key)
    if fault := event_fault(event):
        message = f"{event!r} is no well-formed event: {fault}"
        return Failure(STAGE, "", fault, "rejected", message=message, raw=reply.text, request=asked.key)
    return EventSeed(event, Utterance(asked.key, sample, reply.logprob, reply.tokens), asked)


def select(
    drafts: Sequence[EventSeed], known: Sequence[str], share: float
) -> tuple[list[EventSeed], list[tuple[EventSeed, str]]]:
    """(kept, [(refused, reason)]): those that are new, each once in its likeliest form, and of these the best `share`.

    Likelihood is the mean log-probability of a token, so that a longer event is not less likely for its length alone
    (the original code ranks by the sum). The order is that of the drafts.
    """
    best: dict[str, EventSeed] = {}
    refused: list[tuple[EventSeed, str]] = []
    there = {normal(event) for event in known}
    for draft in drafts:
        key = normal(draft.event)
        other = best.get(key)
        if key in there:
            refused.append((draft, "seed"))
        elif other is None:
            best[key] = draft
        else:
            worse, best[key] = sorted((draft, other), key=likelihood)
            refused.append((worse, "duplicate"))
    ranked = sorted(best.values(), key=lambda draft: (-likelihood(draft), draft.event))
    kept = {draft.event for draft in ranked[: round(share * len(ranked))]}
    refused += [(draft, "unlikely") for draft in ranked if draft.event not in kept]
    return [draft for draft in best.values() if draft.event in kept], refused


def likelihood(draft: EventSeed) -> float:
    """Mean natural log-probability of a token of the reply that made it up."""
    return draft.said.logprob / max(1, draft.said.tokens) if draft.said else 0.0

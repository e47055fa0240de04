"""More prompts for a relation: its own, filled with known tuples, said in other words, and lifted to prompts again."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from rapidfuzz import fuzz

from kgdistill.contracts import Dialogue, Request
from kgdistill.errors import RecipeError
from kgdistill.prompts.render import render, template_text
from kgdistill.records import Asked, Failure, Reading, RelationSeed
from kgdistill.text.slots import filled, lifted, prompt_fault, styled

STAGE = "relation_prompts"


class RelationPrompts(Struct, frozen=True):
    """Paraphrases of the definition and of each prompt, until there are `prompts` that differ enough in spelling.

    In each round every prompt is filled with every seed tuple, and the teacher says it in other words. What does not
    name all things exactly once is refused. Once a round has given `candidates`, they are taken shortest first, where
    none that was taken before is too like. Source: Hao et al., BertNet (2023), section 3.1; constants are its code's.
    Raises RecipeError.
    """

    prompts: int = 10
    candidates: int = 20
    """How many different paraphrases a round gathers before it chooses."""
    max_ratio: float = 75.0
    """A paraphrase is new where its rapidfuzz ratio (0 to 100) to each accepted one is below this."""
    tries: int = 5
    """Samples of each filled prompt."""
    rounds: int = 3
    """Most rounds; there are fewer where one brings nothing new."""
    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 30
    seed: int = 0
    brief: bool = False

    def __post_init__(self) -> None:
        if min(self.prompts, self.candidates, self.tries) < 1 or not 0 <= self.max_ratio <= 100:
            raise RecipeError("relation_prompts: prompts, candidates and tries are at least 1, max_ratio 0 to 100")

    def texts(self) -> dict[str, str]:
        return {"paraphrase": template_text("paraphrase")}

    def __call__(self, reading: Reading) -> Dialogue[Reading]:
        seed = reading.seed
        if not isinstance(seed, RelationSeed) or not reading.chunks:
            return reading
        accepted = list(dict.fromkeys(map(styled, (seed.definition, *seed.prompts))))
        failures: list[Failure] = []
        asked: list[Asked] = []
        for number in range(self.rounds):
            if len(accepted) >= self.prompts:
                break
            found = yield from self._round(reading, seed, tuple(accepted), number, failures, asked)
            fresh = self.choose(found, accepted)
            if not fresh:
                break
            accepted += fresh
        graph = reading.chunks[0]
        graph = msgspec.structs.replace(graph, failures=(*graph.failures, *failures), asked=(*graph.asked, *asked))
        known = msgspec.structs.replace(seed, prompts=tuple(accepted[1:]))
        return msgspec.structs.replace(reading, seed=known, chunks=(graph, *reading.chunks[1:]))

    def _round(
        self, reading: Reading, seed: RelationSeed, prompts: tuple[str, ...], number: int,
        failures: list[Failure], asked: list[Asked],
    ) -> Dialogue[list[str]]:  # fmt: skip
        """Different candidates, in the order found; a request at a time for each seed tuple until there are enough."""
        found: dict[str, None] = {}
        for things in seed.tuples:
            requests = [self._ask(filled(prompt, things), number) for prompt in prompts]
            answers = yield requests
            for request, replies in zip(requests, answers, strict=True):
                asked.append(Asked(request.key, request.prompt))
                for reply in replies:
                    candidate = styled(lifted(reply.text.strip().partition("\n")[0], things))
                    if reason := prompt_fault(candidate, len(things)):
                        failures.append(
                            Failure(
                                STAGE, reading.document.id, "unplaced", "rejected", 0,
                                f"{reason}: {reply.text!r}", reply.text, request.key,
                            )
                        )  # fmt: skip
                    elif candidate not in prompts:
                        found[candidate] = None
            if len(found) >= self.candidates:
                break
        return list(found)

    def choose(self, candidates: list[str], accepted: list[str]) -> list[str]:
        """Those that are unlike all before, shortest first, as many as are wanted."""
        taken: list[str] = []
        for candidate in sorted(candidates, key=lambda text: (len(text), text)):
            if len(accepted) + len(taken) >= self.prompts:
                break
            if all(fuzz.ratio(candidate, other) < self.max_ratio for other in (*accepted, *taken)):
                taken.append(candidate)
        return taken

    def _ask(self, sentence: str, number: int) -> Request:
        return Request(
            purpose="paraphrase",
            prompt=render("paraphrase", brief=self.brief, sentence=sentence),
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            samples=self.tries,
            seed=self.seed + number,
        )

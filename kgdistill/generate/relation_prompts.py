"""More prompts for a relation: its own, filled with known tuples, said in other words, and lifted to prompts again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec
from msgspec import Struct
from rapidfuzz import fuzz

from kgdistill.contracts import Dialogue, Request
from kgdistill.errors import RecipeError
from kgdistill.prompts.render import render, template_text
from kgdistill.records import Asked, Failure, Reading, RelationSeed
from kgdistill.text.slots import filled, lifted, prompt_fault, styled

STAGE = "relation_prompts"
Reword = Callable[[str, tuple[tuple[str, ...], ...]], Iterable[tuple[str, tuple[str, ...]]]]
"""A prompt and the known tuples to other wordings from elsewhere, each with the names that stand for its slots."""


class RelationPrompts(Struct, frozen=True):
    """Paraphrases of the definition and of each prompt, until there are `prompts` that differ enough in spelling.

    In each round every prompt is filled with every seed tuple, and the teacher says it in other words; wordings from
    elsewhere (paraphrases at hand, a paraphrase student) stand beside its own. What does not name all things exactly
    once is refused. Once a round has given `candidates`, they are taken shortest first, where none that was taken
    before is too like. Source: Hao et al., BertNet (2023), section 3.1; constants are its code's. Raises RecipeError.
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

    def __call__(self, reading: Reading, elsewhere: Reword | None = None, *, writes: bool = True) -> Dialogue[Reading]:
        """`writes`: the teacher can be asked for paraphrases; one that only fills blanks cannot."""
        seed = reading.seed
        if not isinstance(seed, RelationSeed) or not reading.chunks:
            return reading
        accepted = list(dict.fromkeys(map(styled, (seed.definition, *seed.prompts))))
        failures: list[Failure] = []
        asked: list[Asked] = []
        fresh = accepted
        for number in range(self.rounds):
            if len(accepted) >= self.prompts or not fresh:
                break
            document, prompts = reading.document.id, tuple(accepted)
            found = dict.fromkeys(_from_elsewhere(elsewhere, fresh, seed, document, failures) if elsewhere else ())
            for prompt in prompts:
                found.pop(prompt, None)
            if writes:
                yield from self._round(document, seed, prompts, number, found, failures, asked)
            fresh = self.choose(list(found), accepted)
            accepted = [*accepted, *fresh]
        graph = reading.chunks[0]
        graph = msgspec.structs.replace(graph, failures=(*graph.failures, *failures), asked=(*graph.asked, *asked))
        known = msgspec.structs.replace(seed, prompts=tuple(accepted[1:]))
        return msgspec.structs.replace(reading, seed=known, chunks=(graph, *reading.chunks[1:]))

    def _round(
        self, document: str, seed: RelationSeed, prompts: tuple[str, ...], number: int,
        found: dict[str, None], failures: list[Failure], asked: list[Asked],
    ) -> Dialogue[None]:  # fmt: skip
        """Adds different candidates, in the order found; a seed tuple at a time until there are enough."""
        for things in seed.tuples:
            if len(found) >= self.candidates:
                break
            requests = [self._ask(filled(prompt, things), number) for prompt in prompts]
            answers = yield requests
            for request, replies in zip(requests, answers, strict=True):
                asked.append(Asked(request.key, request.prompt))
                for reply in replies:
                    candidate, refused = _lift(reply.text, things, document, request.key)
                    if refused:
                        failures.append(refused)
                    elif candidate not in prompts:
                        found[candidate] = None

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


def _from_elsewhere(
    elsewhere: Reword, prompts: Iterable[str], seed: RelationSeed, document: str, failures: list[Failure]
) -> Iterator[str]:
    """Candidates out of other wordings of these prompts. Only those that nobody has looked at yet are to be given."""
    for prompt in prompts:
        for sentence, names in elsewhere(prompt, seed.tuples):
            candidate, refused = _lift(sentence, names, document)
            if refused:
                failures.append(refused)
            else:
                yield candidate


def _lift(text: str, names: tuple[str, ...], document: str, request: str = "") -> tuple[str, Failure | None]:
    """(the first line as a prompt, why it is none)."""
    candidate = styled(lifted(text.strip().partition("\n")[0], names))
    reason = prompt_fault(candidate, len(names))
    message = f"{reason}: {text!r}"
    refused = Failure(STAGE, document, "unplaced", "rejected", 0, message, text, request) if reason else None
    return candidate, refused

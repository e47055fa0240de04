"""Consistency: how well a tuple fits a relation's prompts, as a language model sees it, and what they are worth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from kgdistill.contracts import Dialogue, Reply, Request
from kgdistill.errors import RecipeError
from kgdistill.records import (
    Asked,
    Claim,
    Failure,
    Reading,
    RelationSeed,
    Triple,
    Utterance,
    Verdict,
    content_id,
)
from kgdistill.text.slots import blanked, casings, examples, styled, weighted

NAME, SHARE = "consistency", "share"
STAGE = "prompt_weights"


def fit(weighed: Sequence[Sequence[float]]) -> float:
    """[mean over tokens + mean over things of their sums + minimum] / 3 of the log-probabilities of a tuple's tokens.

    A balance of mean and minimum: one name that does not belong is not made good by the others. Raises ValueError
    where nothing was weighed. Source: Hao et al., BertNet (2023), section 3.2, in the form of its code.
    """
    flat = [logprob for thing in weighed for logprob in thing]
    if not flat:
        raise ValueError("no token was weighed")
    total = math.fsum(flat)
    return (total / len(flat) + total / len(weighed) + min(flat)) / 3


def softmax(scores: Sequence[float], temperature: float = 1.0) -> list[float]:
    """Shares that sum to 1; [] for none."""
    best = max(scores, default=0.0)
    powers = [math.exp((score - best) / temperature) for score in scores]
    total = math.fsum(powers)
    return [power / total for power in powers]


class Weigher(Struct, frozen=True):
    """How a tuple is weighed under a prompt."""

    examples: int = 3
    """Seed tuples that a model which writes on is shown before the prompt; never one with a name of the tuple."""
    whole_names: bool = True
    """Every token of a name counts; false: those of its first word, as in the released code, which cannot tell
    "new york" from "new zealand"."""

    def ask(self, prompt: str, seed: RelationSeed, names: Sequence[str], fills: bool) -> Request:
        lead = "" if fills else examples(prompt, seed.tuples, self.examples, without=names)
        text, texts = blanked(prompt, names, whole=self.whole_names)
        return Request("weigh", lead + text, max_tokens=1, weigh=texts)


class PromptWeights(Weigher, frozen=True):
    """How far each prompt of a relation is trusted: by how well it tells the seed tuples from shuffled ones.

    A prompt's worth is the mean fit of the seed tuples less `negative` times that of tuples in which one thing is
    another seed's; weights are the soft-max of the best `most`. One below `floor` is left out, unless all are.
    Source: Hao et al., BertNet (2023), section 3.2; constants are its code's. Raises RecipeError.
    """

    most: int = 20
    negative: float = 0.5
    temperature: float = 2.0
    floor: float = 0.05

    def __post_init__(self) -> None:
        if self.most < 1 or self.temperature <= 0 or not 0 <= self.floor < 1:
            raise RecipeError("prompt_weights: most is at least 1, temperature above 0, floor from 0 to below 1")

    def __call__(self, reading: Reading, fills: bool) -> Dialogue[Reading]:
        """The reading whose seed has weighted prompts, the best first; `fills`: see `Card.fills`."""
        seed = reading.seed
        if not isinstance(seed, RelationSeed):
            return reading
        prompts = list(dict.fromkeys(map(styled, (seed.definition, *seed.prompts))))
        true, false = list(dict.fromkeys(seed.tuples)), shuffled(seed.tuples)
        plan = [(prompt, names, self.ask(prompt, seed, names, fills)) for prompt in prompts for names in true + false]
        answers = yield [request for _, _, request in plan]
        fits = {
            (prompt, names): fit(replies[0].weighed)
            for (prompt, names, _), replies in zip(plan, answers, strict=True)
            if replies and any(replies[0].weighed)
        }
        worth = {prompt: self._worth(prompt, true, false, fits) for prompt in prompts}
        chosen = self.weights({prompt: value for prompt, value in worth.items() if value is not None})
        if not chosen:  # nothing could be weighed, which is recorded: every prompt is as good as another
            chosen = dict.fromkeys(prompts, 1 / len(prompts))
        seed = msgspec.structs.replace(seed, prompts=tuple(chosen), weights=tuple(chosen.values()))
        return msgspec.structs.replace(reading, seed=seed)

    def _worth(
        self,
        prompt: str,
        true: Sequence[tuple[str, ...]],
        false: Sequence[tuple[str, ...]],
        fits: Mapping[tuple[str, tuple[str, ...]], float],
    ) -> float | None:
        positive = [fits[prompt, names] for names in true if (prompt, names) in fits]
        negative = [fits[prompt, names] for names in false if (prompt, names) in fits]
        if not positive:
            return None
        return _mean(positive) - self.negative * _mean(negative or [0.0])

    def weights(self, worth: Mapping[str, float]) -> dict[str, float]:
        """Weights that sum to 1, the best first (ties: by the prompts' text)."""
        ranked = sorted(worth, key=lambda prompt: (-worth[prompt], prompt))[: self.most]
        shares = dict(zip(ranked, softmax([worth[prompt] for prompt in ranked], self.temperature), strict=True))
        kept = {prompt: share for prompt, share in shares.items() if share >= self.floor} or shares
        total = math.fsum(kept.values())
        return {prompt: share / total for prompt, share in kept.items()}


def shuffled(tuples: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The tuples with each thing in turn replaced by that of another tuple, without those that are true."""
    true = set(tuples)
    made = (
        (*things[:place], other[place], *things[place + 1 :])
        for things in tuples
        for place in range(len(things))
        for other in tuples
    )
    return [things for things in dict.fromkeys(made) if things not in true]


class Consistency(Weigher, frozen=True):
    """A verdict on each harvested tuple: how well it fits the weighted prompts, in the case of letters that fits best.

    `consistency` is the weighted mean of its fits as a probability; `share` its part of the soft-max over the
    relation's tuples. Each prompt that spoke is kept with its log-probability as evidence.
    Source: Hao et al., BertNet (2023), section 3.4. Raises RecipeError.
    """

    casings: bool = True
    """Try every name in lower and in title case; of no use to a model that does not see case."""
    temperature: float = 1.0
    """Of the soft-max over tuples."""

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise RecipeError("consistency: temperature must be above 0")

    def __call__(self, reading: Reading, fills: bool) -> Dialogue[Reading]:
        """The reading with verdicts on its tuples; `fills`: see `Card.fills`."""
        seed = reading.seed
        if not isinstance(seed, RelationSeed) or not reading.claims:
            return reading
        prompts = tuple(weighted(seed).items())
        claims = [claim for claim in reading.claims if isinstance(claim, Triple)]
        plan = [
            (claim.id, names, prompt, self.ask(prompt, seed, names, fills))
            for claim in claims
            for names in self._ways((claim.subject, claim.object, *claim.others))
            for prompt, _ in prompts
        ]
        answers = yield [request for *_, request in plan]
        heard: dict[str, dict[tuple[str, ...], dict[str, Reply]]] = {}
        for (claim, names, prompt, _), replies in zip(plan, answers, strict=True):
            if replies and any(replies[0].weighed):
                heard.setdefault(claim, {}).setdefault(names, {})[prompt] = replies[0]
        best = {claim: _best(ways, dict(prompts)) for claim, ways in heard.items()}
        return _judged(reading, best, dict(prompts), self.temperature)

    def _ways(self, names: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
        return casings(names) if self.casings else (names,)


_Best = tuple[float, tuple[str, ...], dict[str, Reply]]
"""(weighted mean of the fits, the names in the case that gives it, what each prompt said)"""


def _best(ways: Mapping[tuple[str, ...], dict[str, Reply]], weights: Mapping[str, float]) -> _Best:
    """Ties go to the way that was tried first: lower case."""
    most = max(map(len, ways.values()))
    found = [
        (_weighted({prompt: fit(reply.weighed) for prompt, reply in said.items()}, weights), names, said)
        for names, said in ways.items()
        if len(said) == most
    ]
    return max(found, key=lambda one: one[0])


def _weighted(fits: Mapping[str, float], weights: Mapping[str, float]) -> float:
    return math.fsum(weights[prompt] * value for prompt, value in fits.items()) / math.fsum(weights[p] for p in fits)


def _judged(reading: Reading, best: Mapping[str, _Best], weights: Mapping[str, float], temperature: float) -> Reading:
    document = reading.document.id
    asked = {prompt: Asked(content_id(NAME, document, prompt, length=32), prompt) for prompt in weights}
    shares = dict(zip(best, softmax([score for score, _, _ in best.values()], temperature), strict=True))
    chunks = []
    for graph in reading.chunks:
        failures = list(graph.failures)
        claims: list[Claim] = []
        for claim in graph.claims:
            if isinstance(claim, Triple) and claim.id in best:
                claim = _with_verdicts(claim, best[claim.id], shares[claim.id], asked)
            elif isinstance(claim, Triple):
                failures.append(Failure(NAME, document, "no verdict", chunk=0, message=" | ".join(claim.stated)))
            claims.append(claim)
        ranked = sorted(claims, key=lambda claim: -(claim.verdict(NAME) or 0.0))
        chunks.append(
            msgspec.structs.replace(
                graph, claims=tuple(ranked), failures=tuple(failures), asked=(*graph.asked, *asked.values())
            )
        )
    return msgspec.structs.replace(reading, chunks=tuple(chunks))


def _with_verdicts(claim: Triple, best: _Best, share: float, asked: Mapping[str, Asked]) -> Triple:
    score, (subject, target, *others), said = best
    spoken = tuple(
        Utterance(asked[prompt].key, 0, math.fsum(map(math.fsum, reply.weighed)), sum(map(len, reply.weighed)))
        for prompt, reply in said.items()
    )
    return msgspec.structs.replace(
        claim,
        subject=subject,
        object=target,
        others=tuple(others),
        said=(*claim.said, *spoken),
        verdicts=(*claim.verdicts, Verdict(NAME, min(1.0, math.exp(score))), Verdict(SHARE, share)),
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)

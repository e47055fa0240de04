"""Tuples of a relation, out of a language model: a best-first search under weighted prompts."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import msgspec
from msgspec import Struct

from kgdistill.contracts import BLANK, HIDDEN, Dialogue, Reply, Request
from kgdistill.errors import RecipeError
from kgdistill.generate.tuple_search import Expansion, Found, Outcome, Space, State, search
from kgdistill.records import Asked, ChunkGraph, Failure, Reading, RelationSeed, Triple, Utterance, content_id
from kgdistill.text.slots import SLOT, STOP_WORDS, capitalised, examples, name_fault, slots, weighted

METHOD = "relations"
UNLIKELY = -30.0
"""Log-probability of what no list of alternatives has room for, where the list itself is empty."""


class Relations(Struct, frozen=True):
    """The `tuples` best tuples of a relation that is given by weighted prompts and a few examples.

    A token's log-probability is the weighted mean over the prompts, and a tuple is as likely as its least likely token;
    the search returns exactly the best (generate/tuple_search). A model that fills blanks reads each prompt with as
    many hidden places as the names are to have tokens, in every combination, and sees both sides. A model that writes
    on is shown `examples` first, reads from the left, and ends a name where it would go on with the prompt; only
    prompts that name the things in the commonest order take part. Names are lower case here; the judge finds their
    case.
    Source: Hao et al., BertNet (2023), section 3.3. Raises RecipeError.
    """

    tuples: int = 1000
    tokens: int = 2
    """Most tokens of a name."""
    repeat: int = 5
    """In how many tuples a word may stand; 0: any number."""
    reach: int = 100
    """How many of the likeliest tokens each prompt proposes; one that it does not is as likely as the last of them."""
    examples: int = 3
    """Seed tuples that a model which writes on is shown before the prompt."""
    stop_words: tuple[str, ...] | None = None
    """Words that no name has; None: the built-in English list."""
    batch: int = 16
    """States that are expanded together: more keeps a large teacher busy, and finds the same."""
    expansions: int = 0
    """Most states expanded for a relation; 0: until all tuples are found."""

    def __post_init__(self) -> None:
        if min(self.tuples, self.tokens, self.reach, self.batch) < 1 or min(self.repeat, self.expansions) < 0:
            raise RecipeError("relations: tuples, tokens, reach and batch are at least 1, repeat and expansions 0")

    def __call__(self, reading: Reading, fills: bool) -> Dialogue[Reading]:
        """`fills`: the teacher fills blanks (`Card.fills`)."""
        seed = reading.seed
        if not isinstance(seed, RelationSeed) or not reading.chunks:
            return reading
        view = _View(seed, self, fills)
        searching = search(view.space)
        try:
            states = next(searching)
            while True:
                requests = [view.request(prompt, state) for state in states for prompt in view.prompts]
                replies = iter((yield requests))
                states = searching.send([view.expansion(state, replies) for state in states])
        except StopIteration as end:
            outcome: Outcome = end.value
        graph = _graph(reading.chunks[0], seed, view, outcome)
        return msgspec.structs.replace(reading, chunks=(graph, *reading.chunks[1:]))


class _View:
    """A relation as one kind of model sees it."""

    def __init__(self, seed: RelationSeed, settings: Relations, fills: bool) -> None:
        self.seed, self.settings, self.fills = seed, settings, fills
        chosen = weighted(seed)
        arity = len(seed.tuples[0])
        self.order = tuple(range(arity)) if fills else _leading(chosen)
        if not fills:
            chosen = {prompt: weight for prompt, weight in chosen.items() if slots(prompt) == self.order}
        total = sum(chosen.values())
        self.prompts = tuple(chosen)
        self.weights = {prompt: weight / total for prompt, weight in chosen.items()}
        self.leads = {prompt: "" if fills else examples(prompt, seed.tuples, settings.examples) for prompt in chosen}
        stop_words = STOP_WORDS if settings.stop_words is None else frozenset(settings.stop_words)
        lengths = product(range(1, settings.tokens + 1), repeat=arity)
        starts = tuple(State(lengths=each) for each in lengths) if fills else (State(),)
        self.stop_words = stop_words
        self.space = Space(
            arity, settings.tuples, settings.tokens, settings.repeat,
            lambda name, earlier: name_fault(name, earlier, self.prompts, stop_words),
            starts, settings.batch, settings.expansions,
        )  # fmt: skip

    def request(self, prompt: str, state: State) -> Request:
        text = self._hidden(prompt, state) if self.fills else self.leads[prompt] + self._written(prompt, state)[0]
        return Request(METHOD, text or "\n", max_tokens=1, top_logprobs=self.settings.reach)

    def expansion(self, state: State, replies: Iterator[list[Reply]]) -> Expansion:
        """The weighted mean of what the prompts say. A prompt without a reply is left out."""
        heard: list[tuple[float, dict[str, float], float, float]] = []
        for prompt in self.prompts:
            if reply := next(replies):
                heard.append((self.weights[prompt], *self._said(prompt, state, reply[0].top)))
        total = sum(weight for weight, *_ in heard)
        if not total:
            return Expansion({}, UNLIKELY)
        pieces = dict.fromkeys(piece for _, said, _, _ in heard for piece in said)
        mean = {
            piece: sum(weight * said.get(piece, floor) for weight, said, _, floor in heard) / total for piece in pieces
        }
        return Expansion(mean, sum(weight * end for weight, _, end, _ in heard) / total)

    def _said(
        self, prompt: str, state: State, top: Sequence[tuple[str, float]]
    ) -> tuple[dict[str, float], float, float]:
        """(what each usable token adds to the name, log-probability of its end, that of any other token)."""
        floor = min((logprob for _, logprob in top), default=UNLIKELY)
        begins = prompt.startswith(f"<ENT{self.order[len(state.names)]}>")
        behind = "" if self.fills else self._written(prompt, state)[1].lower()
        pieces: dict[str, float] = {}
        end = floor
        for written, logprob in top:
            piece = written.lower()
            if state.used and piece.strip() and behind.startswith(piece):
                end = max(end, logprob)
            elif (found := _usable(written, not state.open, begins, self.stop_words)) is not None:
                pieces[found] = max(pieces.get(found, logprob), logprob)
        return pieces, end, floor

    def _written(self, prompt: str, state: State) -> tuple[str, str]:
        """(the prompt up to the end of what there is of the name, the prompt from there to the next slot)."""
        parts = SLOT.split(prompt)[::2]
        text = "".join(part + name for part, name in zip(parts, state.names, strict=False))
        text = capitalised((text + parts[len(state.names)] + state.open).rstrip(" "))
        return text, parts[len(state.names) + 1]

    def _hidden(self, prompt: str, state: State) -> str:
        """The prompt with the names so far, a BLANK for the next token, and every later one hidden."""
        now = len(state.names)

        def fill(match: re.Match[str]) -> str:
            number = int(match[1])
            if number < now:
                return state.names[number]
            if number > now:
                return " ".join([HIDDEN] * state.lengths[number])
            left = state.lengths[number] - state.used - 1
            return " ".join(filter(None, [state.open, BLANK, *[HIDDEN] * left]))

        return capitalised(SLOT.sub(fill, prompt))

    def named(self, found: Found) -> tuple[str, ...]:
        """The names in the order of the slots."""
        return tuple(found.names[self.order.index(number)] for number in range(len(self.order)))


def _leading(prompts: Mapping[str, float]) -> tuple[int, ...]:
    """The order of slots that carries the most weight."""
    orders: dict[tuple[int, ...], float] = defaultdict(float)
    for prompt, weight in prompts.items():
        orders[slots(prompt)] += weight
    return max(orders, key=lambda order: (orders[order], [-number for number in order]))


def _usable(written: str, first: bool, begins: bool, stop_words: frozenset[str]) -> str | None:
    """What a token adds to a name, in lower case, or None: letters and digits only, and no stop-word by itself.

    A name begins with a space before it; where the prompt begins, a capital does as well.
    """
    piece = written.lower().rstrip()
    bare = piece.lstrip()
    if not any(map(str.isalpha, bare)) or not all(map(str.isalnum, bare)) or bare in stop_words:
        return None
    if not first:
        return piece
    return bare if piece != bare or (begins and not written[0].islower()) else None


def _graph(before: ChunkGraph, seed: RelationSeed, view: _View, outcome: Outcome) -> ChunkGraph:
    document = before.chunk.document
    listed = "\n".join(f"{weight:.3f} {prompt}" for prompt, weight in view.weights.items())
    asked = Asked(content_id(METHOD, document, listed, length=32), listed)
    relation = seed.relation.replace("_", " ")
    claims = []
    for number, found in enumerate(outcome.found):
        subject, target, *others = view.named(found)
        said = Utterance(asked.key, number, found.score, found.tokens)
        identity = content_id(METHOD, document, subject, target, *others)
        claims.append(
            Triple(identity, subject, relation, target, others=tuple(others), method=METHOD, samples=(0,), said=(said,))
        )
    failures = [*_refusals(document, outcome)]
    if not outcome.complete or len(claims) < view.settings.tuples:
        why = "the limit of expansions was reached" if not outcome.complete else "there are no more"
        message = f"{len(claims)} of {view.settings.tuples} tuples after {outcome.expansions} expansions: {why}"
        failures.append(Failure(METHOD, document, "fewer", "rejected", 0, message))
    return msgspec.structs.replace(
        before,
        claims=(*before.claims, *claims),
        failures=(*before.failures, *failures),
        asked=(*before.asked, asked),
        samples=1,
    )


def _refusals(document: str, outcome: Outcome) -> Iterator[Failure]:
    """One for each reason, with the number of names and a few of them."""
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for (reason, name), count in outcome.refused.items():
        reasons[reason][name] += count
    for reason, names in sorted(reasons.items()):
        shown = ", ".join(sorted(names)[:5])
        yield Failure(METHOD, document, reason, "rejected", 0, f"{len(names)} refused, such as {shown}")

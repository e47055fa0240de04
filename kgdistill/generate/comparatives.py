"""Comparatives of two things of one class: many statements under word constraints, read as claims."""

from __future__ import annotations

from itertools import product

import msgspec
from msgspec import Struct

from kgdistill.contracts import Beams, Clause, Constraints, Dialogue, Reply, Request
from kgdistill.errors import RecipeError
from kgdistill.records import Asked, ChunkGraph, Comparative, Failure, PairSeed, Reading, Utterance, content_id
from kgdistill.text.clauses import Course, form, words_of
from kgdistill.text.comparatives import ADVERBS, AUXILIARIES, Comparison, opening, parse
from kgdistill.text.plurals import mass, plural
from kgdistill.text.scales import comparatives

METHOD = "comparatives"
_SINGULAR = {"are": "is", "have": "has", "need": "needs", "do": "does"}
FORBIDDEN = (
    *',;:!?()[]{}<>"/\\*_=+|~#&$%@^`', "\n", "\t", "…", "—", "–", "“", "”", "--",
    "and", "but", "or", "so", "because", "although", "though", "while", "whereas", "however", "if", "when", "since",
    "i", "you", "he", "she", "it", "we", "they", "me", "him", "her", "us", "them", "my", "your", "his", "its", "our",
    "their", "this", "that", "these", "those", "who", "which", "what", "not", "no", "never", "neither", "nor", "than",
    "as well", "for example", "such as", "in general", "on the other hand", "more or less", "do you", "compared to",
)  # fmt: skip
"""What ends a comparison, or makes it depend on something that is not in the sentence."""


class Comparatives(Struct, frozen=True):
    """For a pair and each direction of it, `samples` statements under each set of constraints.

    The prompt is "Compared to lemons, limes". What follows has an auxiliary and an adverb, then a comparative word,
    each once, does not name the first thing again, and has no forbidden word. A teacher that can search (`local`)
    searches; any other samples under the same grammar. What breaks the constraints all the same, or compares nothing,
    is refused with the reason. Raises RecipeError for constraints that cannot hold.
    Source: Howard et al., NeuroComparatives (2024), sections 3.1 and 3.2.
    """

    auxiliaries: tuple[str, ...] = AUXILIARIES
    adverbs: tuple[str, ...] = ADVERBS
    words: tuple[str, ...] = ()
    """Comparative words that may be used; none: the built-in list of about 150."""
    proposed: int = 5
    """How many of them a search proposes at a step: the likeliest."""
    forbidden: tuple[str, ...] | None = None
    """Words, phrases and signs that may not stand in a statement; None: the built-in list."""
    divide: bool = True
    """A request for each auxiliary with each adverb (30 for a pair and direction); false: one for all of them."""
    both: bool = True
    """Ask about the second thing against the first, and the first against the second."""
    samples: int = 10
    """Statements asked for with each request."""
    beams: Beams | None = Beams()
    """How a search goes; none: samples under the grammar, whatever the teacher."""
    min_words: int = 3
    no_repeat: int = 3
    temperature: float = 1.0
    """Of samples under the grammar."""
    top_p: float = 0.9
    max_tokens: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.auxiliaries or not self.adverbs or self.samples < 1:
            raise RecipeError("comparatives: auxiliaries, adverbs and samples must not be empty")
        Course(self._constraints("", self.auxiliaries, self.adverbs))

    def texts(self) -> dict[str, str]:
        return {"comparative": opening("thing", "other"), "words": " ".join(self.words or comparatives())}

    def __call__(self, reading: Reading) -> Dialogue[Reading]:
        if not isinstance(reading.seed, PairSeed) or not reading.chunks:
            return reading
        left, right = reading.seed.left, reading.seed.right
        asked = [
            (first, second, request)
            for first, second in self._ways(left, right)
            for request in self._requests(first, second)
        ]
        answers = yield [request for _, _, request in asked]
        collected = _Collected(reading.document.id)
        for (first, second, request), replies in zip(asked, answers, strict=True):
            collected.add(first, second, request, replies)
        return msgspec.structs.replace(reading, chunks=(collected.graph(reading.chunks[0]), *reading.chunks[1:]))

    def _ways(self, left: str, right: str) -> list[tuple[str, str]]:
        return [(left, right), (right, left)] if self.both else [(left, right)]

    def _requests(self, first: str, second: str) -> list[Request]:
        """The requests about `second` against `first`."""
        auxiliaries = self.auxiliaries
        if mass(second):
            auxiliaries = tuple(dict.fromkeys(_SINGULAR.get(word, word) for word in auxiliaries))
        sets: list[tuple[tuple[str, ...], tuple[str, ...]]] = [(auxiliaries, self.adverbs)]
        if self.divide:
            sets = [((auxiliary,), (adverb,)) for auxiliary, adverb in product(auxiliaries, self.adverbs)]
        return [self._request(first, second, *chosen) for chosen in sets]

    def _request(self, first: str, second: str, auxiliaries: tuple[str, ...], adverbs: tuple[str, ...]) -> Request:
        return Request(
            purpose=METHOD,
            prompt=opening(first, second),
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            samples=self.samples,
            seed=self.seed,
            constraints=self._constraints(first, auxiliaries, adverbs),
            beams=self.beams,
        )

    def _constraints(self, first: str, auxiliaries: tuple[str, ...], adverbs: tuple[str, ...]) -> Constraints:
        """The first thing may not be named again: neither one of them nor many."""
        asked = {word for phrase in (*auxiliaries, *adverbs) for word in words_of(phrase)}
        words = tuple(word for word in self.words or comparatives() if form(word) not in asked)
        again = tuple(dict.fromkeys(name for name in (first, plural(first)) if words_of(name)))
        clash = {*map(form, words), *asked}
        return Constraints(
            (Clause(auxiliaries), Clause(adverbs), Clause(words, order=1, best=self.proposed)),
            (
                *(FORBIDDEN if self.forbidden is None else self.forbidden),
                *(name for name in again if not clash & set(words_of(name))),
            ),
            min_words=self.min_words,
            no_repeat=self.no_repeat,
        )


class _Collected:
    """What the replies about one pair have given so far; the same statement of several requests is one claim."""

    def __init__(self, document: str) -> None:
        self.document = document
        self.claims: dict[str, Comparative] = {}
        self.failures: list[Failure] = []
        self.asked: list[Asked] = []

    def add(self, first: str, second: str, request: Request, replies: list[Reply]) -> None:
        if replies:
            self.asked.append(Asked(request.key, request.prompt))
        assert request.constraints
        course = Course(request.constraints)
        for sample, reply in enumerate(replies):
            found = course.fault(reply.text) or parse(reply.text)
            if isinstance(found, str):
                message = f"{request.prompt}{_spaced(reply.text)}: {found}"
                reason = "constraints" if course.fault(reply.text) else "unread"
                failure = Failure(METHOD, self.document, reason, "rejected", 0, message, reply.text, request.key)
                self.failures.append(failure)
            else:
                self._claim(first, second, f"{request.prompt}{_spaced(reply.text)}", found, reply, sample, request.key)

    def _claim(
        self, first: str, second: str, statement: str, found: Comparison, reply: Reply, sample: int, key: str
    ) -> None:
        """What has more of the aspect stands first, so that "more one way" and "less the other way" are one claim."""
        greater, lesser = (second, first) if found.direction == "more" else (first, second)
        identity = content_id("comparative", self.document, statement.casefold())
        known = self.claims.get(identity) or Comparative(
            identity, greater, lesser, found.aspect, "more", statement, found.frequency, method=METHOD
        )
        said = Utterance(key, sample, reply.logprob, reply.tokens)
        samples = tuple(dict.fromkeys((*known.samples, sample)))
        self.claims[identity] = msgspec.structs.replace(known, samples=samples, said=(*known.said, said))

    def graph(self, before: ChunkGraph) -> ChunkGraph:
        return msgspec.structs.replace(
            before,
            claims=(*before.claims, *self.claims.values()),
            failures=(*before.failures, *self.failures),
            asked=(*before.asked, *self.asked),
            samples=max(before.samples, sum(len(claim.said) for claim in self.claims.values())),
        )


def _spaced(said: str) -> str:
    """What was said, as it stands behind the opening: with one space before it, and a full stop."""
    text = " ".join(said.split())
    return f" {text}" if text.endswith(".") else f" {text}."

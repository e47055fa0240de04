"""Which statements about a pair are kept: grammar, repeated words, clusters, contradictions, and the best few.

Every filter marks claims of one reading as dropped, with the reason, and leaves all others as they are.
Source: Howard et al., NeuroComparatives (2024), section 3.3. Where the original code errs, the tests say so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kgdistill.contracts import Encoder
from kgdistill.errors import RecipeError
from kgdistill.records import Comparative, Drop, PairSeed, Reading
from kgdistill.refine.rules import mark
from kgdistill.refine.tagging import Tagged, Tagger
from kgdistill.text import scales
from kgdistill.text.comparatives import Comparison, behind_opening, parse
from kgdistill.text.plurals import word_set

PATTERNS = (
    "NOUN AUX DET ADJ",
    "NOUN AUX ADV ADJ",
    "NOUN AUX ADV VERB ADJ",
    "NOUN ADV VERB DET ADJ",
    "NOUN AUX ADV AUX ADJ",
)
_PLACES = word_set("inside outside around up down out off over along below above underneath through")
"""Prepositions by their class that may also end what is said: "softer inside", "cools down"."""
Relate = Callable[[Sequence[tuple[str, str]]], list[tuple[float, float]]]
"""Pairs of texts to (probability that the first entails the second, that it contradicts it)."""


class Filters(Struct, frozen=True, forbid_unknown_fields=True):
    """What a statement must be to be kept. Raises RecipeError for thresholds that cannot be reached."""

    patterns: tuple[str, ...] = PATTERNS
    """Runs of word classes that make up for a missing comparative word."""
    cluster: float = 0.5
    """Largest distance (Ward's, between unit vectors) inside a cluster of statements; 0: no clusters."""
    entail: float = 0.85
    """From which probability a statement counts as entailed by another one, and so speaks for it."""
    contradict: float = 0.99
    """From which probability it counts as contradicted."""
    min_valid: float = 0.0
    """Smallest score of the discriminator, where one was trained."""
    top: int = 5
    """Statements kept of each pair; 0: no limit."""

    def __post_init__(self) -> None:
        if not (0 <= self.entail <= 1 and 0 <= self.contradict <= 1 and 0 <= self.min_valid <= 1):
            raise RecipeError("filter: entail, contradict and min_valid must lie in [0, 1]")
        if self.cluster < 0 or self.top < 0:
            raise RecipeError("filter: cluster and top must not be negative (0 means off)")


def said(claim: Comparative, reading: Reading) -> str:
    """What the claim's statement says after its opening."""
    seed = reading.seed
    return behind_opening(claim.statement, seed.left, seed.right) if isinstance(seed, PairSeed) else claim.statement


def likelihood(claim: Comparative) -> float:
    """Mean natural log-probability of a token of the likeliest sample that says so."""
    return max((one.logprob / max(1, one.tokens) for one in claim.said), default=0.0)


def statements(reading: Reading) -> list[Comparative]:
    """The claims of the reading that are kept so far, the likeliest first."""
    found = [claim for claim in reading.claims if isinstance(claim, Comparative) and claim.kept]
    return sorted(found, key=lambda claim: (-likelihood(claim), claim.id))


def drop(reading: Reading, drops: Mapping[str, Drop]) -> Reading:
    return mark(reading, lambda claim: drops.get(claim.id)) if drops else reading


def parts_of_speech(reading: Reading, tagger: Tagger, patterns: Sequence[str] = PATTERNS) -> Reading:
    """Drop statements that do not compare by their grammar ("grammar")."""
    found = statements(reading)
    drops = {}
    for claim, words in zip(found, tagger([claim.statement for claim in found]), strict=True):
        begun = len(claim.statement) - len(said(claim, reading))
        comparison = parse(said(claim, reading))
        fault = grammar_fault([word for word in words if word.start >= begun], comparison, patterns)
        if fault:
            drops[claim.id] = Drop("grammar", fault)
    return drop(reading, drops)


def grammar_fault(words: Sequence[Tagged], comparison: Comparison | str, patterns: Sequence[str] = PATTERNS) -> str:
    """Why the words after the opening do not compare, or "".

    They do with a comparative adjective or adverb, or a run of word classes out of `patterns`; not with "than", nor
    where they stop at the auxiliary, the adverb, or a word that must go on ("to", "the", "in").
    """
    words = [word for word in words if word.kind != "PUNCT"]
    texts = [word.text.casefold() for word in words]
    if not words:
        return "nothing is said"
    if "than" in texts:
        return "compares with a third thing (than)"
    last = {comparison.auxiliary, comparison.frequency} if isinstance(comparison, Comparison) else set()
    if texts[-1] in {*last, "to"} or words[-1].kind in ("DET", "PART", "CCONJ") or _hanging(words, texts):
        return f"stops at {texts[-1]!r}"
    for text, word in zip(texts, words, strict=True):
        if word.kind in ("ADJ", "ADV") and (text in ("more", "less") or scales.plain_form(text)):
            return ""
    kinds = f" {' '.join(word.kind for word in words)} "
    return "" if any(f" {pattern} " in kinds for pattern in patterns) else "has no comparative by its parts of speech"


def _hanging(words: Sequence[Tagged], texts: Sequence[str]) -> bool:
    """Whether the last word is a preposition without what it is about; "easier to cook with" has said it before."""
    stranded = texts[-3:-2] == ["to"] and words[-2].kind == "VERB"
    return words[-1].kind == "ADP" and texts[-1] not in _PLACES and not stranded


def repeated_words(reading: Reading) -> Reading:
    """Drop statements with the auxiliary, adverb and comparative adjective of a likelier one ("same words").

    Those without a form in -er ("more sugar", "less sour") stay: the words tell nothing of what they compare.
    """
    drops: dict[str, Drop] = {}
    first: dict[tuple[str, ...], str] = {}
    for claim in statements(reading):
        found = parse(said(claim, reading))
        if isinstance(found, str) or not scales.plain_form(found.word):
            continue
        subject = claim.statement[: len(claim.statement) - len(said(claim, reading))]
        key = (subject, found.auxiliary, found.frequency, found.word)
        kept = first.setdefault(key, claim.id)
        if kept != claim.id:
            drops[claim.id] = Drop("same words", f"{found.word!r} again, under the same constraints", kept)
    return drop(reading, drops)


def clustered(reading: Reading, encoder: Encoder, distance: float) -> Reading:
    """Drop statements that say nearly the same as a likelier one about the same thing, and the same way ("cluster").

    To an encoder "quicker to make" is close to "slower to make"; together they would vote for what one of them denies.
    """
    drops: dict[str, Drop] = {}
    groups: dict[tuple[str, str], list[Comparative]] = defaultdict(list)
    for claim in statements(reading) if distance else ():
        greater = claim.left if claim.direction == "more" else claim.right
        groups[claim.statement.removesuffix(said(claim, reading)), greater].append(claim)
    for group in groups.values():
        first: dict[int, str] = {}
        labels = clusters(encoder.encode([said(claim, reading) for claim in group]), distance)
        for claim, label in zip(group, labels, strict=True):
            kept = first.setdefault(label, claim.id)
            if kept != claim.id:
                drops[claim.id] = Drop("cluster", "says nearly the same as a likelier one", kept)
    return drop(reading, drops)


def clusters(vectors: NDArray[np.float32], distance: float) -> list[int]:
    """A number for the cluster of each row: agglomerative, by Ward's distance."""
    if len(vectors) < 2:
        return list(range(len(vectors)))
    from scipy.cluster.hierarchy import fcluster, linkage

    return [int(label) for label in fcluster(linkage(vectors, "ward"), distance, "distance")]


def sizes(reading: Reading) -> dict[str, int]:
    """How many statements each kept one stands for: itself, and those of its cluster."""
    found = {claim.id: 1 for claim in statements(reading)}
    for claim in reading.claims:
        if claim.dropped and claim.dropped.rule == "cluster" and claim.dropped.instead in found:
            found[claim.dropped.instead] += 1
    return found


def vote(reading: Reading, relate: Relate, settings: Filters) -> Reading:
    """Drop statements that are contradicted by as many others as speak for them, or more ("contradicted").

    Every statement counts as often as its cluster has members, and speaks for itself; so one without company stays.
    """
    found, weight = statements(reading), sizes(reading)
    pairs = [(one, other) for one in found for other in found if one.id != other.id]
    related = relate([(one.statement, other.statement) for one, other in pairs])
    speaking = dict(weight)
    against: dict[str, int] = defaultdict(int)
    for (one, other), (entails, contradicts) in zip(pairs, related, strict=True):
        if contradicts >= settings.contradict and contradicts > entails:
            against[other.id] += weight[one.id]
        elif entails >= settings.entail:
            speaking[other.id] += weight[one.id]
    return drop(
        reading,
        {
            claim.id: Drop("contradicted", f"{against[claim.id]} against, {speaking[claim.id]} for it")
            for claim in found
            if against[claim.id] >= speaking[claim.id]
        },
    )


def related_claims(reading: Reading) -> Relate:
    """What two statements of the reading have to do with each other, by what they were read as: the same aspect one way
    (entailed) or the other way round (contradicted). Needs no model."""
    read = {claim.statement: claim for claim in reading.claims if isinstance(claim, Comparative)}

    def relate(pairs: Sequence[tuple[str, str]]) -> list[tuple[float, float]]:
        found = []
        for one, other in ((read[one], read[other]) for one, other in pairs):
            same = one.aspect == other.aspect
            ways = (one.stated == other.stated, (one.left, one.right) == (other.right, other.left))
            found.append((float(same and ways[0]), float(same and ways[1] and one.direction == other.direction)))
        return found

    return relate


def low_validity(reading: Reading, settings: Filters) -> Reading:
    """Drop statements that the discriminator scores below `min_valid` ("discriminator"); unscored ones pass."""
    drops = {}
    for claim in statements(reading):
        score = claim.verdict("discriminator")
        if score is not None and score < settings.min_valid:
            drops[claim.id] = Drop("discriminator", f"P(valid) {score:.3f} is below {settings.min_valid:g}")
    return drop(reading, drops)


def one_claim(reading: Reading) -> Reading:
    """Drop statements of a comparison that a likelier one makes, this way or the other way round ("repeat")."""
    drops: dict[str, Drop] = {}
    first: dict[tuple[str, ...], str] = {}
    for claim in statements(reading):
        kept = first.setdefault(claim.stated, claim.id)
        if kept != claim.id:
            drops[claim.id] = Drop("repeat", "makes the same comparison as a likelier one", kept)
    return drop(reading, drops)


def best(reading: Reading, settings: Filters) -> Reading:
    """Keep the `top` likeliest statements of the pair ("cap")."""
    if not settings.top:
        return reading
    reason = f"more than {settings.top} comparisons of this pair"
    return drop(reading, {claim.id: Drop("cap", reason) for claim in statements(reading)[settings.top :]})

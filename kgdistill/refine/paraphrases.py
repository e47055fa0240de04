"""Which pairs of sentences are kept as paraphrases or summaries: length, numbers, wording, entailment, syntax, variety.

Cheap filters speak before dear ones. A pair that is dropped keeps the first reason.
Source: Jung et al., Impossible Distillation (2024), section 2, and its code. Where the code errs, the tests say so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from kgdistill.errors import RecipeError
from kgdistill.records import Drop, Sentence, TextPair, Verdict, content_id
from kgdistill.refine.syntax import Parser, tree_distance
from kgdistill.text.numbers import missing_numbers
from kgdistill.text.overlap import rouge_l

Relate = Callable[[Sequence[tuple[str, str]]], list[tuple[float, float]]]
"""Pairs of texts to (probability that the first entails the second, that it contradicts it)."""
TESTS = ("length", "numbers", "wording", "entails", "entailed", "syntax")
"""What a pair is tested for by itself, in this order."""
CHOICES = ("one of many", "same left", "same right")
"""Rules that only choose among pairs that passed."""


class PairFilters(Struct, frozen=True, forbid_unknown_fields=True):
    """What a pair must be to be kept. Raises RecipeError for limits that cannot hold."""

    kind: Literal["paraphrase", "summary"] = "paraphrase"
    """A paraphrase follows from the sentence and the sentence from it; a summary follows, and is shorter."""
    entail: float = 0.75
    """Least probability of entailment."""
    max_rouge: float = 0.75
    """Largest ROUGE-L F1: what shares more wording is a copy."""
    min_ratio: float = 0.8
    """Least of one text's length to the other's, in characters. The source's code measures the right text by the left
    one. Which is which says nothing here, so it is enough if either lies within the two limits by the other."""
    max_ratio: float = 1.5
    """Most of it."""
    summary_ratio: float = 0.8
    """A summary has fewer characters than this share of the sentence's."""
    numbers: bool = True
    """Each number of one text stands in the other (of a summary: in the sentence), whichever of the two it is in."""
    min_distance: int = 12
    """Least edit distance of the dependency trees, where a pipeline is named; 0: off."""
    distinct: bool = True
    """One pair of those whose left texts entail each other, then one of those whose right texts do."""
    best: Literal["max", "min"] = "max"
    """Which: that with the largest weaker entailment (the paper) or with the smallest (its code)."""

    def __post_init__(self) -> None:
        if not (0 <= self.entail <= 1 and 0 <= self.max_rouge <= 1 and 0 <= self.min_ratio <= 1):
            raise RecipeError("pairs: entail, max_rouge and min_ratio must lie in [0, 1]")
        if self.max_ratio < 1 or not 0 < self.summary_ratio <= 1 or self.min_distance < 0:
            raise RecipeError("pairs: max_ratio must be at least 1, summary_ratio in (0, 1], min_distance not negative")


def candidates(sentences: Sequence[Sentence], kind: str, method: str) -> list[TextPair]:
    """All pairs of the sentences: each once as a paraphrase; of a summary the longer text is the left one."""
    pairs = []
    for one, other in combinations([sentence.text for sentence in sentences], 2):
        left, right = (other, one) if kind == "summary" and len(other) > len(one) else (one, other)
        pairs.append(text_pair(left, right, method))
    return pairs


def text_pair(left: str, right: str, method: str) -> TextPair:
    return TextPair(content_id("text pair", method, left, right), left, right, method)


def filtered(
    pairs: Sequence[TextPair], settings: PairFilters, relate: Relate, parse: Parser | None, *, choose: bool = True
) -> list[TextPair]:
    """The pairs of one context, with verdicts, and marked where a filter speaks; in the order given."""
    pairs = [_marked(pair, plain_fault(pair, settings)) for pair in pairs]
    pairs = entailing(pairs, settings, relate)
    if parse and settings.min_distance:
        pairs = far_apart(pairs, settings.min_distance, parse)
    if choose and settings.distinct:
        pairs = one_of_each(pairs, "left", settings, relate)
        pairs = one_of_each(pairs, "right", settings, relate)
    return pairs


def _marked(pair: TextPair, drop: Drop | None) -> TextPair:
    return replace(pair, dropped=drop) if drop and not pair.dropped else pair


def plain_fault(pair: TextPair, settings: PairFilters) -> Drop | None:
    """What speaks against a pair by its letters alone: "length", "numbers" or "wording"."""
    return _length(pair, settings) or _numbers(pair, settings) or _wording(pair, settings)


def _length(pair: TextPair, settings: PairFilters) -> Drop | None:
    left, right = len(pair.left), len(pair.right)
    if settings.kind == "summary":
        fits = right < settings.summary_ratio * left
        return None if fits else Drop("length", f"{right} of {left} characters are no summary")
    ways = ((left, right), (right, left))
    fits = any(settings.min_ratio * one <= other <= settings.max_ratio * one for one, other in ways)
    return None if fits else Drop("length", f"{left} and {right} characters")


def _numbers(pair: TextPair, settings: PairFilters) -> Drop | None:
    missing = missing_numbers(pair.left, pair.right) if settings.numbers else []
    if settings.kind == "summary":  # it may leave a number out, but not bring one in
        missing = [number for number in missing if number in missing_numbers("", pair.right)]
    return Drop("numbers", f"only one of them says {', '.join(missing)}") if missing else None


def _wording(pair: TextPair, settings: PairFilters) -> Drop | None:
    shared = rouge_l(pair.left, pair.right)
    return Drop("wording", f"ROUGE-L {shared:.2f}: nearly a copy") if shared > settings.max_rouge else None


def entailing(pairs: Sequence[TextPair], settings: PairFilters, relate: Relate) -> list[TextPair]:
    """With verdicts "entails" and "entailed"; those below `entail` are dropped. A summary needs the first only, and
    what fails the first is not asked the second."""
    done = list(pairs)
    for judge in ("entails", "entailed")[: 1 if settings.kind == "summary" else 2]:
        places = [place for place, pair in enumerate(done) if pair.kept]
        texts = [(done[place].left, done[place].right)[:: 1 if judge == "entails" else -1] for place in places]
        for place, (entails, _) in zip(places, relate(_twos(texts)) if texts else [], strict=True):
            pair = done[place]
            pair = replace(pair, verdicts=(*pair.verdicts, Verdict(judge, entails)))
            low = Drop(judge, f"P(entailment) {entails:.2f} is below {settings.entail:g}")
            done[place] = _marked(pair, low if entails < settings.entail else None)
    return done


def _twos(texts: Sequence[tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(first, second) for first, second in texts]


def far_apart(pairs: Sequence[TextPair], least: int, parse: Parser) -> list[TextPair]:
    """Drop pairs whose dependency trees are fewer than `least` edits apart ("syntax")."""
    texts = list(dict.fromkeys(text for pair in pairs if pair.kept for text in (pair.left, pair.right)))
    trees = dict(zip(texts, parse(texts), strict=True)) if texts else {}

    def drop(pair: TextPair) -> Drop | None:
        distance = tree_distance(trees[pair.left], trees[pair.right])
        return Drop("syntax", f"the trees are {distance} edits apart") if distance < least else None

    return [_marked(pair, drop(pair)) if pair.kept else pair for pair in pairs]


def one_of_each(
    pairs: Sequence[TextPair], side: Literal["left", "right"], settings: PairFilters, relate: Relate
) -> list[TextPair]:
    """Of kept pairs whose texts on one side say the same (connected by entailment), the best only ("same left")."""
    kept = [pair for pair in pairs if pair.kept]
    texts = list(dict.fromkeys(getattr(pair, side) for pair in kept))
    group = components(texts, relate)
    sign = 1 if settings.best == "max" else -1
    first: dict[int, TextPair] = {}
    for pair in sorted(kept, key=lambda pair: (-sign * weaker(pair), pair.id)):
        first.setdefault(group[getattr(pair, side)], pair)

    def drop(pair: TextPair) -> Drop | None:
        best = first[group[getattr(pair, side)]]
        return None if best.id == pair.id else Drop(f"same {side}", "says the same as another pair", best.id)

    return [_marked(pair, drop(pair)) if pair.kept else pair for pair in pairs]


def weaker(pair: TextPair) -> float:
    """The lower of the pair's probabilities of entailment."""
    scores = [verdict.score for verdict in pair.verdicts if verdict.judge in ("entails", "entailed")]
    return min(scores, default=0.0)


def components(texts: Sequence[str], relate: Relate) -> Mapping[str, int]:
    """A number for each text: the same for those that a chain of entailments connects, whichever way it goes.

    One entails another where that is likelier than both its alternatives (contradiction, and neither).
    """
    number = {text: place for place, text in enumerate(texts)}
    twos = [(one, other) for one in texts for other in texts if one != other]
    for (one, other), (entails, contradicts) in zip(twos, relate(twos) if twos else [], strict=True):
        if entails > contradicts and entails > 1 - entails - contradicts and number[one] != number[other]:
            old, new = number[one], number[other]
            number = {text: new if place == old else place for text, place in number.items()}
    return number


def most_different(pairs: Sequence[TextPair]) -> list[TextPair]:
    """Of a student's kept rewordings of one sentence, that which shares the least wording with it ("one of many")."""
    best: dict[str, TextPair] = {}
    for pair in sorted((pair for pair in pairs if pair.kept), key=lambda p: (rouge_l(p.left, p.right), p.id)):
        best.setdefault(pair.left, pair)

    def drop(pair: TextPair) -> Drop | None:
        chosen = best[pair.left].id
        return None if chosen == pair.id else Drop("one of many", "another rewording is less like it", chosen)

    return [_marked(pair, drop(pair)) if pair.kept else pair for pair in pairs]

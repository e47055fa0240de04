"""Training pairs in other words: sentences exchanged for paraphrases of them, with every span moved along.

A sentence is exchanged only where no mention is lost: each name that stands in it, as spelt, stands as often in its
paraphrase. What is said of its facts (spans of subject and object, the sentence as evidence) then holds of the new one.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from kgdistill.records import Fact, Pair, Span, TextPair
from kgdistill.text.sentences import sentence_spans

Known = Mapping[str, Sequence[str]]
"""A sentence, white space folded, to its paraphrases."""


def known_paraphrases(pairs: Iterable[TextPair]) -> dict[str, list[str]]:
    """What kept pairs give for each sentence, either way round."""
    found: dict[str, dict[str, None]] = {}
    for pair in pairs:
        if pair.kept:
            for one, other in ((pair.left, pair.right), (pair.right, pair.left)):
                found.setdefault(_folded(one), {})[_folded(other)] = None
    return {sentence: list(others) for sentence, others in found.items()}


def rephrase(pair: Pair, known: Known, chance: random.Random, share: float = 1.0) -> tuple[Pair, int]:
    """The pair with a `share` of its sentences exchanged where that loses nothing, and how many were."""
    done = 0
    for sentence in reversed(sentence_spans(pair.text)):  # from the end, so that the spans before stay where they are
        others = known.get(_folded(pair.text[sentence.start : sentence.end]), ())
        if others and chance.random() < share:
            moved = exchanged(pair, _bare(pair.text, sentence), chance.choice(list(others)))
            pair, done = moved or pair, done + bool(moved)
    return pair, done


def exchanged(pair: Pair, place: Span, new: str) -> Pair | None:
    """The pair with `new` in place of its text there; None where a mention, or part of a fact, would be lost."""
    old = pair.text[place.start : place.end]
    grown = len(new) - len(old)

    def moved(span: Span) -> Span:
        """Raises LookupError where the span has no place in the new text."""
        if span.end <= place.start:
            return span
        if span.start >= place.end:
            return Span(span.start + grown, span.end + grown)
        if span == place:
            return Span(place.start, place.start + len(new))
        name = pair.text[span.start : span.end]
        before, after = occurrences(name, old), occurrences(name, new)
        if not place.start <= span.start < span.end <= place.end or len(before) != len(after):
            raise LookupError(name)
        start = place.start + after[before.index(span.start - place.start)]
        return Span(start, start + len(name))

    def fact(one: Fact) -> Fact:
        start, end = one.start, one.end
        if start >= 0:
            evidence = Span(start, end)
            if start < place.end and end > place.start:
                evidence = _within(pair.text, evidence, place)
            start, end = moved(evidence).start, moved(evidence).end
        spans = [moved(span) if span else None for span in (one.subject_span, one.object_span)]
        return replace(one, start=start, end=end, subject_span=spans[0], object_span=spans[1])

    try:
        entities = tuple(replace(e, spans=tuple(sorted(map(moved, e.spans)))) for e in pair.entities)
        facts, negatives = tuple(map(fact, pair.facts)), tuple(map(fact, pair.negatives))
        said = {n for f in pair.facts if _touches(f, place) for n in (f.subject, f.object) if occurrences(n, old)}
    except (LookupError, ValueError):
        return None
    if any(len(occurrences(name, new)) != len(occurrences(name, old)) for name in said):
        return None
    text = pair.text[: place.start] + new + pair.text[place.end :]
    return replace(pair, text=text, entities=entities, facts=facts, negatives=negatives)


def _within(text: str, span: Span, place: Span) -> Span:
    """The sentence that is evidence: the one exchanged, white space aside. Raises LookupError for another."""
    if _bare(text, span) != place:
        raise LookupError("evidence that is only a part of the sentence, or more than it")
    return place


def _touches(fact: Fact, place: Span) -> bool:
    return fact.start < place.end and fact.end > place.start


def occurrences(name: str, text: str) -> list[int]:
    """Where the name stands in the text as spelt, as whole words."""
    if not name:
        return []
    return [found.start() for found in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text)]


def _bare(text: str, span: Span) -> Span:
    """The span without the white space around its text."""
    said = text[span.start : span.end]
    start = span.start + len(said) - len(said.lstrip())
    return Span(start, start + len(said.strip()))


def _folded(text: str) -> str:
    return " ".join(text.split())

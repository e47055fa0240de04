"""Training pairs in other words: sentences exchanged for paraphrases of them, with every span moved along.

A sentence is exchanged only where no mention is lost: each name that stands in it, as spelt, stands as often in its
paraphrase. What is said of its facts (spans of subject and object, the sentence as evidence) then holds of the new one.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from kgdistill.distill.edits import respanned
from kgdistill.records import Pair, Span, TextPair
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
    touched = [f for f in (*pair.facts, *pair.negatives) if f.start < place.end and f.end > place.start]
    if any(_bare(pair.text, Span(fact.start, fact.end)) != place for fact in touched):
        return None  # evidence that is only a part of the sentence, or more than it
    ends = {name for fact in touched for name in (fact.subject, fact.object)}
    if any(len(occurrences(name, new)) != len(occurrences(name, old)) for name in ends if occurrences(name, old)):
        return None

    def moved(span: Span) -> Span:
        """Raises LookupError where the span has no place in the new text."""
        grown = len(new) - len(old)
        if span.end <= place.start:
            return span
        if span.start >= place.end:
            return Span(span.start + grown, span.end + grown)
        if _bare(pair.text, span) == place:
            return Span(place.start, place.start + len(new))
        name = pair.text[span.start : span.end]
        before, after = occurrences(name, old), occurrences(name, new)
        at = span.start - place.start
        if at not in before or len(before) != len(after):
            raise LookupError(name)
        start = place.start + after[before.index(at)]
        return Span(start, start + len(name))

    try:
        found = respanned(pair, moved)
    except LookupError:
        return None
    entities = tuple(replace(entity, spans=tuple(sorted(entity.spans))) for entity in found.entities)
    return replace(found, text=pair.text[: place.start] + new + pair.text[place.end :], entities=entities)


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

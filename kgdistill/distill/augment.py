"""Augmentation: more training pairs from those at hand, cut short, put together, or badly spelt; spans stay exact."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace

from kgdistill.distill.edits import Edit, edited, joined, part
from kgdistill.records import Fact, Pair, Span
from kgdistill.text.sentences import sentence_spans

_WORD = re.compile(r"[^\W\d_]{4,}")
_LOOKALIKES = {"rn": "m", "m": "rn", "l": "1", "h": "b", "e": "c", "u": "ii", "cl": "d", "ii": "u", "t": "f"}
"""What a scanner confuses."""

Change = Callable[[Pair, random.Random], Pair | None]


def augment(pairs: Sequence[Pair], shares: dict[str, float], seed: int) -> Iterator[Pair]:
    """New pairs, made of those with split "train": for each change of `shares` so many of them, drawn at random.

    Their ids say what they were made of and how ("d12+truncated"). A pair to which a change cannot be made (one
    sentence is not cut shorter) gives none. Raises KeyError for a change that does not exist.
    """
    sources = [pair for pair in pairs if pair.split == "train" and pair.weight >= 1]
    for name, share in sorted(shares.items()):
        change = CHANGES[name](sources)
        for pair in sources:
            chance = random.Random(f"{seed} {name} {pair.id}")
            made = change(pair, chance) if chance.random() < share else None
            if made is not None:
                yield replace(made, id=f"{pair.id}+{name}", document=pair.document)


def truncated(pair: Pair, chance: random.Random) -> Pair | None:
    """A run of whole sentences: a third to two thirds of them."""
    sentences = sentence_spans(pair.text)
    if len(sentences) < 2:
        return None
    count = max(1, round(len(sentences) * chance.uniform(0.33, 0.67)))
    first = chance.randrange(len(sentences) - count + 1)
    start, end = sentences[first].start, sentences[first + count - 1].end
    return part(pair, start, end)


def recombined(pairs: Sequence[Pair]) -> Change:
    """Part of one document before part of another, as on a page that speaks of several things."""

    def change(pair: Pair, chance: random.Random) -> Pair | None:
        other = chance.choice(pairs)
        if other.document == pair.document:
            return None
        first, second = truncated(pair, chance), truncated(other, chance)
        return joined(first, second) if first and second else None

    return change


def misspelt(pair: Pair, chance: random.Random) -> Pair | None:
    """One word in eight with a typing or a scanning fault; names and what facts point at keep their letters."""
    taken = _pointed_at(pair)
    edits: list[Edit] = []
    for found in _WORD.finditer(pair.text):
        free = not any(span.start < found.end() and found.start() < span.end for span in taken)
        if free and chance.random() < 0.125:
            edits.append((found.start(), found.end(), _fault(found[0], chance)))
    return edited(pair, edits) if edits else None


def lowered(pair: Pair, chance: random.Random) -> Pair | None:
    """Everything in small letters, as in a chat; a letter whose small form is longer stays."""
    return replace(edited(pair, (), _lower), text=_lower(pair.text))


def _lower(text: str) -> str:
    return "".join(small if len(small := letter.lower()) == 1 else letter for letter in text)


def _pointed_at(pair: Pair) -> list[Span]:
    def ends(fact: Fact) -> tuple[Span | None, Span | None]:
        return fact.subject_span, fact.object_span

    spans = [span for entity in pair.entities for span in entity.spans]
    return spans + [span for fact in (*pair.facts, *pair.negatives) for span in ends(fact) if span]


def _fault(word: str, chance: random.Random) -> str:
    """`word` with one fault: letters exchanged, left out, doubled, or mistaken for others."""
    place = chance.randrange(len(word) - 1)
    before, pair, after = word[:place], word[place : place + 2], word[place + 2 :]
    kind = chance.randrange(4)
    if kind == 0 and pair[0] != pair[1]:
        return before + pair[::-1] + after
    if kind == 1:
        return before + pair[1] + after
    if kind == 2:
        return before + pair[0] + pair + after
    for width in (2, 1):
        if pair[:width] in _LOOKALIKES:
            return before + _LOOKALIKES[pair[:width]] + pair[width:] + after
    return before + pair[0] + after


CHANGES: dict[str, Callable[[Sequence[Pair]], Change]] = {
    "truncated": lambda pairs: truncated,
    "recombined": recombined,
    "misspelt": lambda pairs: misspelt,
    "lowered": lambda pairs: lowered,
}

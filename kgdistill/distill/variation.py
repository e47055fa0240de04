"""Name and number swaps for pairs: the same document about others, with every span moved along."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable

from kgdistill.distill.edits import edited
from kgdistill.distill.swaps import NamePool, SeedDocument, SeedEntity, other_number
from kgdistill.records import Pair

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*|\d+")


class Variation:
    """Draws variants of pairs; the names come from all the pairs given, and from words invented after them."""

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self._pool = NamePool(_document(pair) for pair in pairs)

    def vary(self, pair: Pair, chance: random.Random) -> Pair:
        """`pair` with most of its names and numbers exchanged, the same way everywhere; offsets stay exact."""
        words = {
            word: self._pool.draw(kind, chance)
            for word, kind in self._pool.swappable(_document(pair)).items()
            if chance.random() < 0.8
        }
        for digits in sorted(set(re.findall(r"\d+", pair.text))):
            words[digits] = other_number(digits, chance)
        return replace_words(pair, words)


def replace_words(pair: Pair, words: dict[str, str]) -> Pair:
    """`pair` with whole words exchanged in its text, names and spans."""

    def change(text: str) -> str:
        return _WORD.sub(lambda found: words.get(found[0], found[0]), text)

    found = ((match.start(), match.end(), words.get(match[0], match[0])) for match in _WORD.finditer(pair.text))
    return edited(pair, list(found), change)


def _document(pair: Pair) -> SeedDocument:
    """What the name pool looks at."""
    entities = tuple(SeedEntity(e.name, e.type, (e.name,)) for e in pair.entities)
    return SeedDocument(pair.id, "", "", pair.text, (), entities)

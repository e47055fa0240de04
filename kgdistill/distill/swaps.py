"""Name and number swaps: the same document about other things, so that copying is learnt and not the names.

A swap maps words, not whole names, so that "Maud Kerleau" and the later "Kerleau" change together. Invented words come
from a letter model over the names of the pool.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Literal

import msgspec
from msgspec import Struct

Kind = Literal["person", "place", "other"]
_WORD = re.compile(r"[^\W\d_]+")
_NUMBER = re.compile(r"\d+")
_PLACE_TYPES = """
city country town village region state river island lake continent mountain volcano province district county planet sea
ocean place building museum bridge castle street canal harbour capital
"""
_PLACES = frozenset(_PLACE_TYPES.split())


class SeedFact(Struct, frozen=True, omit_defaults=True):
    proposition: str
    subject: str
    relation: str
    object: str
    negated: bool = False
    hedged: bool = False


class SeedSentence(Struct, frozen=True):
    text: str
    standalone: str
    facts: tuple[SeedFact, ...]


class SeedEntity(Struct, frozen=True):
    name: str
    type: str
    mentions: tuple[str, ...]


class SeedDocument(Struct, frozen=True):
    """One line of data/seed/pairs_*.jsonl."""

    id: str
    domain: str
    title: str
    text: str
    sentences: tuple[SeedSentence, ...]
    entities: tuple[SeedEntity, ...]


def kind_of(type_: str) -> Kind:
    """The pool that an entity type draws from."""
    if type_ == "person" or type_.endswith("character"):
        return "person"
    return "place" if type_.rpartition(" ")[2] in _PLACES else "other"


class LetterModel:
    """Invents words that look like those it has seen (letters follow the two letters before them)."""

    def __init__(self, words: Iterable[str]) -> None:
        self._next: dict[str, list[str]] = defaultdict(list)
        for word in words:
            padded = f"^^{word.lower()}$"
            for i in range(len(padded) - 2):
                self._next[padded[i : i + 2]].append(padded[i + 2])

    def draw(self, chance: random.Random) -> str:
        """A capitalised word, of three to eleven letters where the letters seen allow it."""
        for _ in range(100):
            word = "^^"
            while not word.endswith("$") and len(word) < 14:
                word += chance.choice(self._next[word[-2:]])
            if word.endswith("$") and 3 <= len(word) - 3 <= 11:
                return word[2:-1].capitalize()
        return word[2:].removesuffix("$").capitalize()


class NamePool:
    """The words of all entity names of a seed, by kind, and the words that are no names."""

    def __init__(self, documents: Iterable[SeedDocument]) -> None:
        documents = list(documents)
        self.plain = {word for document in documents for word in _WORD.findall(document.text) if word == word.lower()}
        self._sorted_plain = sorted(self.plain)
        self._words: dict[Kind, list[str]] = {"person": [], "place": [], "other": []}
        for document in documents:
            for word, kind in self.swappable(document).items():
                self._words[kind].append(word)
        self._models = {kind: LetterModel(words) for kind, words in self._words.items()}

    def swappable(self, document: SeedDocument) -> dict[str, Kind]:
        """The capitalised words of entity names that never occur as plain words, with their kind."""
        return {
            word: kind_of(entity.type)
            for entity in document.entities
            for word in _WORD.findall(entity.name)
            if len(word) > 1 and word[0].isupper() and word.lower() not in self.plain
        }

    def nonsense(self, chance: random.Random) -> str:
        """Words, names and numbers in no order: what can be copied only by looking."""
        plain = self._sorted_plain
        made = []
        for _ in range(chance.randint(15, 70)):
            kind = chance.choice(("plain", "plain", "plain", "name", "name", "number"))
            if kind == "plain":
                made.append(chance.choice(plain))
            elif kind == "name":
                made.append(self.draw(chance.choice(("person", "place", "other")), chance))
            else:
                made.append(str(chance.randint(0, 10 ** chance.randint(1, 4))))
            made[-1] += chance.choice(("", "", "", "", "", ",", ".", "'s", ";"))
        return " ".join(made) + "."

    def draw(self, kind: Kind, chance: random.Random) -> str:
        return chance.choice(self._words[kind]) if chance.random() < 0.5 else self._models[kind].draw(chance)


def swap(document: SeedDocument, pool: NamePool, chance: random.Random) -> SeedDocument:
    """`document` with names and numbers exchanged, the same way everywhere in it."""
    words = {w: pool.draw(k, chance) for w, k in pool.swappable(document).items() if chance.random() < 0.9}
    numbers: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        return numbers.setdefault(found[0], other_number(found[0], chance))

    def change(text: str) -> str:
        text = _WORD.sub(lambda found: words.get(found[0], found[0]), text)
        return _NUMBER.sub(number, text)

    return mapped(document, change)


def other_number(digits: str, chance: random.Random) -> str:
    """Another number of as many digits; years stay years, days and months stay small."""
    value = int(digits) if len(digits) <= 4 else 0
    if len(digits) == 4 and 1000 <= value <= 2100:
        return str(chance.randint(1400, 2025))
    if len(digits) <= 2 and 0 < value <= 31:
        return str(chance.randint(1, 28)).zfill(len(digits) if digits[0] == "0" else 1)
    return str(chance.randint(1, 9)) + "".join(str(chance.randint(0, 9)) for _ in digits[1:])


def mapped(document: SeedDocument, change: Callable[[str], str]) -> SeedDocument:
    """`document` with every text in it changed; relations and types stay."""
    sentences = tuple(
        SeedSentence(
            change(sentence.text),
            change(sentence.standalone),
            tuple(
                msgspec.structs.replace(
                    fact,
                    proposition=change(fact.proposition),
                    subject=change(fact.subject),
                    object=change(fact.object),
                )
                for fact in sentence.facts
            ),
        )
        for sentence in document.sentences
    )
    entities = tuple(SeedEntity(change(e.name), e.type, tuple(map(change, e.mentions))) for e in document.entities)
    return msgspec.structs.replace(
        document, title=change(document.title), text=change(document.text), sentences=sentences, entities=entities
    )

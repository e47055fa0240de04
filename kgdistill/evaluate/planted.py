"""Planted claims: true ones from gold, and false neighbours of each kind, to check a judge as one checks an instrument.

A planted claim carries its kind in `method`. A correct one has both its ends named in the text that the judge is shown,
which can therefore be read by itself. A false one says nothing that gold says: a changed relation is another one than
any that gold has between the two (by the encoder), a changed end is not connected with the other one in gold. A changed
end is one that the text names, where there is any.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from kgdistill.contracts import Encoder
from kgdistill.evaluate.match import RELATION
from kgdistill.records import Chunk, Claim, Fact, Pair, Triple, content_id
from kgdistill.text.names import find, normal

CORRECT = "correct"
KINDS = (
    "swapped arguments",
    "wrong relation",
    "relation from another sentence",
    "dropped negation",
    "changed number",
    "wrong object",
    "wrong subject",
)
_METHOD = "planted: "
_DIGITS = re.compile(r"\d+")
_SYMMETRIC = re.compile(
    r"\b(spouse|sibling|married|partner|borders?|twin|friend|related|near|next|adjacent|connected|between|same|equal|"
    r"with|also known|synonym|neighbou?rs?|colleague|rival|cousin|brother|sister|different)\b"
)


def kind_of(claim: Claim) -> str:
    """The kind of a planted claim ("correct" or one of `KINDS`), or empty for any other claim."""
    return claim.method.removeprefix(_METHOD) if claim.method.startswith(_METHOD) else ""


class Planter(Struct, frozen=True):
    """Plants claims in the chunks of one gold document. `relations` are names from other documents."""

    gold: Pair
    relations: Sequence[str]
    encoder: Encoder
    facts: int
    """Most facts of a chunk to start from; a negated fact always serves."""
    seed: int = 0

    def claims(self, chunk: Chunk) -> tuple[Claim, ...]:
        """Each chosen fact that a sentence of the chunk says, followed by its false neighbours."""
        chance = random.Random(content_id(self.seed, self.gold.id, chunk.index))
        facts = [fact for fact in self.gold.facts if chunk.start <= fact.start < chunk.end and _named(fact, chunk)]
        chosen = chance.sample(facts, min(self.facts, len(facts)))
        planted: dict[str, Claim] = {}
        for place, fact in enumerate(facts):
            if fact in chosen or fact.negated:
                for kind, claim in self._beside(fact, chunk, chance):
                    made = self._claim(claim, kind, content_id(chunk.index, place))
                    planted.setdefault(content_id(*map(normal, made.names), made.negated), made)
        return tuple(planted.values())

    def _claim(self, fact: Fact, kind: str, place: str) -> Claim:
        return Triple(
            content_id("planted", self.gold.id, place, kind),
            fact.subject,
            fact.relation,
            fact.object,
            literal=fact.literal,
            negated=fact.negated,
            hedged=fact.hedged,
            method=_METHOD + kind,
        )

    def _beside(self, fact: Fact, chunk: Chunk, chance: random.Random) -> Iterator[tuple[str, Fact]]:
        """The fact itself and one false neighbour of each kind that it has one of."""
        yield CORRECT, fact
        if not _SYMMETRIC.search(fact.relation) and not self._connected(fact.object, fact.subject):
            yield KINDS[0], _changed(fact, subject=fact.object, object=fact.subject, literal=False)
        if other := self._other_relation(fact, self.relations, chance):
            yield KINDS[1], _changed(fact, relation=other)
        elsewhere = sorted({f.relation for f in self.gold.facts if f.start != fact.start})
        if other := self._other_relation(fact, elsewhere, chance):
            yield KINDS[2], _changed(fact, relation=other)
        if fact.negated:
            yield KINDS[3], _changed(fact, negated=False)
        if number := _another_number(fact.object, chance):
            yield KINDS[4], _changed(fact, object=number)
        objects = {
            f.object for f in self.gold.facts if f.literal == fact.literal and self._free(fact.subject, f.object)
        }
        if objects:
            yield KINDS[5], _changed(fact, object=_drawn(objects, chunk, chance))
        subjects = {f.subject for f in self.gold.facts if self._free(f.subject, fact.object)}
        if subjects:
            yield KINDS[6], _changed(fact, subject=_drawn(subjects, chunk, chance))

    def _connected(self, subject: str, object_: str) -> list[str]:
        """Relations that gold has from the one to the other."""
        ends = normal(subject), normal(object_)
        return [f.relation for f in self.gold.facts if (normal(f.subject), normal(f.object)) == ends]

    def _free(self, subject: str, object_: str) -> bool:
        """Two different things that gold does not connect either way."""
        return normal(subject) != normal(object_) and not (
            self._connected(subject, object_) or self._connected(object_, subject)
        )

    def _other_relation(self, fact: Fact, names: Sequence[str], chance: random.Random) -> str:
        """One of the names that means another thing than all that gold says of the two; empty where none does."""
        drawn = chance.sample(list(names), min(5, len(names)))
        if not drawn:
            return ""
        true = self._connected(fact.subject, fact.object)
        vectors = self.encoder.encode([*drawn, *true])
        nearness = (vectors[: len(drawn)] @ vectors[len(drawn) :].T).max(axis=1)
        return next((name for name, near in zip(drawn, nearness, strict=True) if near < RELATION), "")


def _named(fact: Fact, chunk: Chunk) -> bool:
    return all(find(name, chunk.text) for name in (fact.subject, fact.object))


def _drawn(names: Iterable[str], chunk: Chunk, chance: random.Random) -> str:
    """One of the names, if possible one that stands in the chunk."""
    ordered = sorted(names)
    return chance.choice([name for name in ordered if find(name, chunk.text)] or ordered)


def _changed(fact: Fact, **fields: object) -> Fact:
    return replace(fact, **fields)


def _another_number(text: str, chance: random.Random) -> str:
    """The text with its first number changed in its last digit; empty where it has none."""
    found = _DIGITS.search(text)
    if not found:
        return ""
    last = found.end() - 1
    return text[:last] + chance.choice([digit for digit in "0123456789" if digit != text[last]]) + text[last + 1 :]

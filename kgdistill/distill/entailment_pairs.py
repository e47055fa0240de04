"""Pairs of texts from seed documents, of which the first entails the second, contradicts it, or says nothing of it.

Every false pair is a near neighbour of a true one with the same premise, so that only reading both tells them apart.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from kgdistill.distill.lessons import SYMMETRIC
from kgdistill.distill.swaps import NamePool, SeedDocument, SeedFact, SeedSentence, kind_of, swap
from kgdistill.text.names import find
from kgdistill.text.overlap import words

Label = Literal["entailment", "neutral", "contradiction"]
TRUE = ("stated", "covered", "same")
FALSE = (
    "swapped", "relation", "negation", "number", "name", "elsewhere", "neighbour", "whole", "uncovered", "denied",
)  # fmt: skip
"""What is wrong: ends exchanged; another relation; denied, or no longer; another number; another name; said in another
place; the premise is one proposition and this another; it is the whole sentence; one of its propositions is missing;
it is what the premise denies."""
_TRIED = {"swapped": 3, "relation": 1, "negation": 2, "number": 1, "name": 3, "elsewhere": 1}
"""How often each kind of false neighbour is tried before the others: most, those whose words are all the premise's."""
_AUXILIARY = re.compile(
    r"\b(is|are|was|were|has|have|had|can|could|will|would|shall|should|may|might|must|does|do|did)\b"
)
_DENIALS = (
    (re.compile(r"\bcannot\b"), "can"),
    (re.compile(r"(?<=\w)n[’']t\b"), ""),
    (re.compile(r"\b(?:not|never|no longer) "), ""),
    (re.compile(r"\b(has|had|have|is|was|were|are|with) no "), r"\1 "),
)


class Example(NamedTuple):
    premise: str
    hypothesis: str
    label: Label
    kind: str
    """One of TRUE or FALSE."""


def examples(documents: Sequence[SeedDocument], seed: int, *, passes: int = 1, swapped: float = 0.0) -> list[Example]:
    """`passes` times all documents, cut afresh, that share of them about other things; in random order.

    For each fact a true and a false pair, for each sentence of several propositions pairs about the whole, and for half
    of the sentences pairs about a denial.
    """
    chance = random.Random(seed)
    pool, forms = NamePool(documents), Forms(documents)
    found: list[Example] = []
    for _ in range(passes):
        for document in documents:
            varied = swap(document, pool, chance) if chance.random() < swapped else document
            found += _Maker(varied, pool, forms, chance).examples()
    chance.shuffle(found)
    return found


class Forms:
    """Propositions with their ends left open, by what their object is: how other relations are said."""

    def __init__(self, documents: Iterable[SeedDocument]) -> None:
        self._forms: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for document in documents:
            for fact in (fact for sentence in document.sentences for fact in sentence.facts):
                text = exchanged(fact.proposition, {fact.subject: "\x01", fact.object: "\x02"})
                if text and not fact.negated and not fact.hedged:
                    self._forms[_looks(fact.object)].append((fact.relation, text))

    def draw(self, fact: SeedFact, relations: set[str], chance: random.Random) -> str:
        """The fact's ends in a relation that is none of `relations`; empty where none was found."""
        for _ in range(10):
            relation, form = chance.choice(self._forms[_looks(fact.object)] or [("", "")])
            if form and relation not in relations:
                return form.replace("\x01", fact.subject).replace("\x02", fact.object)
        return ""


def _looks(text: str) -> str:
    return "number" if any(c.isdigit() for c in text) else "name" if text[:1].isupper() else "plain"


def exchanged(text: str, names: dict[str, str]) -> str:
    """`text` with each name, once, given the other for it, all at the same time; empty where one is not there."""
    places = sorted((at, name) for name in names if (at := text.find(name)) >= 0)
    if len(places) < len(names) or any(at + len(name) > after for (at, name), (after, _) in pairwise(places)):
        return ""
    for at, name in reversed(places):
        text = text[:at] + names[name] + text[at + len(name) :]
    return text


def denied(fact: SeedFact) -> str:
    """The proposition with a "not" where it had none, and without where it had one; empty where that cannot be done."""
    text = fact.proposition
    if fact.negated:
        plain = text
        for pattern, instead in _DENIALS:
            plain = pattern.sub(instead, plain, count=1)
        return plain if plain != text else ""
    start = len(fact.subject) if text.startswith(fact.subject) else 0
    if found := _AUXILIARY.search(text, start):
        return f"{text[: found.end()]} not{text[found.end() :]}"
    return f"{fact.subject} never{text[start:]}" if start and text[start : start + 1] == " " else ""


def one_digit_changed(text: str, chance: random.Random) -> str:
    """The text with one of its numbers changed; empty where it has none."""
    numbers = list(re.finditer(r"\d+", text))
    if not numbers:
        return ""
    found = chance.choice(numbers)
    digits = list(found[0])
    place = chance.randrange(len(digits))
    digits[place] = chance.choice([d for d in "123456789" if d != digits[place]])
    return text[: found.start()] + "".join(digits) + text[found.end() :]


class _Maker:
    """The examples of one document."""

    def __init__(self, document: SeedDocument, pool: NamePool, forms: Forms, chance: random.Random) -> None:
        self.document, self.pool, self.forms, self.chance = document, pool, forms, chance
        self.facts = [fact for sentence in document.sentences for fact in sentence.facts]
        self.known = {(f.subject.lower(), f.relation, f.object.lower()) for f in self.facts}

    def examples(self) -> Iterator[Example]:
        for place, sentence in enumerate(self.document.sentences):
            for fact in sentence.facts:
                premise = self.premise(place, fact)
                yield Example(premise, fact.proposition, "entailment", "stated")
                if false := self.false(premise, fact):
                    yield false
            yield from self.about_whole(sentence)
            yield from self.about_denied(sentence)

    def premise(self, place: int, fact: SeedFact) -> str:
        """The fact's sentence in its standalone form, or some sentences around it in either form."""
        sentences, how = self.document.sentences, self.chance.random()
        if how < 0.6:
            return sentences[place].standalone
        start = max(0, place - self.chance.randint(0, 2))
        part = sentences[start : place + 1 + self.chance.randint(0, 1)]
        if how > 0.98 and len(self.document.text) < 1000:
            part = sentences
        plain = " ".join(s.text for s in part)
        if how < 0.75 or not (find(fact.subject, plain) and find(fact.object, plain)):
            return " ".join(s.standalone for s in part)
        return plain

    def false(self, premise: str, fact: SeedFact) -> Example | None:
        """A false neighbour of the first kind, in random order, that can be made of the fact."""
        for kind in self.chance.sample(list(_TRIED), sum(_TRIED.values()), counts=list(_TRIED.values())):
            text = getattr(self, f"_{kind}")(premise, fact)
            if text and text != fact.proposition:
                label: Label = "contradiction" if kind in ("negation", "number") else "neutral"
                return Example(premise, text, label, kind)
        return None

    def _swapped(self, _: str, fact: SeedFact) -> str:
        if fact.relation in SYMMETRIC or fact.object not in {e.name for e in self.document.entities}:
            return ""
        return exchanged(fact.proposition, {fact.subject: fact.object, fact.object: fact.subject})

    def _relation(self, premise: str, fact: SeedFact) -> str:
        same = {f.relation for f in self.facts if {f.subject, f.object} == {fact.subject, fact.object}}
        return self.forms.draw(fact, same, self.chance)

    def _negation(self, _: str, fact: SeedFact) -> str:
        return "" if fact.hedged else denied(fact)

    def _number(self, premise: str, fact: SeedFact) -> str:
        text = one_digit_changed(fact.proposition, self.chance)
        return "" if all(number in premise for number in re.findall(r"\d+", text)) else text

    def _name(self, premise: str, fact: SeedFact) -> str:
        """Another name in place of an end: one of the premise or of the document, else one that is nowhere in it."""
        old = self.chance.choice((fact.subject, fact.object))
        types = {e.name: kind_of(e.type) for e in self.document.entities}
        if old not in types:
            return ""
        others = [
            name for name, kind in types.items() if kind == types[old] and name not in (fact.subject, fact.object)
        ]
        others = [name for name in others if find(name, premise)] or others
        new = self.chance.choice(others) if others and self.chance.random() < 0.7 else self._stranger(old, types[old])
        ends = tuple(new if end == old else end for end in (fact.subject, fact.object))
        if (ends[0].lower(), fact.relation, ends[1].lower()) in self.known:
            return ""
        return exchanged(fact.proposition, {old: new})

    def _stranger(self, old: str, kind: Literal["person", "place", "other"]) -> str:
        return " ".join(self.pool.draw(kind, self.chance) if w[0].isupper() else w for w in old.split())

    def _elsewhere(self, premise: str, _: SeedFact) -> str:
        """A proposition of the document whose ends the premise does not both name."""
        far = [f for f in self.facts if not (find(f.subject, premise) and find(f.object, premise))]
        return self.chance.choice(far).proposition if far else ""

    def about_denied(self, sentence: SeedSentence) -> Iterator[Example]:
        """What a sentence says, one proposition of it denied: that what it denies does not follow, and its denial does.

        The premise then has all the words of a false hypothesis, and a "not" besides.
        """
        facts = [fact for fact in sentence.facts if not fact.hedged and denied(fact)]
        if not facts or self.chance.random() < 0.5:
            return
        fact = self.chance.choice(facts)
        rest = [other.proposition for other in sentence.facts if not _within(fact.proposition, other.proposition)]
        premise = " ".join(self.chance.sample([*rest, denied(fact)], len(rest) + 1))
        yield Example(premise, fact.proposition, "contradiction", "denied")
        yield Example(premise, denied(fact), "entailment", "stated")

    def about_whole(self, sentence: SeedSentence) -> Iterator[Example]:
        """What all propositions of a sentence, or some of them, say of the whole."""
        propositions = list(dict.fromkeys(fact.proposition for fact in sentence.facts))
        if self.chance.random() < 0.1:
            yield Example(sentence.standalone, sentence.standalone, "entailment", "same")
        if len(propositions) < 2:
            return
        whole = self.chance.choice((sentence.text, sentence.standalone))
        one, other = self.chance.sample(propositions, 2)
        yield Example(" ".join(propositions), whole, "entailment", "covered")
        rest = " ".join(text for text in propositions if text != one)
        if not _within(one, rest):
            yield Example(rest, whole, "neutral", "uncovered")
        if self.chance.random() < 0.5 and not _within(other, one):
            yield Example(one, whole, "neutral", "whole")
            yield Example(one, other, "neutral", "neighbour")


def _within(text: str, other: str) -> bool:
    """Whether all words of a text stand in another."""
    return set(words(text.casefold())) <= set(words(other.casefold()))

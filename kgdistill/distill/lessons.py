"""Lessons for a small teacher: seed documents turned into the pipeline's own prompts with the replies wanted.

A lesson is a run of turns over one text, so that the text is read once for several replies. The prompts are rendered
by the same templates that the pipeline uses (in their brief form).
"""

from __future__ import annotations

import random
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from kgdistill.distill.swaps import NamePool, SeedDocument, SeedEntity, SeedFact, SeedSentence, swap
from kgdistill.errors import SourceError
from kgdistill.prompts import schemas
from kgdistill.prompts.render import render
from kgdistill.records import content_id
from kgdistill.text.names import find

SYMMETRIC = frozenset(
    ("spouse", "sibling", "borders", "married to", "sibling of", "friend of", "partner", "related to", "near")
)


class Turn(Struct, frozen=True):
    prompt: str
    reply: str
    judged: bool = False
    """The reply is a single word, yes or no."""
    ends: bool = True
    """The reply is complete here; False where the next turn goes on with it."""


class Lesson(Struct, frozen=True):
    """Turns in order; each prompt continues where the reply before it ended."""

    turns: tuple[Turn, ...]


def read_seed(folder: Path) -> list[SeedDocument]:
    """The documents of `folder/pairs_*.jsonl`, in file order.

    Raises SourceError when there are none or a line does not decode.
    """
    documents: list[SeedDocument] = []
    for path in sorted(folder.glob("pairs_*.jsonl")):
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            try:
                documents.append(msgspec.json.decode(line, type=SeedDocument))
            except msgspec.DecodeError as error:
                raise SourceError(f"{path.name}:{number}: {error}") from error
    if not documents:
        raise SourceError(f"no pairs_*.jsonl in {folder}: give the folder that holds the seed pairs")
    return documents


def split_of(document_id: str) -> str:
    """Fixed split by document: a tenth for test, a tenth for validation, the rest for training.

    Documents whose id begins with "train-" came later and are all for training: the two others stay as they were, so
    that figures of different times compare.
    """
    if document_id.startswith("train-"):
        return "train"
    bucket = int(content_id("seed split", document_id), 16) % 10
    return {0: "test", 1: "validation"}.get(bucket, "train")


def lessons(
    documents: Sequence[SeedDocument],
    seed: int,
    *,
    augment: bool = True,
    pool: NamePool | None = None,
    sentences: int = 4,
) -> Iterator[Lesson]:
    """Lessons without end, each pass cut and swapped afresh; one plain pass when not `augment`.

    Names to swap in come from `pool`, without one from the documents themselves; `sentences` bounds a window.
    """
    pool = pool or NamePool(documents)
    chance = random.Random(seed)
    relations = sorted({fact.relation for d in documents for s in d.sentences for fact in s.facts})
    while True:
        for document in chance.sample(list(documents), len(documents)):
            varied = swap(document, pool, chance) if augment and chance.random() < 0.7 else document
            yield from document_lessons(varied, relations, chance, most=sentences)
        if not augment:
            return


def document_lessons(
    document: SeedDocument, relations: Sequence[str], chance: random.Random, *, whole: bool = True, most: int = 4
) -> Iterator[Lesson]:
    """The lessons of one document: rewriting, extraction and judging for each of its windows.

    Not `whole` where the document has no standalone sentences: nothing is rewritten, and only facts count whose ends
    the window itself names.
    """
    for start, end in windows(len(document.sentences), chance, most):
        sentences: Sequence[SeedSentence] = document.sentences[start:end]
        lay_out = layout(document.title if start == 0 else "", chance)
        plain = lay_out([s.text for s in sentences])
        standalone = lay_out([s.standalone for s in sentences])
        if whole and chance.random() < (0.7 if start else 0.3):
            before = document.sentences[max(0, start - chance.randint(1, 3)) : start]
            yield rewriting(" ".join(s.standalone for s in before), plain, standalone)
        if not whole:
            sentences = within(sentences, plain)
        text = plain if start == 0 and chance.random() < 0.5 else standalone
        facts = [fact for s in sentences for fact in s.facts]
        if whole or facts:
            entities = named_in(document.entities, standalone, sentences)
            if whole and chance.random() < 0.25:
                yield misled(text, entities, sentences, chance)
            else:
                yield extraction(text, entities, sentences)
        if facts and chance.random() < 0.6:
            elsewhere = [f for s in document.sentences[:start] + document.sentences[end:] for f in s.facts]
            yield judging(text, judged_claims(text, facts, elsewhere, relations, chance))


def within(sentences: Sequence[SeedSentence], text: str) -> list[SeedSentence]:
    """The sentences with those facts alone whose ends both stand in `text`."""
    return [
        msgspec.structs.replace(s, facts=tuple(f for f in s.facts if find(f.subject, text) and find(f.object, text)))
        for s in sentences
    ]


def layout(title: str, chance: random.Random) -> Callable[[Sequence[str]], str]:
    """How sentences stand on the page: mostly one after the other, sometimes as lines, under a title, or wrapped."""
    separator = chance.choice((" ", " ", " ", " ", " ", " ", "\n", "\n\n"))
    head = chance.choice(("# {}\n\n", "{}\n\n")).format(title) if title and chance.random() < 0.15 else ""
    width = chance.randint(50, 90) if chance.random() < 0.06 else 0

    def lay_out(sentences: Sequence[str]) -> str:
        text = separator.join(sentences)
        return head + ("\n".join(textwrap.wrap(text, width)) if width else text)

    return lay_out


def windows(count: int, chance: random.Random, most: int = 4) -> Iterator[tuple[int, int]]:
    """Consecutive windows of one to `most` (at most four) sentences that cover `count` sentences."""
    sizes = [size for size in (1, 1, 2, 2, 2, 3, 3, 4) if size <= most]
    start = 0
    while start < count:
        end = min(count, start + chance.choice(sizes))
        yield start, end
        start = end


def rewriting(previous: str, plain: str, standalone: str) -> Lesson:
    prompt = render("rewrite", brief=True, previous=previous, text=plain)
    return Lesson((Turn(prompt, schemas.write(schemas.Rewriting(standalone), brief=True)),))


def named_in(entities: Iterable[SeedEntity], text: str, sentences: Iterable[SeedSentence]) -> list[schemas.NamedEntity]:
    """The entities that the window speaks of, in order of appearance."""
    ends = {end for s in sentences for fact in s.facts for end in (fact.subject, fact.object)}
    low = text.lower()
    found = [(low.find(e.name.lower()), e) for e in entities if e.name in ends or e.name.lower() in low]
    return [schemas.NamedEntity(e.name, e.type) for _, e in sorted(found, key=lambda pair: pair[0])]


def extraction(text: str, entities: list[schemas.NamedEntity], sentences: Iterable[SeedSentence]) -> Lesson:
    first = render("entities", brief=True, text=text)
    listed = schemas.write(schemas.EntityList(entities), brief=True)
    second = render("propositions", brief=True, text=text, entities=listed)
    propositions = [
        schemas.Proposition(
            fact.proposition, [schemas.StatedClaim(fact.subject, fact.relation, fact.object, status(fact))]
        )
        for s in sentences
        for fact in s.facts
    ]
    reply = schemas.write(schemas.PropositionList(propositions), brief=True)
    return Lesson((Turn(first, listed), Turn(second.removeprefix(first + listed), reply)))


def untyped(lesson: Lesson) -> Lesson:
    """An extraction lesson whose entity types are shown but not learnt: its source does not tell them."""
    listing, *others = lesson.turns
    parts = re.split(r'(?<="type":")([^"]*)(?=")', listing.reply)
    turns = [Turn(listing.prompt, parts[0], ends=len(parts) == 1)]
    turns += [
        Turn(type_, rest, ends=place == len(parts) - 2)
        for place, (type_, rest) in zip(
            range(1, len(parts), 2), zip(parts[1::2], parts[2::2], strict=True), strict=True
        )
    ]
    return Lesson((*turns, *others))


def misled(
    text: str, entities: Sequence[schemas.NamedEntity], sentences: Iterable[SeedSentence], chance: random.Random
) -> Lesson:
    """Propositions after a list with gaps and strangers, as a small teacher makes it: only the listed are spoken of."""
    kept = [entity for entity in entities if chance.random() < 0.8]
    names = {entity.name for entity in kept}
    others = [word for word in re.findall(r"\b[A-Z]\w{3,}", text) if not any(word in e.name for e in entities)]
    if others and chance.random() < 0.5:
        stranger = schemas.NamedEntity(chance.choice(others), chance.choice(entities).type if entities else "person")
        kept.insert(chance.randint(0, len(kept)), stranger)
    spoken = [
        msgspec.structs.replace(s, facts=tuple(fact for fact in s.facts if fact.subject in names)) for s in sentences
    ]
    listing, answer = extraction(text, kept, spoken).turns
    return Lesson((Turn(listing.prompt + listing.reply + answer.prompt, answer.reply),))


def status(fact: SeedFact) -> schemas.Status:
    return "denied" if fact.negated else "hedged" if fact.hedged else "stated"


Judged = tuple[str, str, str, str, bool]


def judging(text: str, claims: Sequence[Judged]) -> Lesson:
    """One text, then claim after claim, each answered yes or no."""
    turns: list[Turn] = []
    for subject, relation, object_, state, supported in claims:
        prompt = render(
            "judge", brief=True, text=text, subject=subject, relation=relation, object=object_, status=state
        )
        # Every claim after the first repeats only the lines after the text.
        tail = prompt if not turns else "\n" + prompt[prompt.rindex("\nClaim: ") + 1 :]
        turns.append(Turn(tail, "yes" if supported else "no", judged=True))
    return Lesson(tuple(turns))


def judged_claims(
    text: str,
    facts: Sequence[SeedFact],
    elsewhere: Sequence[SeedFact],
    relations: Sequence[str],
    chance: random.Random,
) -> list[Judged]:
    """Up to ten claims about `text`, about half of them spoilt, in random order."""
    true = {(f.subject.lower(), f.relation, f.object.lower()) for f in facts}
    claims: list[Judged] = []
    for fact in chance.sample(list(facts), min(5, len(facts))):
        claims.append((fact.subject, fact.relation, fact.object, status(fact), True))
        wrong = spoilt(text, fact, facts, elsewhere, relations, chance)
        if wrong and (wrong[3] != status(fact) or (wrong[0].lower(), wrong[1], wrong[2].lower()) not in true):
            claims.append(wrong)
    chance.shuffle(claims)
    return claims


def spoilt(
    text: str,
    fact: SeedFact,
    facts: Sequence[SeedFact],
    elsewhere: Sequence[SeedFact],
    relations: Sequence[str],
    chance: random.Random,
) -> Judged | None:
    """A false neighbour of `fact`: turned round, another end, another relation, the status flipped, a number changed,
    or a fact that only the rest of the document states."""
    state = status(fact)
    match chance.choice(("turned", "object", "object", "subject", "relation", "status", "number", "elsewhere")):
        case "turned" if fact.relation not in SYMMETRIC:
            return fact.object, fact.relation, fact.subject, state, False
        case "object":
            other = chance.choice(facts).object
            return None if other == fact.subject else (fact.subject, fact.relation, other, state, False)
        case "subject":
            other = chance.choice(facts).subject
            return None if other == fact.object else (other, fact.relation, fact.object, state, False)
        case "relation":
            return fact.subject, chance.choice(relations), fact.object, state, False
        case "status" if state != "hedged":
            return fact.subject, fact.relation, fact.object, "stated" if state == "denied" else "denied", False
        case "number" if any(char.isdigit() for char in fact.object):
            changed = "".join(chance.choice("123456789") if c.isdigit() else c for c in fact.object)
            return fact.subject, fact.relation, changed, state, False
        case "elsewhere" if elsewhere:
            far = chance.choice(elsewhere)
            low = text.lower()
            if far.subject.lower() not in low or far.object.lower() not in low:
                return far.subject, far.relation, far.object, status(far), False
    return None

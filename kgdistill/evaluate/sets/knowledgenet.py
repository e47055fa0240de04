"""KnowledgeNet: sentences with 15 Wikidata properties (Mesquita et al., 2019), as JSON lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from kgdistill.evaluate.sets.lines import decoded, gold, malformed
from kgdistill.records import Entity, Fact, Failure, Pair, Span
from kgdistill.text.pronouns import PRONOUNS


class Said(Struct, frozen=True):
    """A fact; `spans` are start and end of subject and object, in the document that the sentence is from."""

    property: str
    spans: tuple[int, int, int, int]
    subject_uri: str | None = None
    object_uri: str | None = None


class Passage(Struct, frozen=True):
    """One sentence."""

    start: int
    text: str
    facts: tuple[Said, ...] = ()


def read(path: Path) -> Iterator[Pair | Failure]:
    """One document for each sentence; facts about what only a pronoun names there are left out.

    What bears one Wikidata address is one entity, each of its mentions a span.
    """
    for found in decoded(path, Passage):
        if isinstance(found, Failure):
            yield found
            continue
        number, line = found
        try:
            yield _document(number, line)
        except IndexError as error:
            yield malformed(path, number, str(error))


def _document(number: int, line: Passage) -> Pair:
    places: dict[str, set[Span]] = defaultdict(set)
    said: list[tuple[str, str, str]] = []
    for fact in line.facts:
        a, b, c, d = (place - line.start for place in fact.spans)
        keys = fact.subject_uri or f"{a}-{b}", fact.object_uri or f"{c}-{d}"
        for key, span in zip(keys, (Span(a, b), Span(c, d)), strict=True):
            if not 0 <= span.start < span.end <= len(line.text):
                raise IndexError(f"a mention at {span.start} to {span.end} of {len(line.text)} characters")
            if line.text[span.start : span.end].lower() not in PRONOUNS:
                places[key].add(span)
        said.append((keys[0], fact.property.replace("_", " ").lower(), keys[1]))
    names = {key: max((line.text[s.start : s.end] for s in sorted(spans)), key=len) for key, spans in places.items()}
    facts = (Fact(names[s], relation, names[o]) for s, relation, o in said if s in names and o in names)
    entities = tuple(Entity(names[key], "", tuple(sorted(spans))) for key, spans in places.items())
    return gold(number, line.text, tuple(dict.fromkeys(facts)), entities)

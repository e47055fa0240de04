"""CrossRE: relations in sentences of six domains (Bassignana and Plank, 2022), entities by token index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from kgdistill.evaluate.sets.lines import decoded, gold, malformed
from kgdistill.evaluate.sets.tokens import joined, within
from kgdistill.records import Entity, Fact, Failure, Pair


class Sentence(Struct, frozen=True):
    """One sentence; indices count its tokens, the last one included."""

    sentence: tuple[str, ...]
    ner: tuple[tuple[int, int, str], ...]
    relations: tuple[tuple[int, int, int, int, str, Any, Any, Any], ...]
    """Head, tail, relation; then the annotators' explanation and doubts."""


def read(path: Path) -> Iterator[Pair | Failure]:
    """One document for each sentence."""
    for found in decoded(path, Sentence):
        if isinstance(found, Failure):
            yield found
            continue
        number, line = found
        try:
            yield _document(number, line)
        except IndexError as error:
            yield malformed(path, number, str(error))


def _document(number: int, line: Sentence) -> Pair:
    text, spans = joined(line.sentence)

    def words(first: int, last: int) -> str:
        place = within(first, last, spans)
        return text[place.start : place.end]

    entities = tuple(Entity(words(a, b), kind, (within(a, b, spans),)) for a, b, kind in line.ner)
    facts = (Fact(words(a, b), label.replace("-", " "), words(c, d)) for a, b, c, d, label, *_ in line.relations)
    return gold(number, text, tuple(facts), entities)

"""Re-DocRED: document-level graphs over Wikipedia paragraphs (Tan et al., 2022), with coreference clusters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from kgdistill.evaluate.sets.lines import gold, malformed
from kgdistill.evaluate.sets.tokens import joined, within
from kgdistill.records import Entity, Fact, Failure, Pair, Span

NAMES = "rel_info.json"
"""Beside the documents: Wikidata property to relation name."""


class Mention(Struct, frozen=True):
    """A mention of an entity: its sentence, and its tokens there, the last one not included."""

    sent_id: int
    pos: tuple[int, int]
    type: str


class Label(Struct, frozen=True):
    """A fact: property, and the numbers of head and tail."""

    r: str
    h: int
    t: int


class Item(Struct, frozen=True):
    """One document."""

    sents: tuple[tuple[str, ...], ...]
    vertexSet: tuple[tuple[Mention, ...], ...]  # noqa: N815 - the file's own key
    labels: tuple[Label, ...] = ()


def read(path: Path) -> Iterator[Pair | Failure]:
    """The documents of a file; an entity's name is its longest mention, and every mention is one of its spans."""
    try:
        items: list[Any] = msgspec.json.decode(path.read_bytes(), type=list[Any])
        names = path.parent / NAMES
        relations = msgspec.json.decode(names.read_bytes(), type=dict[str, str]) if names.is_file() else {}
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        yield malformed(path, 0, str(error))
        return
    for number, item in enumerate(items):
        try:
            yield _document(number, msgspec.convert(item, Item), relations)
        except (msgspec.ValidationError, IndexError) as error:
            yield malformed(path, number, str(error))


def _document(number: int, item: Item, relations: dict[str, str]) -> Pair:
    starts = [sum(map(len, item.sents[:place])) for place in range(len(item.sents))]
    text, spans = joined([token for sentence in item.sents for token in sentence])
    entities = tuple(_entity(mentions, item, starts, spans, text) for mentions in item.vertexSet)
    facts = []
    for label in item.labels:
        if min(label.h, label.t) < 0:
            raise IndexError("a fact of no entity")
        head, tail = entities[label.h].name, entities[label.t].name
        facts.append(Fact(head, relations.get(label.r, label.r), tail))
    return gold(number, text, tuple(facts), entities)


def _entity(mentions: tuple[Mention, ...], item: Item, starts: list[int], spans: tuple[Span, ...], text: str) -> Entity:
    places = []
    for mention in mentions:
        first, end = mention.pos
        if not (0 <= mention.sent_id < len(item.sents) and 0 <= first < end <= len(item.sents[mention.sent_id])):
            raise IndexError("a mention outside its sentence")
        start = starts[mention.sent_id]
        places.append(within(start + first, start + end - 1, spans))
    if not places:
        raise IndexError("an entity without a mention")
    longest = max(places, key=lambda span: (span.end - span.start, -span.start))
    return Entity(text[longest.start : longest.end], mentions[0].type.lower(), tuple(sorted(set(places))))

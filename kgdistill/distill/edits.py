"""Edits: a pair whose text was changed in places, cut down, or joined to another, with every span moved along."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from kgdistill.records import Entity, Fact, Pair, Span

Edit = tuple[int, int, str]
"""Characters `start` to `end` of a text, and what stands there instead."""


def edited(pair: Pair, edits: Sequence[Edit], rename: Callable[[str], str] = str) -> Pair:
    """`pair` after `edits` (in order, apart from each other, none across the edge of a span); names go through
    `rename`, and so do the propositions."""
    ends, shifts, pieces, place = [0], [0], [], 0
    for start, end, new in edits:
        pieces += [pair.text[place:start], new]
        place = end
        if len(new) != end - start:
            ends.append(end)
            shifts.append(shifts[-1] + len(new) - (end - start))
    text = "".join([*pieces, pair.text[place:]])

    def moved(span: Span) -> Span:
        start, end = (offset + shifts[bisect_right(ends, offset) - 1] for offset in (span.start, span.end))
        return Span(start, end)

    return replace(respanned(pair, moved, rename), text=text)


def respanned(pair: Pair, moved: Callable[[Span], Span], rename: Callable[[str], str] = str) -> Pair:
    """`pair` with every span moved and every name renamed; its text stays."""

    def fact(old: Fact) -> Fact:
        evidence = moved(Span(old.start, old.end)) if old.start >= 0 else Span(-1, -1)
        return replace(
            old,
            subject=rename(old.subject),
            object=rename(old.object),
            proposition=rename(old.proposition),
            start=evidence.start,
            end=evidence.end,
            subject_span=old.subject_span and moved(old.subject_span),
            object_span=old.object_span and moved(old.object_span),
        )

    return replace(
        pair,
        entities=tuple(Entity(rename(e.name), e.type, tuple(map(moved, e.spans))) for e in pair.entities),
        facts=tuple(map(fact, pair.facts)),
        negatives=tuple(map(fact, pair.negatives)),
    )


def part(pair: Pair, start: int, end: int) -> Pair:
    """What `pair` says from `start` to `end`: the mentions there, and the facts whose evidence and ends lie there."""

    def inside(span: Span | None) -> bool:
        return span is None or start <= span.start <= span.end <= end

    def moved(span: Span) -> Span:
        return Span(span.start - start, span.end - start)

    def said(fact: Fact) -> bool:
        return fact.start >= 0 and all(map(inside, (Span(fact.start, fact.end), fact.subject_span, fact.object_span)))

    mentions = [(entity, tuple(filter(inside, entity.spans))) for entity in pair.entities]
    there = tuple(replace(entity, spans=spans) for entity, spans in mentions if spans)
    names = {entity.name for entity in there}
    left = {entity.name for entity in pair.entities} - names

    def known(fact: Fact) -> bool:
        return said(fact) and fact.subject not in left and fact.object not in left

    cut = replace(
        pair,
        text=pair.text[start:end],
        entities=there,
        facts=tuple(filter(known, pair.facts)),
        negatives=tuple(filter(known, pair.negatives)),
    )
    return respanned(cut, moved)


def joined(first: Pair, second: Pair, between: str = "\n\n") -> Pair:
    """Both texts one after the other, as one document; an entity of one name and type in both is one entity."""
    shift = len(first.text) + len(between)
    moved = respanned(second, lambda span: Span(span.start + shift, span.end + shift))
    entities: dict[tuple[str, str], Entity] = {}
    for entity in (*first.entities, *moved.entities):
        key = entity.name, entity.type
        known = entities.get(key)
        entities[key] = replace(known, spans=known.spans + entity.spans) if known else entity
    return replace(
        first,
        text=first.text + between + second.text,
        entities=tuple(entities.values()),
        facts=first.facts + moved.facts,
        negatives=first.negatives + moved.negatives,
    )

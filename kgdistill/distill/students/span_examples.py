"""Training pairs as the span network's targets: which words are mentions and objects, who is who, which pairs hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from kgdistill.distill.relations import relation_name
from kgdistill.distill.students.span_network import LONGEST
from kgdistill.distill.students.words import Window, Words, word_span
from kgdistill.records import Fact, Pair, Span

WordSpan = tuple[int, int]


class Held(Struct, frozen=True):
    """What holds between a subject and an object span."""

    relations: tuple[int, ...]
    negated: bool
    hedged: bool


class Example(Struct, frozen=True):
    """One window of a pair; all word numbers count from the window's start."""

    pair: str
    words: Words
    window: Window
    mentions: Mapping[WordSpan, int]
    """Mention spans with the number of their entity."""
    full: frozenset[WordSpan]
    """Those mentions that spell the entity's name in full."""
    types: Mapping[WordSpan, int]
    objects: frozenset[WordSpan]
    facts: Mapping[tuple[WordSpan, WordSpan], Held]
    said: frozenset[tuple[int, WordSpan]]
    """(entity, object span) of every fact: other mentions of that entity are neither right nor wrong as its subject."""


def examples(
    pair: Pair, words: Words, cut: Sequence[Window], relation: Callable[[str], int], type_: Callable[[str], int]
) -> Iterator[Example]:
    """The windows of a pair with their targets; `relation` and `type_` number the names (-1: not learnt)."""
    starts = {span.start: i for i, span in enumerate(words.spans)}
    ends = {span.end: i for i, span in enumerate(words.spans)}

    def locate(span: Span | None) -> WordSpan | None:
        found = span and word_span(words, span, starts, ends)
        return found if found and found[1] - found[0] < LONGEST else None

    mentions: dict[WordSpan, int] = {}
    full: set[WordSpan] = set()
    types: dict[WordSpan, int] = {}
    by_name: dict[str, int] = {}
    for number, entity in enumerate(pair.entities):
        by_name[entity.name] = number
        for span in entity.spans:
            if (where := locate(span)) is None:
                continue
            mentions.setdefault(where, number)
            if pair.text[span.start : span.end].casefold() == entity.name.casefold():
                full.add(where)
                types[where] = type_(entity.type)
    facts, said = _facts(pair.facts, locate, mentions, by_name, relation)
    for window in cut:
        yield _windowed(pair.id, words, window, mentions, full, types, facts, said)


def _facts(
    facts: Sequence[Fact],
    locate: Callable[[Span | None], WordSpan | None],
    mentions: Mapping[WordSpan, int],
    by_name: Mapping[str, int],
    relation: Callable[[str], int],
) -> tuple[dict[tuple[WordSpan, WordSpan], Held], set[tuple[int, WordSpan]]]:
    """Targets of pairs; a subject without a mention in the sentence is its nearest mention before, else after."""
    held: dict[tuple[WordSpan, WordSpan], Held] = {}
    said: set[tuple[int, WordSpan]] = set()
    for fact in facts:
        where, owner = locate(fact.object_span), by_name.get(fact.subject, -1)
        if where is None:
            continue
        subject = locate(fact.subject_span)
        if subject is None:
            own = [span for span, number in mentions.items() if number == owner and span != where]
            subject = min(own, key=lambda span: (span > where, abs(span[0] - where[0])), default=None)
        if subject is None or subject == where:
            continue
        said.add((mentions.get(subject, owner), where))
        number = relation(relation_name(fact.relation))
        before = held.get((subject, where), Held((), fact.negated, fact.hedged))
        numbers = before.relations if number < 0 or number in before.relations else (*before.relations, number)
        held[subject, where] = Held(numbers, before.negated or fact.negated, before.hedged or fact.hedged)
    return held, said


def _windowed(
    pair: str,
    words: Words,
    window: Window,
    mentions: Mapping[WordSpan, int],
    full: set[WordSpan],
    types: Mapping[WordSpan, int],
    facts: Mapping[tuple[WordSpan, WordSpan], Held],
    said: set[tuple[int, WordSpan]],
) -> Example:
    def inside(span: WordSpan) -> bool:
        return window.start <= span[0] and span[1] < window.end

    def moved(span: WordSpan) -> WordSpan:
        return span[0] - window.start, span[1] - window.start

    within = {(moved(s), moved(o)): held for (s, o), held in facts.items() if inside(s) and inside(o)}
    return Example(
        pair,
        words,
        window,
        {moved(span): number for span, number in mentions.items() if inside(span)},
        frozenset(moved(span) for span in full if inside(span)),
        {moved(span): number for span, number in types.items() if inside(span)},
        frozenset(o for _, o in within),
        within,
        frozenset((number, moved(span)) for number, span in said if inside(span)),
    )

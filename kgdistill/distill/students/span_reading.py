"""From the span network's scores to a graph: names for mentions, one fact per pair, windows put together."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

import numpy
import torch
from msgspec import Struct
from msgspec.structs import replace
from torch import Tensor

from kgdistill.distill.students.span_naming import Mentions, who_is_who
from kgdistill.distill.students.span_network import Passage, SpanNetwork, Spans
from kgdistill.distill.students.span_passages import CANDIDATES, best, span_texts
from kgdistill.distill.students.words import Window, Words
from kgdistill.records import Entity, Extraction, Fact, Span
from kgdistill.text.pronouns import PRONOUNS


class Names(Struct, frozen=True):
    """Names that can be given, with their unit vectors (names, hidden)."""

    names: tuple[str, ...]
    vectors: Tensor


class Found(Struct, frozen=True):
    """A scored pair of one window, in document offsets."""

    score: float
    subject: str
    object: str
    subject_span: Span
    object_span: Span
    entity: bool
    """The object is a mention of an entity rather than a literal."""
    relation: str
    negated: bool
    hedged: bool


class Seen(Struct):
    """What was read so far of one document."""

    entities: dict[str, tuple[str, str, float, set[Span]]]
    """Folded name: (name, type, best score, mentions)."""
    facts: list[Found]
    named: dict[Span, str] = {}
    """What each mention is called: by the first window that it is in, which has seen more of what stands before it."""


@torch.inference_mode()  # type: ignore[untyped-decorator]
def read_window(
    network: SpanNetwork,
    passage: Passage,
    words: Words,
    window: Window,
    text: str,
    relations: Names,
    types: Names,
    least: float,
    seen: Seen,
) -> None:
    """Add the entities and the facts scored at least `least` (a probability) of one window to `seen`."""
    spans = network.spans(passage)
    if len(spans.first) == 0:
        return
    mentions = who_is_who(network, spans, words, window, text)
    subjects = mentions.chosen
    both = torch.maximum(spans.object, spans.mention)
    objects = best(both, CANDIDATES[1])
    if len(subjects) == 0 or len(objects) == 0:
        return
    place = _places(words, window, spans.first, spans.last)
    names = [seen.named.get(place[span], mentions.name(i)) for i, span in enumerate(subjects.tolist())]
    _entities(network, spans, mentions, [place[i] for i in subjects.tolist()], types, seen)
    numbers = {span: i for i, span in enumerate(subjects.tolist())}
    # The mention that each object is; -1 where it is a literal.
    mention = [numbers[o] if o in numbers and mentions.sure[numbers[o]] >= 0.5 else -1 for o in objects.tolist()]
    ends = _sure_ends(spans, mentions, both[objects], mention)
    # What cannot reach `least` whatever the pair says needs no scoring.
    able = (ends >= least) & (subjects[:, None] != objects[None])
    rows, columns = able.nonzero(as_tuple=True)
    logits, vectors = network.pairs(passage, spans, subjects, objects, rows, columns)
    scores = logits[:, 0].sigmoid() * ends[rows, columns]
    good = scores >= least
    if not good.any():
        return
    rows, columns, scores = rows[good], columns[good], scores[good].tolist()
    given = network.named(vectors[good], relations.vectors, 0).argmax(-1).tolist()
    manner = (logits[good, 1:] > 0).tolist()
    texts = span_texts(words, window, spans.places(objects), text)
    for k, (i, j) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        subject, object_ = names[i], names[mention[j]] if mention[j] >= 0 else texts[j]
        if subject.casefold() == object_.casefold() or object_.lower() in PRONOUNS or subject.lower() in PRONOUNS:
            continue
        spot = place[int(subjects[i])], place[int(objects[j])]
        seen.facts.append(
            Found(scores[k], subject, object_, *spot, mention[j] >= 0, relations.names[given[k]], *manner[k])
        )


def _sure_ends(spans: Spans, mentions: Mentions, objects: Tensor, mention: Sequence[int]) -> Tensor:
    """(subjects, objects): how sure both ends are, and that they have their names; `mention` is each object's or -1.

    A pair is no surer than that: it sorts out near-misses of a name ("Ada Byron wrote").
    """
    called = torch.cat([mentions.named, mentions.named.new_ones(1)])[mention]
    ends = (spans.mention[mentions.chosen].sigmoid()[:, None] * objects.sigmoid()[None]).sqrt()
    return ends * mentions.named[:, None] * called[None]


def _places(words: Words, window: Window, first: Tensor, last: Tensor) -> list[Span]:
    pairs = zip((first + window.start).tolist(), (last + window.start).tolist(), strict=True)
    return [Span(words.spans[a].start, words.spans[b].end) for a, b in pairs]


def _entities(
    network: SpanNetwork, spans: Spans, mentions: Mentions, places: Sequence[Span], types: Names, seen: Seen
) -> None:
    """Mentions that are likelier than not, the surest first, none inside or across another of the same entity."""
    given = network.named(spans.vectors[mentions.chosen], types.vectors, 1).argmax(-1).tolist()
    sure, stands = mentions.sure, mentions.stands
    taken: list[Span] = []
    for i in sorted(range(len(places)), key=lambda i: -sure[i]):
        name = mentions.name(i)
        crossing = any(
            p.start < places[i].end
            and places[i].start < p.end
            and not (p.start <= places[i].start and places[i].end <= p.end)
            for p in taken
        )
        if sure[i] < 0.5 or crossing or name.lower() in PRONOUNS or seen.named.setdefault(places[i], name) != name:
            continue
        taken.append(places[i])
        key = name.casefold()
        before = seen.entities.get(key, (name, types.names[given[stands[i]]], 0.0, set()))
        before[3].add(places[i])
        if sure[stands[i]] > before[2]:
            before = (name, types.names[given[stands[i]]], sure[stands[i]], before[3])
        seen.entities[key] = before


def gather(document: str, seen: Seen, sentences: Sequence[Span], most_overlap: float, least: float) -> Extraction:
    """One fact for each (subject, object); of a subject's overlapping objects, and the reverse, the best scored.

    Facts scored below `least` once their rivals are heard are left out. So is the weaker of two that say the same both
    ways ("Ada, parent, Byron" and the reverse): of a thousand facts of the seed one is said both ways.
    """
    kept: list[Found] = []
    pairs: set[tuple[str, str]] = set()
    turned: set[tuple[str, str, str]] = set()
    objects: dict[str, list[Span]] = {}
    subjects: dict[str, list[Span]] = {}
    for found in sorted(_against_rivals(seen.facts, least), key=lambda f: (-f.score, f.subject_span, f.object_span)):
        subject, pair = found.subject.casefold(), (found.subject.casefold(), found.object.casefold())
        near, across = objects.setdefault(subject, []), subjects.setdefault(pair[1], [])
        if (
            pair in pairs
            or (*pair, found.relation) in turned
            or any(_shared(found.object_span, other) > most_overlap for other in near)
            or any(_shared(found.subject_span, other) > 0 for other in across)
        ):
            continue
        pairs.add(pair)
        turned.add((pair[1], pair[0], found.relation))
        near.append(found.object_span)
        across.append(found.subject_span)
        kept.append(found)
    facts = tuple(_fact(found, sentences) for found in sorted(kept, key=lambda f: (f.object_span, f.subject_span)))
    entities = tuple(
        Entity(name, type_, tuple(sorted(spans)))
        for name, type_, _, spans in sorted(seen.entities.values(), key=lambda e: min(e[3]))
    )
    return Extraction(document, entities, facts)


def _against_rivals(facts: Sequence[Found], least: float) -> Iterator[Found]:
    """An object mostly belongs to one subject: each score by its share of the best that the same object has.

    Subjects of equal right ("Ada and Okoro met Maria") keep theirs.
    """
    best: dict[Span, float] = {}
    for found in facts:
        best[found.object_span] = max(found.score, best.get(found.object_span, 0.0))
    for found in facts:
        if (score := found.score * (found.score / best[found.object_span])) >= least:
            yield replace(found, score=score)


def _shared(one: Span, other: Span) -> float:
    """Shared characters over the characters of both; 1 where one holds the other ("412" and "412 people")."""
    both = min(one.end, other.end) - max(one.start, other.start)
    if both == min(one.end - one.start, other.end - other.start):
        return 1.0
    return max(0, both) / (max(one.end, other.end) - min(one.start, other.start))


def _fact(found: Found, sentences: Sequence[Span]) -> Fact:
    """With the sentence of the object as evidence."""
    where = found.object_span
    sentence = next((s for s in sentences if s.start <= where.start < s.end), where)
    return Fact(
        found.subject,
        found.relation,
        found.object,
        found.score,
        sentence.start,
        max(sentence.end, where.end),
        found.subject_span,
        where,
        literal=not found.entity,
        negated=found.negated,
        hedged=found.hedged,
    )


class Curve(Struct, frozen=True):
    """Isotonic calibration: raw scores and what they are worth, both rising; straight between the knots."""

    raw: tuple[float, ...]
    worth: tuple[float, ...]

    def apply(self, facts: Sequence[Fact]) -> tuple[Fact, ...]:
        """The facts with calibrated scores."""
        worth = numpy.interp([fact.score for fact in facts], self.raw, self.worth).tolist()
        return tuple(replace(fact, score=score) for fact, score in zip(facts, worth, strict=True))

    def least(self, worth: float) -> float:
        """A raw score such that whatever is worth `worth` or more has at least this one."""
        below = bisect_left(self.worth, worth)
        return self.raw[below - 1] if below else 0.0

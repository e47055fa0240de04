"""The seed documents as pairs: character spans of mentions and facts, and a fixed split by document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from kgdistill.distill.lessons import read_seed, split_of
from kgdistill.distill.mentions import locate_mentions
from kgdistill.distill.swaps import SeedDocument, SeedFact
from kgdistill.records import Entity, Fact, Pair, Span
from kgdistill.text.names import find_all

Split = Literal["train", "validation", "test"]


def seed_pairs(folder: Path) -> Iterator[Pair]:
    """Pairs of all documents in `folder/pairs_*.jsonl`; the split is that of the teacher's lessons."""
    return (seed_pair(document) for document in read_seed(folder))


def seed_pair(document: SeedDocument) -> Pair:
    """One seed document with every mention and fact located.

    A fact whose subject or object has no mention in its sentence has None there but keeps the sentence's offsets.
    """
    bounds = _sentence_spans(document)
    mentions = locate_mentions(document, bounds)
    entities = tuple(Entity(e.name, e.type, tuple(sorted(mentions[e.name]))) for e in document.entities)
    facts = tuple(
        _fact(fact, span, mentions, document.text)
        for sentence, span in zip(document.sentences, bounds, strict=True)
        for fact in sentence.facts
    )
    split: Split = "train"
    if (named := split_of(document.id)) in ("validation", "test"):
        split = "validation" if named == "validation" else "test"
    return Pair(document.id, document.id, document.text, split, entities, facts)


def _sentence_spans(document: SeedDocument) -> list[Span]:
    """Where each sentence stands; spaces may differ between the text and its sentences."""
    spans, position = [], 0
    for sentence in document.sentences:
        pattern = r"\s+".join(re.escape(word) for word in sentence.text.split())
        found = re.compile(pattern, re.IGNORECASE).search(document.text, position)
        start, position = found.span() if found else (position, position)
        spans.append(Span(start, position))
    return spans


def _fact(fact: SeedFact, sentence: Span, mentions: dict[str, set[Span]], text: str) -> Fact:
    subject = _nearest(_inside(mentions[fact.subject], sentence), None)
    literal = fact.object not in mentions
    candidates = list(find_all(fact.object, text, sentence.start, sentence.end))
    if not candidates and not literal:
        candidates = _inside(mentions[fact.object], sentence)
    return Fact(
        fact.subject,
        fact.relation,
        fact.object,
        start=sentence.start,
        end=sentence.end,
        subject_span=subject,
        object_span=_nearest(candidates, subject),
        literal=literal,
        negated=fact.negated,
        hedged=fact.hedged,
        proposition=fact.proposition,
    )


def _inside(spans: Iterable[Span], sentence: Span) -> list[Span]:
    return sorted(span for span in spans if sentence.start <= span.start and span.end <= sentence.end)


def _nearest(spans: list[Span], other: Span | None) -> Span | None:
    """The span nearest to `other` but not `other` itself; the first where there is no other."""
    choice = [span for span in spans if span != other]
    if not choice or other is None:
        return choice[0] if choice else None
    return min(choice, key=lambda span: abs(span.start - other.start))

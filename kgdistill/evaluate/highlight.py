"""A sentence with its subject and object marked, in the document's own words."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from kgdistill.records import Claim, Document, Span

AROUND = 320
"""Longest sentence shown whole, in code points; a longer one is cut around what is marked."""


class Segment(Struct, frozen=True):
    """A stretch of text; `mark` is "subject", "object", "cut" (left out here) or empty."""

    text: str
    mark: str = ""


def segments(claim: Claim, document: Document) -> list[Segment]:
    """The claim's evidence sentence in pieces; joined (but for what is cut) they are the document's characters.

    Empty for a claim without evidence. Where subject and object overlap, the one that begins first is marked.
    """
    if claim.evidence is None:
        return []
    marks = [
        (span, name)
        for span, name in ((claim.evidence.subject, "subject"), (claim.evidence.object, "object"))
        if span is not None and span.start < span.end
    ]
    shown = _window(claim.evidence.sentence, [span for span, _ in marks])
    return list(_pieces(claim.evidence.sentence, shown, sorted(marks), document.text))


def _window(sentence: Span, marks: list[Span]) -> Span:
    """The part of the sentence to show: all of it, or what stands around the marks."""
    if sentence.end - sentence.start <= AROUND:
        return sentence
    first = min([span.start for span in marks if span.start >= sentence.start], default=sentence.start)
    start = max(sentence.start, first - AROUND // 3)
    return Span(start, min(sentence.end, start + AROUND))


def _pieces(sentence: Span, shown: Span, marks: list[tuple[Span, str]], text: str) -> Iterator[Segment]:
    if shown.start > sentence.start:
        yield Segment("… ", "cut")
    place = shown.start
    for span, name in marks:
        start, end = max(span.start, place), min(span.end, shown.end)
        if span.start < place or start >= end:
            continue
        if place < start:
            yield Segment(text[place:start])
        yield Segment(text[start:end], name)
        place = end
    if place < shown.end:
        yield Segment(text[place : shown.end])
    if shown.end < sentence.end:
        yield Segment(" …", "cut")

"""What was named before is called by its kind ("the asteroid"): pairs that teach whom a common noun stands for."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from kgdistill.distill.edits import Edit, edited, respanned
from kgdistill.records import Entity, Pair, Span

_KIND = re.compile(r"[a-z]{3,}(?: [a-z]{3,})?")
_VAGUE = frozenset("person people group part parts name event events thing things statement".split())  # noqa: SIM905
_PRONOUNS = {"it": "", "he": "", "she": "", "him": "", "its": "'s", "his": "'s"}
"""Those of one bearer, with what stands behind the noun in their place; "her" may be either form, so it stays."""
_SHARE = 0.5
"""Of the places where it can be done."""
_BOUND = re.compile(
    r"(?:\b(?:the|an?|this|that|these|those|his|her|its|their|our|my|your)|['’]s)(?:\s\w+)?\s$|-$", re.I
)
_IN_A_NAME = re.compile(r"(?<![.!?…])(?<![.!?…]['\"’”)])\s$")
_CAPITAL = re.compile(r"[^\W\d_a-z][\w.]*\s$")
_GOES_ON = re.compile(r"\w|-|\s[^\W\d_a-z]|\s\(")
_BEGINS = re.compile(r"(?:^|[.!?…:]['\"’”)]*\s+|\n\s*)$")


def by_kind(pair: Pair, chance: random.Random) -> Pair | None:
    """`pair` with names and pronouns of what it has named before exchanged for "the" and the type of their entity.

    Only where the text has one such thing and does not use the noun yet; None where there is no such place.
    """
    kinds = Counter(entity.type for entity in pair.entities)
    ends = {span for fact in (*pair.facts, *pair.negatives) for span in (fact.subject_span, fact.object_span) if span}
    owners = Counter(span for entity in pair.entities for span in entity.spans)
    taken = sorted(ends.union(owners))
    edits: list[Edit] = []
    bare: dict[Span, Span] = {}
    shift = 0
    for start, end, noun, tail in sorted(
        place
        for entity in pair.entities
        if kinds[entity.type] == 1 and _tellable(entity, pair.text)
        for place in _places(entity, pair.text, taken)
        if owners[Span(*place[:2])] == 1 and chance.random() < _SHARE
    ):
        article = "The " if _BEGINS.search(pair.text[:start]) else "the "
        new = article + noun + tail
        edits.append((start, end, new))
        begins = start + shift
        bare[Span(begins, begins + len(new))] = Span(begins + len(article), begins + len(article) + len(noun))
        shift += len(new) - (end - start)
    return respanned(edited(pair, edits), lambda span: bare.get(span, span)) if edits else None


def _tellable(entity: Entity, text: str) -> bool:
    """Its kind is a noun that tells something, and one that the text has not used."""
    kind = entity.type
    return bool(_KIND.fullmatch(kind)) and kind not in _VAGUE and not re.search(rf"\b{kind}\b", text, re.I)


def _places(entity: Entity, text: str, taken: Sequence[Span]) -> Iterator[tuple[int, int, str, str]]:
    """(start, end, noun, what follows it) of mentions behind the first in full that nothing else overlaps."""
    full = [span for span in entity.spans if text[span.start : span.end] == entity.name]
    first = min(full, default=Span(len(text), len(text)))
    for span in entity.spans:
        if span <= first or any(o != span and o.start < span.end and span.start < o.end for o in taken):
            continue
        said = text[span.start : span.end].lower()
        if said in _PRONOUNS:
            yield span.start, span.end, entity.type, _PRONOUNS[said]
        elif span in full and entity.name[:1].isupper() and not _part_of_more(span, text):
            yield span.start, span.end, entity.type, ""


def _part_of_more(span: Span, text: str) -> bool:
    """The name belongs to a longer noun phrase, as far as the words beside it tell ("the old Vesta", "Vesta Hotel")."""
    before, after = text[max(0, span.start - 40) : span.start], text[span.end : span.end + 2]
    capital = _CAPITAL.search(before) and _IN_A_NAME.search(before)
    return bool(_BOUND.search(before) or capital or _GOES_ON.match(after))

"""The seed documents as pairs: character spans of mentions and facts, and a fixed split by document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import Literal

from kgdistill.distill.lessons import read_seed, split_of
from kgdistill.distill.swaps import SeedDocument, SeedEntity, SeedFact, SeedSentence
from kgdistill.records import Entity, Fact, Pair, Span

Split = Literal["train", "validation", "test"]
_TOKEN = re.compile(r"\w+|[^\w\s]")
_PRONOUNS = frozenset(
    (  # noqa: SIM905 - plain words read best
        "he she it they him her them his hers its their theirs i we me us my "
        "our you your who whom which this that these those one himself herself itself themselves here there"
    ).split()
)


def seed_pairs(folder: Path) -> Iterator[Pair]:
    """Pairs of all documents in `folder/pairs_*.jsonl`; the split is that of the teacher's lessons."""
    return (seed_pair(document) for document in read_seed(folder))


def seed_pair(document: SeedDocument) -> Pair:
    """One seed document with every mention and fact located.

    A fact whose subject or object has no mention in its sentence has None there but keeps the sentence's offsets.
    """
    bounds = _sentence_spans(document)
    mentions = {e.name: _mentions(e, document, bounds) for e in document.entities}
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


def occurrences(name: str, text: str, start: int, end: int) -> list[Span]:
    """All literal occurrences of `name` at word boundaries of `text[start:end]`, ignoring case."""
    words = r"\s+".join(re.escape(word) for word in name.split())
    pattern = re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)
    return [Span(*found.span()) for found in pattern.finditer(text, start, end)]


def _mentions(entity: SeedEntity, document: SeedDocument, bounds: list[Span]) -> set[Span]:
    """Names by their letters, pronouns by what replaces them in the standalone sentence."""
    plain = [m for m in (entity.name, *entity.mentions) if m.lower() not in _PRONOUNS]
    found = {span for mention in plain for span in occurrences(mention, document.text, 0, len(document.text))}
    for sentence, bound in zip(document.sentences, bounds, strict=True):
        found |= {
            Span(bound.start + start, bound.start + end)
            for start, end, replacement in replacements(sentence)
            if entity.name.lower() in replacement.lower()
        }
    # A short name inside a longer one ("Boltzmann" in "Ludwig Boltzmann") is the same mention.
    return {s for s in found if not any(o != s and o.start <= s.start and s.end <= o.end for o in found)}


def replacements(sentence: SeedSentence) -> Iterator[tuple[int, int, str]]:
    """(start, end, what stands there in the standalone sentence) of pronouns; offsets in `sentence.text`."""
    left, right = list(_TOKEN.finditer(sentence.text)), list(_TOKEN.finditer(sentence.standalone))
    matcher = SequenceMatcher(None, [t[0].lower() for t in left], [t[0].lower() for t in right], autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "replace" and b - a == 1 and left[a][0].lower() in _PRONOUNS:
            yield left[a].start(), left[a].end(), sentence.standalone[right[c].start() : right[d - 1].end()]


def _fact(fact: SeedFact, sentence: Span, mentions: dict[str, set[Span]], text: str) -> Fact:
    subject = _nearest(_inside(mentions[fact.subject], sentence), None)
    literal = fact.object not in mentions
    candidates = occurrences(fact.object, text, sentence.start, sentence.end)
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

"""Claims tied to the document's own characters: the sentence that says so, and both ends where they stand."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from kgdistill.records import ChunkGraph, Document, Entity, Evidence, Span, Triple, Verdict
from kgdistill.text.names import find, find_all, spelling
from kgdistill.text.numbers import digit_numbers
from kgdistill.text.overlap import words
from kgdistill.text.sentences import sentence_spans, trimmed

JUDGE = "grounding"

# How well an end of a claim is supported by a sentence, best first; nothing of these means 0.
_LITERAL, _REWRITTEN, _BEFORE, _AFTER, _PARTLY = 1.0, 0.8, 0.7, 0.5, 0.6
_LEAST_SHARE = 0.5
"""Share of an end's own words that a sentence must hold where the end is not literal."""
_LEAST_OVERLAP = 0.3
"""Share of the proposition's words that a sentence must hold where not both ends are literal in it."""


class _Sentence(Struct):
    """A sentence of the chunk: where it stands in the document, and what its rewritten form adds."""

    span: Span
    rewritten: str
    own: frozenset[str]
    both: frozenset[str]


def ground(graph: ChunkGraph, document: Document) -> ChunkGraph:
    """The same graph with evidence, mentions, the document's spelling, and a "grounding" verdict on every claim.

    A score is 1.0 where both ends stand literally in one sentence of the original text, and lower where an end is only
    in the rewritten form of the sentence, elsewhere in the chunk or there in part. A claim that nothing supports, or
    whose object has a number that the chunk lacks, keeps no evidence and scores 0.0 with the reason.
    """
    chunk = graph.chunk
    sentences = _sentences(graph, document)
    numbers = _numbers(chunk.text)
    entities = tuple(
        Entity(
            spelling(entity.name, chunk.text),
            entity.type,
            find_all(entity.name, document.text, chunk.start, chunk.end),
        )
        for entity in graph.entities
    )
    claims = tuple(
        _grounded(claim, sentences, numbers, graph, document) if isinstance(claim, Triple) else claim
        for claim in graph.claims
    )
    return replace(graph, entities=entities, claims=claims)


def _sentences(graph: ChunkGraph, document: Document) -> list[_Sentence]:
    """The chunk's sentences, each with its rewritten form when there are as many of these."""
    chunk = graph.chunk
    spans = [trimmed(document.text, chunk.start + s.start, chunk.start + s.end) for s in _spans(chunk.text, document)]
    spans = [span for span in spans if span.start < span.end]
    rewritten = [""] * len(spans)
    if chunk.standalone != chunk.text:
        forms = [chunk.standalone[span.start : span.end] for span in _spans(chunk.standalone, document)]
        forms = [form for form in forms if form.strip()]
        rewritten = forms if len(forms) == len(spans) else rewritten
    result = []
    for span, form in zip(spans, rewritten, strict=True):
        own = _stems(document.text[span.start : span.end])
        result.append(_Sentence(span, form, own, own | _stems(form)))
    return result


def _spans(text: str, document: Document) -> tuple[Span, ...]:
    return sentence_spans(text, document.language)


def _stems(text: str) -> frozenset[str]:
    """The beginnings of the words that carry meaning: long ones, numbers, and characters of unspaced scripts."""
    found = words(text.casefold())
    telling = [word for word in found if len(word) > 3 or word[0].isdigit() or not word.isascii()]
    return frozenset(word[:5] for word in telling or found)


def _numbers(text: str) -> frozenset[str]:
    """The numbers of a text in plain digits, grouping and decimal marks left out."""
    return frozenset(digit_numbers(text).values())


def _grounded(
    claim: Triple, sentences: list[_Sentence], numbers: frozenset[str], graph: ChunkGraph, document: Document
) -> Triple:
    chunk = graph.chunk
    best: _Sentence | None = None
    best_rank = (0.0, 0.0, 0.0)
    wanted = _stems(claim.proposition or f"{claim.subject} {claim.relation} {claim.object}")
    ends = (_End(claim.subject, graph, document), _End(claim.object, graph, document))
    missing = sorted(_numbers(claim.object) - numbers)
    for sentence in sentences if not missing else ():
        subject, object_ = (end.support(sentence) for end in ends)
        overlap = len(wanted & sentence.both) / len(wanted) if wanted else 0.0
        literal = subject == object_ == _LITERAL
        if not subject or not object_ or (overlap < _LEAST_OVERLAP and not literal):
            continue
        score = 1.0 if literal else min(0.95, subject * object_ * (0.7 + 0.3 * overlap))
        # Among sentences that hold both ends, the one with most of the proposition's own words says it.
        rank = (score, overlap, len(wanted & sentence.own) / max(len(sentence.own), 1))
        if rank > best_rank:
            best, best_rank = sentence, rank
    verdicts = tuple(verdict for verdict in claim.verdicts if verdict.judge != JUDGE)
    names = {"subject": spelling(claim.subject, chunk.text), "object": spelling(claim.object, chunk.text)}
    if best is None:
        reason = f"the number {missing[0]} is not in the text" if missing else _unsupported(ends)
        return replace(claim, **names, evidence=None, verdicts=(*verdicts, Verdict(JUDGE, 0.0, reason)))
    where = [end.nearest(best.span) for end in ends]
    evidence = Evidence(best.span, *where)
    return replace(claim, **names, evidence=evidence, verdicts=(*verdicts, Verdict(JUDGE, round(best_rank[0], 4))))


def _unsupported(ends: tuple[_End, _End]) -> str:
    for end, role in zip(ends, ("subject", "object"), strict=True):
        if not end.places:
            return f"no sentence supports it, and its {role} is not in the text"
    return "no sentence supports it"


class _End:
    """The subject or object of a claim: where it occurs in the chunk, and how well a sentence supports it."""

    def __init__(self, name: str, graph: ChunkGraph, document: Document) -> None:
        self.name = name
        self.places = find_all(name, document.text, graph.chunk.start, graph.chunk.end)
        self._stems = _stems(name)

    def support(self, sentence: _Sentence) -> float:
        span = sentence.span
        if any(span.start <= place.start and place.end <= span.end for place in self.places):
            return _LITERAL
        if sentence.rewritten and find(self.name, sentence.rewritten):
            return _REWRITTEN
        share = len(self._stems & sentence.both) / len(self._stems) if self._stems else 0.0
        partly = _PARTLY * share if share >= _LEAST_SHARE else 0.0
        if any(place.end <= span.start for place in self.places):
            return max(_BEFORE, partly)
        return max(_AFTER if self.places else 0.0, partly)

    def nearest(self, sentence: Span) -> Span | None:
        """The literal occurrence inside the sentence, else the last one before it, else None."""
        inside = [p for p in self.places if sentence.start <= p.start and p.end <= sentence.end]
        before = [p for p in self.places if p.end <= sentence.start]
        return inside[0] if inside else before[-1] if before else None

"""Claims as the page reads them: plain JSON of a document with everything that was claimed about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kgdistill.graph import iri
from kgdistill.records import Claim, Proposition, Reading, Span
from kgdistill.storage.review import Decision


def document_record(reading: Reading) -> dict[str, Any]:
    """The document's text with its claims and mentions. Offsets count code points, as everywhere."""
    document = reading.document
    model = reading.seed is not None
    claims = [claim for claim in reading.claims if not isinstance(claim, Proposition)]
    return {
        "id": document.id,
        "title": document.title,
        "source": document.source,
        "language": document.language,
        "text": document.text,
        "setAside": reading.set_aside,
        "model": model,
        "claims": [claim_record(claim, reading) for claim in claims],
        "mentions": mentions(reading),
    }


def claim_record(claim: Claim, reading: Reading) -> dict[str, Any]:
    """A claim, in the form that `Explorer.facts` gives."""
    subject, relation, target = claim.names
    evidence, dropped = claim.evidence, claim.dropped
    sentence = evidence.sentence if evidence else None
    return {
        "id": claim.id,
        "document": reading.document.id,
        "model": reading.seed is not None,
        "subject": subject,
        "relation": relation,
        "object": target,
        "said": list(claim.stated),
        "subjectId": entity_id(subject),
        "objectId": "" if claim.literal else entity_id(target),
        "literal": claim.literal,
        "kept": claim.kept,
        "negated": claim.negated,
        "hedged": claim.hedged,
        "score": claim.score if claim.verdict("combined") is not None else None,
        "quote": reading.document.text[sentence.start : sentence.end] if sentence else "",
        "sentence": _pair(sentence),
        "subjectSpan": _pair(evidence.subject if evidence else None),
        "objectSpan": _pair(evidence.object if evidence else None),
        "rule": dropped.rule if dropped else "",
        "reason": dropped.reason if dropped else "",
        "proposition": claim.proposition,
        "verdicts": [{"judge": v.judge, "score": v.score, "reason": v.reason} for v in claim.verdicts],
    }


def mentions(reading: Reading) -> list[str]:
    """The names that the document's entities go by, each once: what a reviewer chooses from."""
    found: dict[str, None] = {}
    for graph in reading.chunks:
        for entity in graph.entities:
            found[entity.name] = None
        for claim in graph.claims:
            if not isinstance(claim, Proposition):
                found[claim.subject] = None
    return list(found)


def decision_record(decision: Decision) -> dict[str, Any]:
    """What the page needs to know of a decision that stands."""
    return {
        "id": decision.id,
        "at": decision.at,
        "reviewer": decision.reviewer,
        "choice": decision.choice,
        "document": decision.document,
        "claim": decision.claim,
        "subject": decision.subject,
        "relation": decision.relation,
        "object": decision.object,
        "literal": decision.literal,
        "negated": decision.negated,
        "hedged": decision.hedged,
        "start": decision.start,
        "end": decision.end,
        "quote": decision.quote,
        "merge": decision.merge,
        "note": decision.note,
    }


def with_decisions(claims: Iterable[dict[str, Any]], decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """The claims, each with what was decided about it."""
    by_claim: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for decision in decisions:
        if decision.claim:
            by_claim.setdefault((decision.document, decision.claim), []).append(decision_record(decision))
    return [{**claim, "decisions": by_claim.get((claim["document"], claim["id"]), [])} for claim in claims]


def entity_id(name: str) -> str:
    """The entity's address without the base."""
    return iri.entity_iri("", name)


def _pair(span: Span | None) -> list[int] | None:
    return [span.start, span.end] if span else None

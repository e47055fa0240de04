"""Gold graphs: facts that a careful reader found in documents, one JSON object a line."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
from msgspec import Struct

from kgdistill.errors import SourceError
from kgdistill.records import Claim, Fact


class GoldFact(Struct, frozen=True):
    """A fact that the document says, with the sentence that says it."""

    subject: str
    relation: str
    object: str
    quote: str = ""
    negated: bool = False
    hedged: bool = False


class GoldEntity(Struct, frozen=True):
    """A named thing in the document."""

    name: str
    type: str


class GoldDocument(Struct, frozen=True):
    """One line of a gold file; `id` is the document's id as the reader gives it."""

    id: str
    facts: tuple[GoldFact, ...]
    entities: tuple[GoldEntity, ...] = ()


class Gold(Struct, frozen=True):
    """All gold of a file by document id; empty when no file was named."""

    facts: dict[str, tuple[Fact, ...]]
    fingerprint: str


def read_gold(path: str) -> Gold:
    """The gold graphs in a JSON-lines file ("" for none). Raises SourceError naming the line that does not decode."""
    if not path:
        return Gold({}, "")
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise SourceError(f"gold file {path}: {error.strerror}; leave `gold` out to go without") from error
    facts: dict[str, tuple[Fact, ...]] = {}
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip():
            try:
                document = msgspec.json.decode(line, type=GoldDocument)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise SourceError(f"{path}:{number}: {error}") from error
            if document.id in facts:
                raise SourceError(f"{path}:{number}: a second line for document {document.id!r}; join the two")
            facts[document.id] = tuple(
                Fact(f.subject, f.relation, f.object, negated=f.negated, hedged=f.hedged) for f in document.facts
            )
    return Gold(facts, hashlib.sha256(content).hexdigest())


def fact_of(claim: Claim) -> Fact:
    """A claim as a fact to be matched, in its canonical names."""
    subject, relation, object_ = claim.names
    return Fact(
        subject, relation, object_, score=claim.score, literal=claim.literal, negated=claim.negated, hedged=claim.hedged
    )

"""What moves through the house: documents, chunks, claims, verdicts, readings, pairs and failures.

Every record is frozen and typed. Offsets count Unicode code points of the document's untouched text, and
`document.text[span.start:span.end]` is the quoted evidence, always.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from msgspec import Struct

from kgdistill.claims import (
    Asked,
    Assertion,
    Canonical,
    Claim,
    Comparative,
    Drop,
    Evidence,
    Inference,
    Proposition,
    Span,
    Triple,
    Utterance,
    Verdict,
)

__all__ = [
    "Asked", "Assertion", "Canonical", "Chunk", "ChunkGraph", "Claim", "Comparative", "Document", "Drop", "Entity",
    "EventSeed", "Evidence", "Extraction", "Fact", "Failure", "Inference", "Merge", "Pair", "PairSeed", "Passage",
    "Proposition", "Reading", "RelationSeed", "Rewording", "Rewrite", "Seed", "Sentence", "Span", "TextPair", "Triple",
    "Utterance", "Verdict", "content_id",
]  # fmt: skip


def content_id(*parts: object, length: int = 16) -> str:
    """A stable hexadecimal name (`length` characters) for the given parts, in this order."""
    joined = "\x1f".join(str(part) for part in parts)
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()[:length]


class Document(Struct, frozen=True, omit_defaults=True):
    """One text as it came in at the door; `text` is never changed afterwards."""

    id: str
    text: str
    source: str
    title: str = ""
    language: str = ""
    """ISO 639-1 code, or empty when nothing could be said."""


class Rewrite(Struct, frozen=True):
    """A decontextualised chunk: its ROUGE-1 F1 against the original, and whether it was refused."""

    text: str
    rouge: float
    refused: bool = False


class Chunk(Struct, frozen=True, omit_defaults=True):
    """A run of whole sentences: `text == document.text[start:end]`; the chunks joined are the document."""

    document: str
    index: int
    start: int
    end: int
    text: str
    rewrite: Rewrite | None = None

    @property
    def standalone(self) -> str:
        """The text to prompt with: the accepted rewrite, else the original."""
        return self.rewrite.text if self.rewrite and not self.rewrite.refused else self.text


class Entity(Struct, frozen=True, omit_defaults=True):
    """A named thing in a chunk, in the document's spelling, with where it is mentioned (document offsets)."""

    name: str
    type: str
    spans: tuple[Span, ...] = ()


class Failure(Struct, frozen=True, omit_defaults=True):
    """Something that did not come through, with its reason and the raw text; never silently lost."""

    stage: str
    document: str
    reason: str
    """A short code, the same for the same cause: "malformed", "cut", "endpoint", "low rouge" ..."""
    kind: Literal["failed", "rejected"] = "failed"
    chunk: int = -1
    message: str = ""
    raw: str = ""
    request: str = ""
    """Key of the request concerned, where there is one."""


class ChunkGraph(Struct, frozen=True, omit_defaults=True):
    """A chunk with the entities and claims read from it."""

    chunk: Chunk
    entities: tuple[Entity, ...] = ()
    claims: tuple[Claim, ...] = ()
    failures: tuple[Failure, ...] = ()
    samples: int = 0
    """How many readings of the chunk came through: what agreement is counted against."""
    asked: tuple[Asked, ...] = ()
    """The prompts behind claims that no document vouches for."""


class EventSeed(Struct, frozen=True, omit_defaults=True, tag="event"):
    """An everyday event about PersonX; `said` where a model made it up, with the prompt."""

    event: str
    said: Utterance | None = None
    asked: Asked | None = None


class PairSeed(Struct, frozen=True, omit_defaults=True, tag="pair"):
    """Two things of one class, to be compared."""

    left: str
    right: str
    kind: str = ""
    """Their class ("fruits"), where it is known."""


class RelationSeed(Struct, frozen=True, omit_defaults=True, tag="relation"):
    """A relation given by a definition with <ENT0>, <ENT1> …, and a few tuples that stand in it."""

    relation: str
    definition: str
    tuples: tuple[tuple[str, ...], ...]
    prompts: tuple[str, ...] = ()
    """Other wordings of the definition."""
    weights: tuple[float, ...] = ()
    """How far each prompt is trusted, summing to 1; empty until they are weighed."""


Seed = EventSeed | PairSeed | RelationSeed


class Reading(Struct, frozen=True, omit_defaults=True):
    """One document with its chunk graphs: the record that walks through every building stage."""

    document: Document
    chunks: tuple[ChunkGraph, ...] = ()
    set_aside: str = ""
    """Why the document is not read further ("language: de", "duplicate of …", "empty"), or empty."""
    seed: Seed | None = None
    """Set where there is no document: what a model is asked about. `document` and its one chunk then say the seed."""

    @property
    def claims(self) -> tuple[Claim, ...]:
        return tuple(claim for graph in self.chunks for claim in graph.claims)

    @property
    def prompts(self) -> tuple[Asked, ...]:
        """What a model was asked for a seed's claims, and for a seed that it made up; each once."""
        found = {prompt.key: prompt for graph in self.chunks for prompt in graph.asked}
        if isinstance(self.seed, EventSeed) and self.seed.asked:
            found[self.seed.asked.key] = self.seed.asked
        return tuple(found.values())

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Those of all chunks: the driver counts by them how each request of a dialogue over the reading ended."""
        return tuple(failure for graph in self.chunks for failure in graph.failures)


class Sentence(Struct, frozen=True):
    """A sentence that a model wrote behind a context, with the samples that say so."""

    text: str
    said: tuple[Utterance, ...]


class TextPair(Struct, frozen=True, omit_defaults=True):
    """`right` says what `left` says, or less. It claims nothing about the world (a model made up both), so it is no
    Claim and never goes into a graph: it is material to learn from, with the verdicts on how the two texts relate."""

    id: str
    left: str
    right: str
    method: str = ""
    """Who made it: "sentences" (two samples of a teacher), or the name of a student."""
    verdicts: tuple[Verdict, ...] = ()
    dropped: Drop | None = None

    @property
    def kept(self) -> bool:
        return self.dropped is None

    def verdict(self, judge: str) -> float | None:
        """The score that `judge` gave, or None."""
        return next((v.score for v in reversed(self.verdicts) if v.judge == judge), None)


class Passage(Struct, frozen=True, omit_defaults=True):
    """A context with the sentences written behind it, and the pairs made of them."""

    context: str
    sentences: tuple[Sentence, ...] = ()
    pairs: tuple[TextPair, ...] = ()
    asked: tuple[Asked, ...] = ()


class Rewording(Struct, frozen=True, omit_defaults=True):
    """A document with its passages: the record that walks through the stages of paraphrases."""

    document: Document
    passages: tuple[Passage, ...] = ()
    failures: tuple[Failure, ...] = ()
    """Only until the stage has entered them in its book."""

    @property
    def pairs(self) -> tuple[TextPair, ...]:
        return tuple(pair for passage in self.passages for pair in passage.pairs)


class Merge(Struct, frozen=True, omit_defaults=True):
    """One decision that two names mean the same: undone by its id."""

    id: str
    kind: Literal["entity", "relation"]
    name: str
    into: str
    reason: str
    score: float


class Fact(Struct, frozen=True, omit_defaults=True):
    """One fact of a pair or of an extraction; spans are offsets into the text it belongs to."""

    subject: str
    relation: str
    object: str
    score: float = 1.0
    start: int = -1
    end: int = -1
    subject_span: Span | None = None
    object_span: Span | None = None
    literal: bool = False
    negated: bool = False
    hedged: bool = False
    proposition: str = ""


class Pair(Struct, frozen=True, omit_defaults=True):
    """A training example: a document's text and its graph; negatives are facts that were dropped."""

    id: str
    document: str
    text: str
    split: Literal["train", "validation", "test"]
    entities: tuple[Entity, ...] = ()
    facts: tuple[Fact, ...] = ()
    negatives: tuple[Fact, ...] = ()
    weight: float = 1.0
    """1: learnt from in every epoch. Less: in that share of the first epoch, and ever less often until the last."""


class Extraction(Struct, frozen=True, omit_defaults=True):
    """What a student read in one document."""

    id: str
    entities: tuple[Entity, ...] = ()
    facts: tuple[Fact, ...] = ()

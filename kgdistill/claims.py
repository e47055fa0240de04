"""What can be claimed: the kinds of claims, with the evidence, verdicts and reasons that they gather.

A claim is read in a document (`evidence`: the sentence that says so) or said by a model alone (`said`: the samples that
say so). The two are never mixed: claims of the second kind live in readings of a seed, and end in graphs of their own.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from msgspec import Struct


class Span(Struct, frozen=True, array_like=True, order=True):
    """Half-open range of code points in a document."""

    start: int
    end: int


class Verdict(Struct, frozen=True, omit_defaults=True):
    """What one judge says of a claim: a score in [0, 1] under the judge's name."""

    judge: str
    score: float
    reason: str = ""


class Evidence(Struct, frozen=True, omit_defaults=True):
    """Where a claim stands in its document; subject and object only where they occur literally."""

    sentence: Span
    subject: Span | None = None
    object: Span | None = None


class Asked(Struct, frozen=True, omit_defaults=True):
    """A prompt that a model was given, once for all claims that came of it."""

    key: str
    """The request's key (`Request.key`), or a content id where no teacher was asked."""
    prompt: str
    model: str = ""
    """Name of the model; empty: the recipe's teacher."""


class Utterance(Struct, frozen=True, omit_defaults=True):
    """One sample of a model that says a claim: the evidence of what has no document."""

    request: str
    """Key of an `Asked` of the same reading."""
    sample: int = 0
    logprob: float = 0.0
    """Sum of the natural log-probabilities of its tokens, as `Reply.logprob`."""
    tokens: int = 0


class Canonical(Struct, frozen=True, omit_defaults=True):
    """A claim's names after merging, with the ids of the merges that led there."""

    subject: str
    relation: str
    object: str
    merges: tuple[str, ...] = ()


class Drop(Struct, frozen=True, omit_defaults=True):
    """Why a claim is not kept: the rule and, where one stands in its place, the claim kept instead."""

    rule: str
    reason: str
    instead: str = ""


class Assertion(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What every kind of claim carries. Each kind also has `id`, `subject`, `relation`, `object`, `literal` (the
    object is a value) and `proposition` (the claim as a sentence), as fields or made of its own."""

    negated: bool = False
    hedged: bool = False
    method: str = ""
    samples: tuple[int, ...] = ()
    """Numbers of the samples that said so."""
    evidence: Evidence | None = None
    """None until grounded, and for ever where the document does not say it."""
    said: tuple[Utterance, ...] = ()
    """Only where no document is behind the claim: the samples of the model that say so."""
    verdicts: tuple[Verdict, ...] = ()
    canonical: Canonical | None = None
    dropped: Drop | None = None

    @property
    def stated(self) -> tuple[str, str, str]:
        """(subject, relation, object) as generated."""
        raise NotImplementedError

    @property
    def names(self) -> tuple[str, str, str]:
        """(subject, relation, object) in canonical form where there is one."""
        if self.canonical:
            return self.canonical.subject, self.canonical.relation, self.canonical.object
        return self.stated

    @property
    def kept(self) -> bool:
        return self.dropped is None

    @property
    def asserted(self) -> bool:
        """Kept, and neither negated nor hedged: only such a claim becomes a plain fact."""
        return self.kept and not self.negated and not self.hedged

    def verdict(self, judge: str) -> float | None:
        """The latest score that `judge` gave, or None."""
        return next((v.score for v in reversed(self.verdicts) if v.judge == judge), None)

    @property
    def score(self) -> float:
        """The latest combined score, else 0.0 (not judged yet)."""
        found = self.verdict("combined")
        return 0.0 if found is None else found


class Triple(Assertion, frozen=True, omit_defaults=True, tag="triple"):
    """(subject, relation, object), as generated, with everything later rooms found out about it.

    `subject`, `relation` and `object` stay as the text spells them; `canonical` holds the merged names.
    The relation is positive even where the claim is negated.
    """

    id: str
    subject: str
    relation: str
    object: str
    literal: bool = False
    """The object is a value (date, number, plain word), not an entity of the chunk."""
    proposition: str = ""
    others: tuple[str, ...] = ()
    """What else stands in the relation, where it holds between more than two things."""

    @property
    def stated(self) -> tuple[str, str, str]:
        return self.subject, self.relation, self.object


class Inference(Assertion, frozen=True, omit_defaults=True, tag="inference"):
    """What follows from an everyday event under one relation (xNeed, xWant …); both speak of PersonX and PersonY."""

    id: str
    event: str
    relation: str
    tail: str

    literal: ClassVar[bool] = False
    proposition: ClassVar[str] = ""

    @property
    def subject(self) -> str:
        return self.event

    @property
    def object(self) -> str:
        return self.tail

    @property
    def stated(self) -> tuple[str, str, str]:
        return self.event, self.relation, self.tail


class Comparative(Assertion, frozen=True, omit_defaults=True, tag="comparative"):
    """`left` has more (or less) of `aspect` than `right`, as `statement` says it."""

    id: str
    left: str
    right: str
    aspect: str
    direction: Literal["more", "less"]
    statement: str = ""
    frequency: str = ""
    """The adverb that says how often it holds ("typically"), where there is one."""

    literal: ClassVar[bool] = False

    @property
    def subject(self) -> str:
        return self.left

    @property
    def relation(self) -> str:
        return f"has {self.direction} {self.aspect} than"

    @property
    def object(self) -> str:
        return self.right

    @property
    def proposition(self) -> str:
        return self.statement

    @property
    def stated(self) -> tuple[str, str, str]:
        return self.left, self.relation, self.right


class Proposition(Assertion, frozen=True, omit_defaults=True, tag="proposition"):
    """A sentence that can be read by itself; it never becomes a plain fact, but names the triples that say the same."""

    id: str
    text: str
    triples: tuple[str, ...] = ()
    """Ids of claims of the same reading that it holds."""

    literal: ClassVar[bool] = True
    relation: ClassVar[str] = "states"
    object: ClassVar[str] = ""

    @property
    def subject(self) -> str:
        return self.text

    @property
    def proposition(self) -> str:
        return self.text

    @property
    def stated(self) -> tuple[str, str, str]:
        return self.text, "states", ""

    @property
    def asserted(self) -> bool:
        return False


Claim = Triple | Comparative | Proposition | Inference

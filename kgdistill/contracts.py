"""What is promised between rooms: requests and replies, teachers, encoders, benches and stages. No logic."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar, runtime_checkable

import msgspec
from msgspec import Struct

from kgdistill.records import Failure, content_id

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Result = TypeVar("Result")
Finish = Literal["stop", "length"]
BLANK, HIDDEN = "<blank>", "<hidden>"
"""Places in a prompt: one that is asked about, and one token that a model which fills blanks is not to see."""


class Clause(Struct, frozen=True, omit_defaults=True):
    """A demand on a reply's words: one of the phrases stands in it, once, and no second one of them."""

    phrases: tuple[str, ...]
    order: int = 0
    """Clauses of a lower order are met first; until they are, this one's phrases may not be used."""
    best: int = 0
    """How many of its phrases a search proposes at a step, the likeliest; 0: all."""


class Constraints(Struct, frozen=True, omit_defaults=True):
    """What a reply must and must not say: clauses in conjunctive normal form (NeuroLogic, Lu et al. 2021).

    Words are compared whole and whatever their case. `text/clauses.py` says exactly what obeys.
    """

    clauses: tuple[Clause, ...]
    forbidden: tuple[str, ...] = ()
    """Words, phrases, and signs (anything without a letter or digit, wherever it stands)."""
    ends: tuple[str, ...] = (".",)
    """Signs that end a reply, and stand nowhere else in it."""
    min_words: int = 0
    no_repeat: int = 3
    """No run of so many words stands twice; 0: no such rule."""


class Beams(Struct, frozen=True, omit_defaults=True):
    """How constrained replies are searched for (NeuroComparatives, Howard et al. 2024; see teacher/beams.py)."""

    beams: int = 15
    tolerance: int = 3
    """Candidates that have met so many clauses fewer than the best one go."""
    temperature: float = 1e7
    """Of the draw inside a bucket: very high is nearly even, 0 takes the best first."""
    distinct: int = 2
    """How many content words of a draft say what it is about: drafts about different things take turns. 0: off."""
    length_penalty: float = 0.1
    """Finished replies are ranked by log-probability over tokens to this power."""
    reach: int = 100
    """A token must be among so many likeliest ones, unless a clause asks for it; 0: no such limit."""


class Request(Struct, frozen=True, omit_defaults=True):
    """One question to a teacher; everything that can change its reply is in here.

    The text that many requests share stands first in `prompt`, so that a prefix cache can serve it.
    """

    purpose: str
    """Which step asks ("entities", "judge" ...): for accounts and journals, not for the model."""
    prompt: str
    schema: str = ""
    """JSON schema (as text) that the reply must obey, or empty for free text."""
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 256
    samples: int = 1
    seed: int = 0
    top_logprobs: int = 0
    """How many alternatives of the first generated token to return with their log-probabilities."""
    constraints: Constraints | None = None
    """What every reply must and must not say; not together with `schema`. Fewer than `samples` may come back."""
    open_ended: bool = False
    """The token limit may cut the reply: what stands before the cut is wanted, and it is not asked for again."""
    beams: Beams | None = None
    """Search for constrained replies, where the teacher can (`local`); None: sample them under a grammar."""
    weigh: tuple[str, ...] = ()
    """Texts for the prompt's BLANKs, in order: nothing is sampled, and the reply says how likely they are there."""
    grammar: str = ""
    """Grammar (EBNF in xgrammar's notation) that the reply must obey; not together with `schema` or `constraints`."""

    @property
    def key(self) -> str:
        """Content key: equal requests have equal keys, in every process."""
        return content_id(msgspec.json.encode(self).decode(), length=32)


class Reply(Struct, frozen=True, omit_defaults=True):
    """One sampled completion."""

    text: str
    finish: Finish = "stop"
    tokens: int = 0
    logprob: float = 0.0
    """Sum of the log-probabilities (natural) of the sampled tokens, under the unconstrained temperature-1 model."""
    top: tuple[tuple[str, float], ...] = ()
    """(what the token writes, log-probability) alternatives of the first token, when asked for."""
    weighed: tuple[tuple[float, ...], ...] = ()
    """For each text of `Request.weigh` the log-probabilities of its tokens, each given what stands before it (a model
    that fills: and what stands behind it), and in a model that writes on, of the token after it: that it ends there."""
    request: str = ""
    """Key of the request; filled in by the driver."""


class Answer(Struct, frozen=True, omit_defaults=True):
    """All replies to one request (one per sample), with what they cost."""

    replies: tuple[Reply, ...]
    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Prompt tokens served from a prefix cache."""


Dialogue = Generator[list[Request], list[list[Reply]], Result]
"""A method at work: yields requests, receives for each the list of its replies, returns its result.

A request that failed for good (dead endpoint, cut twice, NaN) comes back as an empty list; the driver has
recorded the failure, and the method goes on with what it has.
"""


class Card(Struct, frozen=True, omit_defaults=True):
    """What a teacher says of itself (kgdistill.json in a model folder)."""

    name: str
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes; empty means every language."""
    brief: bool = False
    """Trained on these prompts: instructions and examples are left out."""
    context: int = 0
    """Largest number of tokens, prompt and reply together; 0 when unknown."""
    fills: bool = False
    """It fills the BLANK of a prompt with one token, or with given texts, and writes nothing (a masked model)."""


@runtime_checkable
class Teacher(Protocol):
    """A large language model behind one seam: requests go in under a ticket, answers come out in any order."""

    @property
    def blueprint(self) -> Mapping[str, Any]:
        """Everything that decides replies (kind, model, dtype ...), and nothing else: part of content keys."""

    @property
    def card(self) -> Card: ...

    @property
    def window(self) -> int:
        """How many requests to keep in flight so that the engine is never idle."""

    def submit(self, ticket: int, request: Request) -> None:
        """Take a request; returns at once."""

    def poll(self) -> list[tuple[int, Answer | Exception]]:
        """Work or wait until at least one ticket is answered (empty only when none is in flight).

        A `TeacherError` in place of an answer means that this request failed for good.
        """

    def count_tokens(self, text: str) -> int: ...

    def close(self) -> None: ...


class Encoder(Protocol):
    """Sentence embeddings."""

    @property
    def name(self) -> str: ...

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit-length vectors, shape (len(texts), dimension)."""


class Bench(Protocol):
    """What a stage finds on its bench while it works; the engine lays it out."""

    @property
    def teacher(self) -> Teacher: ...

    @property
    def encoder(self) -> Encoder: ...

    @property
    def folder(self) -> Path:
        """The stage's own artefact folder, to write files into (sealed by the engine afterwards)."""

    @property
    def base(self) -> str:
        """Base of all minted IRIs, ends with "/" or "#"."""

    @property
    def seed(self) -> int: ...

    @property
    def run(self) -> str:
        """The run's name."""

    @property
    def forgotten(self) -> frozenset[str]:
        """Ids of documents that this run is never to read again."""

    def has(self, kind: str) -> bool:
        """Whether an earlier stage gives `kind`, for what a stage wants but does not need."""

    def upstream(self, kind: str) -> Path:
        """Folder of the nearest earlier stage that gives `kind` ("graphs", "names", "pairs", "student" ...)."""

    @property
    def through(self) -> tuple[Path, ...]:
        """Folders of the shard stages that the records fed have come through, the nearest last."""

    def records(self, kind: str) -> Iterator[Any]:
        """All records of the nearest earlier stage that gives `kind`, over all shards, in order."""

    def converse(self, dialogues: Iterable[Dialogue[Result]]) -> Iterator[Result | None]:
        """Run the dialogues; results in the order given (None: the dialogue itself broke, which is recorded)."""

    def fail(self, failure: Failure) -> None:
        """Record a failure or a rejection."""

    def note(self, name: str, amount: float = 1) -> None:
        """Add to a number that the report shows."""


class Stage(Struct, frozen=True):
    """A stage is its settings: decoded from the recipe, sent to a worker as it is, hashed to name its result."""

    version: ClassVar[int] = 1
    """Raised when the code changes what it writes."""
    needs: ClassVar[tuple[str, ...]] = ()
    """Kinds of artefact it reads; the first is the one whose records it is fed."""
    wants: ClassVar[tuple[str, ...]] = ()
    """Kinds of artefact it reads where an earlier stage gives them."""
    gives: ClassVar[str] = ""
    """Kind of artefact it makes."""
    uses: ClassVar[frozenset[str]] = frozenset()
    """Which of "teacher" and "encoder" it calls."""
    follows: ClassVar[Mapping[str, str]] = {}
    """Settings that are not its own: they are those of the stage that gives this kind, where a recipe has one."""

    def tables(self) -> Mapping[str, type]:
        """Settings that are plain tables, with what each must decode to where another setting decides that."""
        return {}


class SourceStage(Stage, frozen=True):
    """Brings records in; the engine packs them into shards."""

    def fingerprint(self) -> str:
        """Changes when the input does."""
        raise NotImplementedError

    def run(self, bench: Bench) -> Iterator[Any]:
        raise NotImplementedError


class ShardStage(Stage, frozen=True):
    """Maps records to records, one shard at a time, on any machine."""

    def run(self, records: Iterator[Any], bench: Bench) -> Iterator[Any]:
        raise NotImplementedError


class CorpusStage(Stage, frozen=True):
    """Sees all records once and writes files into `bench.folder`."""

    def run(self, records: Iterator[Any], bench: Bench) -> None:
        raise NotImplementedError

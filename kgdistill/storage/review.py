"""The review log of a run: what people decided about its claims, a JSON line each, only ever added to."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from kgdistill.errors import StorageError
from kgdistill.records import Verdict, content_id
from kgdistill.storage.shards import atomic, disk_errors

FILE = "review.jsonl"
"""In the run's folder."""
Choice = Literal["accept", "reject", "correct", "add", "complete", "unmerge", "withdraw"]


class Opinion(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The reviewer's own part of a decision.

    `accept`, `reject` and `correct` are about a claim, `add` states a fact that no claim states, `complete` says that
    every fact of the document has been looked for, `unmerge` parts two names, `withdraw` takes decision `of` back.
    """

    id: str
    """Chosen by the reviewer's page, so that a decision that is sent twice is kept once."""
    reviewer: str
    choice: Choice
    document: str = ""
    claim: str = ""
    subject: str = ""
    relation: str = ""
    object: str = ""
    """What is held to be true (accept, correct, add) or false (reject)."""
    literal: bool = False
    negated: bool = False
    hedged: bool = False
    start: int = -1
    end: int = -1
    """Offsets of the evidence in code points of the document."""
    merge: str = ""
    of: str = ""
    note: str = ""


class Decision(Opinion, frozen=True, omit_defaults=True, kw_only=True):
    """What one reviewer decided, when, and what there was to decide about."""

    at: str
    """ISO 8601, UTC."""
    said: tuple[str, str, str] | None = None
    """The claim as it was generated, so that the log can be read when the claim has another id."""
    denied: bool = False
    """Whether the claim that was judged is negated."""
    quote: str = ""
    """The words of the evidence."""
    score: float | None = None
    """The claim's score when it was judged."""
    kept: bool | None = None

    @property
    def verdict(self) -> Verdict:
        """The decision as a verdict on the claim (or fact) that it is about: 1 right, 0 wrong."""
        return Verdict(f"reviewer {self.reviewer}", float(self.choice in ("accept", "add")), self.note)

    @property
    def target(self) -> tuple[str, ...]:
        """What it is about: of two decisions of one reviewer about the same, the later stands."""
        if self.claim:
            return "claim", self.document, self.claim
        if self.choice == "complete":
            return "document", self.document
        return ("merge", self.merge) if self.choice == "unmerge" else ("own", self.id)


class Review(Struct, frozen=True):
    """A log as it was read: every decision in order, and how many lines could not be read."""

    decisions: tuple[Decision, ...] = ()
    damaged: int = 0


def read_review(path: Path | str) -> Review:
    """The decisions of a log, none where there is no log yet. Raises StorageError where it cannot be read.

    A line that was cut by a crash was never acknowledged; like any damaged one it is counted and passed over.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        return Review()
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}") from error
    return _decoded(content)


def review_fingerprint(path: Path | str) -> str:
    """A name for what a log holds; that of nothing where there is no log yet. Raises StorageError."""
    return content_id(*(msgspec.json.encode(decision).decode() for decision in read_review(path).decisions))


def standing(decisions: Iterable[Decision]) -> list[Decision]:
    """The decisions that hold: each reviewer's last about each thing, without those that were withdrawn."""
    found: dict[tuple[str, ...], Decision] = {}
    for decision in decisions:
        if decision.choice == "withdraw":
            found = {key: d for key, d in found.items() if d.id != decision.of or d.reviewer != decision.reviewer}
        else:
            key = (decision.reviewer, *decision.target)
            found.pop(key, None)  # so that the order is that of the decisions
            found[key] = decision
    return list(found.values())


def forget_in_review(run: Path, documents: Iterable[str]) -> None:
    """Take what was decided about these documents out of a run's log: the one way in which it loses lines.

    Other claims are left as they were generated: their canonical names may be the spelling of a forgotten document.
    """
    path, gone = run / FILE, set(documents)
    if path.exists():
        kept = [_as_said(decision) for decision in read_review(path).decisions if decision.document not in gone]
        with atomic(path) as file, disk_errors(path):
            file.writelines(msgspec.json.encode(decision) + b"\n" for decision in kept)


def _as_said(decision: Decision) -> Decision:
    if decision.said is None or decision.choice not in ("accept", "reject"):
        return decision
    subject, relation, object_ = decision.said
    return replace(decision, subject=subject, relation=relation, object=object_)


class ReviewLog:
    """A log that is written to. Several processes and threads may write at once; when `add` ends, it is on the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._decisions: list[Decision] = []
        self._ids: dict[str, Decision] = {}
        self._read = 0
        self._lock = threading.Lock()
        """Whoever catches up does so alone: another's step between two of its own would lose or double lines."""

    def add(self, decision: Decision) -> Decision:
        """Append it, unless its id is there already; the decision that stands in the log. Raises StorageError."""
        with self._lock, disk_errors(self.path), self.path.open("ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._catch_up()
            if known := self._ids.get(decision.id):
                return known
            line = msgspec.json.encode(decision) + b"\n"
            end = file.seek(0, os.SEEK_END)
            if end and os.pread(file.fileno(), 1, end - 1) != b"\n":
                line = b"\n" + line  # what a crash left of a line stays by itself
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
            self._catch_up()
        return decision

    def decisions(self) -> list[Decision]:
        """All decisions in order, those that others have written too. Raises StorageError."""
        with self._lock, disk_errors(self.path):
            self._catch_up()
            return list(self._decisions)

    def _catch_up(self) -> None:
        """Read the whole lines that are new; all of them where the file has become another."""
        if not self.path.exists():
            self._start_over()
            return
        with self.path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < self._read:
                self._start_over()
            file.seek(self._read)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._read += len(whole)
        for decision in _decoded(whole).decisions:
            if decision.id not in self._ids:
                self._ids[decision.id] = decision
                self._decisions.append(decision)

    def _start_over(self) -> None:
        self._decisions, self._ids, self._read = [], {}, 0


def _decoded(content: bytes) -> Review:
    decoder = msgspec.json.Decoder(Decision)
    found: dict[str, Decision] = {}
    damaged = 0
    for line in content.split(b"\n"):
        if line.strip():
            try:
                decision = decoder.decode(line)
                found.setdefault(decision.id, decision)
            except (msgspec.DecodeError, UnicodeDecodeError):
                damaged += 1
    return Review(tuple(found.values()), damaged)

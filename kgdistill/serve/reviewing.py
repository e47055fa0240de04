"""Reviewing: what a person decides on the page becomes a line of the run's review log."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from kgdistill.errors import UserError
from kgdistill.evaluate.review import measure
from kgdistill.records import Claim, Reading, content_id
from kgdistill.serve.documents import Documents
from kgdistill.storage.review import FILE, Decision, Opinion, ReviewLog, standing

_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
REVIEWER, NAME, NOTE = 80, 2000, 5000
"""Longest texts, in characters."""


class Wish(Opinion, frozen=True, forbid_unknown_fields=True):
    """What the page sends: it cannot say what only the service knows."""


class Reviewing:
    """The review of one run. All raise UserError, in one line, at what cannot be decided."""

    def __init__(self, run: Path, documents: Documents) -> None:
        self.log = ReviewLog(run / FILE)
        self._documents = documents
        self._standing: tuple[int, list[Decision]] = 0, []

    def standing(self) -> list[Decision]:
        """The decisions that hold, of all reviewers."""
        decisions = self.log.decisions()
        if self._standing[0] != len(decisions):
            self._standing = len(decisions), standing(decisions)
        return self._standing[1]

    def decide(self, wish: Wish) -> Decision:
        """Write it down; what stands in the log for its id. It is on the disk when this returns."""
        reviewer = wish.reviewer.strip()
        if not _ID.fullmatch(wish.id):
            raise UserError("a decision's id has 8 to 64 letters, digits and hyphens")
        if not 0 < len(reviewer) <= REVIEWER or not reviewer.isprintable():
            raise UserError(f"a decision needs its reviewer's name, of at most {REVIEWER} characters")
        texts = wish.subject, wish.relation, wish.object
        if max(map(len, texts)) > NAME or len(wish.note) > NOTE:
            raise UserError(f"a name has at most {NAME:,} characters, a note {NOTE:,}")
        at = datetime.now(UTC).isoformat(timespec="seconds")
        decision = Decision(id=wish.id, at=at, reviewer=reviewer, choice=wish.choice, note=wish.note.strip())
        return self.log.add(replace(decision, **self._content(wish, reviewer)))

    def _content(self, wish: Wish, reviewer: str) -> dict[str, Any]:
        if wish.choice == "unmerge":
            if not wish.merge:
                raise UserError("name the merge that is to be undone")
            return {"merge": wish.merge}
        if wish.choice == "withdraw":
            if not any(d.id == wish.of and d.reviewer == reviewer for d in self.log.decisions()):
                raise UserError(f"{reviewer} has made no decision {wish.of!a}")
            return {"of": wish.of}
        reading = self._documents.reading(wish.document)
        if reading is None:
            raise UserError(f"there is no document {wish.document!a} with a text")
        if wish.choice == "complete":
            return {"document": wish.document}
        if wish.choice == "add":
            return {**_fact(wish), **_place(wish, reading)}
        claim = next((claim for claim in reading.claims if claim.id == wish.claim), None)
        if claim is None:
            raise UserError(f"{wish.document} has no claim {wish.claim!a}")
        return _judged(wish, claim, reading)

    def next_document(self, reviewer: str, after: str = "") -> dict[str, Any]:
        """A document that the reviewer has not finished, in an order as good as drawn by lot, and how many there are.

        The order is the same for every reviewer, so that two of them meet the same documents first.
        """
        done = {d.document for d in self.standing() if d.choice == "complete" and d.reviewer == reviewer}
        rows = [row["id"] for row in self._documents.table() if row["claims"] and not row["set_aside"]]
        order = sorted(rows, key=lambda name: (content_id("review", name), name))
        start = order.index(after) + 1 if after in order else 0
        waiting = [name for name in (*order[start:], *order[:start]) if name not in done and name != after]
        return {"document": waiting[0] if waiting else "", "done": len(done & set(rows)), "documents": len(rows)}

    def figures(self) -> dict[str, Any]:
        """Precision, recall and agreement from what was decided."""
        decisions = self.log.decisions()
        names = dict.fromkeys(decision.document for decision in decisions if decision.document)
        readings = (reading for name in names if (reading := self._documents.reading(name)))
        figures: dict[str, Any] = msgspec.to_builtins(measure(decisions, readings))
        return figures


def _judged(wish: Wish, claim: Claim, reading: Reading) -> dict[str, Any]:
    subject, relation, target = claim.names
    known: dict[str, Any] = {"subject": subject, "relation": relation, "object": target}
    known |= {"literal": claim.literal, "negated": claim.negated, "hedged": claim.hedged}
    if wish.choice == "correct":
        fact = _fact(wish)
        if fact == known:
            raise UserError("that is what the claim says: accept it")
        known = fact
    sentence = claim.evidence.sentence if claim.evidence else None
    place = {"start": sentence.start, "end": sentence.end} if sentence else {}
    return {
        "document": wish.document,
        "claim": claim.id,
        "said": claim.stated,
        "denied": claim.negated,
        **known,
        **place,
        "quote": reading.document.text[sentence.start : sentence.end] if sentence else "",
        "score": claim.score if claim.verdict("combined") is not None else None,
        "kept": claim.kept,
    }


def _fact(wish: Wish) -> dict[str, Any]:
    names = {name: " ".join(getattr(wish, name).split()) for name in ("subject", "relation", "object")}
    if not all(names.values()):
        raise UserError("a fact needs a subject, a relation and an object")
    return {**names, "literal": wish.literal, "negated": wish.negated, "hedged": wish.hedged}


def _place(wish: Wish, reading: Reading) -> dict[str, Any]:
    text = reading.document.text
    if not 0 <= wish.start < wish.end <= len(text):
        raise UserError("select the words of the document that say so")
    return {"document": wish.document, "start": wish.start, "end": wish.end, "quote": text[wish.start : wish.end]}

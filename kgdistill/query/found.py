"""What was found for a question: evidence with its place in a document, and how it is printed."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import msgspec

COLUMNS = ("score", "document", "start", "end", "text", "subject", "relation", "object", "address")


@dataclass(frozen=True, slots=True)
class Found:
    """One piece of evidence found for a question."""

    address: str
    """Its address in the store: a claim's; a chunk's is its document's, with `#char=start,end` (RFC 5147) behind it."""
    document: str
    """The document's id."""
    start: int
    """In code points of the document; -1 where the claim has no place in it."""
    end: int
    text: str
    """The document's own characters there, or the stored proposition whose evidence stands there."""
    facts: tuple[tuple[str, str, str], ...]
    """Labels (subject, relation, object) of what is said there."""
    score: float
    """Higher is better; comparable within one answer only."""


class Retriever(Protocol):
    """Finds evidence in one graph."""

    def retrieve(self, question: str, count: int = 10) -> list[Found]:
        """At most `count` pieces of evidence, the best first; none for a question without a word.

        Raises UserError where the graph cannot be searched so.
        """


def plain(found: list[Found]) -> list[dict[str, Any]]:
    """As tables of plain values, in the order found."""
    return [{**asdict(one), "facts": [list(fact) for fact in one.facts]} for one in found]


def shown(found: list[Found], form: str = "table") -> str:
    """As "json" (a list of objects), as "csv" (a row for each fact) or as lines for a person ("table")."""
    if form == "json":
        return msgspec.json.encode(plain(found)).decode()
    if form == "csv":
        return _csv(found)
    if not found:
        return "nothing found"
    return "\n".join(line for number, one in enumerate(found, 1) for line in _lines(number, one))


def _csv(found: list[Found]) -> str:
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in found:
        for fact in one.facts or (("", "", ""),):
            writer.writerow((one.score, one.document, one.start, one.end, one.text, *fact, one.address))
    return rows.getvalue()


def _lines(number: int, one: Found) -> list[str]:
    place = f"{one.document} {one.start}-{one.end}" if one.start >= 0 else one.document
    lines = [f"{number:>3}. {' '.join(one.text.split())}", f"     {one.score:.3f}  {place}"]
    return lines + [f"     {subject} | {relation} | {target}" for subject, relation, target in one.facts]

"""Seeds at the door: events, pairs of things and relations that a model is asked about, each with its id."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import msgspec

from kgdistill.errors import SourceError
from kgdistill.records import EventSeed, Failure, PairSeed, RelationSeed, Seed

Kind = Literal["event", "pair", "relation"]
LONGEST = 200
"""Most characters of an event or a name, 1,000 of a definition: what is longer is no seed but a text."""
_HEAD = "head of a table"
"""Key of a row whose event has lines of its own for each thing that follows from it."""
Fault = Callable[[Seed], tuple[str, str] | None]
"""Says what is wrong with the words of a seed: (reason, message)."""


REPEATED = "lines about an event that stood there before"
"""The note under which such lines are counted: a table of inferences has one for each of an event's."""
BLANK = "___"
"""Stands in ATOMIC for a thing that nobody has named."""


class Refused(Exception):
    """A seed that cannot be used: `reason` is the code that it is recorded under."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def read_seeds(
    path: str | Path, kind: Kind, fault: Fault = lambda seed: None, note: Callable[[str], object] = lambda name: None
) -> Iterator[Seed | Failure]:
    """The seed of every line of a file; a line that gives none is a Failure, and so is a seed that stood there before,
    or one that `fault` speaks against. `note` is told of what is passed over without being refused.

    `.jsonl` has an object a line: {"event"}, {"left", "right", "class"} or {"relation", "definition", "seeds"}; `.txt`
    an event a line; `.csv` and `.tsv` an event or a pair a line, after its class where there are three cells, or
    an event a line of ATOMIC 2020's tables: (event, relation, tail), or "event @@ relation" and tails.
    Raises SourceError where the file is not there or has another ending.
    """
    path = Path(path).expanduser()
    rows = READERS.get(path.suffix.lower())
    if rows is None:
        raise SourceError(f"{path}: seeds are read from {', '.join(READERS)}")
    if not path.is_file():
        raise SourceError(f"{path} does not exist: name a file of seeds")
    seen: set[str] = set()
    heads: set[str] = set()
    for number, row in enumerate(rows(path)):
        place = f"{path.name}#{number}"
        if kind == "event" and isinstance(row, dict) and (head := row.get(_HEAD)):
            if (head := " ".join(head.split()).casefold()) in heads:
                note(REPEATED)
                continue
            heads.add(head)
        try:
            seed = _seed(row, kind)
            if wrong := fault(seed):
                raise Refused(*wrong)
            identity = seed_name(seed)
            if identity.casefold() in seen:
                raise Refused("duplicate", f"{identity!r} stands there before")
        except Refused as problem:
            yield Failure("seeds", place, problem.reason, "rejected", message=str(problem))
            continue
        seen.add(identity.casefold())
        yield seed


def seed_name(seed: Seed) -> str:
    """What a seed is called: the event, "left | right", or the relation's name."""
    if isinstance(seed, EventSeed):
        return seed.event
    return f"{seed.left} | {seed.right}" if isinstance(seed, PairSeed) else seed.relation


def _seed(row: Any, kind: Kind) -> Seed:
    if isinstance(row, Refused):
        raise row
    if kind == "event":
        event = _text(row, "event")
        if BLANK in event:
            raise Refused("blank", f"{event!r} leaves a thing open: {BLANK}")
        return EventSeed(event)
    if kind == "pair":
        left, right = _text(row, "left"), _text(row, "right")
        if left.casefold() == right.casefold():
            raise Refused("one entity", f"{left!r} cannot be compared with itself")
        return PairSeed(left, right, str(row.get("class", "")).strip())
    return _relation(row)


def _relation(row: dict[str, Any]) -> RelationSeed:
    name, definition = _text(row, "relation"), _text(row, "definition", 1000)
    try:
        tuples = msgspec.convert(row.get("seeds", ()), tuple[tuple[str, ...], ...])
        tuples = tuple(tuple(" ".join(thing.replace("_", " ").split()) for thing in things) for things in tuples)
        prompts = msgspec.convert(row.get("prompts", ()), tuple[str, ...])
    except msgspec.ValidationError as error:
        raise Refused("malformed", f"{name}: {error}") from error
    if long := [text for text in (*(thing for pair in tuples for thing in pair), *prompts) if len(text) > LONGEST]:
        raise Refused("overlong", f"{name}: {long[0][:20]!r} … has {len(long[0]):,} characters; at most {LONGEST}")
    if marked := [thing for pair in tuples for thing in pair if set("<>") & set(thing)]:
        raise Refused("malformed", f"{name}: {marked[0]!r} has a pointed bracket, which marks slots")
    return RelationSeed(name, definition, tuples, prompts)


def _text(row: dict[str, Any], field: str, longest: int = LONGEST) -> str:
    """A field of a row, white space folded. Raises Refused where it is missing, empty or too long."""
    found = row.get(field)
    text = " ".join(found.split()) if isinstance(found, str) else ""
    if not any(letter.isalnum() for letter in text):
        missing = field in ("left", "right") and any(row.get(other) for other in ("left", "right"))
        raise Refused("one entity" if missing else "empty", f"`{field}` is missing or says nothing")
    if len(text) > longest:
        raise Refused("overlong", f"`{field}` has {len(text):,} characters; at most {longest:,} make a seed")
    return text


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            yield from file
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error


def _objects(path: Path) -> Iterator[dict[str, Any] | Refused]:
    for line in _lines(path):
        if line.strip():
            try:
                yield msgspec.json.decode(line, type=dict[str, Any])
            except (msgspec.DecodeError, UnicodeError) as error:
                yield Refused("malformed", f"not a JSON object: {error}")


def _plain(path: Path) -> Iterator[dict[str, Any]]:
    for line in _lines(path):
        if line.strip():
            yield {"event": line.strip()}


def _table(path: Path) -> Iterator[dict[str, Any] | Refused]:
    """Cells between commas, or between tabs where the first line has one, whatever the file is called."""
    lines = _lines(path)
    first = next(lines, "")
    try:
        width = 0
        for cells in csv.reader(chain([first], lines), delimiter="\t" if "\t" in first else ","):
            width = width or len(cells)
            if cells and len(cells) < width:
                yield Refused("one entity", f"{len(cells)} of {width} cells are there")
            elif len(cells) == 1:
                yield {"left": cells[0], "event": cells[0]}
            elif cells and " @@ " in cells[0]:  # ATOMIC 2020: an event has a line for each relation
                event = cells[0].partition(" @@ ")[0]
                yield {"event": event, _HEAD: event}
            elif cells:
                *kind, left, right = cells[:3]
                row = {"class": kind[0] if kind else "", "left": left, "right": right, "event": cells[0]}
                yield row | {_HEAD: cells[0]} if kind else row  # ATOMIC 2020: a line for each tail
    except csv.Error as error:
        yield Refused("malformed", str(error))


READERS: dict[str, Callable[[Path], Iterator[Any]]] = {
    ".jsonl": _objects,
    ".txt": _plain,
    ".csv": _table,
    ".tsv": _table,
}

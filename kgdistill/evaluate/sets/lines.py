"""Lines of a public data set, decoded one by one: a line that does not decode is a recorded failure, never the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from kgdistill.records import Entity, Fact, Failure, Pair

Line = TypeVar("Line")


def decoded(path: Path, kind: type[Line]) -> Iterator[tuple[int, Line] | Failure]:
    """(number of the line, from 1; what it holds) of each JSON line; empty lines are passed over."""
    decoder = msgspec.json.Decoder(kind)
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if line.strip():
            try:
                yield number, decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                yield malformed(path, number, str(error))


def malformed(path: Path, number: int, message: str) -> Failure:
    """What is wrong with item `number` of a file."""
    return Failure("benchmarks", f"{path.name}:{number}", "malformed", message=message)


def gold(name: object, text: str, facts: tuple[Fact, ...], entities: tuple[Entity, ...] = ()) -> Pair:
    """A text with its gold facts, to be measured on and never learnt from."""
    return Pair(str(name), str(name), text, "test", entities, facts)

"""Labelled comparisons on disk: statements about pairs of things, and whether they hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from kgdistill.errors import SourceError


class LabelledComparison(Struct, frozen=True, omit_defaults=True):
    """A statement about `right` against `left`, and whether it holds."""

    left: str
    right: str
    statement: str
    valid: bool
    kind: str = msgspec.field(name="class", default="")


def read_labelled(path: str | Path) -> Iterator[LabelledComparison]:
    """The statements of a `.jsonl` file, an object a line with left, right, statement, valid and perhaps class.

    Raises SourceError, naming the line, for a broken one.
    """
    path = Path(path).expanduser()
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield msgspec.json.decode(line, type=LabelledComparison)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise SourceError(f"{path.name}, line {number}: {error}") from error

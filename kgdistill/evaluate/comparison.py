"""Comparison: sets of claims side by side, as a table that a stage writes and the report shows."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from kgdistill.errors import StorageError
from kgdistill.storage.shards import write_bytes

FILE = "comparison.json"
Cell = str | int | float | None


class Comparison(Struct, frozen=True):
    """A heading, a sentence on what is compared, and rows with a cell for each column; the first is a name."""

    heading: str
    lead: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def write_comparison(folder: Path, comparison: Comparison) -> None:
    """Leave the table in a stage's folder, where the report finds it. Raises ValueError for rows of another length."""
    if any(len(row) != len(comparison.columns) for row in comparison.rows):
        raise ValueError(f"every row needs {len(comparison.columns)} cells")
    write_bytes(folder / FILE, msgspec.json.encode(comparison) + b"\n")


def read_comparison(folder: Path) -> Comparison | None:
    """The table in a stage's folder, if there is one. Raises StorageError where it is damaged."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Comparison)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} is damaged ({error}): delete its folder, run again") from error

"""Inferences on disk: labelled ones to learn from, ATOMIC 2020's TSV, and ATOMIC-10X's JSON lines."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from kgdistill.errors import SourceError
from kgdistill.storage.shards import write_records

Split = Literal["train", "val", "test"]
_SPLITS: dict[str, Split] = {"train": "train", "trn": "train", "dev": "train", "val": "val", "valid": "val"}
_TESTS = ("test", "tst")


class Labelled(Struct, frozen=True, omit_defaults=True):
    """An inference with a label; `split` "" where its file says nothing."""

    head: str
    relation: str
    tail: str
    valid: bool
    split: Split | Literal[""] = ""


class Row(Struct, frozen=True):
    """A line of ATOMIC-10X: the inference, its split by event, the critic's score, and which cut-offs keep it."""

    head: str
    relation: str
    tail: str
    split: Split
    rec_50: bool = msgspec.field(name="rec_0.5", default=False)
    rec_60: bool = msgspec.field(name="rec_0.6", default=False)
    rec_70: bool = msgspec.field(name="rec_0.7", default=False)
    rec_80: bool = msgspec.field(name="rec_0.8", default=False)
    rec_90: bool = msgspec.field(name="rec_0.9", default=False)
    p_valid: float | UnsetType = msgspec.field(name="p_valid_model", default=UNSET)
    valid: int | UnsetType = UNSET
    """The human label, where there is one: above 0 is valid."""


def read_labelled(path: str | Path) -> Iterator[Labelled]:
    """Labelled inferences of a file: `.csv` with columns head, relation, tail, label (and split), or `.jsonl` with
    head (or event), relation, tail, valid (and split). "dev" is training data, "tst" is test data; a label above 0 is
    valid, and a line without a label is left out. Raises SourceError, naming the line, for a broken one.
    """
    path = Path(path).expanduser()
    for number, row in enumerate(_rows(path), 1):
        label = row.get("label", row.get("valid"))
        if label is None or label == "":
            continue
        try:
            valid = float(label) > 0
            head, relation, tail = (_text(row, name) for name in ("head", "relation", "tail"))
        except (TypeError, ValueError) as error:
            raise SourceError(f"{path.name}, row {number}: {error}") from error
        yield Labelled(head, relation, tail, valid, _split(str(row.get("split", ""))))


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    reader = {".csv": _csv_rows, ".jsonl": _json_rows}.get(path.suffix.lower())
    if reader is None:
        raise SourceError(f"{path}: labelled inferences are read from .csv and .jsonl")
    try:
        yield from reader(path)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error


def _csv_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
        yield from csv.DictReader(file)


def _json_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = msgspec.json.decode(line, type=dict[str, Any])
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise SourceError(f"{path.name}, row {number}: {error}") from error
            yield {**row, "head": row.get("head", row.get("event"))}


def _text(row: Mapping[str, Any], name: str) -> str:
    text = " ".join(str(row.get(name) or "").split())
    if not text:
        raise ValueError(f"`{name}` is missing")
    return text


def _split(name: str) -> Split | Literal[""]:
    return "test" if name in _TESTS else _SPLITS.get(name, "")


def read_atomic2020(path: str | Path) -> Iterator[tuple[str, str, str]]:
    """(head, relation, tail) of ATOMIC 2020's TSV: three columns, or "head @@ relation" and tails between bars.

    Tails that say "none" and empty ones are left out. Raises SourceError where the file is no such table.
    """
    path = Path(path).expanduser()
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        cells = line.split("\t")
        if len(cells) == 2 and "@@" in cells[0]:
            head, _, relation = cells[0].rpartition("@@")
            tails = cells[1].split("|")
        elif len(cells) == 3:
            head, relation, tails = cells[0], cells[1], [cells[2]]
        elif not line.strip():
            continue
        else:
            raise SourceError(f"{path.name}, line {number}: neither three columns nor head @@ relation and tails")
        for tail in tails:
            said = " ".join(tail.split())
            if said and said.lower() != "none":
                yield " ".join(head.split()), relation.strip(), said


def read_atomic10x(path: str | Path) -> Iterator[Row]:
    """The rows of an ATOMIC-10X file. Raises SourceError, naming the line, for one of another form."""
    path = Path(path).expanduser()
    decoder = msgspec.json.Decoder(Row)
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield decoder.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise SourceError(f"{path.name}, line {number}: {error}") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error


def write_atomic10x(path: Path, rows: Iterable[Row]) -> int:
    """Write rows in ATOMIC-10X's schema; returns how many."""
    return write_records(path, rows)

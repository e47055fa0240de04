"""Documents of a run with their claims, found by id in the files of its last readings."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from kgdistill.errors import KgdistillError, StorageError
from kgdistill.graph.views import rows
from kgdistill.records import Reading
from kgdistill.storage.artifact import Artifact, latest

LISTED = ["id", "title", "source", "language", "sha256", "length", "claims", "set_aside"]
"""Columns of `documents.parquet` that a list of documents has; those of a seed may be long."""


class _Id(Struct):
    id: str


class _Head(Struct):
    document: _Id


class Documents:
    """Readings by document id. The first question reads through the files once, and keeps where each line begins."""

    def __init__(self, run: Path, store: Path) -> None:
        self._store = store
        self._artifact: Artifact | None = None
        with suppress(KgdistillError):  # a store by itself: there is no text
            self._artifact = latest(run, "readings")
        self._places: dict[str, tuple[Path, int]] | None = None
        self._table: list[dict[str, Any]] | None = None
        self._lock = threading.Lock()

    @property
    def holds_text(self) -> bool:
        return self._artifact is not None

    def reading(self, document: str) -> Reading | None:
        """The document with all its claims; None where there is none. Raises StorageError at a damaged file."""
        if (place := self._index().get(document)) is None:
            return None
        path, start = place
        try:
            with path.open("rb") as file:
                file.seek(start)
                reading = msgspec.json.decode(file.readline(), type=Reading)
        except (OSError, msgspec.DecodeError) as error:
            raise StorageError(f"{path} cannot be read any more ({error}): start the service again") from error
        if reading.document.id != document:
            raise StorageError(f"{path} is not what it was: start the service again")
        return reading

    def table(self) -> list[dict[str, Any]]:
        """A row for each document and seed, with the columns of `LISTED`. Raises RunFolderError."""
        with self._lock:
            if self._table is None:
                self._table = sorted(rows(self._store / "documents.parquet", LISTED), key=lambda row: str(row["id"]))
            return self._table

    def _index(self) -> dict[str, tuple[Path, int]]:
        with self._lock:
            if self._places is None:
                self._places = dict(_places(self._artifact)) if self._artifact else {}
            return self._places


def _places(artifact: Artifact) -> dict[str, tuple[Path, int]]:
    decoder = msgspec.json.Decoder(_Head)
    found: dict[str, tuple[Path, int]] = {}
    for name in artifact.shards():
        path, start = artifact.shard(name), 0
        try:
            with path.open("rb") as file:
                for line in file:
                    found.setdefault(decoder.decode(line).document.id, (path, start))
                    start += len(line)
        except (OSError, msgspec.DecodeError) as error:
            raise StorageError(f"{path} is damaged ({error}): delete its folder, run again") from error
    return found

"""The journal: every reply is written down before it is used, and never asked for again.

One JSON line per answered request, in one append-only file per shard. A line names the request by its key, and the
document that asked first, and never holds the prompt. What `put` has returned from outlives `kill -9`; a torn last
line (the machine went down in the middle of a write) is cut off on opening.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
from msgspec import Struct

from kgdistill.contracts import Answer, Request
from kgdistill.errors import StorageError
from kgdistill.records import content_id

SYNC_LINES = 256
SYNC_SECONDS = 2.0


def blueprint_hash(blueprint: Mapping[str, Any]) -> str:
    """A teacher's blueprint as 16 hexadecimal characters: replies of another teacher are never taken for its own."""
    return content_id(msgspec.json.encode(dict(blueprint), order="deterministic").decode())


class _Label(Struct, frozen=True):
    """The part of a line that finds it; decoding only this skips the replies."""

    key: str
    blueprint: str


class _Line(_Label, frozen=True, omit_defaults=True):
    purpose: str
    answer: Answer
    document: str = ""


class _Asker(Struct, frozen=True):
    """The part of a line that says whose it is."""

    key: str
    blueprint: str
    document: str = ""


def journal_file(first: str) -> str:
    """Name of the journal of a shard whose first document is `first`."""
    return f"{first if re.fullmatch(r'[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}', first) else content_id(first)}.jsonl"


def without(documents: Collection[str], *paths: Path) -> Iterator[bytes]:
    """The lines of journals, streamed, each once, but for those of these documents and those that name none.

    What was asked for no one document (a definition of a relation) may speak of any. A line that is damaged goes too.
    """
    decoder = msgspec.json.Decoder(_Asker)
    seen: set[tuple[str, str]] = set()
    for path in paths:
        with path.open("rb") as lines:
            for line in lines:
                found = None
                with suppress(msgspec.DecodeError, UnicodeDecodeError):
                    found = decoder.decode(line) if line.endswith(b"\n") else None
                if found and found.document and found.document not in documents:
                    label = found.key, found.blueprint
                    if label not in seen:
                        seen.add(label)
                        yield line


class Journal:
    """Answers of one teacher to the requests of one shard; raises StorageError when the disk does not take them.

    Only the places of the lines are held in memory, so a journal may be much larger than that.
    """

    def __init__(self, path: Path | str, blueprint_hash: str) -> None:
        self.path = Path(path)
        self._blueprint = blueprint_hash
        self._places: dict[str, tuple[int, int]] = {}
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(_Line)
        self._unsynced = 0
        self._synced_at = time.monotonic()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise StorageError(f"the journal {self.path} cannot be opened: {error.strerror}") from error
        try:
            self._size = self._load()
        except BaseException:
            os.close(self._file)
            raise

    def _load(self) -> int:
        """Note the place of every line of this teacher, cut off a torn last line, and return the size in bytes."""
        label = msgspec.json.Decoder(_Label)
        size, number, torn = 0, 0, 0
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if torn:
                    raise StorageError(f"line {torn} of the journal {self.path} is damaged: delete it and run again")
                try:
                    found = label.decode(line) if line.endswith(b"\n") else None
                except (msgspec.DecodeError, UnicodeDecodeError):
                    found = None
                if found is None:
                    torn = number
                    continue
                if found.blueprint == self._blueprint:
                    self._places[found.key] = (size, len(line))
                size += len(line)
        if torn:
            os.ftruncate(self._file, size)
        return size

    def __len__(self) -> int:
        """How many requests of this teacher are answered."""
        return len(self._places)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def get(self, key: str) -> Answer | None:
        """The answer journalled for this request key, unchanged, or None."""
        place = self._places.get(key)
        if place is None:
            return None
        try:
            return self._decoder.decode(os.pread(self._file, place[1], place[0])).answer
        except (OSError, msgspec.DecodeError) as error:
            raise StorageError(f"the journal {self.path} is damaged at byte {place[0]}: {error}") from error

    def put(self, request: Request, answer: Answer, document: str = "") -> None:
        """Write the answer down, with the id of the document that asked; then it outlives the end of this process."""
        key = request.key
        line = self._encoder.encode(_Line(key, self._blueprint, request.purpose, answer, document)) + b"\n"
        try:
            written = 0
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError as error:
            os.ftruncate(self._file, self._size)  # no half line is left behind
            raise StorageError(
                f"the journal {self.path} cannot be written: {error.strerror}; "
                "make room and run the same command again, nothing paid for is lost"
            ) from error
        self._places[key] = (self._size, len(line))
        self._size += len(line)
        self._unsynced += 1
        if self._unsynced >= SYNC_LINES or time.monotonic() - self._synced_at >= SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Ask the operating system to put everything on the disk itself, against a power cut."""
        try:
            os.fsync(self._file)
        except OSError as error:
            raise StorageError(f"the journal {self.path} cannot be written: {error.strerror}") from error
        self._unsynced, self._synced_at = 0, time.monotonic()

    def close(self) -> None:
        """Sync and close; closing twice is harmless."""
        if self._file < 0:
            return
        try:
            self.sync()
        finally:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

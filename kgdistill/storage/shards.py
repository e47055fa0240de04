"""Files that are whole or not there: JSON lines of records, written to a temporary name, synced and renamed.

A name that ends in `.part` is never read; one that is left over from a kill is overwritten by the next attempt.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec

from kgdistill.errors import StorageError
from kgdistill.records import content_id

Record = TypeVar("Record")

CLOSE_ONE_IN = 4
"""A shard closes after a record whose id's hash is divisible by this: so many records on average."""
MAX_RECORDS = 16
"""Small, so that a few dozen documents already give work to several workers."""


def write_records(path: Path | str, records: Iterable[Any]) -> int:
    """Write a JSON line per record, streaming; returns how many. Raises StorageError; the file is whole or absent."""
    count = 0
    encoder = msgspec.json.Encoder()
    with atomic(Path(path)) as file:
        for record in records:
            line = encoder.encode(record) + b"\n"
            with disk_errors(path):
                file.write(line)
            count += 1
    return count


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write a whole file atomically. Raises StorageError; `path` is whole or unchanged."""
    with atomic(Path(path)) as file, disk_errors(path):
        file.write(content)


def read_records(path: Path | str, kind: type[Record]) -> Iterator[Record]:
    """The records of a file, one by one. Raises StorageError at a missing file or a damaged line."""
    decoder = msgspec.json.Decoder(kind)
    try:
        with Path(path).open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    record = decoder.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    message = f"line {number} of {path} is damaged ({error}): delete its folder, run again"
                    raise StorageError(message) from error
                yield record
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}") from error


@contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """A file open for writing that gets its name only when the block ends well and the disk has it all."""
    part = path.with_name(f".{path.name}.part")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = part.open("wb")
    try:
        yield file
        with disk_errors(path):
            file.flush()
            os.fsync(file.fileno())
            file.close()
            part.replace(path)
            sync_folder(path.parent)
    except BaseException:
        _discard(file, part)
        raise


def _discard(file: IO[bytes], part: Path) -> None:
    with suppress(OSError):  # what could not be flushed is thrown away anyway
        file.close()
    part.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def disk_errors(path: Path | str) -> Iterator[None]:
    """Turn what the operating system says into one clear line."""
    try:
        yield
    except OSError as error:
        if disk_full(error):
            message = f"the disk is full at {path}: make room and run the same command again, nothing is lost"
        else:
            message = f"{path} cannot be written: {error.strerror or error}"
        raise StorageError(message) from error


def disk_full(error: Exception) -> bool:
    """Whether it says that there is no room; libraries written in other languages say so in words only."""
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error, OSError) and (full or "No space left on device" in str(error))


def record_id(record: Any) -> str:
    """The id that names a record: its document's for a reading, else its own, else its content's hash."""
    document = getattr(record, "document", None)
    found = getattr(document, "id", None) or getattr(record, "id", None)
    return str(found) if found else content_id(msgspec.json.encode(record).decode())


def closes(identity: str) -> bool:
    """Whether a shard ends after the record with this id: decided by the id alone, so that a document that is
    added or removed moves no boundary but its own."""
    return int(content_id("shard", identity), 16) % CLOSE_ONE_IN == 0


def pack(records: Iterable[Record], max_records: int = MAX_RECORDS) -> Iterator[list[Record]]:
    """Cut a stream into shards at content-defined places (mean 4, at most `max_records` records)."""
    shard: list[Record] = []
    for record in records:
        shard.append(record)
        if len(shard) >= max_records or closes(record_id(record)):
            yield shard
            shard = []
    if shard:
        yield shard

"""Shards: whole or absent, in content-defined pieces."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgdistill.errors import StorageError
from kgdistill.records import Document
from kgdistill.storage.shards import MAX_RECORDS, pack, read_records, record_id, write_bytes, write_records


def documents(count: int) -> list[Document]:
    return [Document(f"d{number}", f"Text {number} 😀 \u2028 \x00", "s") for number in range(count)]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "00000.jsonl"
    assert write_records(path, iter(documents(5))) == 5
    assert list(read_records(path, Document)) == documents(5)
    assert list(path.parent.iterdir()) == [path]


def test_a_writer_that_breaks_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write_records(path, documents(2))

    def broken() -> Iterator[Document]:
        yield documents(1)[0]
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        write_records(path, broken())
    assert list(read_records(path, Document)) == documents(2)
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"the disk is full .* nothing is lost"):
        write_bytes(tmp_path / "a", b"content")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")  # noqa: PTH110
def test_a_device_that_is_really_full(tmp_path: Path) -> None:
    (tmp_path / ".a.part").symlink_to("/dev/full")
    with pytest.raises(StorageError, match="the disk is full"):
        write_bytes(tmp_path / "a", b"content")


@pytest.mark.parametrize("line", [b'{"id": "x"', b'{"id": 1, "text": "", "source": ""}', b"\xff\xfe"])
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "a.jsonl"
    write_records(path, documents(1))
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(StorageError, match=r"line 2 of .*a\.jsonl is damaged"):
        list(read_records(path, Document))


def test_a_missing_file_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be read"):
        list(read_records(tmp_path / "none", Document))


@given(st.lists(st.text(max_size=8), max_size=200))
def test_packing_loses_and_moves_nothing(ids: list[str]) -> None:
    records = [Document(name, "t", "s") for name in ids]
    shards = list(pack(records))
    assert [record for shard in shards for record in shard] == records
    assert all(1 <= len(shard) <= MAX_RECORDS for shard in shards)


def test_shards_are_of_four_on_average() -> None:
    shards = list(pack(documents(4000)))
    assert 3.4 < 4000 / len(shards) < 4.6


@given(st.integers(0, 300))
def test_a_new_document_changes_the_shards_around_it_only(place: int) -> None:
    before = documents(300)
    after = [*before[:place], Document("new", "t", "s"), *before[place:]]
    old = {tuple(map(record_id, shard)) for shard in pack(before)}
    new = {tuple(map(record_id, shard)) for shard in pack(after)}
    assert len(new - old) <= 2

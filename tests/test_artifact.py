"""Artefacts: finished when the manifest is there, and not before."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from kgdistill.errors import RunFolderError, StorageError
from kgdistill.records import Document, Failure
from kgdistill.storage.artifact import Artifact, Manifest, latest, run_state, stable_hash
from kgdistill.storage.shards import write_bytes, write_records

MANIFEST = Manifest("read", "read", "0" * 32, "readings", ("00000",), 1)


def test_records_and_failures_come_in_order(tmp_path: Path) -> None:
    artifact = Artifact(tmp_path / "read-00000000")
    for number in (100_000, 99_999, 1, 0):  # a number may have six digits
        write_records(artifact.shard(f"{number:05d}"), [Document(str(number), "t", "s")])
        write_records(artifact.failure_file(f"{number:05d}"), [Failure("read", str(number), "x")])
    (artifact.folder / "shards" / ".00002.jsonl.part").write_bytes(b"torn")
    assert [document.id for document in artifact.records(Document)] == ["0", "1", "99999", "100000"]
    assert [failure.document for failure in artifact.failures()] == ["0", "1", "99999", "100000"]
    assert not artifact.done
    artifact.seal(MANIFEST)
    assert artifact.done and artifact.manifest == MANIFEST


def test_a_pending_folder_gets_its_name_when_sealed(tmp_path: Path) -> None:
    artifact = Artifact(tmp_path / "train-00000000")
    folder = artifact.begin()
    (folder / "model.txt").write_text("weights")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "1").write_text("half")
    assert not artifact.folder.exists()
    assert artifact.begin() == folder  # the next attempt after a kill
    assert [path.name for path in folder.iterdir()] == ["checkpoints"]
    (folder / "model.txt").write_text("weights")
    artifact.seal(MANIFEST)
    assert sorted(path.name for path in artifact.folder.iterdir()) == ["manifest.json", "model.txt"]
    assert not artifact.pending.exists()


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a" / "manifest.json", b"{")
    with pytest.raises(StorageError, match=r"manifest\.json is damaged"):
        _ = Artifact(tmp_path / "a").manifest


def test_the_last_finished_artefact_of_a_kind_is_found(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="not a run folder"):
        run_state(tmp_path)
    stages = [{"name": name, "folder": f"{name}-0", "gives": "readings"} for name in ("read", "ask", "judge")]
    write_bytes(tmp_path / "run.json", msgspec.json.encode({"stages": stages}))
    with pytest.raises(RunFolderError, match="no finished"):
        latest(tmp_path, "readings")
    for name in ("read", "ask"):
        Artifact(tmp_path / f"{name}-0").seal(MANIFEST)
    assert latest(tmp_path, "readings").folder.name == "ask-0"


def test_keys_do_not_depend_on_the_order_of_keys() -> None:
    assert stable_hash({"a": 1, "b": {"c": 2, "d": 3}}) == stable_hash({"b": {"d": 3, "c": 2}, "a": 1})
    assert stable_hash({"a": 1}) != stable_hash({"a": 2})

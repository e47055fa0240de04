"""Artefacts: a stage's result in a folder named by a content key, finished when its manifest is there.

<stage>-<key8>/shards/00000.jsonl     records
<stage>-<key8>/failures/00000.jsonl   what did not come through (only where there is any)
<stage>-<key8>/reports/00000.json     written after the shard: the shard is done
<stage>-<key8>/manifest.json          written last: the stage is done
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from kgdistill.errors import RunFolderError, StorageError
from kgdistill.records import Failure, content_id
from kgdistill.storage.shards import disk_errors, read_records, sync_folder, write_bytes

Record = TypeVar("Record")

CHECKPOINTS = "checkpoints"
"""The one folder of an unsealed corpus artefact that outlives a kill; it goes when the artefact is sealed."""


class Manifest(Struct, frozen=True):
    """What a finished artefact says of itself; holds nothing that differs between two equal runs."""

    stage: str
    kind: str
    key: str
    gives: str
    shards: tuple[str, ...] = ()
    records: int = 0
    failed: int = 0
    rejected: int = 0


class Artifact(Struct, frozen=True):
    """One artefact folder, finished or not."""

    folder: Path

    @property
    def pending(self) -> Path:
        """Where a corpus stage writes until its artefact is sealed."""
        return self.folder.with_name(self.folder.name + ".pending")

    @property
    def manifest(self) -> Manifest | None:
        """The manifest, or None while the artefact is unfinished."""
        try:
            return msgspec.json.decode((self.folder / "manifest.json").read_bytes(), type=Manifest)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise StorageError(f"{self.folder}/manifest.json is damaged ({error}): delete its folder") from error

    @property
    def done(self) -> bool:
        return (self.folder / "manifest.json").is_file()

    def shard(self, name: str) -> Path:
        return self.folder / "shards" / f"{name}.jsonl"

    def failure_file(self, name: str) -> Path:
        return self.folder / "failures" / f"{name}.jsonl"

    def report_file(self, name: str) -> Path:
        return self.folder / "reports" / f"{name}.json"

    def shards(self) -> list[str]:
        """Names of the shards that are there, in order."""
        return _ordered((self.folder / "shards").glob("[!.]*.jsonl"))

    def reported(self) -> list[str]:
        """Names of the shards that are done, in order."""
        return _ordered((self.folder / "reports").glob("[!.]*.json"))

    def records(self, kind: type[Record]) -> Iterator[Record]:
        """All records of all shards, in order; streaming."""
        for name in self.shards():
            yield from read_records(self.shard(name), kind)

    def failures(self) -> Iterator[Failure]:
        """All failures and rejections, in order; streaming."""
        for name in _ordered((self.folder / "failures").glob("[!.]*.jsonl")):
            yield from read_records(self.failure_file(name), Failure)

    def begin(self) -> Path:
        """An empty pending folder for a corpus stage, but for the checkpoints of an interrupted attempt."""
        with disk_errors(self.pending):
            self.pending.mkdir(parents=True, exist_ok=True)
            for path in self.pending.iterdir():
                if path.name == CHECKPOINTS:
                    continue
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
        return self.pending

    def clear(self) -> None:
        """Remove whatever is there."""
        with disk_errors(self.folder):
            if self.folder.exists():
                shutil.rmtree(self.folder)

    def seal(self, manifest: Manifest) -> None:
        """Finish the artefact: the manifest is the last file written; a pending folder gets its name after that."""
        content = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
        if not self.pending.is_dir():
            write_bytes(self.folder / "manifest.json", content)
            return
        with disk_errors(self.folder):
            shutil.rmtree(self.pending / CHECKPOINTS, ignore_errors=True)
        write_bytes(self.pending / "manifest.json", content)
        with disk_errors(self.folder):
            if self.folder.exists():
                shutil.rmtree(self.folder)
            self.pending.rename(self.folder)
            sync_folder(self.folder.parent)


def _ordered(paths: Iterable[Path]) -> list[str]:
    """Names of shards in the order of their numbers, which have five digits or, beyond 99,999, more."""
    return sorted((path.stem for path in paths), key=lambda name: (len(name), name))


def stable_hash(value: Any) -> str:
    """Hash of plain values, the same in every process whatever the order of keys."""
    return content_id(msgspec.json.encode(value, order="deterministic").decode(), length=32)


def latest(run: Path | str, gives: str) -> Artifact:
    """The last finished artefact of a run that gives `gives`; raises RunFolderError when the run has none."""
    run = Path(run)
    for entry in reversed(run_state(run).get("stages", [])):
        artifact = Artifact(run / entry["folder"])
        if entry["gives"] == gives and artifact.done:
            return artifact
    raise RunFolderError(f'{run} has no finished "{gives}" yet: run its recipe to the end first')


def run_state(run: Path | str) -> dict[str, Any]:
    """What `run.json` says; raises RunFolderError where there is no run."""
    path = Path(run) / "run.json"
    try:
        state: dict[str, Any] = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RunFolderError(f"{run} is not a run folder: it has no run.json") from error
    except (OSError, msgspec.DecodeError) as error:
        raise RunFolderError(f"{path} is damaged ({error}): run the recipe again") from error
    return state

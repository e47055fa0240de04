"""Erasure: takes documents out of the files of a run; every file is whole before and after, and twice is as once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from kgdistill.engine.job import Report
from kgdistill.engine.state import total_report
from kgdistill.records import Extraction, Failure, Reading
from kgdistill.storage.artifact import Artifact
from kgdistill.storage.shards import atomic, disk_errors, read_records, write_bytes, write_records
from kgdistill.teacher.journal import journal_file, without


class Id(Struct):
    """The part of a line that names it."""

    id: str


class Head(Struct):
    """The part of a reading's line that says whose it is; decoding only this skips the text."""

    document: Id
    set_aside: str = ""


class _Pair(Struct):
    document: str


def heads(artifact: Artifact) -> Iterator[tuple[str, list[Head]]]:
    """(shard, the heads of its readings) of an artefact of readings, in order."""
    for name in artifact.shards():
        yield name, list(read_records(artifact.shard(name), Head))


def erase_readings(
    artifact: Artifact, documents: Collection[str], change: Callable[[Reading], Reading] | None = None
) -> None:
    """Take the documents' readings and failures out; `change` is applied to the others. Reports and manifest follow."""
    erase_failures(artifact, documents)
    left: dict[str, int] = {}
    for name, found in heads(artifact):
        path = artifact.shard(name)
        left[name] = sum(head.document.id not in documents for head in found)
        if change or left[name] < len(found):
            kept = (reading for reading in read_records(path, Reading) if reading.document.id not in documents)
            write_records(path, list(map(change, kept)) if change else list(kept))
    for name in artifact.reported():
        _follow_report(artifact, name, left.get(name))
    _follow_manifest(artifact)


def erase_failures(artifact: Artifact, documents: Collection[str]) -> None:
    """Take the documents' failures out. One that names no document keeps its reason, but no text."""
    for path in sorted((artifact.folder / "failures").glob("[!.]*.jsonl")):
        found = list(read_records(path, Failure))
        kept = [failure if failure.document else replace(failure, raw="", message="") for failure in found]
        kept = [failure for failure in kept if failure.document not in documents]
        if not kept:
            path.unlink()
        elif kept != found:
            write_records(path, kept)


def _follow_report(artifact: Artifact, name: str, records: int | None = None) -> None:
    """Let a shard's report count what is there; what was paid stays as it was paid."""
    report = msgspec.json.decode(artifact.report_file(name).read_bytes(), type=Report)
    failures = artifact.failure_file(name)
    found = list(read_records(failures, Failure)) if failures.exists() else []
    failed = sum(failure.kind == "failed" for failure in found)
    new = replace(
        report,
        records=report.records if records is None else records,
        failed=failed,
        rejected=len(found) - failed,
        reasons=dict(sorted(Counter(failure.reason for failure in found).items())),
    )
    if new != report:
        write_bytes(artifact.report_file(name), msgspec.json.encode(new) + b"\n")


def _follow_manifest(artifact: Artifact) -> None:
    manifest, total = artifact.manifest, total_report(artifact)
    if manifest is None:
        return
    new = replace(manifest, records=total.records, failed=total.failed, rejected=total.rejected)
    if new != manifest:
        content = msgspec.json.format(msgspec.json.encode(new), indent=2) + b"\n"
        write_bytes(artifact.folder / "manifest.json", content)


def erase_extractions(artifact: Artifact, documents: Collection[str]) -> None:
    """Take out what students read in the documents."""
    for path in sorted(artifact.folder.glob("[!.]*.jsonl")):
        if any(found.id in documents for found in read_records(path, Id)):
            write_records(path, [found for found in read_records(path, Extraction) if found.id not in documents])
    erase_failures(artifact, documents)
    for name in artifact.reported():
        _follow_report(artifact, name)
    _follow_manifest(artifact)


def erase_calibration(artifact: Artifact, documents: Collection[str]) -> None:
    """Take the documents' names out; what was learnt stays, numbers that name nobody."""
    path = artifact.folder / "calibration.json"
    with disk_errors(path):
        found: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    kept = [name for name in found["documents"] if name not in documents]
    if kept != found["documents"]:
        write_bytes(path, msgspec.json.encode({**found, "documents": kept}))


def holds_pairs_of(artifact: Artifact, documents: Collection[str]) -> bool:
    """Whether an artefact of pairs has one of the documents'."""
    paths = artifact.folder.glob("[!.]*.jsonl")
    return any(pair.document in documents for path in paths for pair in read_records(path, _Pair))


def heirs(artifact: Artifact, documents: Collection[str]) -> dict[str, set[str]]:
    """For a journal that bears the name of one of the documents: the name that its shard's journal has without it."""
    found: dict[str, set[str]] = defaultdict(set)
    for _, readings in heads(artifact):
        ids = [head.document.id for head in readings]
        left = [name for name in ids if name not in documents]
        if left and ids[0] in documents:
            found[journal_file(ids[0])].add(journal_file(left[0]))
    return found


def erase_journals(run: Path, documents: Collection[str], heirs: Mapping[str, Collection[str]]) -> None:
    """Take the documents' replies out of all journals. What is left of one with such a name goes to its heirs."""
    for path in sorted(run.glob("journal/*/[!.]*.jsonl")):
        for name in sorted(heirs.get(path.name, ())):
            heir = path.with_name(name)
            _rewrite(heir, without(documents, *([heir] if heir.exists() else []), path))
        if sum(map(len, without(documents, path))) != path.stat().st_size:
            _rewrite(path, without(documents, path))
        if path.name in heirs or not path.stat().st_size:
            path.unlink()


def _rewrite(path: Path, lines: Iterator[bytes]) -> None:
    with atomic(path) as file, disk_errors(path):
        file.writelines(lines)

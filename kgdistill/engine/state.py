"""The book of a run: `run.json`, with what each stage did, what it cost, and with which versions."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from kgdistill.engine.job import Report
from kgdistill.engine.layout import Node
from kgdistill.engine.recipe import Recipe
from kgdistill.errors import KgdistillError
from kgdistill.storage.artifact import Artifact, run_state
from kgdistill.storage.shards import write_bytes
from kgdistill.teacher.ledger import Account


class StageState(Struct):
    """One stage's line in the book."""

    name: str
    kind: str
    gives: str
    folder: str
    done: bool = False
    records: int = 0
    planned: int = 0
    """Requests; each ended as exactly one of kept, cached, rejected and failed."""
    kept: int = 0
    cached: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    samples: int = 0
    """Replies that the requests asked for; `answered` of them came, the others were `lost`, and of those that came some
    were `refused`: could not be read, or broke a rule of the method."""
    answered: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    failures: int = 0
    """Failure records of kind "failed"."""
    rejections: int = 0
    """Failure records of kind "rejected"."""
    reasons: dict[str, int] = field(default_factory=dict)
    prompt_tokens: int = 0
    cached_tokens: int = 0
    reply_tokens: int = 0
    seconds: float = 0.0
    """Wall time, all attempts together."""
    notes: dict[str, float] = field(default_factory=dict)


class RunState(Struct):
    """`run.json`."""

    name: str
    state: str = "running"
    """"running", "finished", or why it stopped."""
    started: str = ""
    ended: str = ""
    seconds: float = 0.0
    """Wall time, all attempts together."""
    versions: dict[str, str] = field(default_factory=dict)
    commit: str = ""
    teacher: dict[str, Any] = field(default_factory=dict)
    stages: list[StageState] = field(default_factory=list)

    @property
    def failures(self) -> int:
        """Failures of kind "failed", as records or, where a stage kept none, as requests."""
        return sum(max(stage.failures, sum(stage.failed.values())) for stage in self.stages)

    def save(self, run: Path) -> None:
        write_bytes(run / "run.json", msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")


def load_state(run: Path) -> RunState:
    """The book of a run; raises RunFolderError where there is none."""
    return msgspec.convert(run_state(run), RunState)


def open_state(recipe: Recipe, nodes: tuple[Node, ...], run: Path) -> RunState:
    """A new page, with the time that earlier attempts took for the same artefacts."""
    try:
        before = load_state(run)
    except (KgdistillError, msgspec.ValidationError):
        before = RunState(recipe.name)
    spent = {stage.folder: stage.seconds for stage in before.stages}
    state = RunState(
        recipe.name,
        started=before.started or now(),
        seconds=before.seconds,
        versions=versions(),
        commit=commit(),
        teacher=recipe.teacher.blueprint(),
    )
    for node in nodes:
        folder = node.artifact.folder.name
        stage = StageState(node.name, node.step.kind, node.stage.gives, folder, seconds=spent.get(folder, 0.0))
        enter(stage, node.artifact)
        state.stages.append(stage)
    return state


def enter(stage: StageState, artifact: Artifact) -> Report:
    """Bring a stage's line up to date with its reports; returns their sum."""
    total = total_report(artifact)
    account = total_account(total)
    stage.done = artifact.done
    stage.records, stage.failures, stage.rejections = total.records, total.failed, total.rejected
    stage.reasons, stage.notes = total.reasons, total.notes
    stage.planned, stage.kept, stage.cached = account.planned, account.kept, account.cached
    stage.rejected, stage.failed = account.rejected, account.failed
    stage.samples, stage.answered = account.samples, account.answered
    stage.lost, stage.refused = account.lost, account.refused
    stage.prompt_tokens, stage.cached_tokens = account.prompt_tokens, account.cached_tokens
    stage.reply_tokens = account.reply_tokens
    return total


def total_report(artifact: Artifact) -> Report:
    """The sum of all reports that are there."""
    total = Report()
    for name in artifact.reported():
        total.add(msgspec.json.decode(artifact.report_file(name).read_bytes(), type=Report))
    return total


def total_account(report: Report) -> Account:
    account = Account()
    for one in report.ledger.stages.values():
        account.add(one)
    return account


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Versions of what decides results; a package that is not there is left out."""
    found = {"python": platform.python_version()}
    for name in ("kgdistill", "torch", "transformers", "vllm"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """The git commit of the working directory, or empty."""
    try:
        asked = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return asked.stdout.strip()

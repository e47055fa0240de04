"""Where everything of a run goes: each stage's content key, folder and inputs, worked out before anything runs."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from kgdistill.contracts import ShardStage, Stage
from kgdistill.engine.recipe import Recipe
from kgdistill.engine.wiring import Step
from kgdistill.errors import RunFolderError
from kgdistill.storage.artifact import Artifact, stable_hash


class Node(Struct, frozen=True):
    """A step with its key, its artefact, and the folder of each kind of artefact that it may read."""

    step: Step
    key: str
    artifact: Artifact
    upstream: dict[str, str]
    through: tuple[str, ...] = ()
    """Folders of the shard stages that its records have come through, the nearest last."""

    @property
    def name(self) -> str:
        return self.step.name

    @property
    def stage(self) -> Stage:
        return self.step.stage


def lay_out(recipe: Recipe, run: Path) -> tuple[Node, ...]:
    """The run's nodes in order. Raises SourceError where a source finds no input."""

    def place(step: Step, read: dict[str, Node]) -> tuple[str, Artifact]:
        key = stable_hash(identity(recipe, step, {kind: node.key for kind, node in read.items()}))
        return key, Artifact(run / f"{step.name}-{key[:8]}")

    return _connected(recipe.steps, place)


def laid_out(recipe: Recipe, run: Path, folders: Mapping[str, str]) -> tuple[Node, ...]:
    """The nodes of a run that was, by the folder of each stage: its input need not be there any more.

    The key of a node whose artefact is unfinished is empty. Raises RunFolderError where a stage has no folder.
    """

    def place(step: Step, read: dict[str, Node]) -> tuple[str, Artifact]:
        if step.name not in folders:
            raise RunFolderError(f"{run} has not come to {step.name} yet: run its recipe first")
        artifact = Artifact(run / folders[step.name])
        return artifact.manifest.key if artifact.manifest else "", artifact

    return _connected(recipe.steps, place)


def _connected(
    steps: Iterable[Step], place: Callable[[Step, dict[str, Node]], tuple[str, Artifact]]
) -> tuple[Node, ...]:
    """Nodes with the folders of those that they read; `place` says the key and the artefact of each."""
    nodes: list[Node] = []
    givers: dict[str, Node] = {}
    for step in steps:
        read = {kind: givers[kind] for kind in reads(step.stage) if kind in givers}
        if step.source:
            read[step.stage.needs[0]] = next(node for node in nodes if node.name == step.source)
        upstream = {kind: str(node.artifact.folder) for kind, node in read.items()}
        fed = read[step.stage.needs[0]] if step.stage.needs else None
        own = (str(fed.artifact.folder),) if fed and isinstance(fed.stage, ShardStage) else ()
        through = (*fed.through, *own) if fed else ()
        node = Node(step, *place(step, read), upstream, through)
        nodes.append(node)
        if step.stage.gives:
            givers[step.stage.gives] = node
    return tuple(nodes)


def reads(stage: Stage) -> tuple[str, ...]:
    """Kinds that a stage reads: those it needs, and those it takes where they are there (`wants`)."""
    wants: tuple[str, ...] = getattr(stage, "wants", ())
    return (*stage.needs, *wants)


def identity(recipe: Recipe, step: Step, upstream: dict[str, str]) -> dict[str, Any]:
    """Everything that can change what a stage writes, and nothing else."""
    stage = step.stage
    found: dict[str, Any] = {
        "kind": step.kind,
        "version": stage.version,
        "settings": msgspec.to_builtins(stage),
        "upstream": upstream,
        "base": recipe.base,
        "run": recipe.name,
        "seed": recipe.seed,
    }
    if texts := getattr(stage, "texts", None):
        found["texts"] = texts()
    if fingerprint := getattr(stage, "fingerprint", None):
        found["input"] = fingerprint()
    if "teacher" in stage.uses:
        found["teacher"] = recipe.teacher.blueprint()
    if "encoder" in stage.uses:
        found["encoder"] = msgspec.to_builtins(recipe.encoder)
    return found


def implementation(settings: Any) -> str:
    """Where the class of these settings is found, for a worker in another process."""
    return f"{type(settings).__module__}:{type(settings).__qualname__}"


def find(name: str) -> Any:
    """The class that `implementation` named."""
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found

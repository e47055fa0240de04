"""The `forget` command: a document leaves a run, with all that only it has said.

What stands in files of lines loses its lines; the store and the pairs are made again from what is left; students that
have learnt from the document go. No model is asked. Ended half-way, the same command completes it.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from kgdistill.contracts import Card
from kgdistill.engine import erasure
from kgdistill.engine.bench import TeacherOnDemand
from kgdistill.engine.dispatch import Purse
from kgdistill.engine.job import Setup
from kgdistill.engine.layout import Node, laid_out
from kgdistill.engine.local import Alone
from kgdistill.engine.lock import Lock
from kgdistill.engine.progress import Quiet
from kgdistill.engine.recipe import Recipe
from kgdistill.engine.runner import Caretaker, setting
from kgdistill.engine.state import RunState, enter, load_state
from kgdistill.engine.wiring import nearest
from kgdistill.engine.worker import Worker
from kgdistill.errors import RunFolderError
from kgdistill.graph.store import About
from kgdistill.records import Merge, Reading
from kgdistill.refine import entities, merges, relations
from kgdistill.storage.artifact import Artifact
from kgdistill.storage.forgotten import Forgotten, load_forgotten, save_forgotten
from kgdistill.storage.open_runs import open_to_nobody
from kgdistill.storage.review import forget_in_review
from kgdistill.storage.shards import disk_errors, read_records, write_records

SUGGEST = 5000
"""In a run of more documents no similar id is looked for."""
OWN = {
    "recipe.toml", "run.json", "report.html", "lock", "workers.log", "forgotten.json", "review.jsonl", "journal",
    "plan",
}  # fmt: skip
"""What a run folder holds beside artefacts."""


class Forgetting(Struct, frozen=True):
    """What was done."""

    documents: tuple[str, ...]
    """The documents, and those that were set aside as their duplicates."""
    removed: tuple[str, ...]
    """Folders of results that the next run makes again."""
    students: tuple[str, ...]
    """Folders of students that have learnt from the documents and were kept."""
    unknown: tuple[str, ...]
    """What else lies in the run folder: not kgdistill's, left as it is."""

    def lines(self, run: Path) -> Iterator[str]:
        """What a person is told."""
        yield f"{run} has forgotten {', '.join(self.documents)}"
        if self.removed:
            yield f"removed, as made from it: {', '.join(self.removed)}; the next run makes again what it needs"
        if self.students:
            yield f"kept, though they have learnt from it: {', '.join(self.students)}"
        if self.unknown:
            yield f"not looked into, since kgdistill has not written it: {', '.join(self.unknown)}"


def forget(recipe: Recipe, run: Path, documents: Collection[str], *, keep_students: bool = False) -> Forgetting:
    """Forget documents, by id. `recipe` is the run's own (its `recipe.toml`).

    Raises RunFolderError where the run knows no such document, is busy, or is open in a service.
    """
    load_state(run)  # a folder that is no run is not to become one
    with open_to_nobody(run), Lock(run):
        state = load_state(run)
        nodes = laid_out(recipe, run, {stage.name: stage.folder for stage in state.stages})
        for node in nodes:
            _complete(node.artifact)
        nodes = laid_out(recipe, run, {stage.name: stage.folder for stage in state.stages})
        before = load_forgotten(run)
        known = _known(nodes, before)
        ids = tuple(dict.fromkeys([*before.unfinished, *documents, *_copies(nodes, documents)]))
        for name in documents:
            if name not in known:
                hint = nearest(name, known) if len(known) <= SUGGEST else ""
                raise RunFolderError(f'{run} knows no document "{name}"{hint}')
        listed = tuple(dict.fromkeys([*before.documents, *ids]))
        save_forgotten(run, Forgotten(listed, ids))
        done = _Forgetter(recipe, run, nodes, ids).work(state, keep_students)
        save_forgotten(run, Forgotten(listed))
    return done


class _Forgetter:
    """One command at work; its steps stand in the order in which a kill between them does no harm."""

    def __init__(self, recipe: Recipe, run: Path, nodes: tuple[Node, ...], ids: tuple[str, ...]) -> None:
        self.recipe, self.run, self.nodes, self.ids = recipe, run, nodes, frozenset(ids)
        self.order = ids
        self.readings = [node for node in nodes if node.stage.gives == "readings"]

    def work(self, state: RunState, keep_students: bool) -> Forgetting:
        removed, students = self._remove(keep_students)
        found: dict[str, set[str]] = {}
        for node in self.readings:
            for name, others in erasure.heirs(node.artifact, self.ids).items():
                found.setdefault(name, set()).update(others)
        erasure.erase_journals(self.run, self.ids, found)
        forget_in_review(self.run, self.ids)
        self._erase()
        self._make_again(state)
        for node, line in zip(self.nodes, state.stages, strict=True):
            enter(line, node.artifact)
        if any(line.folder in removed for line in state.stages):
            state.state = "documents were forgotten: run the recipe again for what was made from them"
        state.save(self.run)
        unknown = tuple(path.name for path in sorted(self.run.iterdir()) if not self._own(path))
        return Forgetting(self.order, tuple(removed), tuple(students), unknown)

    def _remove(self, keep_students: bool) -> tuple[list[str], list[str]]:
        """Remove what is not kept true: results of other settings, students, and what was made by them."""
        learnt, removed = self._touched()
        removed += [] if keep_students else learnt
        for node in self.nodes:
            folder, gives = node.artifact.folder, node.stage.gives
            if gives in REPAIRED or gives in MODELS or not folder.exists():
                continue
            made_of_it = any(Path(read).name in removed for read in node.upstream.values())
            if made_of_it or (gives not in KEPT and self._derived(node)):
                removed.append(folder.name)
        # Models first: what they have learnt from says that they are to go.
        removed = list(dict.fromkeys([*(name for name in learnt if name in removed), *removed]))
        pending = [path.name for path in self.run.glob("*.pending")]
        with disk_errors(self.run):
            for name in [*removed, *pending, "plan"]:
                shutil.rmtree(self.run / name, ignore_errors=not (self.run / name).exists())
            for name in ("report.html", "workers.log"):
                (self.run / name).unlink(missing_ok=True)
            for part in self.run.rglob(".*.part"):
                part.unlink()
        return removed, learnt if keep_students else []

    def _touched(self) -> tuple[list[str], list[str]]:
        """Folders of models that have learnt from the documents, and of results that this run's book does not name."""
        book = {node.artifact.folder: node for node in self.nodes}
        artifacts = [Artifact(path) for path in _artifact_folders(self.run)]
        pairs = [artifact for artifact in artifacts if _gives(artifact, book) == "pairs" and artifact.done]
        holding = [artifact.folder for artifact in pairs if erasure.holds_pairs_of(artifact, self.ids)]
        learnt, removed = [], []
        for artifact in artifacts:
            folder, gives, node = artifact.folder, _gives(artifact, book), book.get(artifact.folder)
            if gives == "student":
                learnt += [folder.name] if holding else []
            elif gives in MODELS and (node is None or self._derived(node)):
                learnt.append(folder.name)
            elif node is None and gives not in ("teacher", *MODELS):
                removed.append(folder.name)
            elif node and folder in holding and "readings" not in node.upstream:
                removed.append(folder.name)  # pairs of another run, which has not forgotten it
        return learnt, removed

    def _derived(self, node: Node) -> bool:
        """Whether documents that the run has read stand behind a result."""
        by_folder = {str(other.artifact.folder): other for other in self.nodes}
        return any(kind == "readings" or self._derived(by_folder[read]) for kind, read in node.upstream.items())

    def _erase(self) -> None:
        """Readings, extractions and merges without the documents."""
        changes: dict[str, Callable[[Reading], Reading]] = {}
        new: dict[Path, list[Merge]] = {}
        for node in self.nodes:
            if node.stage.gives == "names" and node.artifact.done:
                path = node.artifact.folder / "merges.jsonl"
                old = list(read_records(path, Merge))
                new[path] = merges.remaining(old, self._mentions(Artifact(Path(node.upstream["readings"]))))
                if new[path] != old:
                    changes[str(node.artifact.folder)] = _repointing(old, new[path])
        for node in self.readings:
            erasure.erase_readings(node.artifact, self.ids, changes.get(node.upstream.get("names", "")))
        for node in self.nodes:
            if node.stage.gives == "extractions" and node.artifact.done:
                erasure.erase_extractions(node.artifact, self.ids)
            elif node.stage.gives not in ("readings", "store", "pairs"):
                erasure.erase_failures(node.artifact, self.ids)
            if node.stage.gives == "calibration" and node.artifact.done:
                erasure.erase_calibration(node.artifact, self.ids)
        for path, found in new.items():  # last: until now they say which names were one
            write_records(path, found)

    def _mentions(self, artifact: Artifact) -> dict[merges.Kind, Counter[str]]:
        """How often the documents that stay say each name."""
        said: dict[merges.Kind, Counter[str]] = {"entity": Counter(), "relation": Counter()}
        for reading in artifact.records(Reading):
            if reading.document.id not in self.ids:
                for name, _, _, count in entities.gather(reading):
                    said["entity"][name] += count
                said["relation"].update(claim.relation for claim in reading.claims)
        return said

    def _make_again(self, state: RunState) -> None:
        """The store and the pairs, from the readings that are left."""
        worker = Worker(Setup(setting(self.recipe.teacher), setting(self.recipe.encoder)))
        caretaker = Caretaker(self.recipe, self.run, worker, Alone(worker), Purse(None), Quiet())
        for node, line in zip(self.nodes, state.stages, strict=True):
            if node.stage.gives in ("store", "pairs") and "readings" in node.upstream and node.key:
                if node.stage.gives == "store":
                    worker.tools.teacher = _Named(_teacher_of(node.artifact))
                caretaker.redo(node, line)

    def _own(self, path: Path) -> bool:
        return path.name in OWN or path in _artifact_folders(self.run)


REPAIRED = ("readings", "names", "store", "pairs")
"""Kinds of artefacts that forgetting itself keeps true."""
KEPT = ("calibration", "extractions", "scores", "teacher")
"""Kinds that stay, unless what they are made of goes. Any other that documents stand behind is removed."""
MODELS = ("student", "critic", "comet", "paraphraser")
"""Kinds that learn: what has learnt from a forgotten document goes, unless a person says that it is to stay."""


class _Named(TeacherOnDemand):
    """The teacher of a store that is made again: named, never asked."""

    def __init__(self, name: str) -> None:
        self._named, self._opened = name, None

    @property
    def card(self) -> Card:
        return Card(self._named)


def _teacher_of(store: Artifact) -> str:
    return msgspec.json.decode((store.folder / "graph.json").read_bytes(), type=About).teacher


def _artifact_folders(run: Path) -> list[Path]:
    return sorted(path for path in run.glob("*-" + "[0-9a-f]" * 8) if path.is_dir())


def _gives(artifact: Artifact, book: dict[Path, Node]) -> str:
    if node := book.get(artifact.folder):
        return node.stage.gives
    return artifact.manifest.gives if artifact.manifest else ""


def _complete(artifact: Artifact) -> None:
    """Give a finished pending folder its name: a kill came between the two."""
    if not artifact.folder.exists() and (artifact.pending / "manifest.json").is_file():
        with disk_errors(artifact.folder):
            artifact.pending.rename(artifact.folder)


def _known(nodes: tuple[Node, ...], before: Forgotten) -> set[str]:
    """Every document that the run has met, those that it has forgotten too."""
    known = set(before.documents)
    for node in nodes:
        known |= {failure.document for failure in node.artifact.failures() if failure.document}
        if node.stage.gives == "readings" and "readings" not in node.upstream:
            known |= {head.document.id for _, found in erasure.heads(node.artifact) for head in found}
        elif node.stage.gives == "extractions" and node.artifact.done:
            for path in node.artifact.folder.glob("[!.]*.jsonl"):
                known |= {found.id for found in read_records(path, erasure.Id)}
    return known


def _copies(nodes: tuple[Node, ...], documents: Collection[str]) -> Iterator[str]:
    """Documents that have the same text and were set aside for that."""
    reasons = {f"duplicate of {name}" for name in documents}
    for node in nodes:
        if node.stage.gives == "readings" and "readings" not in node.upstream:
            for _, found in erasure.heads(node.artifact):
                yield from (head.document.id for head in found if head.set_aside in reasons)


def _repointing(old: list[Merge], new: list[Merge]) -> Callable[[Reading], Reading]:
    """Canonical names by the new merges in place of the old ones."""
    known = frozenset(merge.id for merge in [*old, *new])
    same_entities = replace(entities.links(new), known=known)
    same_relations = replace(relations.links(new), known=known)

    def change(reading: Reading) -> Reading:
        return merges.retold(reading, relations.apply(entities.apply(reading, same_entities), same_relations))

    return change

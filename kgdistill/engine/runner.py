"""The caretaker: takes a recipe's stages in order, gives their shards to a crew, and writes the book."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from kgdistill.contracts import CorpusStage, ShardStage, SourceStage
from kgdistill.engine.dispatch import Purse, dispatch, unwrap
from kgdistill.engine.job import Job, Report, Setting, Setup
from kgdistill.engine.layout import Node, implementation, lay_out
from kgdistill.engine.local import Alone, Crew, Processes, cores
from kgdistill.engine.lock import Lock
from kgdistill.engine.progress import Quiet
from kgdistill.engine.ray import RayCrew
from kgdistill.engine.recipe import Recipe
from kgdistill.engine.state import RunState, StageState, enter, now, open_state, total_account, total_report
from kgdistill.engine.toml import to_toml
from kgdistill.engine.worker import Worker
from kgdistill.errors import SourceError, ToleranceExceeded
from kgdistill.storage.artifact import Artifact, Manifest
from kgdistill.storage.forgotten import check_forgotten, load_forgotten
from kgdistill.storage.shards import write_bytes
from kgdistill.teacher.ledger import Account


def run(
    recipe: Recipe,
    out: Path,
    *,
    on: str = "local",
    workers: int = 0,
    max_tokens: int | None = None,
    progress: Quiet | None = None,
) -> RunState:
    """Run a recipe in a folder, going on from whatever is there.

    `on` is "local" or "ray", `workers` the number of workers (0: as many as the teacher makes use of), `max_tokens`
    what may be paid for. Raises ToleranceExceeded, BudgetSpent, or any UserError; all that was done before stays.
    """
    show = progress or Quiet()
    with Lock(out) as lock:
        check_forgotten(out)
        nodes = lay_out(recipe, out)
        state = open_state(recipe, nodes, out)
        write_bytes(out / "recipe.toml", to_toml(recipe.plain).encode())
        crew = caretaker_for(recipe, out, on=on, workers=workers, max_tokens=max_tokens, show=show, lock=lock.file)
        with _book(state, out), crew as caretaker:
            for node, line in zip(nodes, state.stages, strict=True):
                caretaker.do(node, line)
                state.save(out)
    return state


@contextmanager
def _book(state: RunState, out: Path) -> Iterator[None]:
    """Keep `run.json` true whatever ends the run."""
    started, before = time.monotonic(), state.seconds
    state.save(out)
    try:
        yield
        state.state = "finished"
    except KeyboardInterrupt:
        state.state = "interrupted"
        raise
    except Exception as error:
        state.state = str(error)
        raise
    finally:
        state.ended = now()
        state.seconds = round(before + time.monotonic() - started, 3)
        state.save(out)


@contextmanager
def caretaker_for(
    recipe: Recipe, out: Path, *, on: str, workers: int, max_tokens: int | None, show: Quiet, lock: int
) -> Iterator[Caretaker]:
    """A caretaker with its crew; both are sent home at the end, at once where it ended badly."""
    setup = Setup(setting(recipe.teacher), setting(recipe.encoder))
    worker = Worker(setup)
    size = workers or default_workers(recipe.teacher)
    crew: Crew
    if on == "ray":
        crew = RayCrew(size, setup, gpus=float(getattr(recipe.teacher, "gpus", 0)))
    else:
        crew = Alone(worker) if size == 1 else Processes(size, setup, out / "workers.log", lock)
    now_please = True
    try:
        yield Caretaker(recipe, out, worker, crew, Purse(max_tokens), show)
        now_please = False
    finally:
        show.close()
        crew.close(now=now_please)
        worker.close()


def setting(settings: Any) -> Setting:
    return Setting(implementation(settings), msgspec.to_builtins(settings))


def default_workers(teacher: Any) -> int:
    """One worker per core for a teacher that computes on the CPU; else one: the engine has its own parallelism."""
    device = str(getattr(teacher, "device", "cpu"))
    return cores() if teacher.blueprint().get("kind") == "local" and not device.startswith("cuda") else 1


class Caretaker:
    """Brings one node after another to its manifest."""

    def __init__(self, recipe: Recipe, out: Path, worker: Worker, crew: Crew, purse: Purse, show: Quiet) -> None:
        self.recipe, self.out, self.worker, self.crew, self.purse, self.show = recipe, out, worker, crew, purse, show

    def do(self, node: Node, line: StageState) -> None:
        """Do what is left of a node, and seal it."""
        if node.artifact.done:
            self.show.skip(node.name)
            return
        started, before = time.monotonic(), line.seconds
        try:
            if isinstance(node.stage, ShardStage):
                names = self._shards(node)
            else:
                self._whole(node)
                names = tuple(node.artifact.shards())
        finally:
            line.seconds = round(before + time.monotonic() - started, 3)
            enter(line, node.artifact)
        self._seal(node, names)
        enter(line, node.artifact)
        self.show.end(node.name, line.records, line.seconds)

    def redo(self, node: Node, line: StageState) -> None:
        """Do a corpus stage again; its old result stays until the new one is whole."""
        self._whole(node)
        self._seal(node, ())
        enter(line, node.artifact)

    def job(self, node: Node, shard: str, source: str = "") -> Job:
        needs = node.stage.needs
        return Job(
            stage=node.name,
            setting=setting(node.stage),
            shard=shard,
            folder=str(node.artifact.folder),
            journal=str(self.out / "journal" / node.name),
            base=self.recipe.base,
            seed=self.recipe.seed,
            run=self.recipe.name,
            upstream=node.upstream,
            through=node.through,
            fed=needs[0] if needs else "",
            source=source,
            forgotten=load_forgotten(self.out).documents,
        )

    def _whole(self, node: Node) -> None:
        """Run a source or corpus stage, here."""
        self.show.begin(node.name, 0, 0)
        job = self.job(node, "source" if isinstance(node.stage, SourceStage) else "corpus")
        if self.purse.limited:
            job = msgspec.structs.replace(job, allowance=self.purse.left)
        outcome = self.worker.run(job, lambda tick: self.show.tick(tick.account, 0))
        self.purse.pay(outcome.spent)
        report = unwrap(outcome, node.name, self.purse)
        check_tolerance(node.name, total_account(report), self.recipe.tolerance, final=True)

    def _shards(self, node: Node) -> tuple[str, ...]:
        """Run a stage's shards that are not done yet, by the crew."""
        fed = Artifact(Path(node.upstream[node.stage.needs[0]]))
        names = fed.shards()
        if not names:
            raise SourceError(f"{node.name} has nothing to read: {fed.folder} holds no records")
        done = set(node.artifact.reported())
        total = total_report(node.artifact)
        jobs = [self.job(node, name, str(fed.shard(name))) for name in names if name not in done]
        self.show.begin(node.name, len(names), len(names) - len(jobs))
        finished = len(names) - len(jobs)

        def on_tick(running: Account) -> None:
            account = Account()
            account.add(running)
            account.add(total_account(total))
            self.show.tick(account, finished)

        try:
            for report in dispatch(jobs, self.crew, self.purse, on_tick):
                total.add(report)
                finished += 1
                self.show.tick(total_account(total), finished)
                check_tolerance(node.name, total_account(total), self.recipe.tolerance, final=False)
            check_tolerance(node.name, total_account(total), self.recipe.tolerance, final=True)
        except ToleranceExceeded:
            self._reopen(node)
            raise
        return tuple(names)

    def _reopen(self, node: Node) -> None:
        """Shards with failed requests are no longer done, so that the next attempt asks these again."""
        for name in node.artifact.reported():
            report = msgspec.json.decode(node.artifact.report_file(name).read_bytes(), type=Report)
            if total_account(report).failures:
                node.artifact.report_file(name).unlink()

    def _seal(self, node: Node, names: tuple[str, ...]) -> None:
        corpus = isinstance(node.stage, CorpusStage)
        written = Artifact(node.artifact.pending) if corpus and node.artifact.pending.is_dir() else node.artifact
        total = total_report(written)
        node.artifact.seal(
            Manifest(
                stage=node.name,
                kind=node.step.kind,
                key=node.key,
                gives=node.stage.gives,
                shards=names,
                records=total.records,
                failed=total.failed,
                rejected=total.rejected,
            )
        )


TOLERANCE_AFTER = 200
"""While a stage goes on, its failures are set against at least so many requests: one early mishap stops nothing."""


def check_tolerance(stage: str, account: Account, tolerance: float, *, final: bool) -> None:
    """Raise ToleranceExceeded when a larger share of the stage's requests failed than the recipe tolerates."""
    asked = account.planned if final else max(account.planned, TOLERANCE_AFTER)
    if account.failures <= tolerance * asked:
        return
    reasons = ", ".join(f"{count} {reason}" for reason, count in account.failed.items())
    raise ToleranceExceeded(
        f"{stage} stopped: {account.failures} of {account.planned} requests failed ({reasons}), more than the "
        f"{tolerance:.0%} that the recipe tolerates; see `kgdistill show RUN --failures`, mend it, run the same command"
    )

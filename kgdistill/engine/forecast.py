"""The `plan` command: the steps with their state, and a forecast of requests and tokens from a small real probe."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from rich import box
from rich.table import Table

from kgdistill.contracts import ShardStage, SourceStage
from kgdistill.engine.job import Report
from kgdistill.engine.layout import Node, lay_out
from kgdistill.engine.lock import Lock
from kgdistill.engine.progress import Quiet
from kgdistill.engine.recipe import Recipe
from kgdistill.engine.runner import Caretaker, caretaker_for
from kgdistill.engine.state import StageState, total_account, total_report
from kgdistill.records import Reading
from kgdistill.storage.artifact import Artifact
from kgdistill.storage.shards import read_records, write_records

PROBE_CHUNKS = 20
RESAMPLES = 1000


class Unit(Struct, frozen=True):
    """What one shard of the probe took in one stage."""

    chunks: int
    characters: int
    requests: int
    asked: int
    """Requests that were paid for; the journal answered the others."""
    tokens: int


class Estimate(Struct, frozen=True):
    """A forecast with its 90 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:,.0f} ({self.low:,.0f} – {self.high:,.0f})"


def step_table(recipe: Recipe, out: Path) -> Table:
    """Every step with its folder and its state: done, so many shards, to do."""
    table = Table(title=f"{recipe.name} in {out}", title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("stage", "kind", "reads", "gives", "folder", "state"):
        table.add_column(column)
    for node in lay_out(recipe, out):
        read, folder = ", ".join(node.upstream), node.artifact.folder.name
        table.add_row(node.name, node.step.kind, read, node.stage.gives, folder, _state(node))
    return table


def _state(node: Node) -> str:
    if node.artifact.done:
        return "done"
    reported = len(node.artifact.reported())
    if not isinstance(node.stage, ShardStage) or not reported:
        return "to do"
    return f"{reported} of {len(_fed(node).shards())} shards"


def _fed(node: Node) -> Artifact:
    return Artifact(Path(node.upstream[node.stage.needs[0]]))


def forecast(recipe: Recipe, out: Path, *, workers: int = 0, progress: Quiet | None = None) -> Table:
    """Run the teacher's stages on up to 20 chunks and extrapolate by chunk count.

    The probe has its own folder (`plan`), but journals where the run does: what it asks is never paid for twice.
    """
    show = progress or Quiet()
    lenient = replace(recipe, tolerance=1.0)
    with Lock(out) as lock:
        nodes = lay_out(recipe, out)
        with caretaker_for(
            lenient, out, on="local", workers=workers, max_tokens=None, show=show, lock=lock.file
        ) as caretaker:
            for node in _first(nodes):
                _do(caretaker, node)
            probes = [_probe_node(node, out / "plan") for node in nodes]
            for probe in probes[: _last_asking(nodes) + 1]:
                _run_probe(caretaker, probe, out)
        return _forecast_table(nodes, probes, recipe.seed)


def _first(nodes: Sequence[Node]) -> list[Node]:
    """The sources, and what they read from: these are done in full."""
    sources = [node for node in nodes if isinstance(node.stage, SourceStage)]
    wanted = {folder for source in sources for folder in source.upstream.values()}
    return [node for node in nodes if node in sources or str(node.artifact.folder) in wanted]


def _last_asking(nodes: Sequence[Node]) -> int:
    """Position of the last shard stage that asks the teacher, before any student is trained; -1 without one."""
    students = (place for place, node in enumerate(nodes) if node.stage.gives == "student")
    end = next(students, len(nodes))
    asking = [place for place, node in enumerate(nodes[:end]) if _asks(node)]
    return asking[-1] if asking else -1


def _asks(node: Node) -> bool:
    return isinstance(node.stage, ShardStage) and "teacher" in node.stage.uses


def _probe_node(node: Node, folder: Path) -> Node:
    """The same node in the probe's world."""
    upstream = {kind: str(folder / Path(path).name) for kind, path in node.upstream.items()}
    return replace(node, artifact=Artifact(folder / node.artifact.folder.name), upstream=upstream)


def _do(caretaker: Caretaker, node: Node) -> None:
    caretaker.do(node, StageState(node.name, node.step.kind, node.stage.gives, node.artifact.folder.name))


def _run_probe(caretaker: Caretaker, probe: Node, out: Path) -> None:
    if isinstance(probe.stage, SourceStage):
        _sample(Artifact(out / probe.artifact.folder.name), probe.artifact)
        _trim(probe.artifact)
        return
    _do(caretaker, probe)
    if isinstance(probe.stage, ShardStage) and probe.stage.gives == "readings":
        _trim(probe.artifact)


def _sample(source: Artifact, probe: Artifact) -> None:
    """The first documents of shards from everywhere in the corpus: a shard's first document names its journal."""
    names = source.shards()
    step = max(1, len(names) // PROBE_CHUNKS)
    chosen = names[::step][:PROBE_CHUNKS]
    each = -(-PROBE_CHUNKS // max(1, len(chosen)))
    for name in chosen:
        if not probe.shard(name).exists():
            write_records(probe.shard(name), _head(read_records(source.shard(name), Reading), each))


def _head(readings: Iterator[Reading], count: int) -> Iterator[Reading]:
    for reading in readings:
        yield reading
        count -= not reading.set_aside
        if count <= 0:
            return


def _trim(artifact: Artifact) -> None:
    """Leave twenty chunks where there are so many, taken from all shards in turn."""
    shards = {name: list(read_records(artifact.shard(name), Reading)) for name in artifact.shards()}
    # A document that is not split yet counts as one chunk.
    heaps = [sum(max(1, len(reading.chunks)) for reading in readings) for readings in shards.values()]
    shares = deal(heaps, PROBE_CHUNKS)
    for (name, readings), left in zip(shards.items(), shares, strict=True):
        kept = []
        for reading in readings:
            kept.append(replace(reading, chunks=reading.chunks[:left]))
            left -= max(1, len(kept[-1].chunks))
            if left <= 0:
                break
        if kept != readings:
            write_records(artifact.shard(name), kept)


def deal(heaps: Sequence[int], most: int) -> list[int]:
    """How many to take from each heap, one from each in turn, until there are `most` or nothing is left."""
    taken = [0] * len(heaps)
    while most > 0 and (open_ := [place for place, heap in enumerate(heaps) if taken[place] < heap]):
        for place in open_[:most]:
            taken[place] += 1
        most -= len(open_)
    return taken


def _units(probe: Node) -> list[Unit]:
    """What the probe's shards took in a stage."""
    units = []
    for name in probe.artifact.reported():
        report = msgspec.json.decode(probe.artifact.report_file(name).read_bytes(), type=Report)
        account = total_account(report)
        readings = read_records(probe.artifact.shard(name), Reading)
        chunks = [graph.chunk for reading in readings for graph in reading.chunks]
        tokens = account.prompt_tokens + account.reply_tokens
        characters = sum(chunk.end - chunk.start for chunk in chunks)
        units.append(Unit(len(chunks), characters, account.planned, account.planned - account.cached, tokens))
    return units


def _forecast_table(nodes: Sequence[Node], probes: Sequence[Node], seed: int) -> Table:
    """Requests and tokens of each stage that asks the teacher, with 90 % intervals, and what is paid for already."""
    table = Table(title="forecast (90 % interval)", title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("stage", "chunks probed", "requests", "tokens", "requests done"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    size = _characters(nodes)
    for node, probe in list(zip(nodes, probes, strict=True))[: _last_asking(nodes) + 1]:
        units = _units(probe) if _asks(node) else []
        if not any(unit.requests for unit in units):
            continue
        done = total_account(total_report(node.artifact))
        if node.artifact.done:
            tokens = f"{done.prompt_tokens + done.reply_tokens:,}"
            table.add_row(node.name, "done", f"{done.planned:,}", tokens, f"{done.planned:,}")
            continue
        requests, tokens_expected = extrapolate(units, size, seed)
        probed = sum(unit.chunks for unit in units)
        table.add_row(node.name, str(probed), str(requests), str(tokens_expected), f"{done.planned:,}")
    return table


def extrapolate(units: Sequence[Unit], size: int, seed: int) -> tuple[Estimate, Estimate]:
    """Requests and tokens in a corpus of `size` characters, from the units of a probe."""
    requests = estimate(units, lambda sample: _rate(sample, size), seed)
    return requests, estimate(units, lambda sample: _rate(sample, size) * _price(sample, units), seed)


def _characters(nodes: Sequence[Node]) -> int:
    """Length of all documents that are read, in characters; 0 where a recipe reads none (it trains a model)."""
    first = next((node for node in nodes if isinstance(node.stage, SourceStage)), None)
    readings = first.artifact.records(Reading) if first else ()
    return sum(len(reading.document.text) for reading in readings if not reading.set_aside)


def _rate(sample: Sequence[Unit], size: int) -> float:
    """Requests in a corpus of `size` characters: chunks in the corpus, times requests for each chunk."""
    characters = sum(unit.characters for unit in sample)
    chunks = sum(unit.chunks for unit in sample)
    requests = sum(unit.requests for unit in sample)
    return size * chunks / characters * requests / chunks if characters and chunks else 0.0


def _price(sample: Sequence[Unit], units: Sequence[Unit]) -> float:
    """Tokens for each request; from all units where the journal answered everything in the sample."""
    asked = sum(unit.asked for unit in sample)
    if asked:
        return sum(unit.tokens for unit in sample) / asked
    total = sum(unit.asked for unit in units)
    return sum(unit.tokens for unit in units) / total if total else 0.0


def estimate(units: Sequence[Unit], statistic: Callable[[Sequence[Unit]], float], seed: int) -> Estimate:
    """The statistic of the units, with the 5th and 95th percentile over bootstrap samples of them."""
    chance = random.Random(seed)
    found = sorted(statistic(chance.choices(units, k=len(units))) for _ in range(RESAMPLES))
    return Estimate(statistic(units), found[RESAMPLES // 20], found[-RESAMPLES // 20])

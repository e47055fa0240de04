"""The final table of a run, read from what it wrote: claims kept and dropped, cost, scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from kgdistill.engine.state import RunState, load_state
from kgdistill.errors import KgdistillError
from kgdistill.evaluate.benchmark import Benchmark
from kgdistill.records import Failure, Reading
from kgdistill.storage.artifact import Artifact, latest


def summary(run: Path) -> Group:
    """Everything that a run says at its end. Raises RunFolderError where there is no run."""
    state = load_state(run)
    parts: list[RenderableType] = [_results(run, state), _costs(state)]
    parts += [table for table in (_scores(run), _benchmark(run)) if table]
    parts += [Text(line, no_wrap=True, overflow="ignore") for line in _closing_lines(run, state)]
    return Group(*parts)


def count_claims(run: Path) -> tuple[int, int, Counter[str]] | None:
    """(claims, kept, dropped by rule) of the last readings; None while there are none."""
    try:
        readings = latest(run, "readings").records(Reading)
    except KgdistillError:
        return None
    total = kept = 0
    dropped: Counter[str] = Counter()
    for reading in readings:
        for claim in reading.claims:
            total += 1
            kept += claim.kept
            if claim.dropped:
                dropped[claim.dropped.rule] += 1
    return total, kept, dropped


def all_failures(run: Path) -> Iterator[tuple[str, Failure]]:
    """Every failure and rejection of the run's stages, each with the name of its stage."""
    for stage in load_state(run).stages:
        for failure in Artifact(run / stage.folder).failures():
            yield stage.name, failure


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


def _results(run: Path, state: RunState) -> Table:
    table = _table(f"{state.name}: {state.state}", "", "number")
    sources = [stage for stage in state.stages if stage.gives == "readings"][:1]
    for source in sources:
        table.add_row("documents", f"{source.records:,}")
        for reason, count in source.reasons.items():
            table.add_row(Text(f"  {reason}"), f"{count:,}")
    if found := count_claims(run):
        total, kept, dropped = found
        table.add_row("claims", f"{total:,}")
        table.add_row("  kept", f"{kept:,}")
        for rule, count in dropped.most_common():
            table.add_row(Text(f"  dropped: {rule}"), f"{count:,}")
    tokens = sum(stage.prompt_tokens + stage.reply_tokens for stage in state.stages)
    table.add_row("tokens", f"{tokens:,}")
    table.add_row("seconds", f"{state.seconds:,.1f}")
    return table


def _costs(state: RunState) -> Table:
    columns = ("stage", "records", "requests", "kept", "cached", "rejected", "failed", "tokens", "seconds")
    table = _table("stages", *columns)
    for stage in state.stages:
        requests = [stage.planned, stage.kept, stage.cached, sum(stage.rejected.values()), sum(stage.failed.values())]
        tokens = stage.prompt_tokens + stage.reply_tokens
        cells = [f"{number:,}" if stage.planned else "" for number in (*requests, tokens)]
        table.add_row(stage.name, f"{stage.records:,}" if stage.records else "", *cells, f"{stage.seconds:,.1f}")
    return table


def _scores(run: Path) -> Table | None:
    """The score stage's rows: a name and numbers each; None where nothing is scored."""
    try:
        path = latest(run, "scores").folder / "scores.json"
        rows: list[dict[str, Any]] = msgspec.json.decode(path.read_bytes())["rows"]
    except (KgdistillError, OSError, KeyError):
        return None
    columns = [name for name, value in rows[0].items() if isinstance(value, int | float)] if rows else []
    table = _table("scores", "", *columns)
    for row in rows:
        values = (row.get(column) for column in columns)
        table.add_row(str(row.get("name", "")), *(_number(value) for value in values))
    return table if rows else None


def _benchmark(run: Path) -> Table | None:
    """Pair F1 of each system on each set, on the documents that all have read; None where nothing is compared."""
    try:
        content = (latest(run, "benchmark").folder / "benchmark.json").read_bytes()
    except (KgdistillError, OSError):
        return None
    lines = [line for line in msgspec.json.decode(content, type=Benchmark).lines if not line.whole]
    sets = list(dict.fromkeys(line.set for line in lines))
    table = _table("pair F1 on public data sets", "", *sets)
    for system in dict.fromkeys(line.system for line in lines):
        own = {line.set: line.pairs.f1 for line in lines if line.system == system}
        cells = (
            f"{own[name].value:.3f} ({own[name].low:.2f}–{own[name].high:.2f})" if name in own else "" for name in sets
        )
        table.add_row(Text(system), *cells)
    return table


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return "" if value is None else f"{value:,}"


def _closing_lines(run: Path, state: RunState) -> Iterator[str]:
    if state.failures:
        yield f"{state.failures:,} failed: `kgdistill show {run} --failures` shows which and why"
    with suppress(KgdistillError):
        yield f"benchmark tables: {latest(run, 'benchmark').folder / 'benchmark.md'}"
    if (run / "report.html").is_file():
        yield f"report: {run / 'report.html'}"


def failure_table(run: Path, limit: int = 200) -> Group:
    """Failures with their reasons, those of kind "failed" first; raises RunFolderError where there is no run."""
    found = sorted(all_failures(run), key=lambda pair: pair[1].kind)
    counts = Counter((stage, failure.kind, failure.reason) for stage, failure in found)
    sums = _table("what did not come through", "stage", "kind", "reason", "number")
    for (stage, kind, reason), count in counts.items():
        sums.add_row(stage, kind, Text(reason), f"{count:,}")
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("stage", "kind", "document", "reason", "message"):
        table.add_column(column, overflow="fold")
    for stage, failure in found[:limit]:
        place = failure.document if failure.chunk < 0 else f"{failure.document} #{failure.chunk}"
        said = failure.message or failure.raw
        table.add_row(stage, failure.kind, Text(place), Text(failure.reason), Text(said[:300]))
    parts: list[RenderableType] = [sums, table] if found else [Text("nothing failed, nothing was rejected")]
    if len(found) > limit:
        parts.append(Text(f"… and {len(found) - limit:,} more: {run}/*/failures/*.jsonl has them all, with raw text"))
    return Group(*parts)

"""The report of a run: one HTML page with everything in it, to be opened from disk and shown to a colleague."""

from __future__ import annotations

import os
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import jinja2
from markupsafe import Markup
from msgspec import Struct

from kgdistill.evaluate.benchmark_table import CAPTION, pace
from kgdistill.evaluate.curves import curves
from kgdistill.evaluate.figures import interval
from kgdistill.evaluate.findings import MERGES, Run, read_run
from kgdistill.evaluate.funnel import funnel
from kgdistill.evaluate.graph_picture import draw
from kgdistill.evaluate.highlight import segments
from kgdistill.records import Document, Merge
from kgdistill.storage.review import FILE
from kgdistill.storage.shards import write_bytes

ALLOWED = {"\n", "\t", "\u200c", "\u200d"}
"""Control and format characters that may stand in the page; the others (bidi overrides) are shown by their number."""


def write_report(run: Path) -> Path:
    """Write `report.html` into a run's folder, finished or not, and return its path.

    Raises RunFolderError where there is no run, StorageError where something stored is damaged.
    """
    path = run / "report.html"
    write_bytes(path, _page(read_run(run), run).encode("utf-8", "replace"))
    return path


def refresh_report(run: Path) -> None:
    """Write the report again where people have decided something since it was written; raises as `write_report`."""
    report, review = run / "report.html", run / FILE
    if report.is_file() and review.is_file() and review.stat().st_mtime_ns >= report.stat().st_mtime_ns:
        write_report(run)


def _page(found: Run, run: Path) -> str:
    recipe = _recipe(run)
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=_number, share=_share, seconds=_seconds, cut=_cut, pace=pace)
    environment.globals.update(segments=segments, interval=interval, link=lambda document: _link(document, run, recipe))
    return environment.get_template("report.html").render(
        run=found,
        recipe=recipe,
        state=found.state,
        found=found.found,
        scores=found.scores,
        benchmark=found.benchmark,
        benchmark_caption=CAPTION,
        totals=_totals(found),
        pairs=found.pairs,
        funnel=funnel(found),
        picture=draw(found.found.edges, found.found.types) if found.found else None,
        curves=curves(found),
        merges=_merges(found.merges),
    )


def _template(name: str) -> str:
    return resources.files("kgdistill.evaluate").joinpath(f"{name}.jinja").read_text(encoding="utf-8")


def _recipe(run: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((run / "recipe.toml").read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return {}


def _visible(value: Any) -> Any:
    """Text with what cannot be seen, or turns round what stands around it, written as its number."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    if value.isprintable():
        return value
    return "".join(character if _harmless(character) else f"‹U+{ord(character):04X}›" for character in value)


def _harmless(character: str) -> bool:
    return character in ALLOWED or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole else "–"


def _seconds(value: float) -> str:
    """A time for people: "12.3 s", "4:05 min", "2:10 h"."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, seconds = divmod(round(value), 60)
    return f"{minutes}:{seconds:02d} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d} h"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length] + " …"


def _link(document: Document, run: Path, recipe: Mapping[str, Any]) -> str:
    """Where the page may link to for this document: a web address or a file that is there, relative; else empty."""
    source = document.source
    if urlsplit(source).scheme in ("http", "https"):
        return source
    settings = recipe.get("read")
    base = Path(str(settings.get("path", ""))) if isinstance(settings, dict) else Path()
    for path in (Path(source), base / source):
        try:
            if source and path.is_file():
                return quote(os.path.relpath(path.resolve(), run.resolve()))
        except (OSError, ValueError):
            continue
    return ""


class Totals(Struct, frozen=True):
    """The sums over all stages."""

    planned: int
    kept: int
    cached: int
    rejected: int
    failed: int
    prompt_tokens: int
    cached_tokens: int
    reply_tokens: int
    seconds: float

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.reply_tokens


def _totals(run: Run) -> Totals:
    def added(name: str) -> Any:
        return sum(stage.get(name, 0) for stage in run.state.get("stages", []))

    ends = {
        name: sum(sum(stage.get(name, {}).values()) for stage in run.state.get("stages", []))
        for name in ("rejected", "failed")
    }
    names = ("planned", "kept", "cached", "prompt_tokens", "cached_tokens", "reply_tokens")
    sums = {name: int(added(name)) for name in names}
    return Totals(**sums, **ends, seconds=float(run.state.get("seconds", 0.0)))


def _merges(merges: Sequence[Merge]) -> list[tuple[str, int, list[Merge]]]:
    """(kind, how many, the least certain of them) of each kind of merge."""
    groups = []
    for kind in ("entity", "relation"):
        own = sorted((merge for merge in merges if merge.kind == kind), key=lambda merge: (merge.score, merge.id))
        if own:
            groups.append((kind, len(own), own[:MERGES]))
    return groups

"""The report of a run: one HTML page with everything in it, to be opened from disk and shown to a colleague."""

from __future__ import annotations

import os
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import jinja2
from markupsafe import Markup
from msgspec import Struct

from kgdistill.evaluate.figures import Axis, Series, chart, from_zero, histogram, interval
from kgdistill.evaluate.findings import MERGES, Found, Length, Run, read_run
from kgdistill.evaluate.graph_picture import draw
from kgdistill.evaluate.highlight import segments
from kgdistill.evaluate.scores import BANDS, Row, Scores
from kgdistill.records import Document, Merge
from kgdistill.storage.shards import write_bytes

STYLES = ("one", "two", "three", "four")
ALLOWED = {"\n", "\t", "\u200c", "\u200d"}
"""Control and format characters that may stand in the page; the others (bidi overrides) are shown by their number."""


def write_report(run: Path) -> Path:
    """Write `report.html` into a run's folder, finished or not, and return its path.

    Raises RunFolderError where there is no run, StorageError where something stored is damaged.
    """
    path = run / "report.html"
    write_bytes(path, _page(read_run(run), run).encode("utf-8", "replace"))
    return path


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
    environment.filters.update(number=_number, share=_share, seconds=_seconds, cut=_cut)
    environment.globals.update(segments=segments, interval=interval, link=lambda document: _link(document, run, recipe))
    return environment.get_template("report.html").render(
        run=found,
        recipe=recipe,
        state=found.state,
        found=found.found,
        scores=found.scores,
        totals=_totals(found),
        funnel=_funnel(found),
        picture=draw(found.found.edges, found.found.types) if found.found else None,
        curves=_curves(found),
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


class Step(Struct, frozen=True):
    """One bar of the funnel: `share` of the widest bar of its group."""

    name: str
    count: int
    share: float
    note: str = ""


def _funnel(run: Run) -> list[tuple[str, list[Step]]]:
    """Requests from planned to answered, and claims from generated to kept: two things counted, two groups."""
    totals, found = _totals(run), run.found
    groups: list[tuple[str, list[Step]]] = []
    if totals.planned:
        answered = totals.kept + totals.cached
        lost = f"{totals.rejected:,} rejected, {totals.failed:,} failed"
        asked = [Step("planned", totals.planned, 1.0), Step("answered", answered, answered / totals.planned, lost)]
        groups.append(("Requests to the teacher", asked))
    if found and found.claims:
        counts = [
            ("claims", found.claims),
            ("grounded", found.grounded),
            ("judged", found.judged),
            ("kept", found.kept),
        ]
        notes = {
            "claims": "what the teacher wrote, all samples together",
            "grounded": "found in the document's own words",
            "judged": "grounded, and given a score",
            "kept": f"{found.negated:,} of them negated, {found.hedged:,} hedged",
        }
        groups.append(("Claims", [Step(name, n, n / found.claims, notes[name]) for name, n in counts]))
    return groups


class Curve(Struct, frozen=True):
    """A chart with its heading, what it shows, and its legend as (style, name)."""

    heading: str
    drawing: Markup
    caption: str
    legend: Sequence[tuple[str, str]]


def _curves(run: Run) -> list[Curve]:
    found = [_reliability(run), _sweep(run.scores), _histogram(run.found), _density(run)]
    return [curve for curve in found if curve]


def _reliability(run: Run) -> Curve | None:
    lines = [
        Series(
            f"{name} (error {curve.error:.3f})",
            [(point.score, point.correct) for point in curve.bins],
            style,
            [point.count for point in curve.bins],
        )
        for (name, curve), style in zip(run.calibration.items(), ("two", "one"), strict=False)
    ]
    if not lines:
        return None
    drawing = chart(
        "Reliability before and after calibration", Axis("score"), Axis("share correct"), lines, "perfectly calibrated"
    )
    caption = (
        "What a score is worth: of the claims with a score of 0.8, four in five should be correct (the dashed line). "
        "Judged against gold graphs; after calibration on documents that the calibrator had not seen. "
        "Larger dots stand for more claims."
    )
    return Curve("Can the scores be trusted?", drawing, caption, _legend(lines))


def _sweep(scores: Scores | None) -> Curve | None:
    rows = [row for row in scores.rows if len(row.sweep) > 1] if scores else []
    if not rows:
        return None
    lines = [
        Series(row.name, [(point.share, point.precision) for point in row.sweep], style)
        for row, style in zip(rows, STYLES, strict=False)
    ]
    drawing = chart("Precision against the share of facts kept", Axis("share of facts kept"), Axis("precision"), lines)
    caption = (
        "What a threshold buys: taking only the best-scored facts, from a few (left) to all (right). A fact counts as "
        "correct when a gold fact has its ends, its relation and its polarity."
    )
    return Curve("What does a threshold buy?", drawing, caption, _legend(lines))


def _histogram(found: Found | None) -> Curve | None:
    if not (found and found.judged):
        return None
    drawing = histogram("Scores of kept and dropped claims", found.scores[True], found.scores[False])
    caption = (
        "Combined scores of all judged claims. A well-scored claim can still be dropped, as a repeat for instance."
    )
    return Curve("Where do the scores lie?", drawing, caption, [("one", "kept"), ("drop", "dropped")])


def _density(run: Run) -> Curve | None:
    """Facts per 100 words by length: of the scored systems where there are any, else of all documents read."""
    lines: list[Series] = []
    if run.scores and any(row.bands for row in run.scores.rows):
        rows = run.scores.rows
        lines = [_banded(row, style) for row, style in zip(rows, STYLES, strict=False)]
        gold = [((band.shortest + band.longest) / 2, band.gold_per_100_words) for band in rows[0].bands]
        lines.append(Series("gold", gold, "gold"))
        of = f"the {run.scores.documents} documents scored"
    elif run.found and run.found.lengths:
        lines = _bands_read(run.found.lengths)
        of = f"all {len(run.found.lengths)} documents read"
    if not lines:
        return None
    longest = max(x for line in lines for x, _ in line.points)
    highest = max(y for line in lines for _, y in line.points)
    across, up = from_zero("words in the document", longest), from_zero("facts per 100 words", highest)
    caption = f"Does a long document yield less than a short one, word for word? Three bands of length, {of}."
    drawing = chart("Facts per 100 words by document length", across, up, lines)
    return Curve("Do long documents lose facts?", drawing, caption, _legend(lines))


def _banded(row: Row, style: str) -> Series:
    points = [((band.shortest + band.longest) / 2, band.facts_per_100_words) for band in row.bands]
    return Series(row.name, points, style)


def _bands_read(lengths: Sequence[Length]) -> list[Series]:
    ordered = sorted(lengths, key=lambda length: length.words)
    cuts = [len(ordered) * part // BANDS for part in range(BANDS + 1)]
    bands = [ordered[start:end] for start, end in pairwise(cuts) if start < end]
    middles = [(band[0].words + band[-1].words) / 2 for band in bands]
    words = [max(1, sum(length.words for length in band)) for band in bands]
    claims = [100 * sum(length.claims for length in band) / count for band, count in zip(bands, words, strict=True)]
    kept = [100 * sum(length.kept for length in band) / count for band, count in zip(bands, words, strict=True)]
    return [
        Series("claims", list(zip(middles, claims, strict=True)), "two"),
        Series("kept", list(zip(middles, kept, strict=True)), "one"),
    ]


def _legend(lines: Sequence[Series]) -> list[tuple[str, str]]:
    return [(line.style, line.name) for line in lines]


def _merges(merges: Sequence[Merge]) -> list[tuple[str, int, list[Merge]]]:
    """(kind, how many, the least certain of them) of each kind of merge."""
    groups = []
    for kind in ("entity", "relation"):
        own = sorted((merge for merge in merges if merge.kind == kind), key=lambda merge: (merge.score, merge.id))
        if own:
            groups.append((kind, len(own), own[:MERGES]))
    return groups

"""The curves of a report: reliability, threshold sweep, scores, and facts by document length."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup
from msgspec import Struct

from kgdistill.evaluate.figures import Axis, Series, chart, from_zero, histogram
from kgdistill.evaluate.findings import Found, Length, Run
from kgdistill.evaluate.scores import BANDS, Row, Scores

STYLES = ("one", "two", "three", "four")


class Curve(Struct, frozen=True):
    """A chart with its heading, what it shows, and its legend as (style, name)."""

    heading: str
    drawing: Markup
    caption: str
    legend: Sequence[tuple[str, str]]


def curves(run: Run) -> list[Curve]:
    """All charts for which the run has figures."""
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
    elif run.found and run.found.lengths and not run.found.seeds:  # a seed has no length to speak of
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

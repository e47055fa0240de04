"""The benchmark as Markdown tables, for the README and the model cards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kgdistill.evaluate.benchmark import Aim, Benchmark
from kgdistill.evaluate.instrument import Instrument
from kgdistill.evaluate.match import PAIR_F1
from kgdistill.evaluate.standings import Figure, Line, Match

CAPTION = (
    f"Pairs: different (subject, object) pairs, matched one to one where subject and object each have a token F1 of at "
    f"least {PAIR_F1}; any mention of a gold entity counts. Exact: triples that are the same but for case, articles "
    "and spacing. Soft: likeness of triples in the best one-to-one assignment, ends by words, relation by embedding. "
    "Semantic: cosine of whole triples, assigned likewise. Precision, recall and F1 are summed over documents; "
    "in brackets, 95 % intervals by resampling documents. Speed: documents per second of one CPU worker."
)


def markdown(found: Benchmark) -> str:
    """All tables, each under a heading."""
    parts = ["# Benchmark", CAPTION, "## Pair F1 on every set", overview(found.lines)]
    for set_ in dict.fromkeys(line.set for line in found.lines):
        lines = [line for line in found.lines if line.set == set_]
        parts += [f"## {set_}", standings(lines)]
    if found.aims:
        parts += ["## Aims", aims(found.aims)]
    if found.trust:
        parts += ["## Scores and negation, on the seed test split", trust(found)]
    if found.judge:
        parts += ["## The judge, checked with planted claims", judge(found.judge)]
    return "\n\n".join(parts) + "\n"


def overview(lines: Sequence[Line]) -> str:
    """Pair F1 of each system on each set, on the documents that all have read, and its speed there."""
    shared = [line for line in lines if not line.whole]
    sets = list(dict.fromkeys(line.set for line in shared))
    rows = []
    for system in dict.fromkeys(line.system for line in shared):
        own = {line.set: line for line in shared if line.system == system}
        paces = [(line.documents / line.per_second, line.documents) for line in own.values() if line.per_second]
        speed = sum(count for _, count in paces) / sum(spent for spent, _ in paces) if paces else None
        figures = (ranged(own[name].pairs.f1) if name in own else "–" for name in sets)
        rows.append((system, *figures, pace(speed)))
    return table(("", *sets, "documents/s"), rows)


def standings(lines: Sequence[Line]) -> str:
    """One row for each system: pairs, exact, soft, semantic, speed."""
    head = ("", "documents", "facts", "pairs: precision", "recall", "F1", "exact: precision", "recall", "F1",
            "soft: precision", "recall", "F1", "semantic F1", "documents/s")  # fmt: skip
    rows = [
        (
            line.system + (", all documents" if line.whole else ""),
            f"{line.documents:,}",
            f"{line.facts:,}",
            *(ranged(figure) for figure in _three(line.pairs)),
            *(f"{figure.value:.3f}" for match in (line.exact, line.soft) for figure in _three(match)),
            f"{line.semantic.f1.value:.3f}",
            pace(line.per_second),
        )
        for line in lines
    ]
    return table(head, rows)


def aims(found: Iterable[Aim]) -> str:
    """Each aim with what was found."""
    rows = [
        (aim.name, f"{'at most' if aim.at_most else 'at least'} {aim.wanted:g}", ranged(aim.found), said(aim))
        for aim in found
    ]
    return table(("aim", "wanted", "found", ""), rows)


def said(aim: Aim) -> str:
    return "met" if aim.met else "not met"


def trust(found: Benchmark) -> str:
    """Calibration error and negation of each system."""
    rows = [
        (
            one.system,
            f"{one.documents:,}",
            f"{one.calibration.error:.3f}" if one.calibration else "–",
            f"{one.calibration.brier:.3f}" if one.calibration else "–",
            f"{one.negated:,}",
            ranged(one.negation),
            ranged(one.polarity),
        )
        for one in found.trust
    ]
    head = (
        "",
        "documents",
        "calibration error",
        "Brier",
        "negated gold facts",
        "negated facts F1",
        "among pairs found",
    )
    return table(head, rows)


def judge(found: Instrument) -> str:
    """Planted claims: what is refused, and how far verdicts part false from correct."""
    rows = [
        (
            kind.name,
            f"{kind.count:,}",
            ranged(Figure(kind.refused, kind.low, kind.high)),
            f"{kind.by_score:.3f}",
            "–" if kind.teacher is None else f"{kind.teacher:.3f}",
            "–" if kind.combined is None else f"{kind.combined:.3f}",
        )
        for kind in found.rows
    ]
    head = ("planted claims", "number", "refused", "of these by score", "AUC of the judge", "AUC of the combined score")
    lead = (
        "Refused by the judge's score or by a rule, as the recipe has them: for false claims the detection rate, "
        "for correct ones what judging costs. In brackets, 95 % Wilson intervals."
    )
    return f"{lead}\n\n{table(head, rows)}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, its first column text and the others figures."""
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def ranged(figure: Figure) -> str:
    """With its interval, where it has one."""
    if figure.low == figure.high == figure.value:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} ({figure.low:.2f}–{figure.high:.2f})"


def pace(per_second: float | None) -> str:
    """Two digits that mean something."""
    return "–" if per_second is None else f"{per_second:.2g}" if per_second < 10 else f"{per_second:,.0f}"


def _three(match: Match) -> tuple[Figure, Figure, Figure]:
    return match.precision, match.recall, match.f1

"""How well a judge of entailment tells true pairs of texts from false ones, by what is wrong with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from msgspec import Struct

from kgdistill.evaluate.instrument import area


class Row(Struct, frozen=True):
    """Pairs of one kind."""

    kind: str
    pairs: int
    right: float
    """Share of true pairs scored 0.5 or more, or of false ones scored less."""
    area: float | None
    """How often a true pair scores higher than one of this kind; None for kinds of true pairs."""
    mean: float


class Measured(Struct, frozen=True):
    pairs: int
    accuracy: float
    area: float
    contradictions: float | None
    """Share of contradictions that score higher as such than as entailment; None where there are none."""
    rows: tuple[Row, ...]


def measure(pairs: Sequence[tuple[str, str]], scores: Sequence[tuple[float, float]]) -> Measured:
    """Figures for (label, kind) of each pair and its (entailment, contradiction) scores. Raises ValueError for none."""
    if not pairs or len(pairs) != len(scores):
        raise ValueError(f"{len(pairs)} pairs but {len(scores)} scores")
    kinds: dict[tuple[bool, str], list[float]] = defaultdict(list)
    for (label, kind), (score, _) in zip(pairs, scores, strict=True):
        kinds[label == "entailment", kind].append(score)
    true = [score for (label, _), (score, _) in zip(pairs, scores, strict=True) if label == "entailment"]
    false = [score for (label, _), (score, _) in zip(pairs, scores, strict=True) if label != "entailment"]
    denied = [two > one for (label, _), (one, two) in zip(pairs, scores, strict=True) if label == "contradiction"]
    right = sum(score >= 0.5 for score in true) + sum(score < 0.5 for score in false)
    rows = (
        Row(
            kind,
            len(found),
            sum((score >= 0.5) == holds for score in found) / len(found),
            None if holds else area(true, found),
            sum(found) / len(found),
        )
        for (holds, kind), found in sorted(kinds.items(), key=lambda item: (not item[0][0], item[0][1]))
    )
    told = sum(denied) / len(denied) if denied else None
    whole = area(true, false)
    return Measured(len(pairs), right / len(pairs), 0.5 if whole is None else whole, told, tuple(rows))

"""How sure a figure is: intervals by drawing the documents again, with replacement (percentile bootstrap)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kgdistill.evaluate.match import Score


def bootstrap(
    scores: Sequence[Score], of: Callable[[Score], float], rounds: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of a figure by resampling documents with replacement (percentile bootstrap)."""
    import numpy as np

    if not scores:
        return 0.0, 0.0
    table = np.array([(score.matched, score.predicted, score.gold) for score in scores])
    drawn = table[np.random.default_rng(seed).integers(len(scores), size=(rounds, len(scores)))].sum(axis=1)
    figures = sorted(of(Score(float(m), int(p), int(g))) for m, p, g in drawn)
    return figures[int(0.025 * rounds)], figures[min(rounds - 1, int(0.975 * rounds))]


def paired(
    one: Sequence[Score], other: Sequence[Score], of: Callable[[Score, Score], float], rounds: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of a figure of two systems on the same documents, each draw taking the same documents for both.

    Raises ValueError for different numbers of documents.
    """
    import numpy as np

    if len(one) != len(other):
        raise ValueError(f"{len(one)} documents beside {len(other)}")
    if not one:
        return 0.0, 0.0
    table = np.array(
        [(a.matched, a.predicted, a.gold, b.matched, b.predicted, b.gold) for a, b in zip(one, other, strict=True)]
    )
    drawn = table[np.random.default_rng(seed).integers(len(table), size=(rounds, len(table)))].sum(axis=1)
    figures = sorted(of(Score(a, int(b), int(c)), Score(d, int(e), int(f))) for a, b, c, d, e, f in drawn.tolist())
    return figures[int(0.025 * rounds)], figures[min(rounds - 1, int(0.975 * rounds))]

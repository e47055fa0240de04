"""Personalised PageRank over a graph's entities, as HippoRAG finds passages (Gutiérrez et al., 2024, section 2.3).

A question's entities are where a random walk starts again and again; it goes along facts, in both directions, and along
synonyms: names whose vectors are near. A passage has the mass of the entities that it speaks of. An entity of many
passages is less of a starting point (node specificity), since it says less of what is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kgdistill.query.columns import load
from kgdistill.query.evidence import Evidence
from kgdistill.query.vectors import Vectors

ROUNDS = 60
CLOSE_ENOUGH = 1e-7
"""The walk has settled when less mass than this moves."""
SYNONYMS = 20
"""Synonyms of a name that are looked at, the nearest."""


def write_spread(folder: Path, evidence: Evidence, names: Vectors | None, synonym: float) -> None:
    """Write the entities' connections and what each passage speaks of, as sparse matrices (CSR).

    `names` are the entities' vectors; names with a cosine of at least `synonym` are connected by so much. None: no
    synonyms.
    """
    import numpy as np
    from scipy import sparse

    count = len(evidence.entities)
    named = np.flatnonzero((evidence.objects >= 0) & (evidence.objects != evidence.subjects))
    ones, others = np.asarray(evidence.subjects[named]), np.asarray(evidence.objects[named])
    weights = np.ones(len(named), dtype=np.float64)
    if names is not None:
        near = _synonyms(names, synonym)
        ones, others = np.concatenate([ones, near[0]]), np.concatenate([others, near[1]])
        weights = np.concatenate([weights, near[2]])
    edges = sparse.coo_matrix((weights, (ones, others)), shape=(count, count)).tocsr()
    _write(folder, "edges", edges + edges.T)
    _write(folder, "spoken_of", _spoken_of(evidence))


def _synonyms(names: Vectors, least: float) -> tuple[Any, Any, Any]:
    """Pairs of entities with near names, each once, and how near."""
    import numpy as np

    pairs: list[tuple[int, int, float]] = []
    for one, others, cosines in names.neighbours(SYNONYMS):
        near = zip(others, cosines, strict=True)
        pairs += [(one, other, cosine) for other, cosine in near if other > one and cosine >= least]
    table = np.array(pairs, dtype=np.float64).reshape(-1, 3)
    return table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2]


def _spoken_of(evidence: Evidence) -> Any:
    """How often each passage speaks of each entity, shape (passages, entities)."""
    import numpy as np
    from scipy import sparse

    passages = np.repeat(evidence.propositions.numbers("passage"), evidence.said.counts())
    triples = np.asarray(evidence.said.values)
    rows = np.concatenate([passages, passages])
    columns = np.concatenate([evidence.subjects[triples], evidence.objects[triples]])
    real = (rows >= 0) & (columns >= 0)
    shape = len(evidence.passages), len(evidence.entities)
    return sparse.coo_matrix((np.ones(int(real.sum())), (rows[real], columns[real])), shape=shape).tocsr()


def _write(folder: Path, name: str, matrix: Any) -> None:
    import numpy as np

    for part in ("data", "indices", "indptr"):
        np.save(folder / f"{name}_{part}.npy", getattr(matrix, part))
    np.save(folder / f"{name}_shape.npy", np.array(matrix.shape))


def _read(folder: Path, name: str) -> Any:
    from scipy import sparse

    parts = [load(folder / f"{name}_{part}.npy") for part in ("data", "indices", "indptr")]
    return sparse.csr_matrix(tuple(parts), shape=tuple(load(folder / f"{name}_shape.npy")), copy=False)


class Spread:
    """The walk over one index's entities."""

    def __init__(self, folder: Path) -> None:
        import numpy as np

        self._edges, self._spoken_of = _read(folder, "edges"), _read(folder, "spoken_of")
        degrees = np.asarray(self._edges.sum(axis=1)).ravel()
        self._share = np.divide(1.0, degrees, out=np.zeros_like(degrees), where=degrees > 0)
        self._passages = np.bincount(self._spoken_of.indices, minlength=self._edges.shape[0])

    def entities(self, seeds: Sequence[int], damping: float) -> Any:
        """The share of time that a walk from the seeds spends at each entity; `damping`: how likely it goes on.

        HippoRAG has 0.5, where PageRank usually has 0.85.
        """
        import numpy as np

        start = np.zeros(self._edges.shape[0])
        chosen = np.asarray(seeds, dtype=np.int64)
        start[chosen] = 1.0 / np.maximum(self._passages[chosen], 1)
        start /= start.sum()
        mass = start
        for _ in range(ROUNDS):
            moved = self._edges @ (mass * self._share)
            lost = 1.0 - moved.sum()  # where an entity has no edge, the walk starts again
            following = damping * (moved + lost * start) + (1 - damping) * start
            change = float(np.abs(following - mass).sum())
            mass = following
            if change < CLOSE_ENOUGH:
                break
        return mass

    def passages(self, seeds: Sequence[int], damping: float = 0.5) -> Any:
        """The mass of each passage, shape (passages,); the seeds are entities, at least one."""
        return self._spoken_of @ self.entities(seeds, damping)

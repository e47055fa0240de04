"""Vectors on disk: the nearest of a few by looking at all, of many through an approximate index, memory-mapped.

The approximate index (HNSW, Malkov and Yashunin 2018, by usearch) holds 8-bit copies and proposes several times as many
as are asked for; the vectors themselves (16-bit floating point) have the last word, so that scores are true cosines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgdistill.contracts import Encoder
from kgdistill.query.columns import best, load

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LARGE = 20_000
"""From so many vectors on there is an approximate index: up to there looking at all takes a few milliseconds."""
BATCH = 1024
"""Texts that are encoded at once."""
MORE = 8
"""How many times more vectors the approximate index proposes than are asked for."""


def write_vectors(folder: Path, encoder: Encoder, texts: Callable[[int, int], list[str]], count: int) -> None:
    """Encode texts (`texts(start, end)` gives some of the `count`) and write their vectors, and an index of many."""
    import numpy as np

    if not count:
        np.save(folder / "vectors.npy", np.empty((0, 1), dtype=np.float16))
        return
    matrix: Any = None
    for start in range(0, count, BATCH):
        found = encoder.encode(texts(start, min(start + BATCH, count)))
        if matrix is None:
            shape = count, found.shape[1]
            matrix = np.lib.format.open_memmap(folder / "vectors.npy", "w+", dtype=np.float16, shape=shape)
        matrix[start : start + len(found)] = found
    matrix.flush()
    if count >= LARGE:
        write_index(folder)


def write_index(folder: Path) -> None:
    """Write the approximate index of the vectors in `folder`."""
    import numpy as np
    from usearch.index import Index

    matrix = load(folder / "vectors.npy")
    index = Index(ndim=matrix.shape[1], metric="cos", dtype="i8", connectivity=16, expansion_add=96)
    for start in range(0, len(matrix), 50_000):
        block = np.asarray(matrix[start : start + 50_000], dtype=np.float32)
        index.add(np.arange(start, start + len(block), dtype=np.uint64), block)
    index.save(str(folder / "vectors.usearch"))


class Vectors:
    """Vectors of unit length, memory-mapped; `exact`: an index of them is not used."""

    def __init__(self, folder: Path, expansion: int = 128, exact: bool = False) -> None:
        self.matrix = load(folder / "vectors.npy")
        self._index: Any = None
        if not exact and (folder / "vectors.usearch").is_file():
            from usearch.index import Index

            self._index = Index(ndim=self.matrix.shape[1], metric="cos", dtype="i8", expansion_search=expansion)
            self._index.view(str(folder / "vectors.usearch"))

    def __len__(self) -> int:
        return len(self.matrix)

    def nearest(self, vector: NDArray[np.float32], count: int) -> tuple[list[int], list[float]]:
        """Numbers and cosines of the `count` nearest vectors, the nearest first; fewer where there are fewer."""
        import numpy as np

        count = min(count, len(self))
        if not count:
            return [], []
        if self._index is None:
            scores = self.scores(vector)
            places = best(scores, count)
            return places.tolist(), scores[places].tolist()
        proposed = self._index.search(vector, min(len(self), MORE * count), threads=1).keys.astype(np.int64)
        rows = np.sort(proposed)
        scores = np.asarray(self.matrix[rows], dtype=np.float32) @ vector
        places = best(scores, count)
        return rows[places].tolist(), scores[places].tolist()

    def neighbours(self, count: int, block: int = 512) -> Iterator[tuple[int, list[int], list[float]]]:
        """For each vector its number, and the numbers and cosines of the `count` nearest, itself among them."""
        import numpy as np

        if self._index is not None or not len(self):
            for number in range(len(self)):
                yield number, *self.nearest(np.asarray(self.matrix[number], dtype=np.float32), count)
            return
        # All with all at once: to look at all for each of them would mostly be turning 16 bits into 32.
        whole = np.asarray(self.matrix, dtype=np.float32)
        for start in range(0, len(self), block):
            for number, scores in enumerate(whole[start : start + block] @ whole.T, start):
                places = best(scores, count)
                yield number, places.tolist(), scores[places].tolist()

    def scores(self, vector: NDArray[np.float32], block: int = 16_384) -> NDArray[np.float32]:
        """The cosine with every vector, by looking at all of them."""
        import numpy as np

        found = np.empty(len(self), dtype=np.float32)
        for start in range(0, len(self), block):
            found[start : start + block] = np.asarray(self.matrix[start : start + block], dtype=np.float32) @ vector
        return found

"""Columns on disk: tables and arrays, memory-mapped, so that opening them costs nothing and memory is shared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

ROWS = 20_000
"""Rows of a table that are held in memory while it is written."""


class TableWriter:
    """A table of texts and whole numbers that grows a batch at a time; a context manager."""

    def __init__(self, path: Path, columns: dict[str, str]) -> None:
        import pyarrow

        self.count = 0
        kinds = {"text": pyarrow.large_string(), "number": pyarrow.int64(), "score": pyarrow.float64()}
        self._schema = pyarrow.schema([(name, kinds[kind]) for name, kind in columns.items()])
        self._rows: list[tuple[Any, ...]] = []
        self._writer = pyarrow.ipc.new_file(str(path), self._schema)

    def add(self, *row: Any) -> int:
        """Append a row; returns its number."""
        self._rows.append(row)
        self.count += 1
        if len(self._rows) >= ROWS:
            self._flush()
        return self.count - 1

    def _flush(self) -> None:
        import pyarrow

        columns = zip(*self._rows, strict=True)
        arrays = [pyarrow.array(values, kind.type) for values, kind in zip(columns, self._schema, strict=True)]
        self._writer.write_batch(pyarrow.record_batch(arrays, schema=self._schema))
        self._rows.clear()

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None and self._rows:
            self._flush()
        self._writer.close()


class Rows:
    """A written table, memory-mapped."""

    def __init__(self, path: Path) -> None:
        import pyarrow

        self._table = pyarrow.ipc.open_file(pyarrow.memory_map(str(path))).read_all()
        self._columns = {name: self._table.column(name) for name in self._table.column_names}

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def value(self, column: str, row: int) -> Any:
        return self._columns[column][row].as_py()

    def values(self, column: str, start: int, end: int) -> list[Any]:
        """The column from row `start` up to `end`."""
        found: list[Any] = self._columns[column].slice(start, end - start).to_pylist()
        return found

    def numbers(self, column: str) -> Numbers:
        """A whole column of numbers, in memory."""
        found: Numbers = self._columns[column].to_numpy()
        return found


class Links:
    """What each of some things is linked to: `values[offsets[i]:offsets[i + 1]]`, memory-mapped."""

    def __init__(self, folder: Path, name: str) -> None:
        self.offsets, self.values = load(folder / f"{name}_offsets.npy"), load(folder / f"{name}_values.npy")

    def of(self, thing: int) -> Numbers:
        found: Numbers = self.values[self.offsets[thing] : self.offsets[thing + 1]]
        return found

    def of_all(self, things: Sequence[int] | Numbers) -> Numbers:
        """What any of the things is linked to, in their order, repeats included."""
        import numpy as np

        chosen = np.asarray(things, dtype=np.int64)
        starts = self.offsets[chosen]
        counts = self.offsets[chosen + 1] - starts
        total = int(counts.sum())
        # The place of each value: its thing's start, and how far it stands behind the first value of that thing.
        within = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
        found: Numbers = self.values[np.repeat(starts, counts) + within]
        return found

    def counts(self) -> Numbers:
        """How many each thing is linked to."""
        import numpy as np

        found: Numbers = np.diff(self.offsets)
        return found


def write_links(folder: Path, name: str, things: Any, targets: Any, size: int) -> None:
    """Write pairs (thing, target) as `Links`; targets of a thing stay in their order, repeats included."""
    import numpy as np

    sources, values = np.asarray(things, dtype=np.int64), np.asarray(targets, dtype=np.int64)
    order = np.argsort(sources, kind="stable")
    offsets = np.zeros(size + 1, dtype=np.int64)
    np.cumsum(np.bincount(sources, minlength=size), out=offsets[1:])
    np.save(folder / f"{name}_offsets.npy", offsets)
    np.save(folder / f"{name}_values.npy", values[order])


def load(path: Path) -> Any:
    """An array on disk, memory-mapped where it has anything in it."""
    import numpy as np

    # A mapping of nothing is refused by some systems. As plain arrays, since numpy's own class for mapped ones is slow
    # to take slices of.
    return np.asarray(np.load(path, mmap_mode="r" if path.stat().st_size > 128 else None))


def best(scores: Any, count: int) -> Any:
    """The places of the `count` highest scores, the highest first; of equals, the first one."""
    import numpy as np

    count = min(count, len(scores))
    if count == 0:
        return np.empty(0, dtype=np.int64)
    least = np.partition(scores, len(scores) - count)[len(scores) - count]
    places = np.flatnonzero(scores >= least)
    return places[np.lexsort((places, -scores[places]))][:count]

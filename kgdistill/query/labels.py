"""Labels: entities by their names and other names, in any script: the same, as a start, or nearly so.

Names are compared in normal form (text/names). Each has a hash, for names that are the same; a place in order, for
those that start with the same letters; and its runs of three letters, for those that are spelled in another way.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Iterator
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from kgdistill.query.columns import Links, Rows, TableWriter, best, load, write_links
from kgdistill.text.names import normal
from kgdistill.text.overlap import words

BUCKETS = 1 << 16
"""Runs of three letters are told apart by a hash of so many values."""
POOL = 200
"""Names with the most runs in common, which are then compared letter by letter."""
CLOSE = 80.0
"""Least likeness (0 to 100) of a name that is spelled in another way."""
LONGEST = 12
"""Words of a name that is looked for in a question."""
SAME, START = 100.0, 95.0
"""Likeness of a name that is the same, and of one that starts so; no other is above the second."""


class Named(NamedTuple):
    """An entity (its number), the label that was found, and how like the text it is, up to 100."""

    entity: int
    label: str
    likeness: float


def write_labels(folder: Path, labels: Iterable[tuple[str, int]]) -> None:
    """Write (label, entity) pairs; labels that have nothing to compare are left out."""
    import numpy as np

    keyed = sorted({(normal(label), entity): label for label, entity in reversed(list(labels))}.items())
    keyed = [(key, label) for key, label in keyed if key[0]]
    hashes = np.array([_hash(key) for (key, _), _ in keyed], dtype=np.uint64)
    order = np.argsort(hashes, kind="stable")
    np.save(folder / "label_hashes.npy", hashes[order])
    np.save(folder / "label_order.npy", order)
    runs, rows = array("q"), array("q")
    with TableWriter(folder / "labels.arrow", {"key": "text", "label": "text", "entity": "number"}) as table:
        for (key, entity), label in keyed:
            row = table.add(key, label, entity)
            found = _runs(key)
            runs.extend(found)
            rows.extend([row] * len(found))
    write_links(folder, "runs", runs, rows, BUCKETS)


def _hash(key: str) -> int:
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _runs(key: str) -> list[int]:
    """The buckets of the runs of three letters, each once."""
    padded = f"  {key} "
    letters = (padded[place : place + 3] for place in range(len(padded) - 2))
    return sorted({zlib.crc32(run.encode("utf-8", "surrogatepass")) % BUCKETS for run in letters})


class Labels:
    """The labels of an index, memory-mapped."""

    def __init__(self, folder: Path) -> None:
        self._rows = Rows(folder / "labels.arrow")
        self._hashes, self._order = load(folder / "label_hashes.npy"), load(folder / "label_order.npy")
        self._runs = Links(folder, "runs")

    def find(self, text: str, count: int = 10) -> list[Named]:
        """Entities whose name is like the text, the likest first; each once, by its likest label."""
        key = normal(text[:500])
        if not key or count < 1:
            return []
        rows = [(row, SAME) for row in self._same([key])[0]]
        rows += [(row, START) for row in self._starting(key, max(POOL, count))]
        rows += self._alike(key)
        found: dict[int, tuple[float, int, int]] = {}
        for row, likeness in rows:
            entity = self._rows.value("entity", row)
            rank = (-likeness, len(self._rows.value("key", row)), row)
            found[entity] = min(found.get(entity, rank), rank)
        ranked = sorted(found.items(), key=lambda item: item[1])[:count]
        return [Named(entity, self._rows.value("label", row), -less) for entity, (less, _, row) in ranked]

    def exact(self, name: str) -> list[int]:
        """Entities that have this name in normal form, case and articles aside."""
        key = normal(name)
        rows = self._same([key])[0] if key else []
        return list(dict.fromkeys(self._rows.value("entity", row) for row in rows))

    def mentioned(self, text: str) -> list[int]:
        """Entities whose names stand in the text: the longest names first found, none inside another.

        A name of one word must be spelled with a capital where its label is.
        """
        spans = list(_spans(text))
        candidates = [
            (first, last, text[spans[first][0] : spans[last][1]])
            for first in range(len(spans))
            for last in range(first, min(first + LONGEST, len(spans)))
        ]
        candidates.sort(key=lambda found: found[0] - found[1])
        taken: set[int] = set()
        entities: dict[int, int] = {}
        keys = [normal(name) for _, _, name in candidates]
        for (first, last, name), rows in zip(candidates, self._same(keys), strict=True):
            span = range(first, last + 1)
            fitting = [row for row in rows if first != last or self._spelled(name, row)]
            if fitting and taken.isdisjoint(span):
                taken.update(span)
                entities |= {self._rows.value("entity", row): first for row in fitting}
        return sorted(entities, key=lambda entity: (entities[entity], entity))

    def nearly_mentioned(self, text: str) -> list[int]:
        """Entities whose names stand in the text in nearly the same spelling, at most five."""
        from rapidfuzz import fuzz

        key = normal(text)
        if not key or not len(self._rows):
            return []
        found: dict[int, float] = {}
        for row in self._sharing(key, whole=True):
            label = self._rows.value("key", row)
            likeness = fuzz.partial_ratio(label, key) if 5 <= len(label) <= len(key) else 0.0
            if likeness >= 90:
                entity = self._rows.value("entity", row)
                found[entity] = max(found.get(entity, 0.0), likeness + len(label) / 1000)
        return sorted(found, key=lambda entity: (-found[entity], entity))[:5]

    def _spelled(self, name: str, row: int) -> bool:
        label = self._rows.value("label", row)
        return not (name == name.lower() and label[:1] != label[:1].lower())

    def _same(self, keys: list[str]) -> list[list[int]]:
        """Rows of each key."""
        import numpy as np

        wanted = np.array([_hash(key) for key in keys], dtype=np.uint64)
        starts = np.searchsorted(self._hashes, wanted, side="left")
        ends = np.searchsorted(self._hashes, wanted, side="right")
        return [
            [row for row in map(int, self._order[start:end]) if self._rows.value("key", row) == key]
            for key, start, end in zip(keys, starts, ends, strict=True)
        ]

    def _starting(self, key: str, limit: int) -> range:
        """Rows whose key starts with this one, at most `limit`."""
        low, high = 0, len(self._rows)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._rows.value("key", middle) < key else (low, middle)
        end = low
        while end < min(len(self._rows), low + limit) and self._rows.value("key", end).startswith(key):
            end += 1
        return range(low, end)

    def _alike(self, key: str) -> Iterator[tuple[int, float]]:
        from rapidfuzz import fuzz

        for row in self._sharing(key, whole=False):
            likeness = min(START - 1, fuzz.WRatio(self._rows.value("key", row), key))
            if likeness >= CLOSE:
                yield row, likeness

    def _sharing(self, key: str, *, whole: bool) -> list[int]:
        """Rows that share the most runs of letters with the key; `whole`: as a share of the row's own runs."""
        import numpy as np

        shared = np.bincount(self._runs.of_all(_runs(key)), minlength=len(self._rows)).astype(np.float64)
        if whole:
            shared /= np.maximum(self._sizes, 1)
        return [int(row) for row in best(shared, POOL) if shared[row] > (0.6 if whole else 0)]

    @cached_property
    def _sizes(self) -> Any:
        """How many runs each row has."""
        import numpy as np

        return np.bincount(self._runs.values, minlength=len(self._rows))


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Where the words of a text stand."""
    place = 0
    for word in words(text):
        place = text.index(word, place)
        yield place, place + len(word)
        place += len(word)

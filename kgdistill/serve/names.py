"""Names: entities found by any of their names, by a part of one, and with a letter wrong."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Callable, Iterable

from msgspec import Struct
from rapidfuzz import fuzz, process

LEAST = 70.0
"""Likeness (0 to 100) from which a misspelt name counts."""
LONGEST = 200
"""Letters of a question that are looked at."""


class Found(Struct, frozen=True):
    """An entity, and the name by which it was found.

    `rank` says how that fits: 0 equal, 1 begins so, 2 one of its words does, 3 holds it, 4 is like it.
    """

    id: str
    name: str
    label: str
    rank: int


class Names:
    """All names of a graph in memory, folded; loaded by the first question.

    `load` gives (address without the base, name, whether it is the preferred one).
    """

    def __init__(self, load: Callable[[], Iterable[tuple[str, str, bool]]]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._ready = False
        self._folded: list[str] = []
        self._said: list[tuple[str, str]] = []
        self._preferred: dict[str, str] = {}

    def search(self, text: str, limit: int = 10) -> list[Found]:
        """The entities that fit best, each once; names of any script, in any case, with or without accents."""
        self._fill()
        wanted = fold(text[:LONGEST])
        if not wanted:
            return []
        ranked = [(rank, place) for place, name in enumerate(self._folded) if (rank := _rank(name, wanted)) < 4]
        ranked.sort(key=lambda pair: (pair[0], len(self._folded[pair[1]]), self._folded[pair[1]]))
        found = self._distinct(ranked, limit)
        if len(found) < limit and len(wanted) > 2:
            alike = process.extract(wanted, self._folded, scorer=fuzz.ratio, score_cutoff=LEAST, limit=4 * limit)
            words = (
                process.extract(wanted, self._folded, scorer=_by_word, score_cutoff=80, limit=limit)
                if not alike
                else []
            )
            known = {one.id for one in found}
            more = self._distinct([(4, place) for _, _, place in [*alike, *words]], limit)
            found += [one for one in more if one.id not in known]
        return found[:limit]

    def _distinct(self, ranked: Iterable[tuple[int, int]], limit: int) -> list[Found]:
        found: dict[str, Found] = {}
        for rank, place in ranked:
            identity, label = self._said[place]
            if identity not in found:
                found[identity] = Found(identity, self._preferred.get(identity, label), label, rank)
                if len(found) == limit:
                    break
        return list(found.values())

    def _fill(self) -> None:
        with self._lock:
            if self._ready:
                return
            for identity, label, preferred in self._load():
                self._folded.append(fold(label))
                self._said.append((identity, label))
                if preferred:
                    self._preferred[identity] = label
            self._ready = True


def fold(text: str) -> str:
    """The form that is compared: without case and accents, one space."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return " ".join(bare.split())


def _rank(name: str, wanted: str) -> int:
    if (place := name.find(wanted)) < 0:
        return 4
    if place == 0:
        return 0 if len(name) == len(wanted) else 1
    return 2 if name[place - 1] == " " or f" {wanted}" in name else 3


def _by_word(one: str, other: str, *, score_cutoff: float | None = None, **_: object) -> float:
    """Likeness to the best single word of the name, for a misspelt family name."""
    best = max((fuzz.ratio(one, word) for word in other.split()), default=0.0)
    return best if score_cutoff is None or best >= score_cutoff else 0.0

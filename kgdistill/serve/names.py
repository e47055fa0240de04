"""Names: entities found by any of their names, by a part of one, and with a letter wrong."""

from __future__ import annotations

import threading
import unicodedata
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable

from msgspec import Struct
from rapidfuzz import fuzz, process

LEAST, WORD = 70.0, 80.0
"""Likeness (0 to 100) from which a misspelt name counts, and a misspelt word of one."""
MOST = 5000
"""Names that are looked at for each way of fitting."""
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
    """All names of a graph in memory, folded, as one text that is searched as a whole; loaded by the first question.

    `load` gives (address without the base, name, whether it is the preferred one).
    """

    def __init__(self, load: Callable[[], Iterable[tuple[str, str, bool]]]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._ready = False
        self._text = "\n"
        """Every folded name between line ends."""
        self._starts = array("Q")
        """Where each name begins in it."""
        self._said: list[tuple[str, str]] = []
        self._preferred: dict[str, str] = {}
        self._words: list[str] = []

    def search(self, text: str, limit: int = 10) -> list[Found]:
        """The entities that fit best, each once; names of any script, in any case, with or without accents."""
        self._fill()
        wanted = fold(text[:LONGEST])
        if not wanted:
            return []
        found: dict[str, Found] = {}
        for rank, form in enumerate((f"\n{wanted}\n", f"\n{wanted}", f" {wanted}", wanted)):
            self._add(found, rank, self._holding(form), limit)
            if len(found) == limit:
                break
        if len(found) < limit and len(wanted) > 2:
            self._add(found, 4, self._alike(wanted, limit), limit)
        return list(found.values())

    def _add(self, found: dict[str, Found], rank: int, places: Iterable[int], limit: int) -> None:
        for place in places:
            identity, label = self._said[place]
            if len(found) < limit and identity not in found:
                found[identity] = Found(identity, self._preferred.get(identity, label), label, rank)

    def _holding(self, form: str) -> list[int]:
        """The names that hold a form, of the first `MOST` the shortest first."""
        places: dict[int, None] = {}
        at = self._text.find(form)
        while at >= 0 and len(places) < MOST:
            place = bisect_right(self._starts, at + form.startswith("\n")) - 1
            places[place] = None
            at = self._text.find(form, self._end(place))
        return sorted(places, key=lambda place: (self._end(place) - self._starts[place], self._name(place)))

    def _alike(self, wanted: str, limit: int) -> list[int]:
        """The names that are spelt nearly so, else those of which one word is: a misspelt family name."""
        names = self._text[1:].split("\n")[:-1]
        alike = process.extract(wanted, names, scorer=fuzz.ratio, score_cutoff=LEAST, limit=4 * limit)
        if alike:
            return [place for _, _, place in alike]
        words = process.extract(wanted, self._words, scorer=fuzz.ratio, score_cutoff=WORD, limit=limit)
        return [place for word, _, _ in words for place in self._with_word(word)]

    def _with_word(self, word: str) -> list[int]:
        places = [*self._holding(f"\n{word}"), *self._holding(f" {word}")]
        return [place for place in places if word in self._name(place).split()]

    def _name(self, place: int) -> str:
        return self._text[self._starts[place] : self._end(place)]

    def _end(self, place: int) -> int:
        """Where the line of a name ends."""
        return self._text.index("\n", self._starts[place])

    def _fill(self) -> None:
        with self._lock:
            if self._ready:
                return
            folded: list[str] = []
            at = 1
            for identity, label, preferred in self._load():
                folded.append(fold(label))
                self._said.append((identity, label))
                self._starts.append(at)
                at += len(folded[-1]) + 1
                if preferred:
                    self._preferred[identity] = label
            self._text = "\n".join(["", *folded, ""])
            self._words = list({word for name in folded for word in name.split() if len(word) > 2})
            self._ready = True


def fold(text: str) -> str:
    """The form that is compared: without case and accents, one space."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return " ".join(bare.split())

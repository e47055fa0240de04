"""Clauses: what a text must and must not say, followed word by word, the same for every tokenizer.

A text is read as its words (runs of letters, digits and apostrophes, whatever their case) with signs between them.
It obeys when every clause has exactly one of its phrases, clauses of a lower order before those of a higher one,
nothing forbidden, and no sign that ends a text but at its end.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import regex

from kgdistill.contracts import Constraints
from kgdistill.errors import RecipeError

_WORD = regex.compile(r"[\p{L}\p{N}\p{M}_'’]+")


def form(word: str) -> str:
    """How a word is compared: case-folded, one kind of apostrophe, none at its ends."""
    return word.casefold().replace("’", "'").strip("'")


def words_of(text: str) -> tuple[str, ...]:
    """The text's words in comparable form."""
    return tuple(word for match in _WORD.finditer(text) if (word := form(match.group())))


def ends_in_word(text: str) -> bool:
    """Whether a letter put behind the text would go on with its last word."""
    return bool(text) and bool(_WORD.fullmatch(text[-1]))


class Place(NamedTuple):
    """Where a text stands among its clauses after a whole word: small, and equal where what may follow is equal."""

    met: tuple[bool, ...]
    """By clause."""
    recent: tuple[str, ...]
    """The last words, as far as a phrase of several words may have begun with them."""


class Draft(NamedTuple):
    """A text in the making."""

    text: str
    place: Place
    tail: str
    """The word at the end of the text that may still go on."""
    words: tuple[str, ...]
    """The whole words before it."""


class Course:
    """The constraints as an automaton over words, and over texts that grow piece by piece.

    Raises RecipeError for constraints that no text can obey by their own making: a clause without phrases, a phrase
    that has another one of its clause or a forbidden one inside it, an end that is a word.
    """

    def __init__(self, constraints: Constraints) -> None:
        self.constraints = constraints
        self.orders = tuple(clause.order for clause in constraints.clauses)
        self._clauses: dict[tuple[str, ...], set[int]] = defaultdict(set)
        for number, clause in enumerate(constraints.clauses):
            for phrase in clause.phrases:
                self._clauses[words_of(phrase)].add(number)
        self._forbidden = {words for phrase in constraints.forbidden if (words := words_of(phrase))}
        self._signs = tuple(sign for sign in constraints.forbidden if sign and not words_of(sign))
        self._check()
        phrases = (*self._clauses, *self._forbidden)
        self.named = frozenset(word for phrase in phrases for word in phrase)
        """Every word of any phrase: all others are alike."""
        self._openings = frozenset(phrase[:size] for phrase in phrases for size in range(1, len(phrase)))
        self.start = Place((False,) * len(constraints.clauses), ())

    def _check(self) -> None:
        for clause in self.constraints.clauses:
            if not clause.phrases:
                raise RecipeError("constraints: a clause without phrases can never be met")
            phrases = [words_of(phrase) for phrase in clause.phrases]
            for phrase, words in zip(clause.phrases, phrases, strict=True):
                if not words:
                    raise RecipeError(f"constraints: {phrase!r} has no word that could be asked for")
                inside = _parts(words)
                if sum(inside[other] for other in set(phrases)) > 1:
                    raise RecipeError(f"constraints: {phrase!r} has another phrase of its own clause inside it")
                if not self._forbidden.isdisjoint(inside):
                    raise RecipeError(f"constraints: {phrase!r} is asked for and forbidden")
        if bad := [end for end in self.constraints.ends if not end.strip() or words_of(end)]:
            raise RecipeError(f"constraints: {bad[0]!r} is no sign that could end a text")

    def after(self, place: Place, word: str) -> Place | str:
        """The place after one more word (in comparable form), or why this word may not come."""
        ending = (*place.recent, word)
        met = list(place.met)
        for start in range(len(ending)):
            phrase = ending[start:]
            if phrase in self._forbidden:
                return f"{' '.join(phrase)!r} is forbidden"
            for clause in self._clauses.get(phrase, ()):
                if met[clause]:
                    return f"{' '.join(phrase)!r} is a second phrase of clause {clause + 1}"
                order = self.orders[clause]
                if any(self.orders[other] < order and not done for other, done in enumerate(place.met)):
                    return f"{' '.join(phrase)!r} comes before its turn"
                met[clause] = True
        recent = next((ending[at:] for at in range(len(ending)) if ending[at:] in self._openings), ())
        return Place(tuple(met), recent)

    def done(self, place: Place) -> bool:
        return all(place.met)

    def wanted(self, place: Place) -> Iterator[int]:
        """The clauses whose turn it is."""
        unmet = [clause for clause, done in enumerate(place.met) if not done]
        turn = min((self.orders[clause] for clause in unmet), default=0)
        return (clause for clause in unmet if self.orders[clause] == turn)

    def begin(self) -> Draft:
        return Draft("", self.start, "", ())

    def extend(self, draft: Draft, piece: str) -> Draft | str:
        """The draft with `piece` behind it, or why that may not be. An end is for `finish`."""
        text = draft.text + piece
        longest = max(map(len, (*self._signs, *self.constraints.ends)), default=1)
        seam = text[max(0, len(draft.text) - longest + 1) :]
        for sign in (*self._signs, *self.constraints.ends):
            if sign in seam:
                return f"{sign!r} is forbidden here"
        place, words, rest = draft.place, draft.words, draft.tail + piece
        for match in _WORD.finditer(rest):
            if match.end() == len(rest):
                return Draft(text, place, match.group(), words)
            taken = self._word(place, words, match.group())
            if isinstance(taken, str):
                return taken
            place, words = taken
        return Draft(text, place, "", words)

    def _word(self, place: Place, words: tuple[str, ...], spelled: str) -> tuple[Place, tuple[str, ...]] | str:
        word = form(spelled)
        if not word:
            return place, words
        words = (*words, word)
        size = self.constraints.no_repeat
        if size and any(words[at : at + size] == words[-size:] for at in range(len(words) - size)):
            return f"{' '.join(words[-size:])!r} stands twice"
        after = self.after(place, word)
        return after if isinstance(after, str) else (after, words)

    def whole(self, draft: Draft) -> Draft | str:
        """The draft with its last word taken as whole."""
        if not draft.tail:
            return draft
        taken = self._word(draft.place, draft.words, draft.tail)
        return taken if isinstance(taken, str) else draft._replace(place=taken[0], words=taken[1], tail="")

    def finish(self, draft: Draft, piece: str = "") -> str:
        """Why the draft may not end here, with `piece` (that ends it, or nothing) behind it; "" where it may."""
        end = next((end for end in self.constraints.ends if piece.endswith(end)), "")
        if piece and not end:
            return "no end"
        before = self.extend(draft, piece.removesuffix(end))
        last = before if isinstance(before, str) else self.whole(before)
        if isinstance(last, str):
            return last
        if any(sign in last.text + end for sign in self._signs):
            return "the end is forbidden"
        if len(last.words) < self.constraints.min_words:
            return f"fewer than {self.constraints.min_words} words"
        unmet = [clause + 1 for clause, done in enumerate(last.place.met) if not done]
        return f"no phrase of clause {unmet[0]}" if unmet else ""

    def fault(self, text: str) -> str:
        """Why the whole text does not obey, or "". Its end may be any of `ends`, or none where it just stops."""
        end = next((end for end in self.constraints.ends if text.endswith(end)), "")
        draft = self.extend(self.begin(), text.removesuffix(end))
        return draft if isinstance(draft, str) else self.finish(draft, end)


def _parts(words: tuple[str, ...]) -> Counter[tuple[str, ...]]:
    """All runs of words inside a phrase, itself among them."""
    return Counter(words[start:end] for start in range(len(words)) for end in range(start + 1, len(words) + 1))

"""Names: the form in which two names are compared, and where a name stands in a text."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import regex

from kgdistill.records import Span

_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"), "-")
_QUOTES = dict.fromkeys(map(ord, "\u2018\u2019\u201b\u02bc"), "'") | dict.fromkeys(map(ord, "\u201c\u201d\u201f"), '"')
_UNSEEN = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e"))
_UNSEEN |= dict.fromkeys(range(0x2066, 0x206A))
_ALIKE: dict[int, str | None] = {**_DASHES, **_QUOTES, **_UNSEEN}

# Outer signs that are no part of a name. "+", "#", "%" and the like stay: C++, C# and C are three languages.
_OPENING, _CLOSING = "([{<«‹“‘„「『（【《", ")]}>»›”’“」』）】》"
_PAIRS = dict(zip(_CLOSING, _OPENING, strict=True)) | {"”": "“", "’": "‘"}
_LEADING = regex.compile(r"^(?:\s|[,;:!?…·•*_~`\"'\-–—、。，；：！？¡¿])+(?!\d)")
_TRAILING = " .,;:!?…·•*_~`\"'-–—、。，；：！？।۔؟،؛"
_ARTICLE = regex.compile(r"^(?:the|an|a)\s+(?=\S)")
_SPACE = regex.compile(r"\s+")
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")


def normal(name: str) -> str:
    """The form in which names are compared: NFKC, case-folded, one space, no outer punctuation, no leading article.

    A name that is nothing but punctuation or an article stays; the result of a second pass is the first.
    """
    folded = unicodedata.normalize("NFKC", name.translate(_ALIKE))
    folded = unicodedata.normalize("NFKC", folded.casefold()).translate(_ALIKE)
    folded = str(_SPACE.sub(" ", folded)).strip()
    while (bare := _ARTICLE.sub("", _bare(folded)).strip()) and bare != folded:
        folded = bare
    return folded


def _bare(name: str) -> str:
    """`name` without its outer punctuation; a bracket goes only where its partner is not inside the name."""
    before = ""
    while name != before:
        before = name
        name = _LEADING.sub("", name).rstrip(_TRAILING)
        if name and name[-1] in _PAIRS:
            opener = _PAIRS[name[-1]]
            if name[0] == opener and name.find(name[-1]) == len(name) - 1:
                name = name[1:-1]
            elif opener not in name:
                name = name[:-1]
        elif name and name[0] in _OPENING:
            closers = [closer for closer, opener in _PAIRS.items() if opener == name[0]]
            if not any(closer in name for closer in closers):
                name = name[1:]
    return name


class _Folded:
    """A text in comparable form, with the source range of each of its characters."""

    __slots__ = ("ends", "starts", "text")

    def __init__(self, text: str) -> None:
        letters: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        run: list[tuple[int, str, int]] = []

        def settle() -> None:
            # Marks after one base letter may stand in any order: bring them into the canonical one.
            run.sort(key=lambda mark: mark[0])
            for _, letter, place in run:
                letters.append(letter)
                starts.append(place)
                ends.append(place + 1)
            run.clear()

        for place, character in enumerate(text):
            for letter in _letters(character):
                if order := unicodedata.combining(letter):
                    run.append((order, letter, place))
                    continue
                if run:
                    settle()
                if letter == " " and letters and letters[-1] == " ":
                    ends[-1] = place + 1
                    continue
                letters.append(letter)
                starts.append(place)
                ends.append(place + 1)
        settle()
        self.text, self.starts, self.ends = "".join(letters), starts, ends

    def bounded(self, start: int, end: int) -> bool:
        """Whether [start, end) begins and ends between words, and never inside one character of the source."""
        return self._edge(start) and self._edge(end)

    def _edge(self, place: int) -> bool:
        if place in (0, len(self.text)):
            return True
        before, after = self.text[place - 1], self.text[place]
        if self.starts[place] < self.ends[place - 1] or unicodedata.category(after)[0] == "M":
            return False
        if before.isdigit() and after in ".,":
            return not self.text[place + 1 : place + 2].isdigit()
        if after.isdigit() and before in ".,":
            return not (place > 1 and self.text[place - 2].isdigit())
        if not (_of_word(before) and _of_word(after)):
            return True
        return bool(_UNSPACED.match(before) or _UNSPACED.match(after))


def _of_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_" or unicodedata.category(letter)[0] == "M"


@lru_cache(maxsize=8192)
def _letters(character: str) -> str:
    alike = _ALIKE.get(ord(character), character)
    if alike is None:
        return ""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", alike).casefold())
    return str(_SPACE.sub(" ", folded.translate(_ALIKE)))


@lru_cache(maxsize=64)
def _fold(text: str) -> _Folded:
    return _Folded(text)


@lru_cache(maxsize=4096)
def _fold_name(name: str) -> str:
    return _Folded(name).text.strip()


def _occurrences(name: str, text: str, start: int, end: int | None) -> Iterator[Span]:
    wanted = _fold_name(name)
    if not wanted:
        return
    end = len(text) if end is None else min(end, len(text))
    start = max(start, 0)
    # One character more on either side tells whether a word goes on there.
    left = max(start - 2, 0)
    folded = _fold(text[left : end + 2])
    place = folded.text.find(wanted)
    while place >= 0:
        stop = place + len(wanted)
        span = Span(left + min(folded.starts[place:stop]), left + max(folded.ends[place:stop]))
        if start <= span.start and span.end <= end and folded.bounded(place, stop):
            yield span
            place = folded.text.find(wanted, stop)
        else:
            place = folded.text.find(wanted, place + 1)


def find(name: str, text: str, start: int = 0, end: int | None = None) -> Span | None:
    """The first literal occurrence of `name` in `text[start:end]`, in offsets of `text`, or None.

    Case, runs of white space, kinds of dash and quote, invisible characters and the Unicode form make no difference;
    both ends must stand between words (scripts without spaces excepted), and never inside a number or a letter.
    """
    return next(_occurrences(name, text, start, end), None)


def find_all(name: str, text: str, start: int = 0, end: int | None = None) -> tuple[Span, ...]:
    """All literal occurrences of `name` in `text[start:end]` that do not overlap, as `find` finds them."""
    return tuple(_occurrences(name, text, start, end))


def spelling(name: str, text: str) -> str:
    """The name as `text` spells it where it first occurs (on one line), else the name unchanged."""
    span = find(name, text)
    return name if span is None else str(_SPACE.sub(" ", text[span.start : span.end])).strip()

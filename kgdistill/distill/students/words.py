"""Text as a student of spans sees it: words with their shapes, word pieces, and overlapping windows."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise

import regex
from msgspec import Struct

from kgdistill.distill.students.pieces import WordPieces
from kgdistill.records import Span

# Marks belong to the letter before them; what cannot be seen (a soft hyphen, a byte order mark) is no word.
_LETTER = r"[\w\p{No}]"
_WORD = regex.compile(rf"(?!\p{{M}}){_LETTER}++(?:\p{{Cf}}++{_LETTER}++)*+|[^\w\s\p{{C}}]")
_UNSEEN = regex.compile(r"[\p{Cf}--[\u200c\u200d]]++", regex.V1)  # joiners are spelling, in Persian or Hindi
_WHOLE = regex.compile(
    r"\d{1,3}(?:,\d{3})+(?:\.\d+)?+|\d++(?:[.:]\d++)++"  # 1,250.50 and 9:32
    r"|(?<![\w.~/@+-])(?:\w++://[^\s<>\"')\]]*[\w/]|[\w.+-]++@\w[\w-]*+(?:\.\w[\w-]*+)++"  # addresses
    r"|(?:[\w~.-]++/){2,}+[\w.-]*\w|[\w~-]++(?:[./][\w~-]++)*\.[a-z][a-z0-9]{0,5}+(?!\w))"  # paths, report.html
)
"""What is one thing although it has marks inside: a span may not end in the middle of it."""
_SHORT_LINE = 30
"""A line of fewer characters that is not wrapped text (a field, a heading) ends what is named in it."""
_MOST = 16
"""Word pieces of a word; what is longer is cut."""
SHAPES = 8
"""Number of word shapes: lower, Title, UPPER, mixed, digits, letters with digits, punctuation, and padding."""


class Words(Struct, frozen=True):
    """The words of a text; offsets count code points of the text."""

    spans: tuple[Span, ...]
    shapes: tuple[int, ...]
    opens: tuple[bool, ...]
    """Whether a span may start with this word."""
    closes: tuple[bool, ...]
    """Whether a span may end with this word."""
    pieces: tuple[tuple[int, ...], ...]
    """Word-piece ids of each word (at least one)."""
    sentence: tuple[int, ...]
    """Number of the sentence each word stands in."""
    unit: tuple[int, ...]
    """Number of the part that a span may not leave: a sentence, a short line of its own, a cell of a table."""


class Window(Struct, frozen=True):
    """Words `start` to `end` of a text: at most so many word pieces."""

    start: int
    end: int


def shape(word: str) -> int:
    """The case shape of a word, 0 to 6; an uncased encoder cannot see it otherwise."""
    if word.isdigit():
        return 4
    if not any(letter.isalnum() for letter in word):
        return 6
    if any(letter.isdigit() for letter in word):
        return 5
    if word.islower():
        return 0
    if len(word) > 1 and word.isupper():
        return 2
    return 1 if word.istitle() else 3


def read_words(text: str, sentences: Sequence[Span], tokenizer: WordPieces) -> Words:
    """Cut `text` into words (runs of letters and digits; single marks) and word pieces, in one tokeniser call."""
    found = list(_WORD.finditer(text))
    strings = [match[0] for match in found]
    spans = tuple(Span(*match.span()) for match in found)
    different = list(dict.fromkeys(strings))
    pieces = dict(zip(different, tokenizer.of_words(different, _MOST), strict=True))
    edge = [word[0].isalnum() or word in "$€£¥%°\"'’”)" for word in strings]
    inner, sentence = _joined(text, spans), _numbered(spans, [s.end for s in sentences])
    unit = zip(sentence, _numbered(spans, _part_ends(text)), strict=True)
    numbers: dict[tuple[int, int], int] = {}
    return Words(
        spans,
        tuple(map(shape, strings)),
        tuple(good and not joined for good, joined in zip(edge, [False, *inner], strict=False)),
        tuple(good and not joined for good, joined in zip(edge, [*inner, False], strict=False)),
        tuple(pieces[word] for word in strings),
        sentence,
        tuple(numbers.setdefault(both, len(numbers)) for both in unit),
    )


def plain(name: str) -> str:
    """`name` on one line, with single spaces and nothing in it that cannot be seen."""
    return " ".join(_UNSEEN.sub("", name).split())


def _numbered(spans: Sequence[Span], ends: Sequence[int]) -> tuple[int, ...]:
    """For each word the number of the part it starts in; parts end at `ends`."""
    numbers, position = [], 0
    for span in spans:
        while position + 1 < len(ends) and span.start >= ends[position]:
            position += 1
        numbers.append(position)
    return tuple(numbers)


def _joined(text: str, spans: Sequence[Span]) -> list[bool]:
    """For each word but the last whether it and the next one are inside one thing."""
    found = []
    whole = _WHOLE.finditer(text)
    now = next(whole, None)
    for left, right in pairwise(spans):
        while now and now.end() <= left.start:
            now = next(whole, None)
        found.append(now is not None and now.start() < left.end and right.start < now.end())
    return found


def _part_ends(text: str) -> list[int]:
    """Where short lines and the cells of tables end, and the text."""
    ends, place = [place for place, mark in enumerate(text, 1) if mark == "|"], 0
    for line in text.splitlines(keepends=True):
        place += len(line)
        if len(line.strip()) < _SHORT_LINE:
            ends.append(place)
    return [*sorted(ends), len(text)]


def windows(words: Words, most: int, overlap: int) -> Iterator[Window]:
    """Windows of at most `most` word pieces that cover all words; neighbours share about `overlap` pieces.

    They begin and end with sentences wherever that leaves half of a window: of a torn one the ends would be read.
    """
    lengths = [len(pieces) for pieces in words.pieces]
    begins = [place for place, (a, b) in enumerate(pairwise(words.sentence), 1) if a != b]
    start = 0
    while start < len(lengths):
        end, room = start, most
        while end < len(lengths) and lengths[end] <= room:
            room -= lengths[end]
            end += 1
        if end < len(lengths) and (last := bisect_right(begins, end)) and begins[last - 1] > (start + end) // 2:
            end = begins[last - 1]
        yield Window(start, end)
        if end == len(lengths):
            return
        back, shared = end, 0
        while back - 1 > start and shared + lengths[back - 1] <= overlap:
            back -= 1
            shared += lengths[back]
        near = bisect_left(begins, back)
        fit = [place for place in begins[max(0, near - 1) : near + 1] if start < place < end]
        start = fit[-1] if fit else back


def word_span(words: Words, span: Span, starts: dict[int, int], ends: dict[int, int]) -> tuple[int, int] | None:
    """(first, last) words of a span of code points whose ends fall on word ends, else None."""
    first, last = starts.get(span.start), ends.get(span.end)
    return None if first is None or last is None or last < first else (first, last)

"""Text as a student of spans sees it: words with their shapes, word pieces, and overlapping windows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from kgdistill.distill.students.pieces import WordPieces
from kgdistill.records import Span

_WORD = re.compile(r"\w+|[^\w\s]")
_MOST = 16
"""Word pieces of a word; what is longer is cut."""
SHAPES = 8
"""Number of word shapes: lower, Title, UPPER, mixed, digits, letters with digits, punctuation, and padding."""


class Words(Struct, frozen=True):
    """The words of a text; offsets count code points of the text."""

    spans: tuple[Span, ...]
    shapes: tuple[int, ...]
    edge: tuple[bool, ...]
    """Whether a span may start or end with this word."""
    pieces: tuple[tuple[int, ...], ...]
    """Word-piece ids of each word (at least one)."""
    sentence: tuple[int, ...]
    """Number of the sentence each word stands in."""


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
    different = list(dict.fromkeys(strings))
    pieces = dict(zip(different, tokenizer.of_words(different, _MOST), strict=True))
    numbers, position = [], 0
    for match in found:
        while position + 1 < len(sentences) and match.start() >= sentences[position].end:
            position += 1
        numbers.append(position)
    return Words(
        tuple(Span(*match.span()) for match in found),
        tuple(map(shape, strings)),
        tuple(word[0].isalnum() or word in "$€£¥%°\"'’”)" for word in strings),
        tuple(pieces[word] for word in strings),
        tuple(numbers),
    )


def windows(words: Words, most: int, overlap: int) -> Iterator[Window]:
    """Windows of at most `most` word pieces that cover all words; neighbours share about `overlap` pieces."""
    lengths = [len(pieces) for pieces in words.pieces]
    start = 0
    while start < len(lengths):
        end, room = start, most
        while end < len(lengths) and lengths[end] <= room:
            room -= lengths[end]
            end += 1
        yield Window(start, end)
        if end == len(lengths):
            return
        back, shared = end, 0
        while back - 1 > start and shared + lengths[back - 1] <= overlap:
            back -= 1
            shared += lengths[back]
        start = back


def word_span(words: Words, span: Span, starts: dict[int, int], ends: dict[int, int]) -> tuple[int, int] | None:
    """(first, last) words of a span of code points whose ends fall on word ends, else None."""
    first, last = starts.get(span.start), ends.get(span.end)
    return None if first is None or last is None or last < first else (first, last)

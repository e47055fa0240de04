"""Whole sentences packed into chunks that fit a model."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable

import regex

from kgdistill.records import Chunk, Document, Span
from kgdistill.text.sentences import sentence_spans, torn

__all__ = ["sentence_spans", "split"]

_CLAUSE = re.compile(r"[,;:–—)\]، ؛，、；：](?=\s)\s*|[，、；：。](?=\S)")
_CHARACTERS_PER_TOKEN = 4
_NEVER_COUNTED = 64
"""A sentence of more characters per token allowed than this is overlong without asking."""


def split(document: Document, max_tokens: int, count_tokens: Callable[[str], int]) -> tuple[Chunk, ...]:
    """Chunks of whole sentences with at most `max_tokens` tokens each; joined they are the document's text.

    A sentence that alone is longer is cut after clause punctuation, else at white space, else between characters as a
    reader sees them. Only what cannot be cut (one code point of more tokens than allowed) exceeds the bound.
    `count_tokens` is called about once per sentence and once per chunk. Raises ValueError when `max_tokens` < 1.
    """
    if max_tokens < 1:
        raise ValueError(f"a chunk needs at least one token, not {max_tokens}")
    packer = _Packer(document.text, max_tokens, count_tokens)
    for sentence in sentence_spans(document.text, document.language):
        packer.add(sentence)
    return tuple(
        Chunk(document.id, index, span.start, span.end, document.text[span.start : span.end])
        for index, span in enumerate(packer.finish())
    )


class _Packer:
    """Fills chunks greedily; counts are only nearly additive, so a joined text is counted before it is closed."""

    def __init__(self, text: str, limit: int, count: Callable[[str], int]) -> None:
        self.text, self.limit, self._count = text, limit, count
        self.done: list[Span] = []
        self.open: deque[tuple[Span, int]] = deque()
        self.total = 0

    def count(self, start: int, end: int) -> int:
        return self._count(self.text[start:end])

    def add(self, sentence: Span) -> None:
        length = sentence.end - sentence.start
        tokens = self.count(sentence.start, sentence.end) if length <= _NEVER_COUNTED * self.limit else self.limit + 1
        if tokens <= self.limit:
            self._push(sentence, tokens)
            return
        self._close()
        for piece in self._cut(sentence):
            self._push(piece, self.count(piece.start, piece.end))

    def finish(self) -> list[Span]:
        while self.open:
            self._close()
        return self.done

    def _push(self, span: Span, tokens: int) -> None:
        while self.open and self.total + tokens > self.limit:
            # The sum may exceed what the joined text really has (marks at the start of every text counted).
            exact = self.count(self.open[0][0].start, span.end)
            if exact <= self.limit:
                self.total = exact - tokens
                break
            self._close_once()
        self.open.append((span, tokens))
        self.total += tokens

    def _close(self) -> None:
        while self.open:
            self._close_once()

    def _close_once(self) -> None:
        """Close the longest run of whole sentences at the front that fits; what is left stays open."""
        kept = len(self.open)
        start = self.open[0][0].start
        while kept > 1 and self.count(start, self.open[kept - 1][0].end) > self.limit:
            kept -= 1
        self.done.append(Span(start, self.open[kept - 1][0].end))
        for _ in range(kept):
            self.open.popleft()
        self.total = sum(tokens for _, tokens in self.open)

    def _cut(self, sentence: Span) -> list[Span]:
        """Pieces of an overlong sentence, each within the limit, with about two counts a piece."""
        pieces: list[Span] = []
        start = sentence.start
        reach = self.limit * _CHARACTERS_PER_TOKEN
        while start < sentence.end:
            end = self._safe(start, min(start + reach, sentence.end), sentence.end)
            tokens = self.count(start, end)
            while tokens > self.limit and end > start + 1:
                size = max(1, min((end - start) * self.limit * 9 // (tokens * 10), end - start - 1))
                end = self._safe(start, start + size, sentence.end)
                tokens = self.count(start, end)
            reach = max(1, min((end - start) * self.limit // max(tokens, 1), _NEVER_COUNTED * self.limit))
            pieces.append(Span(start, end))
            start = end
        return pieces

    def _safe(self, start: int, wanted: int, stop: int) -> int:
        """The best place to cut in (start, wanted]: clause, white space, whole character, at last a code point."""
        if wanted >= stop:
            return stop
        half = start + (wanted - start) // 2
        clauses = [match.end() for match in _CLAUSE.finditer(self.text, half, wanted)]
        spaces = [match.end() for match in re.finditer(r"\s+", self.text[half:wanted])]
        for place in [*reversed(clauses), *(half + space for space in reversed(spaces))]:
            if start < place <= wanted and not torn(self.text, place):
                return place
        best: int = start
        last = min(wanted + 100, stop)
        for end in (match.end() for match in regex.finditer(r"\X", self.text, pos=start, endpos=last)):
            if torn(self.text, end):
                continue
            if end > wanted:
                # The guess may fall inside the first character although all of it fits.
                whole = best == start and (end < last or last == stop) and self.count(start, end) <= self.limit
                best = end if whole else best
                break
            best = end
        return best if best > start else wanted

"""A model's vocabulary as text: what each token writes, and which token writes the most of a wanted text."""

from __future__ import annotations

from collections.abc import Container, Iterable


class Vocabulary:
    """What each token writes; "" for those that a constrained reply never uses: control tokens, parts of a letter."""

    def __init__(self, pieces: Iterable[str], stops: Iterable[int]) -> None:
        self.stops = frozenset(stops)
        self.pieces = tuple("" if token in self.stops else piece for token, piece in enumerate(pieces))
        self._tokens: dict[str, int] = {}
        for token, piece in enumerate(self.pieces):
            if piece:
                self._tokens.setdefault(piece, token)
        self._longest = max(map(len, self._tokens), default=0)

    def longest(self, text: str) -> int:
        """The token that writes the longest beginning of `text`, -1 where there is none."""
        lengths = range(min(self._longest, len(text)), 0, -1)
        return next((self._tokens[text[:length]] for length in lengths if text[:length] in self._tokens), -1)


def vocabulary_of(written: Iterable[bytes], stops: Iterable[int], control: Container[int]) -> Vocabulary:
    """The vocabulary of a tokenizer whose tokens write these bytes (`Grammars.written`)."""
    return Vocabulary(("" if n in control else _text(spelled) for n, spelled in enumerate(written)), stops)


def _text(spelled: bytes) -> str:
    try:
        return spelled.decode("utf-8")
    except UnicodeDecodeError:  # a part of a letter
        return ""

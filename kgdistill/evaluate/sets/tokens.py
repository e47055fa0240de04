"""Tokens back to plain text, with where each token stands in it: models read text as people write it."""

from __future__ import annotations

from collections.abc import Sequence

from kgdistill.records import Span

_ESCAPED = {
    "-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-LCB-": "{", "-RCB-": "}", "``": '"', "''": '"',
}  # fmt: skip
_CLOSING = ". , ; : ? ! % ) ] } ” ’ » 's 'S 're 've 'll 'd 'm n't N'T ' ’s"
_OPENING = "( [ { $ £ € # “ ‘ «"
_CLOSES, _OPENS, _TIGHT = frozenset(_CLOSING.split()), frozenset(_OPENING.split()), frozenset("-/")


def joined(tokens: Sequence[str]) -> tuple[str, tuple[Span, ...]]:
    """(text, span of each token) of a tokenised text; Penn Treebank's brackets and quotes become plain signs.

    `text[span.start:span.end]` is the token, and the text holds nothing else but single spaces.
    """
    text, spans = "", []
    tight, quoted = True, False
    for token in tokens:
        token = " ".join(_ESCAPED.get(token, token).split())
        closing_quote = token == '"' and quoted
        hyphened = token[:1] in _TIGHT and token[1:2].isalpha()
        if token and not (tight or hyphened or closing_quote or token in _CLOSES or token in _TIGHT):
            text += " "
        start = len(text)
        text += token
        spans.append(Span(start, len(text)))
        if token:
            quoted = quoted != (token == '"')
            tight = token in _OPENS or token in _TIGHT or (token == '"' and quoted)
    return text, tuple(spans)


def within(first: int, last: int, spans: Sequence[Span]) -> Span:
    """Where the tokens `first` to `last` (both included) stand. Raises IndexError where there are no such tokens."""
    if not 0 <= first <= last < len(spans):
        raise IndexError(f"tokens {first} to {last} of {len(spans)}")
    return Span(spans[first].start, spans[last].end)

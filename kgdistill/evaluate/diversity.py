"""Diversity: how alike the texts of a set are, by self-BLEU."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from kgdistill.text.overlap import words

ORDER = 4


def self_bleu(texts: Iterable[str]) -> float | None:
    """Mean BLEU of each text with all others as its references (Zhu et al. 2018): 1 where all are alike, near 0 where
    none shares words with another. None for fewer than two texts.

    N-grams go up to four words; those of more than one word are smoothed by one (Lin and Och 2004), so that short texts
    do not count as unlike all others for want of a fourth word. The time is linear in the number of texts.
    """
    said = [words(text.casefold()) for text in texts]
    said = [tokens for tokens in said if tokens]
    if len(said) < 2:
        return None
    highest = [_highest(said, size) for size in range(1, ORDER + 1)]
    lengths = Counter(map(len, said))
    return sum(_bleu(number, tokens, highest, lengths) for number, tokens in enumerate(said)) / len(said)


_Counts = dict[tuple[str, ...], tuple[int, int, int]]
"""By n-gram: most often in one text, the number of that text, and most often in any other."""


def _highest(said: Sequence[Sequence[str]], size: int) -> _Counts:
    found: _Counts = {}
    for number, tokens in enumerate(said):
        for gram, count in _grams(tokens, size).items():
            most, owner, second = found.get(gram, (0, -1, 0))
            found[gram] = (count, number, most) if count > most else (most, owner, max(second, count))
    return found


def _bleu(number: int, tokens: Sequence[str], highest: Sequence[_Counts], lengths: Counter[int]) -> float:
    logs = 0.0
    for size, counts in enumerate(highest, 1):
        own = _grams(tokens, size)
        shared = 0
        for gram, count in own.items():
            most, owner, second = counts[gram]
            shared += min(count, second if owner == number else most)
        extra = 1 if size > 1 else 0
        if not shared + extra:
            return 0.0
        logs += math.log((shared + extra) / (own.total() + extra)) / ORDER
    return math.exp(logs + min(0.0, 1 - _nearest(len(tokens), lengths) / len(tokens)))


def _nearest(length: int, lengths: Counter[int]) -> int:
    """The length of the other text that is nearest in length; `lengths` counts all, its own among them."""
    others = (other for other, count in lengths.items() if other != length or count > 1)
    return min(others, key=lambda other: (abs(other - length), other))


def _grams(tokens: Sequence[str], size: int) -> Counter[tuple[str, ...]]:
    runs = zip(*(tokens[start:] for start in range(size)), strict=False)
    return Counter(runs)

"""BLEU: how much of a short text's wording stands in another, for telling near repeats from new ones."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from kgdistill.text.overlap import words

ORDER = 4


def bleu(candidate: str, reference: str) -> float:
    """Sentence BLEU in [0, 1] on lower-cased words (Papineni et al. 2002), without smoothing.

    N-grams go up to four words, or to the candidate's length where it is shorter, so that two equal words score 1.
    """
    return _bleu(words(candidate.casefold()), words(reference.casefold()))


def _bleu(candidate: Sequence[str], reference: Sequence[str]) -> float:
    if not candidate or not reference:
        return float(candidate == reference)
    order = min(ORDER, len(candidate))
    logs = 0.0
    for size in range(1, order + 1):
        own, other = _grams(candidate, size), _grams(reference, size)
        shared = sum((own & other).values())
        if not shared:
            return 0.0
        logs += math.log(shared / sum(own.values())) / order
    return math.exp(logs + min(0.0, 1 - len(reference) / len(candidate)))


def _grams(said: Sequence[str], size: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(said[place : place + size]) for place in range(len(said) - size + 1))


def softly_unique(texts: Iterable[str], most: float) -> list[str]:
    """Those that are new, in order: each has a BLEU below `most` against every text kept before it.

    Source: West et al., Symbolic Knowledge Distillation (2022), "soft uniqueness".
    """
    kept: list[tuple[str, list[str]]] = []
    for text in texts:
        said = words(text.casefold())
        if all(max(_bleu(said, other), _bleu(other, said)) < most for _, other in kept):
            kept.append((text, said))
    return [text for text, _ in kept]

"""How good propositions are: supported by the text, covering it, and as people would have cut it.

Reference-less precision is the mean entailment of a proposition by its text, recall that of a sentence by all
propositions together. Copying the sentences gets 1 there by design; so the reference-based pair asks, for each
proposition, for a gold one that it entails and that entails it. Macro-averaged over texts. Source: Hosseini et al.
(2024), section 4. Any judge of entailment serves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

from msgspec import Struct

from kgdistill.text.overlap import contains, rouge1, words

Entails = Callable[[Sequence[tuple[str, str]]], Sequence[float]]
"""For each (premise, hypothesis) the probability, in [0, 1], that the first entails the second."""


class Cut(Struct, frozen=True):
    """What one system made of one text."""

    sentences: tuple[str, ...]
    propositions: tuple[str, ...]
    gold: tuple[str, ...] = ()


class Figures(Struct, frozen=True):
    """The four figures with their harmonic means; the reference-based ones None without gold."""

    texts: int
    sentences: int
    propositions: int
    words: float
    """Mean number of words of a proposition."""
    supported: float | None
    covered: float | None
    reference_less: float | None
    precision: float | None
    recall: float | None
    f1: float | None


def measure(cuts: Iterable[Cut], entails: Entails, *, nearest: int = 0, longest: int = 700) -> Figures:
    """The figures of a system over texts. A text without propositions counts 0 in all of them.

    `nearest`: each proposition is held against so many gold ones that share most words with it; 0: against all.
    A premise of more than `longest` characters is read in overlapping windows, of which the best counts.
    """
    cuts = [cut for cut in cuts if cut.sentences]
    less, based = [], []
    for cut in cuts:
        less.append(_reference_less(cut, entails, longest))
        if cut.gold:
            based.append(_reference_based(cut, entails, nearest))
    supported, covered = _mean([one for one, _ in less]), _mean([other for _, other in less])
    precision, recall = _mean([one for one, _ in based]), _mean([other for _, other in based])
    said = [text for cut in cuts for text in cut.propositions]
    return Figures(
        len(cuts),
        sum(len(cut.sentences) for cut in cuts),
        len(said),
        sum(len(words(text)) for text in said) / max(1, len(said)),
        supported,
        covered,
        harmonic(supported, covered),
        precision,
        recall,
        harmonic(precision, recall),
    )


def _reference_less(cut: Cut, entails: Entails, longest: int) -> tuple[float, float]:
    text = premise_windows(cut.sentences, longest)
    together = premise_windows(cut.propositions, longest)
    supported = _best(entails, [[(part, said) for part in text] for said in cut.propositions])
    covered = _best(entails, [[(part, sentence) for part in together] for sentence in cut.sentences])
    return _mean(supported) or 0.0, _mean(covered) or 0.0


def _reference_based(cut: Cut, entails: Entails, nearest: int) -> tuple[float, float]:
    """Mean over propositions of the best two-way entailment with a gold one, and the same the other way round."""

    def both(ones: Sequence[str], others: Sequence[str]) -> float:
        groups = [[(one, other) for other in _near(one, others, nearest)] for one in ones]
        flat = list(
            dict.fromkeys(pair for group in groups for one, other in group for pair in ((one, other), (other, one)))
        )
        score = dict(zip(flat, entails(flat), strict=True)) if flat else {}
        best = [max((min(score[a, b], score[b, a]) for a, b in group), default=0.0) for group in groups]
        return _mean(best) or 0.0

    return both(cut.propositions, cut.gold), both(cut.gold, cut.propositions)


def _near(text: str, others: Sequence[str], most: int) -> Sequence[str]:
    if not most or len(others) <= most:
        return others
    return sorted(others, key=lambda other: -rouge1(other, text))[:most]


def premise_windows(texts: Sequence[str], longest: int) -> list[str]:
    """The texts joined; where that is longer than `longest` characters, windows that overlap by about a half."""
    whole = " ".join(texts)
    if len(whole) <= longest:
        return [whole] if texts else []
    ends = list(accumulate(len(text) + 1 for text in texts))
    found, start = [], 0
    while start < len(texts):
        before = ends[start - 1] if start else 0
        end = max([start + 1, *(place + 1 for place in range(start, len(texts)) if ends[place] - before <= longest)])
        found.append(" ".join(texts[start:end]))
        if end >= len(texts):
            break
        start = max(start + 1, (start + end) // 2)
    return found


def _best(entails: Entails, groups: Sequence[Sequence[tuple[str, str]]]) -> list[float]:
    """The highest score of each group; 0.0 of an empty one."""
    flat = list(dict.fromkeys(pair for group in groups for pair in group))
    score = dict(zip(flat, entails(flat), strict=True)) if flat else {}
    return [max((score[pair] for pair in group), default=0.0) for group in groups]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def harmonic(one: float | None, other: float | None) -> float | None:
    """Harmonic mean; 0 where both are."""
    if one is None or other is None:
        return None
    return 2 * one * other / (one + other) if one + other else 0.0


def by_words(pairs: Sequence[tuple[str, str]]) -> list[float]:
    """An entailment without a model: 1 where all content words of the hypothesis stand in the premise, else 0."""
    return [float(contains(premise, hypothesis)) for premise, hypothesis in pairs]

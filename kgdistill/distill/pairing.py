"""How well extracted facts agree with a pair's: subject and object by shared words, matched one to one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from kgdistill.distill.relations import relation_name
from kgdistill.records import Fact

_WORD = re.compile(r"\w+")
_PLAIN = frozenset({"the", "a", "an"})


def word_f1(one: str, other: str) -> float:
    """F1 of the words two names share (case and articles aside); 1 for two that are the same, as "A" and "$" may be."""
    if one.casefold() == other.casefold():
        return 1.0
    a, b = (Counter(w for w in _WORD.findall(s.casefold()) if w not in _PLAIN) for s in (one, other))
    shared = sum((a & b).values())
    return 2 * shared / (sum(a.values()) + sum(b.values())) if shared else 0.0


def matches(found: Sequence[Fact], gold: Sequence[Fact], least: float = 0.5) -> list[int]:
    """For each found fact its gold fact, or -1: one to one, subject and object word F1 each >= `least`, best first."""
    scored = sorted(
        (
            (s + o, relation_name(f.relation) == relation_name(g.relation), i, j)
            for i, f in enumerate(found)
            for j, g in enumerate(gold)
            if (s := word_f1(f.subject, g.subject)) >= least and (o := word_f1(f.object, g.object)) >= least
        ),
        key=lambda m: (-m[0], -m[1], m[2], m[3]),
    )
    result, taken = [-1] * len(found), set[int]()
    for _, _, i, j in scored:
        if result[i] < 0 and j not in taken:
            result[i] = j
            taken.add(j)
    return result


def distinct(facts: Iterable[Fact]) -> list[Fact]:
    """One fact for each (subject, object)."""
    return list({(f.subject.casefold(), f.object.casefold()): f for f in facts}.values())


def f1(right: float, found: float, gold: float) -> float:
    """Harmonic mean of precision and recall; 0 where nothing is right."""
    return 2 * right / (found + gold) if found + gold else 0.0


def agreement(found: Sequence[Sequence[Fact]], gold: Sequence[Sequence[Fact]]) -> dict[str, float]:
    """Precision, recall and F1 of pairs over documents in the same order; share of these with the right relation."""
    right = named = given = wanted = 0
    for facts, truth in zip(found, gold, strict=True):
        truth = distinct(truth)
        pairs = matches(facts, truth)
        given, wanted = given + len(facts), wanted + len(truth)
        right += sum(j >= 0 for j in pairs)
        named += sum(
            j >= 0 and relation_name(f.relation) == relation_name(truth[j].relation)
            for f, j in zip(facts, pairs, strict=True)
        )
    return {
        "precision": right / given if given else 0.0,
        "recall": right / wanted if wanted else 0.0,
        "f1": f1(right, given, wanted),
        "relation_accuracy": named / right if right else 0.0,
        "strict_f1": f1(named, given, wanted),
    }

"""What a span student makes of two texts: the facts that it reads in one, looked for in the other.

A cross-encoder of this size hardly sees exchanged ends or a denial in the premise. The student has learnt which end of
a fact is which, and what is denied; these measures let a judge of entailment hear it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from kgdistill.distill.students.span_weighing import Asked, Support, weigh

if TYPE_CHECKING:
    from kgdistill.distill.students.span import SpanStudent

MEASURES = (
    "no fact read", "share not found", "none found", "surest", "connected", "connected, surest", "relation",
    "relation, surest", "polarity", "polarity, surest", "direction", "direction, surest",
)  # fmt: skip
"""What each number says: of the facts read in the hypothesis, whether none is there, which share the premise does not
name both ends of, whether that is all, and how sure the student is of the surest; of those found, the smallest support
and that of the surest, part by part, and by how much one direction is better connected than the other."""
_LEAST = 0.05
"""Raw score of a fact that is asked about."""
_MOST = 6
"""Facts of a hypothesis, the surest."""
_FAR = 10.0
"""Log-odds beyond this say no more."""


class _Found(NamedTuple):
    sure: float
    support: Support
    direction: float


def measures(student: SpanStudent, pairs: Sequence[tuple[str, str]]) -> list[tuple[float, ...]]:
    """For each (premise, hypothesis) the numbers that MEASURES names; each text is read once."""
    told = {text: _told(student, text) for text in dict.fromkeys(hypothesis for _, hypothesis in pairs)}
    asked: dict[str, list[Asked]] = defaultdict(list)
    for premise, hypothesis in pairs:
        for _, claim in told[hypothesis]:
            asked[premise] += [claim, _turned(claim)]
    support: dict[tuple[str, Asked], Support | None] = {}
    for premise, claims in asked.items():
        once = list(dict.fromkeys(claims))
        support |= {(premise, claim): found for claim, found in zip(once, weigh(student, premise, once), strict=True)}
    return [_measured(premise, told[hypothesis], support) for premise, hypothesis in pairs]


def _told(student: SpanStudent, text: str) -> list[tuple[float, Asked]]:
    facts = sorted(student.read("", text, None, _LEAST).facts, key=lambda fact: -fact.score)[:_MOST]
    return [(f.score, Asked(f.subject, f.relation, f.object, f.negated)) for f in facts]


def _turned(claim: Asked) -> Asked:
    return claim._replace(subject=claim.object, object=claim.subject)


def _measured(
    premise: str, told: Sequence[tuple[float, Asked]], support: dict[tuple[str, Asked], Support | None]
) -> tuple[float, ...]:
    found = []
    for sure, claim in told:
        if here := support[premise, claim]:
            back = support[premise, _turned(claim)]
            found.append(_Found(sure, here, here.connected - (back.connected if back else -_FAR)))
    missing = 1 - len(found) / len(told) if told else 0.0
    if not found:
        return (float(not told), missing, 1.0, *(0.0 for _ in MEASURES[3:]))
    first = max(found, key=lambda one: one.sure)
    parts = [
        value
        for column in ("connected", "relation", "polarity")
        for value in (min(getattr(one.support, column) for one in found), getattr(first.support, column))
    ]
    parts += [min(one.direction for one in found), first.direction]
    return (0.0, missing, 0.0, first.sure, *(max(-_FAR, min(_FAR, float(value))) for value in parts))

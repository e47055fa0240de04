"""How a span student's opinion of claims becomes a probability: lines fitted on facts and false neighbours of them."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

from kgdistill.distill.relations import relation_name
from kgdistill.distill.students.span_weighing import Asked, Lines, Support, weigh
from kgdistill.records import Pair
from kgdistill.text.names import normal

if TYPE_CHECKING:
    from kgdistill.distill.students.span import SpanStudent

LEAST = 100
"""Fewer facts than this are too few to fit on."""
_RIGHT = "right"
_PARTS = (("swapped", "subject", "object"), ("relation",), ("polarity",))
"""What is wrong with the claims that each part of a `Support` must tell from the right ones."""


def fit_lines(student: SpanStudent, pairs: Sequence[Pair]) -> Lines:
    """Platt's lines for each part, right and wrong claims weighing the same; the student's own where facts are few."""
    if sum(len(pair.facts) for pair in pairs) < LEAST:
        return student.config.lines
    weighed: list[tuple[str, Support]] = []
    chance = random.Random(student.settings.seed)
    relations = [fact.relation for pair in pairs for fact in pair.facts]
    for pair in pairs:
        planted = list(neighbours(pair, relations, chance))
        support = weigh(student, pair.text, [claim for _, claim in planted])
        weighed += [(kind, found) for (kind, _), found in zip(planted, support, strict=True) if found]
    lines = (_line(weighed, part, wrong) for part, wrong in enumerate(_PARTS))
    return cast("Lines", tuple(line or own for line, own in zip(lines, student.config.lines, strict=True)))


def neighbours(pair: Pair, relations: Sequence[str], chance: random.Random) -> Iterator[tuple[str, Asked]]:
    """Each fact of a pair, and what would be wrong: ends exchanged, another end, another relation, denied or not."""
    said: dict[tuple[str, str], set[str]] = defaultdict(set)
    for fact in pair.facts:
        said[normal(fact.subject), normal(fact.object)].add(relation_name(fact.relation))

    def apart(one: str, other: str) -> bool:
        ends = normal(one), normal(other)
        return ends[0] != ends[1] and ends not in said and ends[::-1] not in said

    for fact in pair.facts:
        right = Asked(fact.subject, fact.relation, fact.object, fact.negated)
        yield _RIGHT, right
        if (normal(fact.object), normal(fact.subject)) not in said:
            yield "swapped", right._replace(subject=fact.object, object=fact.subject)
        other, relation = chance.choice(pair.facts), chance.choice(relations)
        if relation_name(relation) not in said[normal(fact.subject), normal(fact.object)]:
            yield "relation", right._replace(relation=relation)
        if apart(fact.subject, other.object):
            yield "object", right._replace(object=other.object)
        if apart(other.subject, fact.object):
            yield "subject", right._replace(subject=other.subject)
        if not fact.hedged:
            yield "polarity", right._replace(negated=not fact.negated)


def _line(weighed: Sequence[tuple[str, Support]], part: int, wrong: Sequence[str]) -> tuple[float, float] | None:
    """Slope and offset for one part; None where it does not rise, or one of the classes is not there."""
    from sklearn.linear_model import LogisticRegression

    rows = [(support[part], kind == _RIGHT) for kind, support in weighed if kind == _RIGHT or kind in wrong]
    values, right = [[value] for value, _ in rows], [right for _, right in rows]
    if len(set(right)) < 2:
        return None
    found = LogisticRegression(class_weight="balanced").fit(values, right)
    slope, offset = float(found.coef_[0, 0]), float(found.intercept_[0])
    return (round(slope, 4), round(offset, 4)) if slope > 0 else None

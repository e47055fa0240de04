"""Training the gate: questions with the passages that support them, to weights and two cut-offs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from kgdistill.contracts import Encoder
from kgdistill.errors import UserError
from kgdistill.query.gate import FEATURES, Gate, measure
from kgdistill.query.retrieve import Found, Retriever

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COUNT = 20
"""Passages that the gate chooses from."""
RECALL = 0.9
"""Share of the supporting passages found that the gate is to let through."""
LEAST = 12
"""Fewer questions with support teach nothing."""


class SupportedQuestion(Struct, frozen=True, omit_defaults=True):
    """A question, and where its answer stands: whole documents, or places in them."""

    question: str
    documents: tuple[str, ...]
    places: tuple[tuple[str, int, int], ...] = ()
    """(document, start, end) in code points; none: all of the documents."""
    answer: str = ""

    def supported_by(self, found: Found) -> bool:
        if not self.places:
            return found.document in self.documents
        return any(found.document == d and found.start < end and start < found.end for d, start, end in self.places)


class Case(Struct, frozen=True):
    """What was found for one question: features (passages, FEATURES), and which passages support the answer."""

    table: NDArray[np.float64]
    support: NDArray[np.bool_]
    said: bool
    """Whether the graph says it; false for the same question put to a graph without the supporting documents."""


def cases(
    questions: Iterable[SupportedQuestion], retriever: Retriever, encoder: Encoder, count: int = COUNT
) -> Iterator[Case]:
    """Two cases for each question: as it is, where support was found, and with its documents left out."""
    import numpy as np

    for asked in questions:
        found = retriever.retrieve(asked.question, count + count // 2)
        first = found[:count]
        support = np.array([asked.supported_by(one) for one in first], dtype=bool)
        if support.any():
            yield Case(measure(asked.question, first, encoder), support, True)
        others = [one for one in found if one.document not in asked.documents][:count]
        if others:
            yield Case(measure(asked.question, others, encoder), np.zeros(len(others), dtype=bool), False)


def train(cases: Sequence[Case], encoder: str, made: Mapping[str, str | int | float]) -> Gate:
    """Fit weights (logistic regression) and cut-offs; the same cases give the same gate. Raises UserError for too few.

    `admits` lets `RECALL` of the supporting passages through; `answers` is the cut of the best passage's relevance
    that best tells questions that the graph answers from those that it does not (balanced accuracy).
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    said = [case for case in cases if case.said]
    if len(said) < LEAST:
        raise UserError(f"only {len(said)} questions have supporting passages in the graph, {LEAST} are needed")
    table = np.concatenate([case.table for case in said])
    support = np.concatenate([case.support for case in said])
    means, scales = table.mean(axis=0), table.std(axis=0)
    scales[scales == 0] = 1.0
    fitted = LogisticRegression(max_iter=1000).fit((table - means) / scales, support)
    gate = Gate(
        FEATURES,
        _plain(means),
        _plain(scales),
        _plain(fitted.coef_[0]),
        round(float(fitted.intercept_[0]), 6),
        0.0,
        0.0,
        encoder,
        {},
    )
    relevance = gate.relevance(table)
    admits = float(np.quantile(relevance[support], 1 - RECALL, method="lower"))
    best = [float(gate.relevance(case.table).max()) for case in cases]
    answers, accuracy = _cut(best, [case.said for case in cases])
    passed = relevance >= admits
    figures = {
        "questions": len(said),
        "passages": len(support),
        "support recall in training": round(float((passed & support).sum() / support.sum()), 4),
        "support precision in training": round(float((passed & support).sum() / passed.sum()), 4),
        "balanced accuracy of answers in training": round(accuracy, 4),
    }
    return Gate(
        gate.features, gate.means, gate.scales, gate.weights, gate.bias,
        round(admits, 6), round(answers, 6), encoder, {**made, **figures},
    )  # fmt: skip


def _plain(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)


def _cut(scores: Sequence[float], said: Sequence[bool]) -> tuple[float, float]:
    """The cut with the best balanced accuracy, half-way between two scores, and that; (0.0, 1.0) for one kind only."""
    yes, no = sum(said), len(said) - sum(said)
    if not yes or not no:
        return 0.0, 1.0
    rows = sorted(zip(scores, said, strict=True), reverse=True)
    best, accuracy = 0.0, 0.5  # no better than chance: all pass
    passed = {True: 0, False: 0}
    for place, (score, own) in enumerate(rows):
        passed[own] += 1
        following = rows[place + 1][0] if place + 1 < len(rows) else score
        last = place + 1 == len(rows)
        if (last or following < score) and (found := (passed[True] / yes + 1 - passed[False] / no) / 2) > accuracy:
            best, accuracy = (score + following) / 2, found
    return best, accuracy

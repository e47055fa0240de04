"""Training the gate: questions with the passages that support them, to weights and two cut-offs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from kgdistill.contracts import Encoder
from kgdistill.errors import UserError
from kgdistill.query.found import Found, Retriever
from kgdistill.query.gate import FEATURES, Gate, measure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COUNT = 20
"""Passages that the gate chooses from."""
RECALL = 0.9
"""Share of the supporting passages found that the gate is to let through."""
MISTAKEN = 0.4
"""Share of the questions that the graph does not answer for which something may pass all the same. They are the hardest
ones, about things that other documents mention, and the teacher can still say that it is not there. To be told so where
the graph does say it is the worse mistake."""
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

    `admits` lets `RECALL` of the supporting passages through; `answers`, the cut of the best passage's relevance, lets
    no more than `MISTAKEN` of the questions through that the graph does not answer.
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
    best = {said: [float(gate.relevance(c.table).max()) for c in cases if c.said == said] for said in (True, False)}
    answers = _cut(best[False])
    passed = relevance >= admits
    figures = {
        "questions": len(said),
        "passages": len(support),
        "support recall in training": round(float((passed & support).sum() / support.sum()), 4),
        "support precision in training": round(float((passed & support).sum() / passed.sum()), 4),
        "share of answerable questions that pass in training": round(
            float(np.mean(np.array(best[True]) >= answers)), 4
        ),
    }
    return Gate(
        gate.features, gate.means, gate.scales, gate.weights, gate.bias,
        round(admits, 6), answers, encoder, {**made, **figures},
    )  # fmt: skip


def _plain(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)


def _cut(unsaid: Sequence[float]) -> float:
    """The lowest cut that no more than `MISTAKEN` of these scores reach, to a millionth; 0.0 where there are none."""
    if not unsaid:
        return 0.0
    falling = sorted(unsaid, reverse=True)
    return math.floor(falling[int(MISTAKEN * len(falling))] * 1e6 + 1) / 1e6

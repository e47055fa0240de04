"""How much of a gold graph a predicted graph has, fact by fact: exact, normalised, by pair, soft and semantic.

Every figure is precision, recall and F1 over an optimal one-to-one assignment, so that saying one thing three times
never counts three times. Ends are compared with ends and relations with relations: turned-round facts do not match
(the released GraphJudge metric compares printed characters and is nearly blind to direction).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from kgdistill.contracts import Encoder
from kgdistill.records import Fact
from kgdistill.text.names import normal
from kgdistill.text.overlap import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Similarity = "Callable[[Sequence[Fact], Sequence[Fact]], NDArray[np.float64]]"
PAIR_F1 = 0.5
"""A subject or object is found when its token F1 against the gold one is at least this."""
COVERED = 0.88
"""Cosine at which SynthKG counts a gold fact as covered (section 4; depends on the encoder)."""


class Score(Struct, frozen=True):
    """Matched mass against the numbers of predicted and gold facts; adds up over documents."""

    matched: float = 0.0
    predicted: int = 0
    gold: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(self.matched + other.matched, self.predicted + other.predicted, self.gold + other.gold)

    @property
    def precision(self) -> float:
        return self.matched / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        return self.matched / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def token_f1(one: str, other: str) -> float:
    """F1 of the two word multisets, in comparison form."""
    first, second = Counter(words(normal(one))), Counter(words(normal(other)))
    shared = sum((first & second).values())
    return 2 * shared / (sum(first.values()) + sum(second.values())) if shared else 0.0


def _key(fact: Fact) -> tuple[object, ...]:
    return (fact.subject, fact.relation, fact.object, fact.negated)


def _normal_key(fact: Fact) -> tuple[object, ...]:
    return (normal(fact.subject), normal(fact.relation), normal(fact.object), fact.negated)


def _counted(predicted: Sequence[Fact], gold: Sequence[Fact], key: Callable[[Fact], tuple[object, ...]]) -> Score:
    ours, theirs = Counter(map(key, predicted)), Counter(map(key, gold))
    return Score(float(sum((ours & theirs).values())), len(predicted), len(gold))


def exact(predicted: Sequence[Fact], gold: Sequence[Fact]) -> Score:
    """The same strings and the same polarity."""
    return _counted(predicted, gold, _key)


def normalised(predicted: Sequence[Fact], gold: Sequence[Fact]) -> Score:
    """The same names in comparison form (case, articles, spacing and Unicode form aside) and the same polarity."""
    return _counted(predicted, gold, _normal_key)


def pair_matrix(predicted: Sequence[Fact], gold: Sequence[Fact]) -> NDArray[np.float64]:
    """1 where subject and object are both found (token F1 at least `PAIR_F1`), shape (predicted, gold)."""
    import numpy as np

    matrix = np.zeros((len(predicted), len(gold)))
    for i, ours in enumerate(predicted):
        for j, theirs in enumerate(gold):
            found = token_f1(ours.subject, theirs.subject) >= PAIR_F1 and token_f1(ours.object, theirs.object) >= PAIR_F1
            matrix[i, j] = float(found)
    return matrix


def pairs(predicted: Sequence[Fact], gold: Sequence[Fact]) -> Score:
    """Subject and object found, whatever the relation, one to one."""
    return _assigned(pair_matrix(predicted, gold), len(predicted), len(gold))


def soft_matrix(predicted: Sequence[Fact], gold: Sequence[Fact], encoder: Encoder) -> NDArray[np.float64]:
    """Mean of subject token F1, relation cosine and object token F1; 0 where the polarity differs."""
    import numpy as np

    if not (predicted and gold):
        return np.zeros((len(predicted), len(gold)))
    relations = encoder.encode([f.relation for f in predicted]) @ encoder.encode([f.relation for f in gold]).T
    matrix = np.maximum(relations.astype(np.float64), 0.0)
    for i, ours in enumerate(predicted):
        for j, theirs in enumerate(gold):
            ends = token_f1(ours.subject, theirs.subject) + token_f1(ours.object, theirs.object)
            matrix[i, j] = (matrix[i, j] + ends) / 3 if ours.negated == theirs.negated else 0.0
    return matrix


def soft(predicted: Sequence[Fact], gold: Sequence[Fact], encoder: Encoder) -> Score:
    """Summed similarity of the best one-to-one assignment."""
    return _assigned(soft_matrix(predicted, gold, encoder), len(predicted), len(gold))


def verbalise(fact: Fact) -> str:
    """The fact as a plain sentence for an encoder."""
    return f"{fact.subject} {'not ' if fact.negated else ''}{fact.relation} {fact.object}"


def semantic_matrix(predicted: Sequence[Fact], gold: Sequence[Fact], encoder: Encoder) -> NDArray[np.float64]:
    """Cosine of the verbalised facts, at least 0, shape (predicted, gold)."""
    import numpy as np

    if not (predicted and gold):
        return np.zeros((len(predicted), len(gold)))
    ours = encoder.encode([verbalise(f) for f in predicted])
    return np.maximum((ours @ encoder.encode([verbalise(f) for f in gold]).T).astype(np.float64), 0.0)


def semantic(predicted: Sequence[Fact], gold: Sequence[Fact], encoder: Encoder) -> Score:
    """Summed cosine of the best one-to-one assignment."""
    return _assigned(semantic_matrix(predicted, gold, encoder), len(predicted), len(gold))


def coverage(predicted: Sequence[Fact], gold: Sequence[Fact], encoder: Encoder) -> tuple[Score, Score]:
    """SynthKG's (gold facts covered at cosine `COVERED`, mean best cosine); only the recall side means anything."""
    best = semantic_matrix(predicted, gold, encoder).max(axis=0) if predicted and gold else []
    covered = float(sum(cosine >= COVERED for cosine in best))
    return Score(covered, len(predicted), len(gold)), Score(float(sum(best)), len(predicted), len(gold))


def _assigned(matrix: NDArray[np.float64], predicted: int, gold: int) -> Score:
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(matrix, maximize=True)
    return Score(float(matrix[rows, columns].sum()), predicted, gold)


def correct(predicted: Sequence[Fact], gold: Sequence[Fact], encoder: Encoder, threshold: float = 0.6) -> list[bool]:
    """For every predicted fact, whether some gold fact says it: ends found, same polarity, soft similarity reached.

    Not one to one: two wordings of a true fact are both correct. This is what calibration learns from.
    """
    if not gold:
        return [False] * len(predicted)
    matrix = soft_matrix(predicted, gold, encoder) * pair_matrix(predicted, gold)
    return [bool(row.max() >= threshold) for row in matrix]


def bootstrap(scores: Sequence[Score], of: Callable[[Score], float], rounds: int = 1000, seed: int = 0) -> tuple[float, float]:
    """95 % interval of a figure by resampling documents with replacement (percentile bootstrap)."""
    if not scores:
        return 0.0, 0.0
    chance = random.Random(seed)
    drawn = sorted(of(total(chance.choices(scores, k=len(scores)))) for _ in range(rounds))
    return drawn[int(0.025 * rounds)], drawn[min(rounds - 1, int(0.975 * rounds))]


def total(scores: Iterable[Score]) -> Score:
    """Sum over documents (micro average)."""
    return sum(scores, Score())

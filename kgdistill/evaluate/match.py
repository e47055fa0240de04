"""How much of a gold graph a predicted graph has, fact by fact: exact, normalised, by pair, soft and semantic.

Every figure is precision, recall and F1 over an optimal one-to-one assignment, so that saying one thing three times
never counts three times. Ends are compared with ends and relations with relations: turned-round facts do not match
(the released GraphJudge metric compares printed characters and is nearly blind to direction).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from kgdistill.contracts import Encoder
from kgdistill.records import Fact
from kgdistill.text.names import normal
from kgdistill.text.overlap import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Aliases = Mapping[str, Sequence[str]]
"""Further names that a gold entity goes by, under the name that the gold facts use."""
PAIR_F1 = 0.5
"""A subject or object is found when its token F1 against the gold one is at least this."""
COVERED = 0.88
"""Cosine at which SynthKG counts a gold fact as covered (section 4; depends on the encoder)."""
RELATION = 0.5
"""Cosine from which two relation names, between ends that match, count as one: all-MiniLM-L6-v2 puts "spouse" and
"married to" at 0.78, "author" and "written by" at 0.60, "born on" and "died on" at 0.44."""
CORRECT = 0.6
"""Soft similarity from which a fact counts as said by the gold graph."""


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
    """F1 of the two word multisets, in comparison form; names without words ("+") agree when they are equal."""
    return float(token_f1_matrix([one], [other])[0, 0])


def token_f1_matrix(ours: Sequence[str], theirs: Sequence[str]) -> NDArray[np.float64]:
    """`token_f1` of every name with every other, shape (ours, theirs)."""
    import numpy as np

    rows, row_of = _unique(ours)
    columns, column_of = _unique(theirs)
    vocabulary = {word: place for place, word in enumerate(sorted({w for name in rows for w in name}))}
    first, second = _counts(rows, vocabulary), _counts(columns, vocabulary)
    # The smaller of two counts is the number of levels that both reach.
    levels = range(1, int(first.max(initial=0)) + 1)
    shared = sum(
        ((first >= k).astype(np.float64) @ (second >= k).T for k in levels), np.zeros((len(rows), len(columns)))
    )
    sizes = np.add.outer([len(name) for name in rows], [len(name) for name in columns])
    matrix: NDArray[np.float64] = (2 * shared / np.maximum(sizes, 1))[np.ix_(row_of, column_of)]
    return matrix


@lru_cache(maxsize=65536)
def _tokens(name: str) -> tuple[str, ...]:
    plain = normal(name)
    return tuple(words(plain)) or (plain,)


def _unique(names: Sequence[str]) -> tuple[list[tuple[str, ...]], list[int]]:
    """The different names as words, and the place of each name among them."""
    places: dict[tuple[str, ...], int] = {}
    which = [places.setdefault(_tokens(name), len(places)) for name in names]
    return list(places), which


def _counts(names: Sequence[tuple[str, ...]], vocabulary: dict[str, int]) -> NDArray[np.int64]:
    import numpy as np

    counts = np.zeros((len(names), len(vocabulary)), np.int64)
    for row, name in enumerate(names):
        for word in name:
            if word in vocabulary:
                counts[row, vocabulary[word]] += 1
    return counts


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


def verbalise(fact: Fact) -> str:
    """The fact as a plain sentence for an encoder."""
    return f"{fact.subject} {'not ' if fact.negated else ''}{fact.relation} {fact.object}"


class Comparison:
    """Every predicted fact against every gold one; matrices have the shape (predicted, gold), made when asked for."""

    def __init__(
        self, predicted: Sequence[Fact], gold: Sequence[Fact], encoder: Encoder, aliases: Aliases | None = None
    ) -> None:
        self.predicted, self.gold, self.encoder, self.aliases = predicted, gold, encoder, aliases or {}

    @cached_property
    def subject(self) -> NDArray[np.float64]:
        """Token F1 of the subjects."""
        return self._ends([f.subject for f in self.predicted], [f.subject for f in self.gold])

    @cached_property
    def object(self) -> NDArray[np.float64]:
        """Token F1 of the objects."""
        return self._ends([f.object for f in self.predicted], [f.object for f in self.gold])

    @cached_property
    def relation(self) -> NDArray[np.float64]:
        """Cosine of the relation names, at least 0."""
        return self._cosine(lambda fact: fact.relation)

    @cached_property
    def meaning(self) -> NDArray[np.float64]:
        """Cosine of the verbalised facts, at least 0; 0 where the polarity differs."""
        return self._cosine(verbalise) * self.polarity

    @cached_property
    def polarity(self) -> NDArray[np.float64]:
        """1 where both are asserted or both are negated."""
        import numpy as np

        ours, theirs = [f.negated for f in self.predicted], [f.negated for f in self.gold]
        same: NDArray[np.float64] = np.equal.outer(ours, theirs).astype(np.float64)
        return same.reshape(len(ours), len(theirs))

    @cached_property
    def found(self) -> NDArray[np.float64]:
        """1 where subject and object are both found (token F1 at least `PAIR_F1`)."""
        matrix: NDArray[np.float64] = ((self.subject >= PAIR_F1) & (self.object >= PAIR_F1)).astype(float)
        return matrix

    @cached_property
    def likeness(self) -> NDArray[np.float64]:
        """Mean of subject token F1, relation cosine and object token F1; 0 where the polarity differs."""
        return (self.subject + self.relation + self.object) / 3 * self.polarity

    @cached_property
    def said(self) -> NDArray[np.bool_]:
        """Where one says the other: ends found, relation and polarity the same, soft similarity at least `CORRECT`.

        Not one to one: two wordings of a true fact are both correct.
        """
        same: NDArray[np.bool_] = (self.found * self.polarity > 0) & (self.relation >= RELATION)
        return same & (self.likeness >= CORRECT)

    @cached_property
    def matched(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Places of the predicted and of the gold facts that are one another's pair, one to one and as many as can be.

        Among the assignments with most pairs the one with the best relations is taken.
        """
        bonus = self.relation * self.polarity / (2 * min(self.found.shape) + 1)
        rows, columns = assignment(self.found * (1 + bonus))
        real = self.found[rows, columns] > 0
        return rows[real], columns[real]

    def pairs(self) -> tuple[Score, Score]:
        """(Subject and object found whatever the relation, those of them whose relation and polarity are right too).

        The second score's `predicted` is the number of matched pairs: its precision is the relation accuracy.
        """
        rows, columns = self.matched
        right = int((self.relation[rows, columns] * self.polarity[rows, columns] >= RELATION).sum())
        count = len(rows)
        return Score(float(count), len(self.predicted), len(self.gold)), Score(float(right), count, len(self.gold))

    def soft(self) -> Score:
        """Summed likeness of the best one-to-one assignment."""
        return self._assigned(self.likeness)

    def semantic(self) -> Score:
        """Summed cosine of the best one-to-one assignment."""
        return self._assigned(self.meaning)

    def coverage(self) -> tuple[Score, Score]:
        """SynthKG's (gold facts covered at `COVERED`, summed best cosines); only the recall side means anything."""
        best = self.meaning.max(axis=0, initial=0.0)
        covered = float((best >= COVERED).sum())
        numbers = len(self.predicted), len(self.gold)
        return Score(covered, *numbers), Score(float(best.sum()), *numbers)

    def _ends(self, ours: Sequence[str], theirs: Sequence[str]) -> NDArray[np.float64]:
        """Token F1 of one end, with the best of the names that a gold entity goes by."""
        import numpy as np

        known = [(name, *self.aliases.get(name, ())) for name in theirs]
        matrix = token_f1_matrix(ours, [name for names in known for name in names])
        starts = np.cumsum([0, *map(len, known)])[:-1]
        best: NDArray[np.float64] = np.maximum.reduceat(matrix, starts, axis=1) if known else matrix
        return best

    def _cosine(self, wording: Callable[[Fact], str]) -> NDArray[np.float64]:
        import numpy as np

        if not (self.predicted and self.gold):
            return np.zeros((len(self.predicted), len(self.gold)))
        ours = self.encoder.encode([wording(fact) for fact in self.predicted])
        theirs = self.encoder.encode([wording(fact) for fact in self.gold])
        # Unit vectors in single precision can be a hair longer than 1.
        cosine: NDArray[np.float64] = np.clip((ours @ theirs.T).astype(np.float64), 0.0, 1.0)
        return cosine

    def _assigned(self, matrix: NDArray[np.float64]) -> Score:
        rows, columns = assignment(matrix)
        return Score(float(matrix[rows, columns].sum()), len(self.predicted), len(self.gold))


def assignment(matrix: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the one-to-one assignment with the largest sum (Kuhn 1955)."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(matrix, maximize=True)
    return rows, columns


def pairs(predicted: Sequence[Fact], gold: Sequence[Fact], encoder: Encoder) -> Score:
    """Subject and object found, whatever the relation, one to one."""
    return Comparison(predicted, gold, encoder).pairs()[0]


def soft(predicted: Sequence[Fact], gold: Sequence[Fact], encoder: Encoder) -> Score:
    """Summed likeness (ends and relation) of the best one-to-one assignment."""
    return Comparison(predicted, gold, encoder).soft()


def semantic(predicted: Sequence[Fact], gold: Sequence[Fact], encoder: Encoder) -> Score:
    """Summed cosine of the verbalised facts in the best one-to-one assignment."""
    return Comparison(predicted, gold, encoder).semantic()


def coverage(predicted: Sequence[Fact], gold: Sequence[Fact], encoder: Encoder) -> tuple[Score, Score]:
    """SynthKG's (coverage, semantic score), each as the recall of a Score."""
    return Comparison(predicted, gold, encoder).coverage()


def correct(predicted: Sequence[Fact], gold: Sequence[Fact], encoder: Encoder) -> list[bool]:
    """For every predicted fact, whether some gold fact says it (`Comparison.said`): what calibration learns from."""
    return [bool(row.any()) for row in Comparison(predicted, gold, encoder).said]


def total(scores: Iterable[Score]) -> Score:
    """Sum over documents (micro average)."""
    return sum(scores, Score())

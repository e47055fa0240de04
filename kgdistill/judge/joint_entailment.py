"""A judge of entailment that hears two: a classifier of text pairs, and a reader that looks for the facts of a text.

What each is worth is learnt from pairs on which neither was trained.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import mul
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from kgdistill.errors import ModelError
from kgdistill.judge.combine import log_odds
from kgdistill.judge.entailment import LABELS, Entailment
from kgdistill.storage.shards import write_bytes

FILE = "joint.json"
"""Beside the classifier, where it has been fitted to a reader."""
Pairs = Sequence[tuple[str, str]]
Read = Callable[[Pairs], Sequence[Sequence[float]]]
"""What a reader measures of each (premise, hypothesis)."""
_FLOOR = 1e-4


class Joint(Struct, frozen=True, forbid_unknown_fields=True):
    """A linear rule over the classifier's log-odds and the reader's measures, a row for each of LABELS."""

    reader: str
    """Name or folder of the reader."""
    measures: tuple[str, ...]
    """What the reader's numbers are called."""
    weights: tuple[tuple[float, ...], ...]
    offsets: tuple[float, ...]

    def apply(self, row: Sequence[float]) -> tuple[float, float]:
        """(P(entailment), P(contradiction)) of one pair."""
        odds = [offset + sum(map(mul, line, row)) for line, offset in zip(self.weights, self.offsets, strict=True)]
        parts = [math.exp(value - max(odds)) for value in odds]
        return parts[0] / sum(parts), parts[2] / sum(parts)


class JointEntailment:
    """Scores pairs as `Entailment` does, with a reader's measures weighed in."""

    contradicts = True

    def __init__(self, classifier: Entailment, read: Read, joint: Joint) -> None:
        self._classifier, self._read, self._joint = classifier, read, joint

    def score(self, pairs: Pairs) -> list[tuple[float, float]]:
        """For each (premise, hypothesis): probability that the first entails the second, that it contradicts it."""
        return [self._joint.apply(row) for row in rows(self._classifier, self._read, pairs)]


def rows(classifier: Entailment, read: Read, pairs: Pairs) -> list[list[float]]:
    """What the rule weighs of each pair: two log-odds of the classifier, then the reader's measures."""
    said, measured = classifier.score(pairs), read(pairs)
    return [[*(log_odds(score, _FLOOR) for score in one), *other] for one, other in zip(said, measured, strict=True)]


def fit(table: Sequence[Sequence[float]], labels: Sequence[str], reader: str, measures: Sequence[str]) -> Joint:
    """The rule by logistic regression over `rows` of labelled pairs. Raises ModelError where a label is missing."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    if set(labels) != set(LABELS):
        raise ModelError("entailment: the validation documents give no pairs of some label, so no reader is weighed in")
    values = np.asarray(table, dtype=float)
    mean, scale = values.mean(0), values.std(0) + 1e-9
    found = LogisticRegression(C=1.0, max_iter=2000).fit((values - mean) / scale, list(labels))
    order = [list(found.classes_).index(label) for label in LABELS]
    weights = found.coef_[order] / scale
    offsets = found.intercept_[order] - weights @ mean
    return Joint(reader, tuple(measures), _rounded(weights), tuple(map(float, offsets.round(5))))


def write(joint: Joint, folder: Path) -> None:
    write_bytes(folder / FILE, msgspec.json.format(msgspec.json.encode(joint)) + b"\n")


def read_joint(folder: Path) -> Joint | None:
    """The rule in a classifier's folder; None where it is heard alone. Raises ModelError."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Joint)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, OSError) as error:
        raise ModelError(f"{folder / FILE}: cannot be read: {error}") from error


def _rounded(values: Any) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(float, row)) for row in values.round(5))

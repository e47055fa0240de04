"""The discriminator: how likely a comparison is right, learnt from statements that people have labelled.

A logistic regression on embeddings: of what is said, of the aspect, and of the difference between the thing that has
more of it and the one that has less. Quick to train on a few hundred labels, and without a model of its own. The
original code has none to show for the paper's last filter (Howard et al. 2024, section 3.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kgdistill.contracts import Encoder
from kgdistill.errors import ModelError, RecipeError
from kgdistill.judge.thresholds import RECALLS, CutOff, area, cut_offs
from kgdistill.records import content_id
from kgdistill.storage.shards import write_bytes
from kgdistill.text.comparatives import Comparison, continuation, parse

NAME = "discriminator"
FILE = "discriminator.json"


class Row(NamedTuple):
    """A statement about `right`, against `left`."""

    left: str
    right: str
    statement: str


class Discriminator(Struct, frozen=True):
    """A trained discriminator, and what is known of it (discriminator.json)."""

    encoder: str
    """Name of the encoder whose vectors it reads."""
    weights: tuple[float, ...]
    bias: float
    trained: int
    area: float
    """Area under the ROC curve of scores given to rows by discriminators that had not seen their pair."""
    cut_offs: tuple[CutOff, ...]
    """On the same scores."""

    def score(self, rows: Sequence[Row], encoder: Encoder) -> list[float]:
        """P(valid) of each row. Raises ModelError for another encoder than the one it was trained with."""
        if encoder.name != self.encoder:
            raise ModelError(f"the discriminator was trained with {self.encoder}, not {encoder.name}: train it again")
        if not rows:
            return []
        odds = features(rows, encoder) @ np.asarray(self.weights) + self.bias
        return [float(score) for score in 1 / (1 + np.exp(-np.clip(odds, -30, 30)))]

    def save(self, folder: Path) -> None:
        write_bytes(folder / FILE, msgspec.json.encode(self) + b"\n")


def read_discriminator(folder: Path) -> Discriminator:
    """The one in `folder`. Raises ModelError."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Discriminator)
    except (OSError, msgspec.DecodeError) as error:
        raise ModelError(f"{folder} holds no discriminator: {error}") from error


def learn(
    rows: Sequence[Row], labels: Sequence[bool], encoder: Encoder, *, strength: float = 3.0, folds: int = 5
) -> Discriminator:
    """A discriminator from labelled rows; `strength` is the inverse of the regularisation (scikit-learn's C).

    Raises RecipeError where a label is missing altogether, or there are fewer pairs than folds.
    """
    seen = np.asarray(labels, dtype=bool)
    if len(rows) != len(labels) or not (0 < seen.sum() < len(seen)):
        raise RecipeError("discriminator: it learns from statements that hold and others that do not; both are needed")
    found = features(rows, encoder)
    scores = cross_fit(rows, seen, found, strength=strength, folds=folds)
    weights, bias = _fit(found, seen, strength)
    return Discriminator(
        encoder.name, tuple(map(float, weights)), bias, len(rows), area(scores, labels),
        cut_offs(scores, labels, RECALLS),
    )  # fmt: skip


def cross_fit(
    rows: Sequence[Row], labels: NDArray[np.bool_], found: NDArray[np.float64], *, strength: float = 3.0, folds: int = 5
) -> list[float]:
    """The score of each row by a discriminator that has learnt from all pairs but those of its fold."""
    fold = np.array([int(content_id("fold", *sorted((row.left, row.right))), 16) % folds for row in rows])
    scores = np.zeros(len(rows))
    for number in range(folds):
        inside = fold == number
        if len(set(labels[~inside].tolist())) < 2:
            raise RecipeError(f"discriminator: {len(rows)} labelled statements are too few for {folds} folds")
        weights, bias = _fit(found[~inside], labels[~inside], strength)
        scores[inside] = 1 / (1 + np.exp(-np.clip(found[inside] @ weights + bias, -30, 30)))
    return [float(score) for score in scores]


def features(rows: Sequence[Row], encoder: Encoder) -> NDArray[np.float64]:
    """A row of numbers for each statement: shape (rows, 3 x dimension + 5)."""
    said = [continuation(row.statement, row.left, row.right) for row in rows]
    read = [parse(text) for text in said]
    sign = np.array([_sign(one) for one in read])[:, None]
    scales = [one.scale if isinstance(one, Comparison) else text for one, text in zip(read, said, strict=True)]
    difference = encoder.encode([row.right for row in rows]) - encoder.encode([row.left for row in rows])
    shape = np.array([_shape(one, row) for one, row in zip(read, rows, strict=True)])
    return np.hstack([encoder.encode(said), encoder.encode(scales), difference * sign, shape]).astype(np.float64)


def _sign(read: Comparison | str) -> float:
    return 0.0 if isinstance(read, str) else 1.0 if read.direction == "more" else -1.0


def _shape(read: Comparison | str, row: Row) -> tuple[float, ...]:
    """What a statement looks like: readable, direction, with "more" or "less", without qualifier, length in words."""
    words = float(len(row.statement.split()))
    if isinstance(read, str):
        return 0.0, 0.0, 0.0, 0.0, words
    return 1.0, _sign(read), float(read.word in ("more", "less")), float(not read.qualifier), words


def _fit(found: NDArray[np.float64], labels: NDArray[np.bool_], strength: float) -> tuple[NDArray[np.float64], float]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, max_iter=5000).fit(found, labels)
    return model.coef_[0], float(model.intercept_[0])

"""The critic's settings, what a trained one says of itself, and how it reads a row."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
from msgspec import Struct

from kgdistill.errors import ModelError, RecipeError
from kgdistill.judge.thresholds import RECALLS, CutOff
from kgdistill.records import content_id
from kgdistill.text.inferences import verbalise
from kgdistill.text.people import choose_names, with_names

NAME = "critic"
FILE = "critic.json"
Said = tuple[str, str, str]
"""(head, relation, tail)"""


class CriticSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How a critic is trained. Raises RecipeError for shares that leave nothing to learn from."""

    epochs: int = 3
    batch: int = 32
    learning_rate: float = 5e-5
    warmup: float = 0.1
    """Share of the steps over which the learning rate rises; it falls to zero over the rest."""
    weight_decay: float = 0.01
    hidden: int = 512
    dropout: float = 0.1
    max_tokens: int = 64
    validation: float = 0.2
    """Share of the training events that early stopping and cut-offs are decided on."""
    patience: int = 2
    """Epochs without a better area under the ROC curve before training stops."""
    names: int = 5
    """A score is the mean over so many namings of the people."""
    recalls: tuple[float, ...] = RECALLS
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.validation < 1 or self.names < 1:
            raise RecipeError("critic: validation must lie in (0, 1), and names be at least 1")


class About(Struct, frozen=True):
    """What a critic says of itself (critic.json)."""

    settings: CriticSettings
    cut_offs: tuple[CutOff, ...]
    area: float
    """Area under the ROC curve on validation data."""
    trained: int
    validated: int
    log: tuple[dict[str, float], ...] = ()

    def cut(self, recall: float) -> float:
        """The score from which on a row is kept for this recall. Raises RecipeError for one that was not aimed at."""
        for found in self.cut_offs:
            if abs(found.aim - recall) < 1e-9:
                return found.score
        raise RecipeError(f"no cut-off for recall {recall}; there are {', '.join(str(c.aim) for c in self.cut_offs)}")


def read_about(folder: Path) -> About:
    """What the critic in `folder` says of itself. Raises ModelError."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=About)
    except (OSError, msgspec.DecodeError) as error:
        raise ModelError(f"{folder} holds no critic: {error}") from error


def naming(row: Said, number: int, seed: int) -> tuple[str, str]:
    """The two texts of a row as the encoder reads them, its people named for the `number`-th time."""
    head, relation, tail = row
    names = choose_names(head, tail, chance=random.Random(content_id("critic", seed, number, *row)))
    return with_names(head, names), with_names(verbalise(relation, tail), names)


def held_out(head: str, settings: CriticSettings) -> bool:
    """Whether an event is for validation: decided by its words alone, so that no event is on both sides."""
    place = int(content_id("critic split", settings.seed, head.casefold()), 16) / 16**16
    return place < settings.validation

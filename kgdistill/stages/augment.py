"""The stage that makes more training pairs of those at hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import msgspec
from msgspec.structs import replace

from kgdistill.contracts import Bench, CorpusStage
from kgdistill.distill.augment import CHANGES, augment
from kgdistill.distill.pairs import read_pairs, write_pairs
from kgdistill.errors import RecipeError


class Augment(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """The pairs, and new ones of the training split: cut short, put together, badly spelt; see distill/augment."""

    needs: ClassVar[tuple[str, ...]] = ("pairs",)
    gives: ClassVar[str] = "pairs"

    shares: dict[str, float] = msgspec.field(
        default_factory=lambda: {"truncated": 0.3, "recombined": 0.3, "misspelt": 0.15, "lowered": 0.1}
    )
    """For each change, the share of the training pairs to which it is made."""
    weight: float = 1.0
    """Share of the new pairs that the first epoch sees; below 1 later ones see ever fewer."""

    def __post_init__(self) -> None:
        unknown = sorted(self.shares.keys() - CHANGES.keys())
        if unknown:
            raise RecipeError(f"augment.shares: no change is called {unknown[0]}; there are {', '.join(CHANGES)}")

    def run(self, records: Iterator[object], bench: Bench) -> None:
        pairs = list(read_pairs(bench.upstream("pairs")))
        new = [replace(pair, weight=self.weight) for pair in augment(pairs, self.shares, bench.seed)]
        bench.note("new pairs", len(new))
        for split, count in write_pairs(bench.folder, iter([*pairs, *new])).items():
            bench.note(f"{split} pairs", count)

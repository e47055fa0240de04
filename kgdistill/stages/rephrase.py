"""The stage that says training pairs in other words, so that a student learns what is said and not how."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import ClassVar

from msgspec.structs import replace

from kgdistill.contracts import Bench, CorpusStage
from kgdistill.distill.pairs import read_pairs, write_pairs
from kgdistill.distill.rephrase import known_paraphrases, rephrase
from kgdistill.errors import RecipeError
from kgdistill.records import Pair, TextPair, content_id
from kgdistill.stages.paraphrases import PAIRS, pairs_file
from kgdistill.storage.shards import read_records
from kgdistill.storage.sources import fingerprint


class Rephrase(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """Training pairs again with sentences in other words, no mention lost; see distill/rephrase."""

    needs: ClassVar[tuple[str, ...]] = ("pairs",)
    wants: ClassVar[tuple[str, ...]] = ("paraphrases",)
    gives: ClassVar[str] = "pairs"

    paraphrases: str = ""
    """Folder of a finished run with `weigh_paraphrases`, or a `.jsonl` file of text pairs (left, right); none: this
    run's."""
    share: float = 1.0
    """Of the sentences that have a paraphrase, how many are exchanged."""
    weight: float = 1.0
    """Weight of the new pairs, as of any pair (`seed_pairs.weight`)."""
    seed: int = 0

    def fingerprint(self) -> str:
        return fingerprint(str(pairs_file(self.paraphrases))) if self.paraphrases else ""

    def run(self, records: Iterator[Pair], bench: Bench) -> None:
        if not self.paraphrases and not bench.has("paraphrases"):
            raise RecipeError("rephrase.paraphrases: name a run or file; no earlier stage gives paraphrases")
        path = pairs_file(self.paraphrases) if self.paraphrases else bench.upstream("paraphrases") / PAIRS
        known = known_paraphrases(read_records(path, TextPair))
        chance = random.Random(self.seed or bench.seed)

        def more() -> Iterator[Pair]:
            for pair in read_pairs(bench.upstream("pairs")):
                yield pair
                if pair.split == "train":
                    new, count = rephrase(pair, known, chance, self.share)
                    if count:
                        bench.note("sentences in other words", count)
                        yield replace(new, id=content_id("rephrased", pair.id, new.text), weight=self.weight)

        for split, count in write_pairs(bench.folder, more()).items():
            bench.note(f"{split} pairs", count)

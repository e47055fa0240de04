"""The stage that makes a judge of entailment: a classifier of text pairs that learns from the seed's propositions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import msgspec

from kgdistill.contracts import Bench, CorpusStage
from kgdistill.distill.card import entailment_card
from kgdistill.distill.entailment_pairs import examples
from kgdistill.distill.lessons import read_seed, split_of
from kgdistill.encoders.minilm import model_folder
from kgdistill.errors import RecipeError
from kgdistill.evaluate.comparison import Comparison, write_comparison
from kgdistill.evaluate.entailing import Measured, measure
from kgdistill.judge.entailment import EMBEDDED, WORDS, Entailment, WordsEntailment
from kgdistill.records import content_id
from kgdistill.storage.shards import write_bytes
from kgdistill.storage.sources import fingerprint
from kgdistill.teacher import weights


def open_entailment(name: str) -> Entailment | WordsEntailment:
    """The judge of this name: "words", a folder, or a hub name. Raises ModelError."""
    return WordsEntailment() if name == WORDS else Entailment.from_pretrained(weights.find_folder(name))


def entailment_fingerprint(name: str) -> str:
    """Changes when the judge of this name does. Raises ModelError where it is not there."""
    return WORDS if name == WORDS else weights.fingerprint(weights.find_folder(name))


class TrainEntailment(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """A classifier of text pairs from seed propositions and false neighbours of them; see judge/entailment_network."""

    gives: ClassVar[str] = "entailment"

    seed_folder: str
    encoder: str = ""
    """Folder or hub name of the encoder to start from; empty: all-MiniLM-L6-v2."""
    passes: int = 1
    """How often every document is cut into pairs; each time afresh."""
    most: int = 0
    """Most pairs to learn from, drawn at random; 0: all."""
    swapped: float = 0.5
    """Share of documents whose names and numbers are exchanged, so that reading is learnt and not the names."""
    settings: dict[str, object] = msgspec.field(default_factory=dict)
    """Settings of the training (judge/entailment_network), as a table."""
    measured: int = 1500
    """Pairs of the test documents that it is measured on, drawn at random; 0: all."""
    name: str = EMBEDDED
    threads: int = 0
    """CPU threads; 0: all cores."""

    def fingerprint(self) -> str:
        return content_id(fingerprint(f"{self.seed_folder}/pairs_*.jsonl"), weights.fingerprint(self._encoder()))

    def _encoder(self) -> Path:
        return weights.find_folder(self.encoder) if self.encoder else model_folder()

    def run(self, records: Iterator[object], bench: Bench) -> None:
        import torch

        from kgdistill.judge.entailment_network import EntailmentSettings, save_entailment, train_entailment

        torch.set_num_threads(self.threads or len(os.sched_getaffinity(0)))
        try:
            settings = msgspec.convert({"seed": bench.seed, **self.settings}, EntailmentSettings)
        except msgspec.ValidationError as error:
            raise RecipeError(f"entailment.settings: {error}") from error
        every = read_seed(Path(self.seed_folder))
        parts = {split: [d for d in every if split_of(d.id) == split] for split in ("train", "test")}
        learnt = examples(parts["train"], bench.seed, passes=self.passes, swapped=self.swapped)
        learnt = learnt[: self.most or None]
        found = train_entailment(
            [(e.premise, e.hypothesis, e.label) for e in learnt],
            self._encoder(),
            settings,
            bench.folder / "checkpoints",
        )
        save_entailment(found, bench.folder)
        # Measured is what was stored, not what was trained.
        held = examples(parts["test"], bench.seed)[: self.measured or None]
        stored = Entailment.from_pretrained(bench.folder)
        scores = stored.score([(e.premise, e.hypothesis) for e in held])
        figures = measure([(e.label, e.kind) for e in held], scores)
        write_bytes(bench.folder / "measured.json", msgspec.json.encode(figures) + b"\n")
        write_comparison(bench.folder, table(figures))
        readme = entailment_card(
            self.name, found.parts[0].num_parameters(), len(parts["train"]), len(learnt), figures.rows
        )
        write_bytes(bench.folder / "README.md", readme.encode())
        bench.note("pairs of texts learnt", len(learnt))
        bench.note("accuracy on the test documents", round(figures.accuracy, 4))
        bench.note("area under the ROC curve, test documents", round(figures.area, 4))


def table(figures: Measured) -> Comparison:
    """The figures as the report shows them."""
    return Comparison(
        "Entailment on documents kept for the test",
        f"{figures.pairs} pairs: accuracy {figures.accuracy:.3f}, area under the ROC curve {figures.area:.3f}. Right: "
        "true pairs at 0.5 or more, false ones below. Area: of true pairs against false ones of this kind.",
        ("kind", "pairs", "right", "area", "mean score"),
        tuple((row.kind, row.pairs, row.right, row.area, row.mean) for row in figures.rows),
    )

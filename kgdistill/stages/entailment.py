"""The stage that makes a judge of entailment: a classifier of text pairs that learns from the seed's propositions."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

import msgspec

from kgdistill.contracts import Bench, CorpusStage
from kgdistill.distill.card import entailment_card
from kgdistill.distill.entailment_pairs import examples
from kgdistill.distill.lessons import read_seed, split_of
from kgdistill.distill.student import EXTRACTOR, student_folder
from kgdistill.distill.swaps import SeedDocument
from kgdistill.encoders.minilm import model_folder
from kgdistill.errors import RecipeError
from kgdistill.evaluate.comparison import Comparison, write_comparison
from kgdistill.evaluate.entailing import Measured, measure
from kgdistill.judge import joint_entailment
from kgdistill.judge.entailment import EMBEDDED, WORDS, Entailment, WordsEntailment
from kgdistill.judge.joint_entailment import Joint, JointEntailment, Read
from kgdistill.records import content_id
from kgdistill.stages.corroborate import span_student
from kgdistill.storage.shards import write_bytes
from kgdistill.storage.sources import fingerprint
from kgdistill.teacher import weights

Judge = Entailment | JointEntailment | WordsEntailment
READ_PASSES = 2
"""How often every validation document is cut into the pairs that say what the reader is worth."""
READ_MOST = 3000


def open_entailment(name: str) -> Judge:
    """The judge of this name: "words", a folder, or a hub name. Raises ModelError."""
    if name == WORDS:
        return WordsEntailment()
    folder = weights.find_folder(name, pickled=True)
    classifier, joint = Entailment.from_pretrained(folder), joint_entailment.read_joint(folder)
    return JointEntailment(classifier, opened_reader(joint.reader), joint) if joint else classifier


def entailment_fingerprint(name: str) -> str:
    """Changes when the judge of this name does, or the reader that it hears. Raises ModelError where none is there."""
    if name == WORDS:
        return WORDS
    folder = weights.find_folder(name, pickled=True)
    joint = joint_entailment.read_joint(folder)
    own = weights.fingerprint(folder)
    return content_id(own, weights.fingerprint(student_folder(joint.reader))) if joint else own


def opened_reader(name: str) -> Read:
    """What a span student measures of pairs of texts. Raises ModelError."""
    from kgdistill.distill.students.span_entailing import measures

    folder = student_folder(name)
    return partial(measures, span_student(folder, weights.fingerprint(folder)))


class TrainEntailment(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """A classifier of text pairs from seed propositions and false neighbours of them; see judge/entailment_network."""

    gives: ClassVar[str] = "entailment"

    seed_folder: str
    reader: str = EXTRACTOR
    """A span student, by folder, that is heard beside the classifier: it reads the facts of one text and looks for them
    in the other, which tells exchanged ends and denials. What it is worth is learnt from the validation documents, from
    which it must not have learnt. Empty: none."""
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
        reader = weights.fingerprint(student_folder(self.reader)) if self.reader else ""
        data = fingerprint(f"{self.seed_folder}/pairs_*.jsonl")
        return content_id(data, weights.fingerprint(self._encoder()), reader)

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
        parts = {split: [d for d in every if split_of(d.id) == split] for split in ("train", "validation", "test")}
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
        stored = Entailment.from_pretrained(bench.folder)
        joint = self._joint(stored, parts["validation"], bench.seed) if self.reader else None
        if joint:
            joint_entailment.write(joint, bench.folder)
        held = examples(parts["test"], bench.seed)[: self.measured or None]
        scores = open_entailment(str(bench.folder)).score([(e.premise, e.hypothesis) for e in held])
        figures = measure([(e.label, e.kind) for e in held], scores)
        write_bytes(bench.folder / "measured.json", msgspec.json.encode(figures) + b"\n")
        write_comparison(bench.folder, table(figures))
        readme = entailment_card(
            self.name, found.parts[0].num_parameters(), len(parts["train"]), len(learnt), figures.rows, self.reader
        )
        write_bytes(bench.folder / "README.md", readme.encode())
        bench.note("pairs of texts learnt", len(learnt))
        bench.note("accuracy on the test documents", round(figures.accuracy, 4))
        bench.note("area under the ROC curve, test documents", round(figures.area, 4))

    def _joint(self, classifier: Entailment, documents: Sequence[SeedDocument], seed: int) -> Joint:
        from kgdistill.distill.students.span_entailing import MEASURES

        told = examples(documents, seed, passes=READ_PASSES)[:READ_MOST]
        pairs = [(e.premise, e.hypothesis) for e in told]
        table = joint_entailment.rows(classifier, opened_reader(self.reader), pairs)
        return joint_entailment.fit(table, [e.label for e in told], self.reader, MEASURES)


def table(figures: Measured) -> Comparison:
    """The figures as the report shows them."""
    return Comparison(
        "Entailment on documents kept for the test",
        f"{figures.pairs} pairs: accuracy {figures.accuracy:.3f}, area under the ROC curve {figures.area:.3f}. Right: "
        "true pairs at 0.5 or more, false ones below. Area: of true pairs against false ones of this kind.",
        ("kind", "pairs", "right", "area", "mean score"),
        tuple((row.kind, row.pairs, row.right, row.area, row.mean) for row in figures.rows),
    )

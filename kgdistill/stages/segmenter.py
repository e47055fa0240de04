"""The student of propositions: taught by seed documents and by what is kept, read with, and weighed side by side."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import ClassVar

import msgspec

from kgdistill.contracts import Bench, Card, CorpusStage
from kgdistill.distill.card import segmenter_card
from kgdistill.distill.lessons import read_seed, split_of
from kgdistill.distill.segmenting import reading_cuts, seed_cuts, segmenting, segmenting_lessons
from kgdistill.distill.swaps import SeedDocument
from kgdistill.errors import RecipeError
from kgdistill.evaluate.benchmarks import set_of
from kgdistill.evaluate.comparison import Comparison, write_comparison
from kgdistill.evaluate.propositions import Cut, Figures, measure
from kgdistill.generate.propositions import Propositions
from kgdistill.judge.entailment import EMBEDDED
from kgdistill.records import ChunkGraph, Proposition, Reading, content_id
from kgdistill.stages.entailment import entailment_fingerprint, open_entailment
from kgdistill.stages.measure import gold_of
from kgdistill.storage.artifact import CHECKPOINTS
from kgdistill.storage.shards import read_records, write_bytes, write_records
from kgdistill.storage.sources import fingerprint
from kgdistill.teacher import weights
from kgdistill.teacher.dialogue import Ledger, converse
from kgdistill.teacher.journal import Journal, blueprint_hash
from kgdistill.teacher.local import Local
from kgdistill.text.propositions import distinct, sentences_of

STUDENT = "student.jsonl"
HELD = 150
"""Validation sentences that the student's loss is measured on."""


class TrainSegmenter(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """A small causal model that cuts text into propositions: it learns from seed documents and from what is kept.

    What the run has kept is left out where the run measures on gold: the student must not have seen those texts.
    """

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    wants: ClassVar[tuple[str, ...]] = ("gold",)
    gives: ClassVar[str] = "segmenter"

    model: str = weights.EMBEDDED
    """Folder or hub name of the causal model to start from."""
    seed_folder: str = ""
    """Seed documents to learn from too; empty: none."""
    tokens: int = 600_000
    """How much is learnt, prompts included."""
    learning_rate: float = 5e-4
    batch_tokens: int = 2048
    context: int = 3
    """Most sentences before a sentence that are shown."""
    threads: int = 0
    """CPU threads; 0: all cores."""

    def fingerprint(self) -> str:
        seed = fingerprint(f"{self.seed_folder}/pairs_*.jsonl") if self.seed_folder else ""
        return content_id(seed, weights.fingerprint(weights.find_folder(self.model)))

    def run(self, records: Iterator[Reading], bench: Bench) -> None:
        import torch

        from kgdistill.distill import schooling

        torch.set_num_threads(self.threads or len(os.sched_getaffinity(0)))
        documents = self._seed("train")
        cuts = [] if bench.has("gold") else [cut for reading in records for cut in reading_cuts(reading)]
        try:
            lessons = segmenting_lessons(documents, cuts, bench.seed, context=self.context)
            first = next(lessons)
        except ValueError as error:
            raise RecipeError(f"segmenter: {error}; name `seed_folder`, or let more be kept") from error
        model, tokenizer = weights.load(
            weights.find_folder(self.model), device="auto", dtype="float32", trust_remote_code=False
        )
        settings = schooling.Schooling(
            tokens=self.tokens,
            batch_tokens=self.batch_tokens,
            learning_rate=self.learning_rate,
            checkpoints=6,
            seed=bench.seed,
        )
        given = chain([first], lessons)
        log = schooling.school(model, tokenizer, given, bench.folder / "checkpoints", settings)
        held = [segmenting(cut, self.context) for document in self._seed("validation") for cut in seed_cuts(document)]
        loss = schooling.held_out_loss(model, tokenizer, held[:HELD])
        model.to(torch.bfloat16).save_pretrained(bench.folder)
        tokenizer.save_pretrained(bench.folder)
        card = Card(name="segmenter", languages=("en",), brief=True, context=settings.context)
        write_bytes(bench.folder / "kgdistill.json", msgspec.json.encode(card))
        write_bytes(bench.folder / "training_log.json", msgspec.json.encode(log))
        readme = segmenter_card(len(documents), len(cuts), self.tokens, loss)
        write_bytes(bench.folder / "README.md", readme.encode())
        bench.note("seed documents learnt", len(documents))
        bench.note("sentences of this run learnt", len(cuts))
        bench.note("validation loss, nats a token", round(loss, 4))

    def _seed(self, split: str) -> list[SeedDocument]:
        found = read_seed(Path(self.seed_folder)) if self.seed_folder else []
        return [document for document in found if split_of(document.id) == split]


class SegmentByStudent(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """What the student makes of the run's documents: `student.jsonl`, readings with its propositions alone."""

    needs: ClassVar[tuple[str, ...]] = ("readings", "segmenter")
    gives: ClassVar[str] = "segmented"

    context: int = 3
    """Sentences before a sentence that are shown."""
    again: int = 1
    """How often a sentence without a block is asked about once more."""
    max_tokens: int = 512
    threads: int = 0
    """CPU threads; 0: all cores."""

    def run(self, records: Iterator[Reading], bench: Bench) -> None:
        settings = Local(model=str(bench.upstream("segmenter")), threads=self.threads or len(os.sched_getaffinity(0)))
        method = Propositions(
            form="grouped",
            window=1,
            context=self.context,
            again=self.again,
            max_tokens=self.max_tokens,
            seed=bench.seed,
            brief=True,
        )
        bare = (_bare(reading) for reading in records if reading.chunks)
        with closing(settings.open()) as teacher:
            journal = Journal(bench.folder / CHECKPOINTS / "journal.jsonl", blueprint_hash(settings.blueprint()))
            with closing(journal):
                waiting = list(bare)
                dialogues = (method(reading) for reading in waiting)
                found = converse(dialogues, teacher, journal, stage="student", ledger=Ledger(), fail=bench.fail)
                done = [after or before for after, before in zip(found, waiting, strict=True)]
        for reading in done:
            for failure in reading.failures:
                bench.fail(failure)
        bench.note("documents read by the student", write_records(bench.folder / STUDENT, done))


def _bare(reading: Reading) -> Reading:
    """The reading as it was before anything was said about it; the student reads the untouched text."""
    chunks = (ChunkGraph(msgspec.structs.replace(graph.chunk, rewrite=None)) for graph in reading.chunks)
    return msgspec.structs.replace(reading, chunks=tuple(chunks))


class WeighPropositions(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """Teacher, what is kept of it, student and the bare sentences by four figures; see evaluate/propositions."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    wants: ClassVar[tuple[str, ...]] = ("segmented", "gold")
    gives: ClassVar[str] = "weighed"

    entailment: str = EMBEDDED
    """Folder or hub name of a classifier of text pairs; "words": a statement is entailed by a text with its words."""
    nearest: int = 5
    """Each proposition is held against so many gold ones, those that share most words with it; 0: all."""
    longest: int = 700
    """A premise of more characters is read in windows that overlap, of which the best counts."""
    most: int = 0
    """How many documents are weighed, the first; 0: all."""
    threads: int = 0
    """CPU threads; 0: all cores."""

    def fingerprint(self) -> str:
        return entailment_fingerprint(self.entailment)

    def run(self, records: Iterator[Reading], bench: Bench) -> None:
        import torch

        torch.set_num_threads(self.threads or len(os.sched_getaffinity(0)))
        model = open_entailment(self.entailment)
        readings = [reading for reading in records if reading.chunks][: self.most or None]
        gold = {}
        if bench.has("gold"):
            gold = {pair.id: distinct(fact.proposition for fact in pair.facts) for pair in gold_of(bench)}
        segmented = bench.upstream("segmented") / STUDENT if bench.has("segmented") else None
        student = list(read_records(segmented, Reading)) if segmented else []

        def entails(pairs: Sequence[tuple[str, str]]) -> list[float]:
            return [found for found, _ in model.score(pairs)]

        found: list[tuple[str, str, Figures]] = []
        # Each set by itself: an average over sets says nothing.
        for name in dict.fromkeys(set_of(r.document.id) if gold else "" for r in readings):
            part = [r for r in readings if not gold or set_of(r.document.id) == name]
            asked = {reading.document.id for reading in part}
            cuts = systems(part, [r for r in student if r.document.id in asked], gold)
            found += [
                (name, system, measure(one, entails, nearest=self.nearest, longest=self.longest))
                for system, one in cuts.items()
            ]
        write_bytes(bench.folder / "weighed.json", msgspec.json.encode(found) + b"\n")
        write_comparison(bench.folder, table(found))


def systems(
    readings: Sequence[Reading], student: Sequence[Reading], gold: Mapping[str, tuple[str, ...]]
) -> dict[str, list[Cut]]:
    """What each system makes of the same texts; the student's readings are of these documents only."""
    taken = _cuts(readings, gold)
    found = {"teacher": taken, "teacher, kept": _cuts(readings, gold, kept=True)}
    if student:
        found["student"] = _cuts(student, gold)
    found["sentences"] = [Cut(cut.sentences, cut.sentences, cut.gold) for cut in taken]
    if any(cut.gold for cut in taken):
        found["gold"] = [Cut(cut.sentences, cut.gold, cut.gold) for cut in taken]
    return found


def _cuts(readings: Iterable[Reading], gold: Mapping[str, tuple[str, ...]], *, kept: bool = False) -> list[Cut]:
    """What each reading says of its text, in the order of its sentences."""
    found = []
    for reading in readings:
        language = reading.document.language
        sentences = [s for graph in reading.chunks for s in sentences_of(graph.chunk, language)]
        said: dict[int, list[str]] = defaultdict(list)
        for claim in reading.claims:
            if isinstance(claim, Proposition) and claim.evidence and (claim.kept or not kept):
                said[claim.evidence.sentence.start].append(claim.text)
        texts = [sentence for sentence in sentences if any(char.isalpha() for char in sentence.text)]
        propositions = tuple(text for sentence in texts for text in said[sentence.span.start])
        found.append(Cut(tuple(s.text for s in texts), propositions, gold.get(reading.document.id, ())))
    return found


def table(found: Iterable[tuple[str, str, Figures]]) -> Comparison:
    """The systems side by side, for the report."""
    columns = ("system", "set", "texts", "propositions", "a sentence", "words", "supported", "covered", "F1, no gold")
    rows = []
    for name, system, f in found:
        counts = (f.texts, f.propositions, f.propositions / max(1, f.sentences), f.words)
        rows.append((system, name, *counts, f.supported, f.covered, f.reference_less, f.precision, f.recall, f.f1))
    return Comparison(
        "Propositions side by side",
        "Supported: mean entailment of a proposition by its text; covered: of a sentence by all propositions. Copying "
        "the sentences gets both by design. Precision and recall: of propositions that entail a gold one and are "
        "entailed by it. Means over texts.",
        (*columns, "precision", "recall", "F1, gold"),
        tuple(rows),
    )

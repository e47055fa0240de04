"""Paraphrases and summaries: sentences behind contexts, pairs of them, filters, and a student that makes more."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

import msgspec
from msgspec.structs import replace

from kgdistill.contracts import Bench, CorpusStage, ShardStage, SourceStage
from kgdistill.distill.pairs import PairSettings, split_of
from kgdistill.errors import RecipeError
from kgdistill.evaluate.comparison import Comparison, write_comparison
from kgdistill.evaluate.paraphrases import difference, funnel, passing
from kgdistill.generate.paraphrases import METHOD, Contexts, ContextWriter, NextSentences
from kgdistill.judge.entailment import EMBEDDED
from kgdistill.records import Passage, Reading, Rewording, TextPair, content_id
from kgdistill.refine.paraphrases import (
    CHOICES,
    TESTS,
    PairFilters,
    Relate,
    candidates,
    filtered,
    most_different,
    text_pair,
)
from kgdistill.refine.syntax import Parser, open_parser
from kgdistill.stages.build import TEACHER
from kgdistill.stages.entailment import entailment_fingerprint, open_entailment
from kgdistill.storage.artifact import latest
from kgdistill.storage.shards import write_bytes, write_records
from kgdistill.storage.sources import fingerprint
from kgdistill.teacher import weights

PAIRS = "paraphrases.jsonl"


def pairs_file(name: str) -> Path:
    """The file of kept pairs: `name` itself where it is a `.jsonl`, else that of the finished run in this folder.

    Raises RunFolderError where there is no such run, or none that has weighed its pairs.
    """
    path = Path(name).expanduser()
    return path if path.suffix == ".jsonl" else latest(path, "paraphrases").folder / PAIRS


def place(document: str, test: float) -> str:
    """The split of a document: by its id alone; a tenth is for validation."""
    return split_of(document, PairSettings(test=test))


class WriteContexts(ContextWriter, SourceStage, frozen=True, forbid_unknown_fields=True):
    """Contexts that a plain language model writes; where there are documents, `read` and `split` give them."""

    gives: ClassVar[str] = "readings"
    uses: ClassVar[frozenset[str]] = TEACHER

    def fingerprint(self) -> str:
        return content_id(*self.prefixes)

    def run(self, bench: Bench) -> Iterator[Reading]:
        method = replace(self, seed=self.seed or bench.seed)
        seen: set[str] = set()
        for found in bench.converse(map(method, self.prefixes)):
            for failure in found.failures if isinstance(found, Contexts) else ():
                bench.fail(failure)
            for document in found.documents if isinstance(found, Contexts) else ():
                if document.id not in seen:
                    seen.add(document.id)
                    yield Reading(document)


class WriteSentences(NextSentences, ShardStage, frozen=True, forbid_unknown_fields=True):
    """Sentences that could come next behind each chunk; see generate/paraphrases."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "rewordings"
    uses: ClassVar[frozenset[str]] = TEACHER

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Rewording]:
        method = replace(self, seed=self.seed or bench.seed)
        read = (reading for reading in records if not reading.set_aside)
        for found in bench.converse(map(method, read)):
            if isinstance(found, Rewording):
                for failure in found.failures:
                    bench.fail(failure)
                yield replace(found, failures=())


class Judging(ShardStage, frozen=True):
    """What both stages that filter pairs are told."""

    version: ClassVar[int] = 2

    filters: PairFilters = PairFilters()
    entailment: str = ""
    """Folder or hub name of a classifier of text pairs. None: `kgdistill-mini-entailment`."""
    pipeline: str = ""
    """A spaCy pipeline with a parser: package or folder. None: the syntactic filter is skipped, and a note says so."""

    def fingerprint(self) -> str:
        folder = Path(self.pipeline).expanduser()
        parser = fingerprint(f"{folder}/**/*") if self.pipeline and folder.is_dir() else self.pipeline
        return content_id(parser, entailment_fingerprint(self.entailment or EMBEDDED))

    def judge(self) -> Relate:
        return open_entailment(self.entailment or EMBEDDED).score

    def parser(self) -> Parser | None:
        return open_parser(self.pipeline) if self.pipeline and self.filters.min_distance else None

    def noted(self, pairs: Iterable[TextPair], parser: Parser | None, bench: Bench) -> None:
        """The share kept at each filter is in `weigh_paraphrases`; here stand the bare numbers."""
        for pair in pairs:
            bench.note("pairs made")
            bench.note(f"dropped: {pair.dropped.rule}" if pair.dropped else "pairs kept")
            reached = not pair.dropped or pair.dropped.rule in ("syntax", *CHOICES)
            if reached and parser is None and self.filters.min_distance:
                bench.note("pairs whose syntax was not compared (skipped: no pipeline is named)")


class PairSentences(Judging, frozen=True, forbid_unknown_fields=True):
    """All pairs of the sentences behind one context, filtered; see refine/paraphrases."""

    needs: ClassVar[tuple[str, ...]] = ("rewordings",)
    gives: ClassVar[str] = "rewordings"

    def run(self, records: Iterator[Rewording], bench: Bench) -> Iterator[Rewording]:
        relate, parser = self.judge(), self.parser()
        for record in records:
            passages = []
            for passage in record.passages:
                made = candidates(passage.sentences, self.filters.kind, METHOD)
                pairs = filtered(made, self.filters, relate, parser)
                self.noted(pairs, parser, bench)
                passages.append(replace(passage, pairs=(*passage.pairs, *pairs)))
            yield replace(record, passages=tuple(passages))


class TrainParaphraser(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """A causal model fine-tuned on kept pairs of training documents; see distill/paraphraser."""

    needs: ClassVar[tuple[str, ...]] = ("rewordings",)
    gives: ClassVar[str] = "paraphraser"
    follows: ClassVar[dict[str, str]] = {"filters": "rewordings", "test": "paraphraser"}

    model: str = "kgdistill-mini"
    """Folder or hub name of the causal model to start from."""
    learn_from: tuple[str, ...] = ()
    """Makers of the pairs ("sentences", or a student's name); none: all."""
    both_ways: bool = True
    """A paraphrase is learnt in both directions."""
    test: float = 0.1
    """Share of documents that no student learns from, and whose pairs say how often it passes."""
    filters: PairFilters = PairFilters()
    """Those of `pair_sentences`: they say whether paraphrases or summaries are learnt."""
    settings: dict[str, object] = msgspec.field(default_factory=dict)
    """Settings of the student (distill/comet), as a table."""
    threads: int = 0
    """CPU threads; 0: all cores."""

    def fingerprint(self) -> str:
        return weights.fingerprint(weights.find_folder(self.model))

    def run(self, records: Iterator[Rewording], bench: Bench) -> None:
        import torch

        from kgdistill.distill.paraphraser import CometSettings, Paraphraser, rows_of

        torch.set_num_threads(self.threads or len(os.sched_getaffinity(0)))
        told = {"max_tokens": 64, "temperature": 0.7, "seed": bench.seed, **self.settings, "model": self.model}
        try:
            settings = msgspec.convert(told, CometSettings)
        except msgspec.ValidationError as error:
            raise RecipeError(f"paraphraser.settings: {error}") from error
        parts: dict[str, list[tuple[str, str, str]]] = {"train": [], "validation": [], "test": []}
        for record in records:
            kept = [p for p in record.pairs if p.kept and (not self.learn_from or p.method in self.learn_from)]
            rows = rows_of(kept, self.filters.kind, both_ways=self.both_ways)
            parts[place(record.document.id, self.test)] += rows
        student = Paraphraser.start(weights.find_folder(self.model), settings)
        log = student.learn(parts["train"], parts["validation"], bench.folder / "checkpoints")
        student.save_pretrained(bench.folder)
        write_bytes(bench.folder / "training_log.json", msgspec.json.encode(log))
        bench.note("examples learnt", len(parts["train"]))


class SampleParaphraser(Judging, frozen=True, forbid_unknown_fields=True):
    """The student's own rewordings of the sentences, filtered in the same way: self-distillation, and its measure.

    Of those of one sentence that pass, the one with the least shared wording is kept.
    """

    needs: ClassVar[tuple[str, ...]] = ("rewordings", "paraphraser")
    gives: ClassVar[str] = "rewordings"
    follows: ClassVar[dict[str, str]] = dict.fromkeys(("filters", "entailment", "pipeline"), "rewordings")

    student: str = "student"
    """Name under which its pairs stand beside the teacher's."""
    samples: int = 10
    sentences: int = 10
    """Most sentences of a passage that it rewords, from the first; 0: all."""
    threads: int = 0
    """CPU threads; 0: all cores."""

    def run(self, records: Iterator[Rewording], bench: Bench) -> Iterator[Rewording]:
        import torch

        from kgdistill.distill.paraphraser import Paraphraser

        torch.set_num_threads(self.threads or len(os.sched_getaffinity(0)))
        model = Paraphraser.from_pretrained(bench.upstream("paraphraser"))
        relate, parser = self.judge(), self.parser()
        for record in records:
            passages: list[Passage] = []
            for passage in record.passages:
                told = [sentence.text for sentence in passage.sentences[: self.sentences or None]]
                made = [
                    text_pair(text, said, self.student)
                    for text in told
                    for said in model.reword(text, self.samples, self.filters.kind)
                ]
                pairs = most_different(filtered(made, self.filters, relate, parser, choose=False))
                self.noted(pairs, parser, bench)
                passages.append(replace(passage, pairs=(*passage.pairs, *pairs)))
            yield replace(record, passages=tuple(passages))


class WeighParaphrases(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """What each filter left of the teacher's and each student's pairs, and the kept ones: `paraphrases.jsonl`."""

    needs: ClassVar[tuple[str, ...]] = ("rewordings",)
    gives: ClassVar[str] = "paraphrases"
    follows: ClassVar[dict[str, str]] = {"test": "paraphraser"}

    test: float = 0.1
    """That of `paraphraser`."""

    def run(self, records: Iterator[Rewording], bench: Bench) -> None:
        read = list(records)
        kept = [pair for record in read for pair in record.pairs if pair.kept]
        bench.note("pairs kept", write_records(bench.folder / PAIRS, kept))
        write_comparison(bench.folder, table(read))
        unseen = [record for record in read if place(record.document.id, self.test) == "test"]
        methods = list(dict.fromkeys(pair.method for record in read for pair in record.pairs))
        found = {
            "passing": [msgspec.to_builtins(passing(unseen, method, TESTS)) for method in methods],
            "above the teacher": {
                method: difference(unseen, METHOD, method, TESTS) for method in methods if method != METHOD
            },
        }
        write_bytes(bench.folder / "passing.json", msgspec.json.encode(found) + b"\n")


def table(records: Iterable[Rewording]) -> Comparison:
    """The funnel as the report shows it."""
    rows = funnel(records, (*TESTS, *CHOICES))
    return Comparison(
        "What each filter left of the pairs",
        "Pairs of texts that say the same, by maker, after each filter in turn: of what the filter before it left, and "
        'of all. "sentences": any two of a teacher\'s sentences behind one context.',
        ("maker", "after", "pairs", "of those before", "of all", "documents"),
        tuple((row.method, row.after, row.pairs, row.share, row.of_all, row.contexts) for row in rows),
    )

"""The stage that makes a small teacher: a warm-started causal model taught the pipeline's own prompts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import msgspec
from msgspec import Struct

from kgdistill.contracts import Bench, Card, CorpusStage
from kgdistill.distill.card import teacher_card
from kgdistill.distill.lessons import lessons, read_seed, split_of
from kgdistill.storage.shards import write_bytes
from kgdistill.storage.sources import fingerprint


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    """One part of a schooling: a training run of its own that goes on with the weights of the part before."""

    tokens: int
    learning_rate: float = 8e-4
    judging: float = 1.0
    """Weight of a judgement's tokens."""
    nonsense: int = 0
    """Lessons for each document that only copy words without sense."""


class School(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """Seed documents to lessons to a model folder that `local` and `vllm` teachers load; see distill/schooling."""

    gives: ClassVar[str] = "teacher"

    seed_folder: str
    parts: tuple[Part, ...]
    name: str = "kgdistill-mini"
    batch_tokens: int = 3072
    context: int = 1024
    vocabulary: int = 16384
    threads: int = 2

    def fingerprint(self) -> str:
        return fingerprint(f"{self.seed_folder}/pairs_*.jsonl")

    def run(self, records: Iterator[object], bench: Bench) -> None:
        import torch

        from kgdistill.distill import schooling, warmstart
        from kgdistill.encoders.minilm import model_folder

        torch.set_num_threads(self.threads)
        every = read_seed(Path(self.seed_folder))
        learnt = [d for d in every if split_of(d.id) == "train"]
        unseen = [d for d in every if split_of(d.id) == "validation"]
        samples = lessons(learnt, bench.seed, augment=False)
        texts = [turn.prompt + turn.reply for lesson in samples for turn in lesson.turns]
        encoder = model_folder()
        tokenizer = warmstart.train_tokenizer(warmstart.vocabulary_words(encoder), texts, self.vocabulary)
        model = warmstart.warm_start(encoder, tokenizer, self.context, bench.seed)
        log = []
        for number, part in enumerate(self.parts):
            seed = bench.seed + number
            settings = schooling.Schooling(
                tokens=part.tokens,
                batch_tokens=self.batch_tokens,
                context=self.context,
                learning_rate=part.learning_rate,
                judging=part.judging,
                seed=seed,
            )
            given = lessons(learnt, seed, nonsense=part.nonsense)
            log += schooling.school(model, tokenizer, given, bench.folder / "checkpoints" / str(number), settings)
        loss = schooling.held_out_loss(model, tokenizer, lessons(unseen, bench.seed, augment=False))
        model.to(torch.bfloat16).save_pretrained(bench.folder)
        tokenizer.save_pretrained(bench.folder)
        card = Card(name=self.name, languages=("en",), brief=True, context=self.context)
        write_bytes(bench.folder / "kgdistill.json", msgspec.json.encode(card))
        write_bytes(bench.folder / "training_log.json", msgspec.json.encode(log))
        tokens = sum(part.tokens for part in self.parts)
        readme = teacher_card(self.name, model.num_parameters(), len(learnt), tokens, loss)
        write_bytes(bench.folder / "README.md", readme.encode())

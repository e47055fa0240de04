"""The stage that makes a small teacher: a warm-started causal model taught the pipeline's own prompts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import msgspec

from kgdistill.contracts import Bench, Card, CorpusStage
from kgdistill.distill.card import teacher_card
from kgdistill.distill.lessons import lessons, read_seed, split_of
from kgdistill.storage.shards import write_bytes
from kgdistill.storage.sources import fingerprint


class School(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """Seed documents to lessons to a model folder that `local` and `vllm` teachers load; see distill/schooling."""

    gives: ClassVar[str] = "teacher"

    seed_folder: str
    name: str = "kgdistill-mini"
    tokens: int = 4_900_000
    batch_tokens: int = 3072
    learning_rate: float = 8e-4
    context: int = 1024
    vocabulary: int = 16384
    finish: int = 600_000
    """Tokens of a last part, at a quarter of the learning rate, in which judgements weigh ten times as much."""
    threads: int = 2

    def fingerprint(self) -> str:
        return fingerprint(f"{self.seed_folder}/pairs_*.jsonl")

    def run(self, records: Iterator[object], bench: Bench) -> None:
        import torch

        from kgdistill.distill import schooling, warmstart
        from kgdistill.encoders.minilm import model_folder

        torch.set_num_threads(self.threads)
        every = read_seed(Path(self.seed_folder))
        documents = [d for d in every if split_of(d.id) == "train"]
        samples = itertools.islice(lessons(documents, bench.seed, augment=False), 2000)
        texts = [turn.prompt + turn.reply for lesson in samples for turn in lesson.turns]
        encoder = model_folder()
        tokenizer = warmstart.train_tokenizer(warmstart.vocabulary_words(encoder), texts, self.vocabulary)
        model = warmstart.warm_start(encoder, tokenizer, self.context, bench.seed)
        settings = schooling.Schooling(
            tokens=self.tokens,
            batch_tokens=self.batch_tokens,
            context=self.context,
            learning_rate=self.learning_rate,
            seed=bench.seed,
        )
        checkpoints = bench.folder / "checkpoints"
        log = schooling.school(model, tokenizer, lessons(documents, bench.seed), checkpoints / "first", settings)
        last = msgspec.structs.replace(
            settings, tokens=self.finish, learning_rate=self.learning_rate / 4, seed=bench.seed + 1, judging=10.0
        )
        log += schooling.school(model, tokenizer, lessons(documents, bench.seed + 1), checkpoints / "last", last)
        unseen = [d for d in every if split_of(d.id) == "validation"]
        loss = schooling.held_out_loss(model, tokenizer, lessons(unseen, bench.seed, augment=False))
        model.to(torch.bfloat16).save_pretrained(bench.folder)
        tokenizer.save_pretrained(bench.folder)
        card = Card(name=self.name, languages=("en",), brief=True, context=self.context)
        write_bytes(bench.folder / "kgdistill.json", msgspec.json.encode(card))
        write_bytes(bench.folder / "training_log.json", msgspec.json.encode(log))
        readme = teacher_card(self.name, model.num_parameters(), len(documents), self.tokens, loss)
        write_bytes(bench.folder / "README.md", readme.encode())

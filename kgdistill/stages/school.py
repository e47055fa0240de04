"""The stage that makes a small teacher: a warm-started causal model taught the pipeline's own prompts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from kgdistill.contracts import Bench, Card, CorpusStage
from kgdistill.distill.card import teacher_card
from kgdistill.distill.lessons import lessons, read_seed, split_of
from kgdistill.distill.llm_pairs import read_llm_pairs
from kgdistill.distill.mixture import Mix, Sources, mixed_lessons, read_paragraphs
from kgdistill.records import content_id
from kgdistill.storage.shards import write_bytes
from kgdistill.storage.sources import fingerprint


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    """One part of a schooling: a training run of its own that goes on with the weights of the part before."""

    tokens: int
    planned: int = 0
    """Tokens over which the learning rate falls, where that is more than `tokens`: the part ends with it still high."""
    learning_rate: float = 8e-4
    dropout: float = 0.0
    """Share of hidden values left out while learning."""
    judging: float = 1.0
    """Weight of a judgement's tokens."""
    mix: Mix = Mix()
    """Which lessons it gives."""
    sentences: int = 4
    """Most sentences of a seed document that a lesson is about."""


class School(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """Seed documents to lessons to a model folder that `local` and `vllm` teachers load; see distill/schooling."""

    gives: ClassVar[str] = "teacher"

    seed_folder: str
    parts: tuple[Part, ...]
    pairs_folder: str = ""
    """Document-graph pairs by other models (distill/llm_pairs)."""
    text_folder: str = ""
    """Plain paragraphs (distill/mixture)."""
    learnt_from: tuple[str, ...] = ()
    """Sources with their licences, for the model's card."""
    name: str = "kgdistill-mini"
    scale: float = 1.0
    """How many times the tokens of every part: more than 1 where there is a GPU."""
    batch_tokens: int = 3072
    context: int = 1024
    vocabulary: int = 16384
    threads: int = 2

    def fingerprint(self) -> str:
        patterns = [f"{self.seed_folder}/*.jsonl"]
        patterns += [f"{self.pairs_folder}/**/*.json"] if self.pairs_folder else []
        patterns += [f"{self.text_folder}/*.jsonl"] if self.text_folder else []
        return content_id(*map(fingerprint, patterns))

    def run(self, records: Iterator[object], bench: Bench) -> None:
        import torch

        from kgdistill.distill import schooling

        torch.set_num_threads(self.threads)
        every = read_seed(Path(self.seed_folder))
        learnt = [d for d in every if split_of(d.id) == "train"]
        unseen = [d for d in every if split_of(d.id) == "validation"]
        sources = Sources(
            learnt,
            Path(self.seed_folder),
            tuple(read_llm_pairs(Path(self.pairs_folder))) if self.pairs_folder else (),
            tuple(read_paragraphs(Path(self.text_folder))) if self.text_folder else (),
        )
        model, tokenizer = self._start(sources, bench.seed, bench.folder / "checkpoints" / "tokenizer")
        log = []
        for number, part in enumerate(self.parts):
            seed = bench.seed + number
            settings = schooling.Schooling(
                tokens=round(self.scale * part.tokens),
                planned=round(self.scale * part.planned),
                batch_tokens=self.batch_tokens,
                context=self.context,
                learning_rate=part.learning_rate,
                dropout=part.dropout,
                judging=part.judging,
                seed=seed,
            )
            given = mixed_lessons(sources, part.mix, seed, part.sentences)
            log += schooling.school(model, tokenizer, given, bench.folder / "checkpoints" / str(number), settings)
        loss = schooling.held_out_loss(model, tokenizer, lessons(unseen, bench.seed, augment=False))
        model.to(torch.bfloat16).save_pretrained(bench.folder)
        tokenizer.save_pretrained(bench.folder)
        card = Card(name=self.name, languages=("en",), brief=True, context=self.context)
        write_bytes(bench.folder / "kgdistill.json", msgspec.json.encode(card))
        write_bytes(bench.folder / "training_log.json", msgspec.json.encode(log))
        tokens = round(self.scale * sum(part.tokens for part in self.parts))
        readme = teacher_card(self.name, model.num_parameters(), len(learnt), tokens, loss, self.learnt_from)
        write_bytes(bench.folder / "README.md", readme.encode())

    def _start(self, sources: Sources, seed: int, folder: Path) -> tuple[Any, Any]:
        """The warm-started model and its tokenizer: made from the training texts, and kept in `folder` for resuming."""
        from transformers import AutoTokenizer

        from kgdistill.distill import warmstart
        from kgdistill.encoders.minilm import model_folder

        encoder = model_folder()
        if not folder.is_dir():
            given = itertools.islice(mixed_lessons(sources, self.parts[0].mix, seed), 20_000)
            texts = [turn.prompt + turn.reply for lesson in given for turn in lesson.turns]
            made = warmstart.train_tokenizer(warmstart.vocabulary_words(encoder), texts, self.vocabulary)
            made.save_pretrained(new := folder.with_name("tokenizer.new"))
            new.rename(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        return warmstart.warm_start(encoder, tokenizer, self.context, seed), tokenizer

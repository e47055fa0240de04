"""A small model of everyday inferences: a causal language model that reads an event and a relation and writes a tail.

The one input format, in training and in use, is COMET's:

    <head> PersonX buys a ticket </head> <relation> xNeed </relation> [GEN] to check the timetable

The tail ends where the model ends it, never at a period, so that "at 5 p.m." and "St. Louis" stay whole.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
import torch
from msgspec import Struct
from transformers import AutoModelForCausalLM, AutoTokenizer

from kgdistill.distill.lessons import Lesson, Turn
from kgdistill.distill.schooling import Schooling, held_out_loss, school
from kgdistill.errors import ModelError
from kgdistill.records import content_id
from kgdistill.text.inferences import clean_tail

FILE = "comet.json"
_FORM = re.compile(r"<head> (.*?) </head> <relation> (.*?) </relation> \[GEN\](?: (.*))?", re.DOTALL)
Said = tuple[str, str, str]
"""(head, relation, tail)"""


class CometSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How the student is fine-tuned and sampled; lengths and budgets in tokens."""

    model: str = "kgdistill-mini"
    """Folder, or hub name, of the causal model to start from."""
    epochs: float = 3.0
    batch_tokens: int = 2048
    learning_rate: float = 3e-4
    dropout: float = 0.1
    max_tokens: int = 24
    temperature: float = 1.0
    top_p: float = 0.9
    seed: int = 0


class Written(Struct, frozen=True):
    """One sampled tail with the sum of its tokens' natural log-probabilities, under temperature 1."""

    tail: str
    logprob: float
    tokens: int
    finished: bool


def comet_prompt(head: str, relation: str) -> str:
    """What the student reads."""
    return f"<head> {head} </head> <relation> {relation} </relation> [GEN]"


def comet_text(head: str, relation: str, tail: str) -> str:
    """A whole line of training."""
    return f"{comet_prompt(head, relation)} {tail}"


def read_comet(text: str) -> Said:
    """The inverse of `comet_text`. Raises ValueError for text of another form."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"not in COMET's form: {text[:80]!r}")
    return match[1], match[2], match[3] or ""


class Comet:
    """Model and tokenizer; `fit` once, then `write` as often as needed."""

    def __init__(self, model: Any, tokenizer: Any, settings: CometSettings) -> None:
        self.model, self.tokenizer, self.settings = model, tokenizer, settings

    @classmethod
    def start(cls, folder: Path, settings: CometSettings) -> Self:
        """The student before training, on the model in `folder`. Raises ModelError where it cannot be loaded."""
        try:
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
            tokenizer = AutoTokenizer.from_pretrained(folder)
        except (OSError, ValueError) as error:
            raise ModelError(f"no causal model in {folder}: {str(error).splitlines()[0]}") from error
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        return cls(model.to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer, settings)

    @classmethod
    def from_pretrained(cls, folder: Path) -> Self:
        """The student in `folder`. Raises ModelError where there is none."""
        try:
            settings = msgspec.json.decode((folder / FILE).read_bytes(), type=CometSettings)
        except (OSError, msgspec.DecodeError) as error:
            raise ModelError(f"{folder} holds no student of inferences: {error}") from error
        return cls.start(folder, settings)

    def fit(self, train: Sequence[Said], validation: Sequence[Said], checkpoints: Path) -> dict[str, Any]:
        """Fine-tune on inferences; a kill only interrupts it. Returns the losses (nats a token)."""
        settings = self.settings
        tokens = sum(len(self.tokenizer(comet_text(*row))["input_ids"]) + 1 for row in train)
        schooling = Schooling(
            tokens=max(settings.batch_tokens, round(settings.epochs * tokens)),
            batch_tokens=settings.batch_tokens,
            learning_rate=settings.learning_rate,
            dropout=settings.dropout,
            checkpoints=4,
            seed=settings.seed,
        )
        log = school(self.model, self.tokenizer, _endless(train, settings.seed), checkpoints, schooling)
        loss = held_out_loss(self.model, self.tokenizer, map(lesson, validation))
        return {"log": log, "validation_loss": loss, "inferences": len(train), "tokens": tokens}

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def write(self, head: str, relation: str, samples: int) -> list[Written]:
        """`samples` tails, drawn with a seed of their own, so that they do not depend on what was asked before."""
        self.model.eval()
        settings = self.settings
        torch.manual_seed(int(content_id("comet", settings.seed, head, relation, length=8), 16))
        prompt = self._ids(comet_prompt(head, relation))
        ids = torch.tensor([prompt], device=self.model.device)
        found = self.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=settings.temperature > 0,
            temperature=settings.temperature or None,
            top_p=settings.top_p,
            top_k=0,
            num_return_sequences=samples if settings.temperature > 0 else 1,
            max_new_tokens=settings.max_tokens,
            pad_token_id=self.tokenizer.pad_token_id,
            eos_token_id=self.tokenizer.eos_token_id,
            return_dict_in_generate=True,
            output_logits=True,
        )
        logs = torch.stack(found.logits, 1).float().log_softmax(-1)
        return [self._written(row[len(prompt) :], log) for row, log in zip(found.sequences, logs, strict=True)]

    def clean(self, text: str) -> str:
        """What is taken of a reply."""
        return clean_tail(text)

    def _written(self, tokens: torch.Tensor, logs: torch.Tensor) -> Written:
        ends = (tokens == self.tokenizer.eos_token_id).nonzero()
        length = int(ends[0]) + 1 if len(ends) else len(tokens)
        chosen = logs[torch.arange(length), tokens[:length]]
        text = self.tokenizer.decode(tokens[:length], skip_special_tokens=True)
        return Written(self.clean(text), float(chosen.sum()), length, finished=len(ends) > 0)

    def _ids(self, text: str) -> list[int]:
        return [int(token) for token in self.tokenizer(text, add_special_tokens=False)["input_ids"]]

    def save_pretrained(self, folder: Path) -> None:
        """Model (bfloat16), tokenizer and settings."""
        folder.mkdir(parents=True, exist_ok=True)
        self.model.to(torch.bfloat16).save_pretrained(folder)
        self.model.float()
        self.tokenizer.save_pretrained(folder)
        (folder / FILE).write_bytes(msgspec.json.encode(self.settings) + b"\n")


def lesson(row: Said) -> Lesson:
    """An inference to learn: the loss is on the tail and its end only."""
    head, relation, tail = row
    return Lesson((Turn(comet_prompt(head, relation), f" {tail}"),))


def _endless(rows: Sequence[Said], seed: int) -> Iterator[Lesson]:
    """The rows in another order each time; how many are read is decided by the budget of tokens."""
    chance = random.Random(seed)
    order = list(rows)
    for _ in itertools.count():
        chance.shuffle(order)
        yield from map(lesson, order)

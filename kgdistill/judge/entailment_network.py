"""Training a classifier of text pairs: an encoder reads both at once and says entailment, neutral or contradiction.

Resumable: checkpoints lie in a folder, and the same call goes on from the last one.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from msgspec import Struct
from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments, set_seed
from transformers.trainer_utils import get_last_checkpoint

from kgdistill.errors import ModelError, RecipeError
from kgdistill.judge import eight_bit
from kgdistill.judge.entailment import LABELS, MARKED, Entailment, encode

Labelled = tuple[str, str, str]
"""(premise, hypothesis, one of LABELS)"""


class EntailmentSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How the classifier is trained; lengths and budgets in tokens. Raises RecipeError."""

    learning_rate: float = 1.5e-4
    warmup: float = 0.06
    weight_decay: float = 0.01
    batch_tokens: int = 1024
    max_tokens: int = 256
    dropout: float = 0.1
    layers: int = 0
    """How many of the encoder's layers are used, from the first; 0: all."""
    marked: bool = True
    """The encoder is told which word pieces of a hypothesis are new; see `encode`."""
    frozen: bool = True
    """The word embeddings stay as they are: half of the weights, of which a small seed can teach little."""
    checkpoints: int = 6
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch_tokens < self.max_tokens or self.layers < 0:
            raise RecipeError("entailment: batch_tokens must be at least max_tokens, and layers not negative")


def train_entailment(
    rows: Sequence[Labelled], encoder: Path, settings: EntailmentSettings, checkpoints: Path
) -> Entailment:
    """A classifier trained once over `rows`, in batches of like length. Raises ModelError and RecipeError."""
    if len({label for _, _, label in rows}) < 2:
        raise RecipeError("entailment: the pairs to learn from need at least two labels")
    set_seed(settings.seed)
    model, tokenizer = _start(encoder, settings)
    model.get_input_embeddings().requires_grad_(not settings.frozen)
    batches = _batches(rows, tokenizer, settings)
    steps = len(batches)
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        max_steps=steps,
        per_device_train_batch_size=1,
        learning_rate=settings.learning_rate,
        warmup_steps=round(settings.warmup * steps),
        weight_decay=settings.weight_decay,
        lr_scheduler_type="cosine",
        bf16=True,
        use_cpu=not torch.cuda.is_available(),
        logging_steps=max(1, steps // 50),
        save_steps=max(1, steps // settings.checkpoints),
        save_total_limit=1,
        seed=settings.seed,
        report_to="none",
        remove_unused_columns=False,
        disable_tqdm=True,
        dataloader_num_workers=0,
    )
    trainer = Trainer(model=model, args=arguments, train_dataset=batches, data_collator=lambda batch: batch[0])
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None)
    return Entailment(model.eval(), tokenizer, "the trained classifier")


def save_entailment(found: Entailment, folder: Path) -> None:
    """Write the classifier so that `Entailment.from_pretrained` loads it: config, tokenizer, weights as 8-bit rows."""
    folder.mkdir(parents=True, exist_ok=True)
    model, tokenizer = found.parts
    model.config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    eight_bit.save(model.state_dict(), folder)


def _start(encoder: Path, settings: EntailmentSettings) -> tuple[Any, Any]:
    names = dict(enumerate(LABELS))
    more: dict[str, Any] = {"num_hidden_layers": settings.layers} if settings.layers else {}
    try:
        tokenizer = AutoTokenizer.from_pretrained(encoder, local_files_only=True)
        model = AutoModelForSequenceClassification.from_pretrained(
            encoder,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            id2label=names,
            label2id={name: place for place, name in names.items()},
            hidden_dropout_prob=settings.dropout,
            **more,
        )
    except (OSError, ValueError) as error:
        raise ModelError(f"no encoder in {encoder}: {str(error).splitlines()[0]}") from error
    setattr(model.config, MARKED, settings.marked)
    return model, tokenizer


def _batches(rows: Sequence[Labelled], tokenizer: Any, settings: EntailmentSettings) -> list[dict[str, torch.Tensor]]:
    """Batches of about `batch_tokens` tokens, each of pairs of like length, in random order."""
    chance = random.Random(settings.seed)
    order = chance.sample(range(len(rows)), len(rows))
    encoded = encode(tokenizer, [(p, h) for p, h, _ in rows], settings.max_tokens, settings.marked)
    lengths = [len(ids) for ids in encoded["input_ids"]]
    found: list[dict[str, torch.Tensor]] = []
    for start in range(0, len(order), 4000):
        groups: list[list[int]] = [[]]
        for place in sorted(order[start : start + 4000], key=lambda place: lengths[place]):
            if groups[-1] and lengths[place] * (len(groups[-1]) + 1) > settings.batch_tokens:
                groups.append([])
            groups[-1].append(place)
        for group in groups:
            batch = tokenizer.pad(
                {key: [values[i] for i in group] for key, values in encoded.items()}, return_tensors="pt"
            )
            labels = torch.tensor([LABELS.index(rows[i][2]) for i in group])
            found.append({**batch, "labels": labels})
    chance.shuffle(found)
    return found

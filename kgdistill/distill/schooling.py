"""Training a small causal model on lessons: batches by token budget, loss on replies only, resumable.

The language-model head is computed only where there are labels: prompts are two thirds of the tokens.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from msgspec import Struct
from torch.nn import functional
from torch.utils.data import IterableDataset
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import get_last_checkpoint

from kgdistill.distill.lessons import Lesson

IGNORE = -100


class Schooling(Struct, frozen=True):
    """Settings of a training run; lengths and budgets in tokens."""

    tokens: int = 4_900_000
    planned: int = 0
    """Tokens over which the learning rate falls; training that ends earlier leaves it high. 0: those of `tokens`."""
    batch_tokens: int = 3072
    context: int = 1024
    learning_rate: float = 8e-4
    warmup: float = 0.03
    weight_decay: float = 0.01
    seed: int = 0
    checkpoints: int = 20
    """How many checkpoints are written over the run."""
    dropout: float = 0.0
    """Share of hidden values left out."""
    judging: float = 1.0
    """Weight of a judgement's tokens: they are one in forty, and would hardly be learnt beside the others."""


class Encoded(NamedTuple):
    """A lesson in tokens; a target stands where the next token belongs to a reply, or ends one."""

    ids: list[int]
    targets: list[int]
    weights: list[float]


def encode(lesson: Lesson, tokenizer: PreTrainedTokenizerBase, judging: float = 1.0) -> Encoded:
    """Token ids with next-token targets and the weights of these."""
    encoded = Encoded([], [], [])
    for turn in lesson.turns:
        prompt = tokenizer(turn.prompt, add_special_tokens=False)["input_ids"]
        reply = tokenizer(turn.reply, add_special_tokens=False)["input_ids"]
        encoded.ids.extend(prompt + reply)
        # The last prompt token predicts the first of the reply; the last of the reply predicts the end.
        end = tokenizer.eos_token_id if turn.ends else IGNORE
        encoded.targets.extend([IGNORE] * (len(prompt) - 1) + reply + [end])
        encoded.weights.extend([judging if turn.judged else 1.0] * (len(prompt) + len(reply)))
    return encoded


class Batches(IterableDataset[dict[str, torch.Tensor]]):  # type: ignore[misc]
    """Batches of about `batch_tokens` tokens, each of lessons of like length; endless if the lessons are."""

    def __init__(self, lessons: Iterable[Lesson], tokenizer: PreTrainedTokenizerBase, settings: Schooling) -> None:
        self._lessons, self._tokenizer, self._settings = lessons, tokenizer, settings

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        chance = random.Random(self._settings.seed)
        pool: list[Encoded] = []
        for lesson in self._lessons:
            encoded = encode(lesson, self._tokenizer, self._settings.judging)
            if len(encoded.ids) <= self._settings.context:
                pool.append(encoded)
            if len(pool) == 600:
                yield from self._batches(pool, chance)
                pool = []
        yield from self._batches(pool, chance)

    def _batches(self, pool: list[Encoded], chance: random.Random) -> Iterator[dict[str, torch.Tensor]]:
        pool.sort(key=lambda encoded: len(encoded.ids))
        groups: list[list[Encoded]] = [[]]
        for encoded in pool:
            if len(encoded.ids) * (len(groups[-1]) + 1) > self._settings.batch_tokens and groups[-1]:
                groups.append([])
            groups[-1].append(encoded)
        chance.shuffle(groups)
        yield from (collate(group, self._tokenizer.pad_token_id) for group in groups if group)


def collate(group: Sequence[Encoded], padding: int) -> dict[str, torch.Tensor]:
    """Right-padded tensors, each of shape (len(group), longest)."""
    longest = max(len(encoded.ids) for encoded in group)

    def padded(rows: Iterable[Sequence[float]], value: float) -> torch.Tensor:
        return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows])

    return {
        "input_ids": padded((encoded.ids for encoded in group), padding),
        "targets": padded((encoded.targets for encoded in group), IGNORE),
        "weights": padded((encoded.weights for encoded in group), 0.0),
    }


def reply_loss(model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Weighted mean cross-entropy (nats) over the reply tokens of a batch."""
    # Padding stands on the right, where a causal model never looks from: no mask, and attention's fast path.
    hidden = model.get_decoder()(input_ids=batch["input_ids"], use_cache=False).last_hidden_state
    where = batch["targets"] != IGNORE
    logits = model.get_output_embeddings()(hidden[where])
    weights = batch["weights"][where]
    losses = functional.cross_entropy(logits.float(), batch["targets"][where], reduction="none")
    return (losses * weights).sum() / weights.sum()


def held_out_loss(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, lessons: Iterable[Lesson]) -> float:
    """Mean cross-entropy (nats per reply token) over lessons that training has not seen."""
    total = count = 0.0
    model.eval()
    with torch.inference_mode():
        for batch in Batches(lessons, tokenizer, Schooling(batch_tokens=4096)):
            batch = {name: tensor.to(model.device) for name, tensor in batch.items()}
            tokens = int((batch["targets"] != IGNORE).sum())
            total += float(reply_loss(model, batch)) * tokens
            count += tokens
    return total / count if count else 0.0


class _ReplyTrainer(Trainer):  # type: ignore[misc]
    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:
        # The trainer's own mixed precision wraps `model.forward`, which `reply_loss` goes around.
        with torch.autocast(inputs["input_ids"].device.type, torch.bfloat16):
            loss = reply_loss(model, inputs)
        return (loss, {}) if return_outputs else loss


class _EndAt(TrainerCallback):  # type: ignore[misc]
    """Ends at a step, with a checkpoint, although the schedule is planned for more."""

    def __init__(self, last: int) -> None:
        self._last = last

    def on_step_end(self, _: Any, state: TrainerState, control: TrainerControl, **__: Any) -> None:
        if state.global_step >= self._last:
            control.should_save = control.should_training_stop = True


def _arguments(settings: Schooling, folder: Path, steps: int) -> TrainingArguments:
    """How the trainer runs `steps` steps of one lesson batch each."""
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=1,
        learning_rate=settings.learning_rate,
        warmup_steps=round(settings.warmup * steps),
        weight_decay=settings.weight_decay,
        lr_scheduler_type="cosine",
        max_grad_norm=1.0,
        bf16=True,
        use_cpu=not torch.cuda.is_available(),
        logging_steps=max(1, steps // 200),
        save_steps=max(1, steps // settings.checkpoints),
        save_total_limit=1,
        seed=settings.seed,
        report_to="none",
        remove_unused_columns=False,
        disable_tqdm=True,
        dataloader_num_workers=0,
    )


def school(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    lessons: Iterable[Lesson],
    folder: Path,
    settings: Schooling,
) -> list[dict[str, float]]:
    """Train `model` in place on `settings.tokens` tokens of lessons; returns the log of losses.

    Checkpoints lie in `folder`; called again with the same settings after a kill, it goes on from the last one.
    """
    set_seed(settings.seed)
    for module in model.modules():
        if isinstance(getattr(module, "dropout", None), float):
            module.dropout = settings.dropout
    steps = max(1, max(settings.tokens, settings.planned) // settings.batch_tokens)
    last = max(1, settings.tokens // settings.batch_tokens)
    checkpoint = get_last_checkpoint(folder) if folder.is_dir() else None
    trainer = _ReplyTrainer(
        model=model,
        args=_arguments(settings, folder, steps),
        train_dataset=Batches(lessons, tokenizer, settings),
        data_collator=lambda batches: batches[0],
        callbacks=[_EndAt(last)],
    )
    done = TrainerState.load_from_json(f"{checkpoint}/{TRAINER_STATE_NAME}") if checkpoint else TrainerState()
    if done.global_step >= last:
        model.load_state_dict(type(model).from_pretrained(checkpoint).state_dict())
    else:
        trainer.train(resume_from_checkpoint=checkpoint)
        done = trainer.state
    return [{k: float(v) for k, v in row.items()} for row in done.log_history if "loss" in row]

"""The critic: an encoder that learns from labels which inferences are plausible (event, verbalised relation and tail).

Four quirks of the original are not here. It passed no attention mask, so that a score depended on what else was in
the batch; it chose cut-offs with the help of the test labels; its random names were not seeded; and it drew names that
could stand in the text already. Source: West et al., Symbolic Knowledge Distillation (2022), section 4.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModel, AutoTokenizer, get_linear_schedule_with_warmup

from kgdistill.errors import ModelError
from kgdistill.judge.critic import FILE, About, CriticSettings, Said, held_out, naming, read_about
from kgdistill.judge.thresholds import area, cut_offs


class Critic(nn.Module):  # type: ignore[misc]
    """Encoder, mean over its tokens, and a small classifier on top."""

    def __init__(self, encoder: Any, tokenizer: Any, settings: CriticSettings) -> None:
        super().__init__()
        self.encoder, self.tokenizer, self.settings = encoder, tokenizer, settings
        self.head = nn.Sequential(
            nn.Dropout(settings.dropout),
            nn.Linear(encoder.config.hidden_size, settings.hidden),
            nn.GELU(),
            nn.Dropout(settings.dropout),
            nn.Linear(settings.hidden, 1),
        )

    @classmethod
    def start(cls, folder: Path, settings: CriticSettings, valid_share: float) -> Critic:
        """An untrained critic on the encoder in `folder`, its bias at the share of valid rows. Raises ModelError."""
        torch.manual_seed(settings.seed)
        critic = cls(*_encoder(folder), settings)
        share = min(0.99, max(0.01, valid_share))
        nn.init.constant_(critic.head[-1].bias, float(torch.logit(torch.tensor(share))))
        return critic

    def forward(self, pairs: Sequence[tuple[str, str]]) -> torch.Tensor:
        """Log-odds of being valid, shape (len(pairs),); a row's does not depend on the rows around it."""
        firsts, seconds = [first for first, _ in pairs], [second for _, second in pairs]
        batch = self.tokenizer(
            firsts, seconds, padding=True, truncation=True, max_length=self.settings.max_tokens, return_tensors="pt"
        ).to(self.encoder.device)
        hidden = self.encoder(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        pooled = (hidden * mask).sum(1) / mask.sum(1)
        odds: torch.Tensor = self.head(pooled).squeeze(-1)
        return odds

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def score(self, rows: Sequence[Said], names: int = 0) -> list[float]:
        """P(valid) of each row, the mean over `names` namings (0: the settings'); the same whenever it is asked."""
        self.eval()
        namings = [
            [naming(row, number, self.settings.seed) for number in range(names or self.settings.names)] for row in rows
        ]
        texts = sorted({pair for pairs in namings for pair in pairs}, key=lambda pair: (len(pair[0] + pair[1]), pair))
        found: dict[tuple[str, str], float] = {}
        for start in range(0, len(texts), 128):
            part = texts[start : start + 128]
            found.update(zip(part, torch.sigmoid(self(part)).tolist(), strict=True))
        return [sum(found[pair] for pair in pairs) / len(pairs) for pairs in namings]

    def save_pretrained(self, folder: Path, about: About) -> None:
        """Encoder, tokenizer, classifier and `about`, all that `from_pretrained` needs."""
        folder.mkdir(parents=True, exist_ok=True)
        self.encoder.save_pretrained(folder / "encoder")
        self.tokenizer.save_pretrained(folder / "encoder")
        save_file(
            {name: tensor.contiguous() for name, tensor in self.head.state_dict().items()}, folder / "head.safetensors"
        )
        (folder / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(about), indent=2) + b"\n")

    @classmethod
    def from_pretrained(cls, folder: Path) -> tuple[Critic, About]:
        """The critic in `folder` and what it says of itself. Raises ModelError where there is none."""
        about = read_about(folder)
        critic = cls(*_encoder(folder / "encoder"), about.settings)
        critic.head.load_state_dict(load_file(folder / "head.safetensors"))
        return critic, about


def _encoder(folder: Path) -> tuple[Any, Any]:
    try:
        return AutoModel.from_pretrained(folder, dtype=torch.float32), AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise ModelError(f"no encoder in {folder}: {str(error).splitlines()[0]}") from error


def train_critic(
    rows: Sequence[Said], labels: Sequence[bool], encoder: Path, settings: CriticSettings
) -> tuple[Critic, About]:
    """A critic trained on labelled rows; epochs and cut-offs are decided on held-out events, never on other data.

    Every epoch names the people anew. Raises ValueError where the rows or the held-out events have one label only.
    """
    held = [held_out(row[0], settings) for row in rows]
    learnt = [(row, label) for row, label, out in zip(rows, labels, held, strict=True) if not out]
    watched = [(row, label) for row, label, out in zip(rows, labels, held, strict=True) if out]
    for part, what in ((learnt, "learn from"), (watched, "validate on")):
        if len({label for _, label in part}) < 2:
            raise ValueError(f"the {len(part)} labelled rows to {what} need both labels")
    critic = Critic.start(encoder, settings, sum(label for _, label in learnt) / len(learnt))
    said, truth = [row for row, _ in watched], [label for _, label in watched]
    best, state, log, since = -1.0, None, [], 0
    for epoch, loss in enumerate(_epochs(critic, learnt, settings), 1):
        found = area(critic.score(said, names=1), truth)
        log.append({"epoch": float(epoch), "loss": loss, "area": found})
        since += 1
        if found > best:
            best, since = found, 0
            state = {name: tensor.detach().clone() for name, tensor in critic.state_dict().items()}
        if since >= settings.patience:
            break
    critic.load_state_dict(state)
    scores = critic.score(said)
    cuts = cut_offs(scores, truth, settings.recalls)
    return critic, About(settings, cuts, area(scores, truth), len(learnt), len(watched), tuple(log))


def _epochs(critic: Critic, rows: Sequence[tuple[Said, bool]], settings: CriticSettings) -> Iterator[float]:
    """Train an epoch at a time, giving its mean loss."""
    steps = -(-len(rows) // settings.batch) * settings.epochs
    optimizer = torch.optim.AdamW(critic.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = get_linear_schedule_with_warmup(optimizer, round(settings.warmup * steps), steps)
    chance = random.Random(settings.seed)
    for epoch in range(settings.epochs):
        critic.train()
        total = 0.0
        for batch in _batches(rows, epoch, settings, chance):
            odds = critic([pair for pair, _ in batch])
            truth = torch.tensor([float(label) for _, label in batch], device=odds.device)
            loss = nn.functional.binary_cross_entropy_with_logits(odds, truth)
            loss.backward()
            nn.utils.clip_grad_norm_(critic.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            total += float(loss.detach()) * len(batch)
        yield total / len(rows)


def _batches(
    rows: Iterable[tuple[Said, bool]], epoch: int, settings: CriticSettings, chance: random.Random
) -> Iterator[list[tuple[tuple[str, str], bool]]]:
    """Batches of rows of like length (less padding), in random order; other names each time."""
    named = [(naming(row, 1000 + epoch, settings.seed), label) for row, label in rows]
    chance.shuffle(named)
    pool = 50 * settings.batch
    for start in range(0, len(named), pool):
        part = sorted(named[start : start + pool], key=lambda item: len(item[0][0] + item[0][1]))
        groups = [part[place : place + settings.batch] for place in range(0, len(part), settings.batch)]
        chance.shuffle(groups)
        yield from groups

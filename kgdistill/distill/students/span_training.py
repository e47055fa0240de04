"""Training a span student: resumable epochs, early stopping by document, calibration on the validation split."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import torch
from msgspec import Struct
from safetensors.torch import load_file, save_file
from torch import Tensor

from kgdistill.distill.pairing import agreement, matches
from kgdistill.distill.students.span_examples import examples
from kgdistill.distill.students.span_learning import Case, batch_losses
from kgdistill.distill.students.span_passages import join_passages
from kgdistill.distill.students.span_scaling import fit_lines
from kgdistill.distill.variation import Variation
from kgdistill.records import Extraction, Pair

if TYPE_CHECKING:
    from kgdistill.distill.students.span import SpanStudent


class Progress(Struct):
    """Where training stands; written after every epoch."""

    epoch: int = 0
    steps: int = 0
    best: float = -1.0
    best_epoch: int = 0
    log: list[dict[str, float]] = []


def fit(student: SpanStudent, train: Sequence[Pair], validation: Sequence[Pair], folder: Path) -> dict[str, Any]:
    """Train `student` in place; returns {"log", "best_epoch", "threshold", ...figures on validation}.

    After a kill the same call goes on from the last whole epoch in `folder` and ends with the same weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings, network = student.settings, student.network
    parts = [len(student.prepare(pair.text)[1]) for pair in train]
    steps = sum(-(-round(expected(train, parts, share)) // settings.batch) for share in shares(settings.epochs))
    optimizer, schedule = _optimizer(student, steps)
    progress = _resume(folder, network, optimizer, schedule)
    variation = Variation(train)
    while progress.epoch < settings.epochs:
        if progress.epoch - progress.best_epoch >= settings.patience and progress.best >= 0:
            break
        progress.epoch += 1
        losses = _epoch(student, train, variation, optimizer, schedule, progress.epoch)
        row = {"epoch": float(progress.epoch), **losses}
        if progress.epoch % settings.check_every == 0 or progress.epoch == settings.epochs:
            row |= {f"validation_{k}": v for k, v in _validate(student, validation).items()}
            if row["validation_weighed_f1"] > progress.best:
                progress.best, progress.best_epoch = row["validation_weighed_f1"], progress.epoch
                save_file(_state(network), folder / "best.safetensors")
        progress.log.append(row)
        progress.steps = schedule.last_epoch
        _checkpoint(folder, network, optimizer, progress)
    if (folder / "best.safetensors").exists():
        network.load_state_dict(load_file(folder / "best.safetensors"))
    figures = calibrate(student, validation)
    return {"log": progress.log, "best_epoch": progress.best_epoch, "epochs": progress.epoch, **figures}


def shares(epochs: int) -> list[float]:
    """For each epoch how much of its weight a pair of less than full weight still has: from 1 down to 0."""
    return [1 - epoch / max(1, epochs - 1) for epoch in range(epochs)]


def expected(pairs: Sequence[Pair], parts: Sequence[int], share: float) -> float:
    """How many windows an epoch sees on average; `parts` are those of each pair."""
    return sum(n if pair.weight >= 1 else n * pair.weight * share for pair, n in zip(pairs, parts, strict=True))


def _optimizer(student: SpanStudent, steps: int) -> tuple[torch.optim.Optimizer, Any]:
    settings = student.settings
    encoder = [p for p in student.network.encoder.parameters() if p.requires_grad]
    known = {id(p) for p in encoder}
    heads = [p for p in student.network.parameters() if p.requires_grad and id(p) not in known]
    optimizer = torch.optim.AdamW(
        [{"params": encoder, "lr": settings.learning_rate}, {"params": heads, "lr": settings.head_rate}],
        weight_decay=settings.weight_decay,
        fused=student.network.device.type == "cuda",
    )
    warm = max(1, round(settings.warmup * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, max(0.02, (steps - step) / max(1, steps - warm)))
    )
    return optimizer, schedule


def _epoch(
    student: SpanStudent, train: Sequence[Pair], variation: Variation, optimizer: Any, schedule: Any, epoch: int
) -> dict[str, float]:
    """One pass; its chances depend on the seed and the epoch only, so that a resumed run repeats them."""
    settings, network = student.settings, student.network
    chance = random.Random(f"{settings.seed} {epoch}")
    torch.manual_seed(settings.seed * 10_007 + epoch)
    batches = _batches(student, train, variation, shares(settings.epochs)[epoch - 1], chance)
    network.train()
    totals: dict[str, Tensor | float] = {}
    for batch in batches:
        parts = losses_of(student, batch, chance)
        loss = torch.stack(list(parts.values())).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        for key, value in parts.items():
            totals[key] = totals.get(key, 0.0) + value.detach() / len(batches)
    return {key: float(total) for key, total in totals.items()}


def _batches(
    student: SpanStudent, train: Sequence[Pair], variation: Variation, share: float, chance: random.Random
) -> list[list[Case]]:
    """Windows of the pairs that an epoch draws, varied afresh; those of a batch are of like length."""
    settings = student.settings
    relation_number = {name: i for i, name in enumerate(student.relations.names)}
    type_number = {name: i for i, name in enumerate(student.types.names)}
    cases: list[Case] = []
    for pair in train:
        if pair.weight < 1 and chance.random() >= pair.weight * share:
            continue
        varied = variation.vary(pair, chance) if chance.random() < settings.varied else pair
        words, cut, _ = student.prepare(varied.text)
        found = examples(varied, words, cut, lambda n: relation_number.get(n, -1), lambda n: type_number.get(n, -1))
        cases += [(example, varied.text) for example in found]
    chance.shuffle(cases)
    cases.sort(key=lambda case: (case[0].window.end - case[0].window.start) // 12)
    batches = [cases[i : i + settings.batch] for i in range(0, len(cases), settings.batch)]
    chance.shuffle(batches)
    return batches


def losses_of(student: SpanStudent, batch: Sequence[Case], chance: random.Random) -> dict[str, Tensor]:
    """Mean losses of some windows by part; "names" is how far names moved from where the encoder had them."""
    network, device = student.network, student.network.device
    with torch.autocast(device.type, torch.bfloat16):
        joined = join_passages(network, [(example.words, example.window) for example, _ in batch], student.marks)
        points = student.relations.vectors, student.types.vectors
        parts = batch_losses(network, joined, batch, *points, student.settings.silence)
        if student.relations.names:
            numbers = [chance.randrange(len(student.relations.names)) for _ in range(12)]
            ids, mask = student.pieces.of_texts([student.relations.names[i] for i in numbers], 16)
            vectors = network.embed(ids.to(device), mask.to(device))
            parts["names"] = (1 - (vectors * student.relations.vectors[numbers]).sum(-1)).mean() * 2
    return parts


def _validate(student: SpanStudent, pairs: Sequence[Pair]) -> dict[str, float]:
    """Figures at the raw threshold that is best on these pairs."""
    read = [student.read(pair.id, pair.text) for pair in pairs]
    return best_threshold(read, pairs, student.settings.silence)


def best_threshold(read: Sequence[Extraction], pairs: Sequence[Pair], silence: float = 1.0) -> dict[str, float]:
    """The threshold on scores with the best weighed pair F1, and the figures there.

    Weighed: a fact that the graph does not have counts as wrong by `silence` only, as it did in the loss. Graphs that
    leave much out would else ask for a student that says as little as they do.
    """
    gold = [pair.facts for pair in pairs]
    tried = []
    for threshold in [i / 40 for i in range(2, 36)]:
        found = [[f for f in extraction.facts if f.score >= threshold] for extraction in read]
        row = agreement(found, gold)
        weighed = weighed_f1(row["precision"], row["recall"], silence)
        tried.append({"threshold": threshold, "weighed_f1": weighed, **row})
    return max(tried, key=lambda row: row["weighed_f1"])


def weighed_f1(precision: float, recall: float, silence: float) -> float:
    """F1 where each wrong fact counts as `silence` of one."""
    right, wrong = precision, silence * (1 - precision)
    precision = right / (right + wrong) if right else 0.0
    return 2 * precision * recall / (precision + recall) if recall and precision else 0.0


def calibrate(student: SpanStudent, pairs: Sequence[Pair]) -> dict[str, float]:
    """Fit on `pairs` what scores are worth: a curve to the share of right pairs, the default threshold, and lines."""
    import numpy
    from sklearn.isotonic import IsotonicRegression

    read = [student.read(pair.id, pair.text) for pair in pairs]
    scores, right = [], []
    for extraction, pair in zip(read, pairs, strict=True):
        scores += [fact.score for fact in extraction.facts]
        right += [float(j >= 0) for j in matches(extraction.facts, pair.facts)]
    if len(set(right)) < 2:
        return {}
    curve = IsotonicRegression(y_min=0.01, y_max=0.99, out_of_bounds="clip").fit(scores, right)
    raw = [round(float(x), 4) for x in curve.X_thresholds_]
    worth = [round(float(y) + 0.001 * x, 5) for x, y in zip(raw, curve.y_thresholds_, strict=True)]
    figures = best_threshold(read, pairs, student.settings.silence)
    least = float(numpy.interp(figures["threshold"], raw, worth))
    student.config = msgspec.structs.replace(
        student.config,
        raw=tuple(raw),
        calibrated=tuple(worth),
        threshold=round(least, 4),
        lines=fit_lines(student, pairs),
    )
    return {f"validation_{key}": value for key, value in figures.items()}


def _state(network: Any) -> dict[str, Tensor]:
    return {key: value.detach().cpu().clone().contiguous() for key, value in network.state_dict().items()}


def _checkpoint(folder: Path, network: Any, optimizer: Any, progress: Progress) -> None:
    """Weights and moments first, then the progress that makes them valid, each replaced as a whole."""
    tensors = {f"weight.{key}": value for key, value in _state(network).items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"moment.{number}.{key}": value.detach().cpu().contiguous() for key, value in state.items()}
    name = f"epoch-{progress.epoch:04}.safetensors"
    save_file(tensors, folder / name)
    new = folder / "progress.json.new"
    new.write_bytes(msgspec.json.encode(progress))
    new.replace(folder / "progress.json")
    for old in folder.glob("epoch-*.safetensors"):
        if old.name != name:
            old.unlink()


def _resume(folder: Path, network: Any, optimizer: Any, schedule: Any) -> Progress:
    if not (folder / "progress.json").exists():
        return Progress()
    progress = msgspec.json.decode((folder / "progress.json").read_bytes(), type=Progress)
    tensors = load_file(folder / f"epoch-{progress.epoch:04}.safetensors")
    network.load_state_dict({k.removeprefix("weight."): v for k, v in tensors.items() if k.startswith("weight.")})
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("moment."):
            _, number, name = key.split(".", 2)
            state.setdefault(int(number), {})[name] = value
    whole = optimizer.state_dict()
    optimizer.load_state_dict({"state": state, "param_groups": whole["param_groups"]})
    schedule.load_state_dict({**schedule.state_dict(), "last_epoch": progress.steps})
    for group, rate, share in zip(optimizer.param_groups, schedule.base_lrs, schedule.lr_lambdas, strict=True):
        group["lr"] = rate * share(progress.steps)  # else the first step has the rate of the very first one
    return progress

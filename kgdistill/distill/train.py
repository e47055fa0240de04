"""Training a student of either family on pairs: one call that a kill only interrupts."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from kgdistill.distill.card import model_card
from kgdistill.distill.pairing import agreement, matches
from kgdistill.distill.relations import relation_name
from kgdistill.distill.settings import GenerativeSettings, Settings
from kgdistill.distill.student import Student
from kgdistill.distill.students.generative import GenerativeStudent
from kgdistill.distill.students.span import SpanStudent
from kgdistill.errors import SourceError
from kgdistill.records import Extraction, Pair, content_id
from kgdistill.storage.shards import write_bytes

METRICS = "metrics.json"


def train(pairs: Iterable[Pair], settings: Settings, folder: Path, learnt_from: Sequence[str] = ()) -> dict[str, Any]:
    """Train a student on the pairs' own splits and save it in `folder`, with its card; returns the figures and the log.

    `learnt_from` are sources that the card names.

    Checkpoints lie in `folder/checkpoints` until the end: after a kill the same call goes on from the last one, and a
    finished folder is returned as it is. Without validation pairs a tenth of the training documents serves.
    Raises SourceError where there is nothing to train on.
    """
    pairs = list(pairs)
    key = content_id(msgspec.json.encode(settings), *(msgspec.json.encode(pair) for pair in pairs))
    done = folder / METRICS
    if (ready := _figures(done)).get("key") == key:
        return ready
    learnt, validation, test = splits(pairs)
    checkpoints = folder / "checkpoints" / key
    student = _new(settings, learnt)
    log = student.fit(learnt, validation, checkpoints)
    figures = {
        "key": key,
        "family": msgspec.to_builtins(settings)["kind"],
        "settings": msgspec.to_builtins(settings) | {"encoder": "", "model": ""},
        "documents": {"train": len(learnt), "validation": len(validation), "test": len(test)},
        "facts": {"train": sum(len(p.facts) for p in learnt), "test": sum(len(p.facts) for p in test)},
        "learnt_from": list(learnt_from),
        **log,
    }
    if test:
        figures["test"] = evaluate(student, test)
    student.save_pretrained(folder)
    (folder / "README.md").write_text(model_card(figures), encoding="utf-8")
    write_bytes(done, msgspec.json.format(msgspec.json.encode(figures)) + b"\n")
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return figures


def _figures(done: Path) -> dict[str, Any]:
    """What a finished training has written, or nothing."""
    try:
        return dict(msgspec.json.decode(done.read_bytes()))
    except (OSError, msgspec.DecodeError):
        return {}


def splits(pairs: Sequence[Pair]) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """Train, validation and test; at least one document each for the first two."""
    learnt = [pair for pair in pairs if pair.split == "train" and pair.facts]
    validation = [pair for pair in pairs if pair.split == "validation"]
    test = [pair for pair in pairs if pair.split == "test"]
    if not validation and len(learnt) > 1:
        documents = sorted({pair.document for pair in learnt}, key=lambda document: content_id("held out", document))
        held = set(documents[: max(1, len(documents) // 10)]) if len(documents) > 1 else set()
        validation = [pair for pair in learnt if pair.document in held]
        learnt = [pair for pair in learnt if pair.document not in held]
    if not learnt:
        raise SourceError("no training pairs with facts: more documents are needed, or lower thresholds")
    return learnt, validation or learnt, test


def _new(settings: Settings, learnt: Sequence[Pair]) -> Student:
    if isinstance(settings, GenerativeSettings):
        return GenerativeStudent.start(settings)
    said = Counter(relation_name(fact.relation) for pair in learnt for fact in pair.facts)
    relations = sorted(name for name, count in said.items() if count >= settings.least_support)
    types = sorted({entity.type for pair in learnt for entity in pair.entities if entity.type}) or ["entity"]
    return SpanStudent.start(settings, relations or sorted(said), types)


def evaluate(student: Student, pairs: Sequence[Pair]) -> dict[str, float]:
    """Agreement with the pairs at the student's own threshold, and the calibration error of its scores."""
    read = [student.extract(pair.text, id=pair.id) for pair in pairs]
    figures = agreement([extraction.facts for extraction in read], [pair.facts for pair in pairs])
    return figures | {"calibration_error": calibration_error(read, pairs)}


def calibration_error(read: Sequence[Extraction], pairs: Sequence[Pair], bins: int = 10) -> float:
    """Expected calibration error: mean gap between score and share of right pairs, over bins of equal width."""
    sums: dict[int, list[float]] = {}
    total = 0
    for extraction, pair in zip(read, pairs, strict=True):
        for fact, match in zip(extraction.facts, matches(extraction.facts, pair.facts), strict=True):
            row = sums.setdefault(min(bins - 1, int(fact.score * bins)), [0.0, 0.0])
            row[0] += fact.score
            row[1] += float(match >= 0)
            total += 1
    return sum(abs(scores - right) for scores, right in sums.values()) / total if total else 0.0

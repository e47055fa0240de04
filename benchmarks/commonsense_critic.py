"""The critic on human labels: trained on the dev part of CSKB-Population, measured on its tst part.

    python benchmarks/commonsense_critic.py cskb/evaluation_set.csv --out runs/critic --epochs 3

Prints the area under the ROC curve, and for each recall aimed at what is reached: precision should rise as the aim
falls, and the share of valid rows that is kept should lie within three points of the aim. Relations differ much in how
often they hold there, so the area that the relation alone gives, and the area within one relation, are printed too.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch

from kgdistill.encoders.minilm import model_folder
from kgdistill.judge.critic import CriticSettings
from kgdistill.judge.critic_network import train_critic
from kgdistill.judge.thresholds import area, precision_and_recall
from kgdistill.storage.inferences import Labelled, read_labelled


def shares(rows: Sequence[Labelled]) -> dict[str, float]:
    """Share of valid rows under each relation."""
    found: dict[str, list[bool]] = defaultdict(list)
    for row in rows:
        found[row.relation].append(row.valid)
    return {relation: sum(labels) / len(labels) for relation, labels in found.items()}


def within(rows: Sequence[Labelled], scores: Sequence[float]) -> float:
    """Area under the curve where only rows of one relation are held against each other: no relation helps there."""
    groups: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for row, score in zip(rows, scores, strict=True):
        groups[row.relation].append((score, row.valid))
    total = pairs = 0.0
    for group in groups.values():
        valid = sum(label for _, label in group)
        weight = valid * (len(group) - valid)
        total += weight * area([score for score, _ in group], [label for _, label in group])
        pairs += weight
    return total / pairs if pairs else 0.5


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/critic"))
    parser.add_argument("--encoder", type=Path)
    parser.add_argument("--epochs", type=int, default=CriticSettings().epochs)
    parser.add_argument("--learning-rate", type=float, default=CriticSettings().learning_rate)
    parser.add_argument("--names", type=int, default=CriticSettings().names)
    parser.add_argument("--validation", type=float, default=CriticSettings().validation)
    parser.add_argument("--most", type=int, default=0, help="test rows to measure on, at most (0: all)")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    rows = list(read_labelled(given.labels))
    train = [row for row in rows if row.split == "train"]
    test = [row for row in rows if row.split == "test"]
    test = test[:: max(1, len(test) // given.most)] if given.most else test
    settings = CriticSettings(
        epochs=given.epochs,
        learning_rate=given.learning_rate,
        names=given.names,
        validation=given.validation,
    )
    started = time.perf_counter()
    critic, about = train_critic(
        [(row.head, row.relation, row.tail) for row in train],
        [row.valid for row in train],
        given.encoder or model_folder(),
        settings,
    )
    seconds = time.perf_counter() - started
    critic.save_pretrained(given.out, about)
    scores = critic.score([(row.head, row.relation, row.tail) for row in test])
    labels = [row.valid for row in test]
    prior = {row.relation: 0.5 for row in test} | shares(train)
    cuts = [(cut.aim, *precision_and_recall(scores, labels, cut.score)) for cut in about.cut_offs]
    found = {
        "trained on": about.trained,
        "validated on": about.validated,
        "tested on": len(test),
        "valid share": sum(labels) / len(labels),
        "validation area": about.area,
        "test area": area(scores, labels),
        "test area of the relation alone": area([prior[row.relation] for row in test], labels),
        "test area within a relation": within(test, scores),
        "cut-offs": [{"aim": aim, "precision": precision, "kept of the valid": kept} for aim, precision, kept in cuts],
        "log": about.log,
        "training seconds": seconds,
    }
    (given.out / "measured.json").write_text(json.dumps(found, indent=2), encoding="utf-8")
    (given.out / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()

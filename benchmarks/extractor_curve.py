"""What more documents, more layers and more steps do for the extractor: the curve behind its figures.

    python benchmarks/extractor_curve.py [SEED_FOLDER] [--pairs FOLDER] [--epochs N]

Each row is a span student trained from all-MiniLM-L6-v2 on a share of the seed's training documents, with some or all
of the encoder's layers, and measured on the seed's test documents, which none has seen; the moment to stop comes from
the validation documents. `--pairs` (benchmarks/llm_pairs) adds a last row with other models' pairs. Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from msgspec.structs import replace

from kgdistill.distill.lessons import read_seed, split_of
from kgdistill.distill.llm_pairs import read_llm_pairs
from kgdistill.distill.seed import seed_pair, seed_pairs
from kgdistill.distill.settings import SpanSettings
from kgdistill.distill.train import train
from kgdistill.encoders.minilm import model_folder
from kgdistill.records import Pair, content_id

ROWS = ((0.25, 6), (0.5, 6), (1.0, 2), (1.0, 4), (1.0, 6))
"""(share of the training documents, layers)."""


def share_of(pairs: Sequence[Pair], share: float) -> list[Pair]:
    """All validation and test pairs and that share of the others; a smaller share is part of a larger one."""
    learnt = sorted((p for p in pairs if p.split == "train"), key=lambda p: content_id("curve", p.document))
    return [p for p in pairs if p.split != "train"] + learnt[: round(share * len(learnt))]


def cut_encoder(layers: int, folder: Path) -> Path:
    """The embedded encoder's first layers, as a folder."""
    from transformers import AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(model_folder(), local_files_only=True)
    model.encoder.layer = model.encoder.layer[:layers]
    model.config.num_hidden_layers = layers
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(model_folder(), local_files_only=True).save_pretrained(folder)
    return folder


def measured(pairs: Sequence[Pair], layers: int, epochs: int) -> dict[str, Any]:
    """The figures of one student, with the seconds of the processor that it took."""
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        encoder = cut_encoder(layers, Path(folder, "encoder"))
        settings = SpanSettings(
            encoder=str(encoder), epochs=epochs, learning_rate=1.5e-4, head_rate=1e-3, check_every=2, patience=99,
            least_support=2,
        )  # fmt: skip
        figures = train(pairs, settings, Path(folder, "student"))
    return figures | {"seconds": time.process_time() - started}


def by_epoch(log: Sequence[dict[str, float]]) -> str:
    """F1 of pairs on the validation documents, each time that training looked."""
    looks = [(row["epoch"], row["validation_f1"]) for row in log if "validation_f1" in row]
    return ", ".join(f"{epoch:.0f}: {f1:.3f}" for epoch, f1 in looks)


def row(name: str, layers: int, figures: dict[str, Any]) -> str:
    """A line of the table."""
    test = figures["test"]
    cells = [name, str(figures["documents"]["train"]), str(figures["facts"]["train"]), str(layers)]
    cells += [f"{test[key]:.3f}" for key in ("precision", "recall", "f1", "relation_accuracy", "calibration_error")]
    cells += [by_epoch(figures["log"]), f"{figures['seconds']:.0f}"]
    return f"| {' | '.join(cells)} |"


def students(arguments: argparse.Namespace) -> Iterator[tuple[str, int, list[Pair]]]:
    """What is trained: (name, layers, pairs)."""
    pairs = list(seed_pairs(Path(arguments.seed)))
    for share, layers in ROWS:
        if arguments.layers in (0, layers):
            yield f"{share:.0%} of the seed", layers, share_of(pairs, share)
    if arguments.pairs:
        others = map(seed_pair, read_llm_pairs(Path(arguments.pairs)))
        yield "all, and other models' pairs", 6, [*pairs, *(replace(p, split="train", weight=0.25) for p in others)]


def write(line: str) -> None:
    """To standard output, at once: the next row takes minutes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Print the table, a row as soon as it is there."""
    parser = argparse.ArgumentParser()
    parser.add_argument("seed", nargs="?", default="data/seed")
    parser.add_argument("--pairs", default="")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--layers", type=int, default=0, help="only the rows of so many; 0: all")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    test = sum(split_of(document.id) == "test" for document in read_seed(Path(arguments.seed)))
    write(f"Pairs of {test} test documents, {arguments.epochs} epochs, one thread.\n")
    head = "learnt from | documents | facts | layers | precision | recall | F1 | right relation | calibration error"
    write(f"| {head} | F1 on validation by epoch | CPU seconds |\n|{'---|' * 11}")
    for name, layers, pairs in students(arguments):
        write(row(name, layers, measured(pairs, layers, arguments.epochs)))


if __name__ == "__main__":
    main()

"""Time of the shipped span student, beside a bare pass of its encoder over the same windows.

    python benchmarks/extraction_speed.py [FOLDER with pairs_*.jsonl]

One thread. Each text is read by both, one after the other, so that whatever else the machine does meets both alike. The
bare pass is given its word pieces ready, the student starts from the text. The aim is a ratio of at most 2.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

from kgdistill.distill.extractor import Extractor
from kgdistill.distill.seed import seed_pairs
from kgdistill.distill.students.span import SpanStudent, batches

TEXTS = 200
ROUNDS = 3


def main() -> None:
    """Print documents per second of both, and the ratio."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "data/seed")
    torch.set_num_threads(1)
    student = Extractor.from_pretrained().student
    assert isinstance(student, SpanStudent)
    texts = [pair.text for pair in seed_pairs(folder)][:TEXTS]
    for text in texts[:5]:
        student.extract(text)
    for _ in range(ROUNDS):
        whole = bare = 0.0
        for text in texts:
            whole += seconds_of_reading(student, text)
            bare += seconds_of_encoding(student, text)
        rates = f"student {len(texts) / whole:.1f} documents/s, bare encoder {len(texts) / bare:.1f} documents/s"
        sys.stdout.write(f"{rates}, ratio {whole / bare:.2f}\n")


def seconds_of_reading(student: SpanStudent, text: str) -> float:
    started = time.perf_counter()
    student.extract(text)
    return time.perf_counter() - started


def seconds_of_encoding(student: SpanStudent, text: str) -> float:
    words, cut, _ = student.prepare(text)
    started = time.perf_counter()
    with torch.inference_mode():
        for batch in batches(cut):
            student.passages([(words, window) for window in batch])
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

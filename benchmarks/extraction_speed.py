"""Documents per second of the shipped span student, beside a bare pass of its encoder over the same windows.

Run: python benchmarks/extraction_speed.py [FOLDER with pairs_*.jsonl]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

from kgdistill.distill.extractor import Extractor
from kgdistill.distill.seed import seed_pairs
from kgdistill.distill.students.span import SpanStudent


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "data/seed")
    texts = [pair.text for pair in seed_pairs(folder)][:100]
    student = Extractor.from_pretrained().student
    assert isinstance(student, SpanStudent)
    for text in texts[:5]:
        student.extract(text)
    start = time.perf_counter()
    for text in texts:
        student.extract(text)
    whole = time.perf_counter() - start
    prepared = [student.prepare(text) for text in texts]
    start = time.perf_counter()
    with torch.inference_mode():
        for words, cut, _ in prepared:
            student.passages([(words, window) for window in cut])
    bare = time.perf_counter() - start
    ratio = f"ratio {whole / bare:.2f}"
    line = f"student {len(texts) / whole:.1f} documents/s; bare encoder {len(texts) / bare:.1f}; {ratio}"
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()

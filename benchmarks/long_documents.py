"""The shipped extractor on documents of several windows: `python benchmarks/long_documents.py`.

The seed's validation documents, most of which fit one window, each alone and joined six at a time.
"""

from __future__ import annotations

import sys
from pathlib import Path

from kgdistill.distill.extractor import Extractor
from kgdistill.distill.pairing import agreement
from kgdistill.distill.seed import seed_pairs

TOGETHER = 6


def main() -> None:
    """Print precision, recall and pair F1 of both."""
    extractor = Extractor.from_pretrained()
    pairs = [pair for pair in seed_pairs(Path("data/seed")) if pair.split == "validation"]
    sys.stdout.write("| documents | precision | recall | pair F1 |\n|---|---:|---:|---:|\n")
    for together in (1, TOGETHER):
        groups = [pairs[start : start + together] for start in range(0, len(pairs), together)]
        found = [extractor.extract("\n\n".join(pair.text for pair in group)).facts for group in groups]
        row = agreement(found, [[fact for pair in group for fact in pair.facts] for group in groups])
        sys.stdout.write(f"| {together} at a time | {row['precision']:.3f} | {row['recall']:.3f} | {row['f1']:.3f} |\n")


if __name__ == "__main__":
    main()

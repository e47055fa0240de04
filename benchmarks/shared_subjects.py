"""Whether subjects that a training document also treats, in another text, make the seed's held-out documents easier.

    python benchmarks/shared_subjects.py [STUDENT_FOLDER]

A subject is what at least four facts of a document are about, if it is a name of more than two letters. Prints, as
Markdown, the pair F1 on all documents of a split, on those that share a subject with training, and on the others.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from kgdistill.distill.pairing import agreement
from kgdistill.distill.seed import seed_pairs
from kgdistill.distill.student import SHIPPED
from kgdistill.distill.students.span import SpanStudent
from kgdistill.records import Pair


def subjects(pair: Pair, least: int = 4) -> set[str]:
    """Names, folded, that at least `least` facts are about."""
    count = Counter(fact.subject for fact in pair.facts)
    return {name.casefold() for name, facts in count.items() if facts >= least and name[0].isupper() and len(name) > 2}


def main() -> None:
    """Print the table and the documents that share a subject."""
    parser = argparse.ArgumentParser()
    parser.add_argument("student", nargs="?", default=str(SHIPPED))
    parser.add_argument("--seed", default="data/seed")
    arguments = parser.parse_args()
    student = SpanStudent.from_pretrained(Path(arguments.student))
    pairs = list(seed_pairs(Path(arguments.seed)))
    taught = {name for pair in pairs if pair.split == "train" for name in subjects(pair)}
    lines = ["| split | documents | number | pair F1 |", "|---|---|---:|---:|"]
    for split in ("validation", "test"):
        held = [pair for pair in pairs if pair.split == split]
        read = {pair.id: student.extract(pair.text, id=pair.id).facts for pair in held}
        shared = [pair for pair in held if subjects(pair) & taught]
        others = [pair for pair in held if pair not in shared]
        for title, some in (("all", held), ("a subject shared", shared), ("none", others)):
            row = agreement([read[pair.id] for pair in some], [pair.facts for pair in some])
            lines.append(f"| {split} | {title} | {len(some)} | {row['f1']:.3f} |")
        lines.append(f"| | {', '.join(pair.id for pair in shared)} | | |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

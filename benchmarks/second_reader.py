"""How well two careful readers agree: a second annotation of some of the seed's test documents beside the first.

    python benchmarks/second_reader.py data/gold/second.jsonl

Each line is {"id", "facts": [{"subject", "relation", "object", "negated", "hedged"}]}, written by a reader who knew the
rules and six training documents, but not the gold. The figures are those of the extractor's table, so they are what a
perfect reader of these rules can hope for; intervals by drawing documents again. The student that ships stands beside
it, on the same documents.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kgdistill.distill.extractor import Extractor
from kgdistill.distill.pairing import agreement, matches
from kgdistill.distill.seed import seed_pairs
from kgdistill.records import Fact, Pair

SEED = Path(__file__).parent.parent / "data" / "seed"
Sides = Sequence[Sequence[Fact]]
"""The facts of each document."""


def facts_of(row: dict[str, Any]) -> list[Fact]:
    """A line's facts, once for each subject and object."""
    found = {
        (one["subject"].casefold(), one["object"].casefold()): Fact(
            one["subject"],
            one["relation"],
            one["object"],
            negated=one.get("negated", False),
            hedged=one.get("hedged", False),
        )
        for one in row["facts"]
    }
    return list(found.values())


def interval(
    found: Sequence[Sequence[Fact]], gold: Sequence[Sequence[Fact]], rounds: int = 1000
) -> tuple[float, float]:
    """95 % of pair F1, by drawing documents again."""
    counts = np.array(
        [
            (sum(j >= 0 for j in matches(f, g)), len(f), len({(t.subject.casefold(), t.object.casefold()) for t in g}))
            for f, g in zip(found, gold, strict=True)
        ]
    )
    drawn = counts[np.random.default_rng(0).integers(len(counts), size=(rounds, len(counts)))].sum(axis=1)
    low, high = np.percentile(2 * drawn[:, 0] / (drawn[:, 1] + drawn[:, 2]), [2.5, 97.5])
    return float(low), float(high)


def negation(found: Sides, gold: Sides) -> float:
    """F1 of negated facts: the pair and its denial."""
    ours, theirs = ([[f for f in facts if f.negated] for facts in side] for side in (found, gold))
    return agreement(ours, theirs)["f1"]


def row(name: str, found: Sides, gold: Sides) -> str:
    figures, (low, high) = agreement(found, gold), interval(found, gold)
    cells = [name, str(sum(map(len, found)))]
    cells += [f"{figures[key]:.3f}" for key in ("precision", "recall")]
    cells += [f"{figures['f1']:.3f} ({low:.2f}–{high:.2f})", f"{figures['relation_accuracy']:.3f}"]
    return f"| {' | '.join([*cells, f'{negation(found, gold):.3f}'])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("second", type=Path, nargs="+")
    parser.add_argument("--student", default="", help="folder of a student; none: the one that ships")
    options = parser.parse_args()
    rows = [json.loads(line) for path in options.second for line in path.read_text(encoding="utf-8").splitlines()]
    first: dict[str, Pair] = {pair.id: pair for pair in seed_pairs(SEED) if pair.split == "test"}
    gold = [first[each["id"]].facts for each in rows]
    student = Extractor.from_pretrained(options.student)
    read = [student.extract(first[each["id"]].text, id=each["id"]).facts for each in rows]
    sys.stdout.write("| reader | facts | precision | recall | pair F1 | right relation | negated F1 |\n")
    sys.stdout.write("|---|---:|---:|---:|---:|---:|---:|\n")
    sys.stdout.write(row("a second reader", [facts_of(each) for each in rows], gold) + "\n")
    sys.stdout.write(row("the extractor", read, gold) + "\n")


if __name__ == "__main__":
    main()

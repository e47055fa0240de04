"""How well two careful readers agree: a second annotation of some of the seed's test documents beside the first.

    python benchmarks/second_reader.py data/gold/second_reader.jsonl [--student FOLDER]

Each line is {"id", "facts": [{"subject", "relation", "object", "negated", "hedged"}]}, written by a reader who knew the
rules and six training documents, but not the gold: what somebody who knows the task can hope for by these measures.
The extractor stands beside it, on the same documents. Intervals are 95 %, by drawing documents again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from msgspec import Struct
from msgspec.json import Decoder

from kgdistill.distill.extractor import Extractor
from kgdistill.distill.seed import seed_pairs
from kgdistill.encoders.minilm import MiniLM
from kgdistill.evaluate.scores import score
from kgdistill.records import Fact

SEED = Path(__file__).parent.parent / "data" / "seed"


class Reading(Struct):
    id: str
    facts: tuple[Fact, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("second", type=Path)
    parser.add_argument("--student", default="", help="folder of a student; none: the one that ships")
    options = parser.parse_args()
    decoder = Decoder(Reading)
    second = {one.id: one.facts for one in decoder.decode_lines(options.second.read_bytes())}
    first = {pair.id: pair for pair in seed_pairs(SEED) if pair.split == "test" and pair.id in second}
    student = Extractor.from_pretrained(options.student)
    systems = {
        "a second reader": second,
        "the extractor": {name: student.extract(pair.text, id=name).facts for name, pair in first.items()},
    }
    gold = {name: pair.facts for name, pair in first.items()}
    scores = score(gold, systems, MiniLM().open(), {name: len(pair.text.split()) for name, pair in first.items()})
    sys.stdout.write(f"{len(first)} documents, {scores.gold_facts} gold facts\n\n")
    sys.stdout.write("| reader | facts | precision | recall | pair F1 | right relation | negated F1 |\n")
    sys.stdout.write("|---|---:|---:|---:|---:|---:|---:|\n")
    for row in scores.rows:
        assert row.negation is not None and row.relation_accuracy is not None
        found = f"{row.precision:.3f} | {row.recall:.3f} | {row.f1:.3f} ({row.low:.2f}–{row.high:.2f})"
        sys.stdout.write(
            f"| {row.name} | {row.facts} | {found} | {row.relation_accuracy:.3f} | {row.negation.f1:.3f} |\n"
        )


if __name__ == "__main__":
    main()

"""What each filter of comparatives does to diversity and validity, on the labelled statements of the seed.

    python benchmarks/comparatives.py --pipeline PATH_OR_NAME

Every labelled statement counts as generated. The discriminator's scores come from discriminators that have not seen the
pair. Without --pipeline the rule about grammar is skipped.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from kgdistill.encoders.minilm import MiniLM
from kgdistill.evaluate.comparatives import funnel
from kgdistill.judge.discriminator import Row, cross_fit, features, learn
from kgdistill.records import Comparative, Failure, PairSeed, Reading, Verdict, content_id
from kgdistill.refine import comparatives as filters
from kgdistill.refine import orders
from kgdistill.refine.comparatives import Filters
from kgdistill.refine.tagging import open_tagger
from kgdistill.stages.seeds import seed_reading
from kgdistill.storage.comparatives import LabelledComparison, read_labelled
from kgdistill.text.comparatives import Comparison, continuation, parse

SEED = Path(__file__).parent.parent / "data" / "seed" / "comparatives.jsonl"


def readings_of(known: list[LabelledComparison], scores: list[float]) -> tuple[list[Reading], list[Failure]]:
    """A reading for each pair with its statements as claims, and a failure for each that cannot be read."""
    grouped: dict[tuple[str, str], list[Comparative]] = defaultdict(list)
    failures = []
    for one, score in zip(known, scores, strict=True):
        found = parse(continuation(one.statement, one.left, one.right))
        if not isinstance(found, Comparison):
            failures.append(Failure("comparatives", one.left, "unread", "rejected", message=one.statement))
            continue
        greater, lesser = (one.right, one.left) if found.direction == "more" else (one.left, one.right)
        verdicts = (Verdict("discriminator", score), Verdict("combined", score))
        claim = Comparative(
            content_id(one.statement), greater, lesser, found.aspect, "more", one.statement, found.frequency,
            verdicts=verdicts,
        )  # fmt: skip
        grouped[one.left, one.right].append(claim)
    readings = []
    for pair, claims in grouped.items():
        reading = seed_reading(PairSeed(*pair), SEED.name)
        readings.append(replace(reading, chunks=(replace(reading.chunks[0], claims=tuple(claims)),)))
    return readings, failures


def filtered(readings: list[Reading], settings: Filters, pipeline: str) -> list[Reading]:
    encoder, tagger = MiniLM().open(), open_tagger(pipeline) if pipeline else None
    done = []
    for reading in readings:
        if tagger:
            reading = filters.parts_of_speech(reading, tagger)
        reading = filters.clustered(filters.repeated_words(reading), encoder, settings.cluster)
        reading = filters.vote(reading, filters.related_claims(reading), settings)
        done.append(filters.best(filters.one_claim(filters.low_validity(reading, settings)), settings))
    found = orders.circles(orders.edges(done))
    return [orders.settle(reading, found) for reading in done]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", default=str(SEED))
    parser.add_argument("--pipeline", default="", help="a spaCy pipeline with parts of speech")
    parser.add_argument("--min-valid", type=float, default=0.5)
    arguments = parser.parse_args()
    known = list(read_labelled(arguments.labels))
    rows = [Row(one.left, one.right, one.statement) for one in known]
    labels, encoder = [one.valid for one in known], MiniLM().open()
    scores = cross_fit(rows, np.asarray(labels), features(rows, encoder))
    readings, failures = readings_of(known, scores)
    write = sys.stdout.write
    held = sum(labels) / len(labels)
    write(f"{len(known)} statements, {held:.3f} hold; {len(failures)} compare nothing and are refused\n")
    about = learn(rows, labels, encoder)
    write(f"discriminator: area under the ROC curve {about.area:.3f}, pairs not seen; at recall:\n")
    for cut in about.cut_offs:
        write(f"  {cut.aim:.1f}: score {cut.score:.3f}, precision {cut.precision:.3f}\n")
    refused = {failure.message for failure in failures}
    table = {one.statement: one.valid for one in known if one.statement not in refused}
    settings = Filters(min_valid=arguments.min_valid)
    write(f"{'after':<22}{'statements':>11}{'pairs':>7}{'aspects':>9}{'self-BLEU':>11}{'validity':>10}\n")
    for row in funnel(
        filtered(readings, settings, arguments.pipeline), table, () if arguments.pipeline else ("grammar",)
    ):
        shown = f"{row.after:<22}{row.statements:>11}{row.pairs:>7}{row.aspects:>9}"
        write(f"{shown}{row.self_bleu or 0:>11.3f}{row.validity or 0:>10.3f}\n")


if __name__ == "__main__":
    main()

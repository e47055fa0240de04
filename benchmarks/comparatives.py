"""What each filter of comparatives does to diversity and validity, on labelled statements of which a pair has many.

    python benchmarks/comparatives.py --pipeline PATH_OR_NAME

Every statement of --gold counts as generated; the embedded teacher says how likely each is, which decides which of two
stays, and which few. The discriminator learns from --labels alone, which have none of these pairs. The table comes
without the rule about grammar and, with --pipeline, once more with it. Intervals are 95 %, by drawing pairs again. "by
chance" is the self-BLEU of as many statements drawn from those that the filter was given: the mean of 200 draws.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from kgdistill.contracts import BLANK, Answer, Request
from kgdistill.encoders.minilm import MiniLM
from kgdistill.evaluate.comparatives import RULES, Left, funnel
from kgdistill.evaluate.diversity import self_bleu
from kgdistill.judge.discriminator import Row, learn
from kgdistill.judge.thresholds import area
from kgdistill.records import Comparative, Failure, PairSeed, Reading, Utterance, Verdict, content_id
from kgdistill.refine import comparatives as filters
from kgdistill.refine import orders
from kgdistill.refine.comparatives import Filters
from kgdistill.refine.tagging import open_tagger
from kgdistill.stages.seeds import seed_reading
from kgdistill.storage.comparatives import LabelledComparison, read_labelled
from kgdistill.teacher.local import Local
from kgdistill.text.comparatives import Comparison, continuation, opening, parse

DATA = Path(__file__).parent.parent / "data"
DRAWS = 200


def likelihoods(known: Sequence[LabelledComparison], model: str) -> list[Utterance]:
    """How likely the model finds what each statement says after its opening."""
    teacher = Local(model).open()
    for ticket, one in enumerate(known):
        said = continuation(one.statement, one.left, one.right).strip()
        teacher.submit(ticket, Request("weigh", f"{opening(one.left, one.right)} {BLANK}", max_tokens=1, weigh=(said,)))
    found: dict[int, Utterance] = {}
    while len(found) < len(known):
        for ticket, answer in teacher.poll():
            if not isinstance(answer, Answer):
                raise answer
            [reply] = answer.replies
            found[ticket] = Utterance("weigh", 0, reply.logprob, reply.tokens)
    teacher.close()
    return [found[ticket] for ticket in range(len(known))]


def readings_of(
    known: Sequence[LabelledComparison], scores: Sequence[float], said: Sequence[Utterance]
) -> tuple[list[Reading], list[Failure]]:
    """A reading for each pair with its statements as claims, and a failure for each that cannot be read."""
    grouped: dict[frozenset[str], list[Comparative]] = defaultdict(list)
    seeds: dict[frozenset[str], PairSeed] = {}
    failures = []
    for one, score, utterance in zip(known, scores, said, strict=True):
        found = parse(continuation(one.statement, one.left, one.right))
        if not isinstance(found, Comparison):
            failures.append(Failure("comparatives", one.left, "unread", "rejected", message=one.statement))
            continue
        greater, lesser = (one.right, one.left) if found.direction == "more" else (one.left, one.right)
        verdicts = (Verdict("discriminator", score), Verdict("combined", score))
        claim = Comparative(
            content_id(one.statement), greater, lesser, found.aspect, "more", one.statement, found.frequency,
            verdicts=verdicts, said=(utterance,),
        )  # fmt: skip
        pair = frozenset((one.left, one.right))
        seeds.setdefault(pair, PairSeed(one.left, one.right, one.kind))
        grouped[pair].append(claim)
    readings = []
    for pair, claims in grouped.items():
        reading = seed_reading(seeds[pair], "gold")
        readings.append(replace(reading, chunks=(replace(reading.chunks[0], claims=tuple(claims)),)))
    return readings, failures


def filtered(readings: Sequence[Reading], settings: Filters, pipeline: str) -> list[Reading]:
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


def by_chance(readings: Sequence[Reading], rows: Sequence[Left]) -> Iterator[float | None]:
    """For each row but the first, self-BLEU of as many statements, drawn from what the row before has."""
    chance, gone = random.Random(0), set[str]()
    for rule, row in zip(RULES, rows[1:], strict=True):
        before = [
            filters.said(claim, reading)
            for reading in readings
            for claim in reading.claims
            if isinstance(claim, Comparative) and (claim.dropped.rule if claim.dropped else "") not in gone
        ]
        gone.add(rule)
        if row.statements == len(before):
            yield None
        else:
            draws = [self_bleu(chance.sample(before, row.statements)) or 0.0 for _ in range(DRAWS)]
            yield sum(draws) / DRAWS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gold", default=str(DATA / "gold" / "comparatives_many.jsonl"))
    parser.add_argument("--labels", default=str(DATA / "seed" / "comparatives.jsonl"))
    parser.add_argument(
        "--model", default="kgdistill-mini", help="the causal model that says how likely statements are"
    )
    parser.add_argument("--pipeline", default="", help="a spaCy pipeline with parts of speech")
    parser.add_argument("--min-valid", type=float, default=0.5)
    parser.add_argument("--top", type=int, default=5)
    parser.add_argument("--show", action="store_true", help="print every statement that is dropped, and why")
    arguments = parser.parse_args()
    learnt, known = list(read_labelled(arguments.labels)), list(read_labelled(arguments.gold))
    if {frozenset((one.left, one.right)) for one in learnt} & {frozenset((one.left, one.right)) for one in known}:
        raise SystemExit("the discriminator would be measured on pairs that it has learnt from")
    encoder = MiniLM().open()
    judge = learn([Row(o.left, o.right, o.statement) for o in learnt], [one.valid for one in learnt], encoder)
    scores = judge.score([Row(o.left, o.right, o.statement) for o in known], encoder)
    readings, failures = readings_of(known, scores, likelihoods(known, arguments.model))
    write, labels = sys.stdout.write, {one.statement: one.valid for one in known}
    lost = sum(labels[failure.message] for failure in failures)
    write(f"{len(known)} statements, {sum(labels.values()) / len(labels):.3f} hold; ")
    write(f"{len(failures)} compare nothing and are refused ({lost} of them hold)\n")
    write(f"discriminator: area {judge.area:.3f} by folds of what it learnt from, {area_of(scores, known):.3f} here\n")
    settings = Filters(min_valid=arguments.min_valid, top=arguments.top)
    for pipeline in dict.fromkeys(("", arguments.pipeline)):
        done = filtered(readings, settings, pipeline)
        show(done, labels, () if pipeline else ("grammar",))
        for claim in (claim for reading in done if arguments.show for claim in reading.claims if claim.dropped):
            assert isinstance(claim, Comparative) and claim.dropped
            held = "holds" if labels[claim.statement] else "false"
            write(f"{claim.dropped.rule}\t{held}\t{claim.statement}\t{claim.dropped.reason}\n")


def show(done: Sequence[Reading], labels: Mapping[str, bool], skipped: Sequence[str]) -> None:
    rows, write = funnel(done, labels, skipped), sys.stdout.write
    write(f"{'after':<20}{'left':>6}{'pairs':>7}{'self-BLEU':>11}{'by chance':>11}{'validity':>10}  95 % interval\n")
    for row, drawn in zip(rows, [None, *by_chance(done, rows)], strict=True):
        chance = "" if drawn is None else f"{drawn:.3f}"
        write(f"{row.after:<20}{row.statements:>6}{row.pairs:>7}{row.self_bleu or 0:>11.3f}{chance:>11}")
        low, high = row.bounds
        write(f"{row.validity or 0:>10.3f}  [{low or 0:.3f}, {high or 0:.3f}]\n")


def area_of(scores: Sequence[float], known: Sequence[LabelledComparison]) -> float:
    return area(scores, [one.valid for one in known])


if __name__ == "__main__":
    main()

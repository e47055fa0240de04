"""What a run found, gathered for its report in one pass over the readings: counts, and a few examples of each kind."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from kgdistill.errors import KgdistillError, StorageError
from kgdistill.evaluate.benchmark import Benchmark
from kgdistill.evaluate.comparison import Comparison, read_comparison
from kgdistill.evaluate.found_pairs import FoundPairs, gather_pairs
from kgdistill.evaluate.reliability import Reliability
from kgdistill.evaluate.review import Reviewed
from kgdistill.evaluate.review import measure as review_figures
from kgdistill.evaluate.scores import Scores
from kgdistill.records import Chunk, Claim, Document, Failure, Merge, Reading, Rewording
from kgdistill.storage.artifact import Artifact, latest, run_state
from kgdistill.storage.review import FILE, read_review
from kgdistill.storage.shards import read_records
from kgdistill.text.overlap import words

Kind = TypeVar("Kind")
FACTS = 12
"""Example facts shown; of each rule that drops, `DROPS` are shown, of each reason of failure `FAILURES`."""
DROPS = 3
FAILURES = 3
MERGES = 12
EDGES = 20_000
"""Different edges that are looked at for the picture; the rest of a larger graph is left out of it."""
BINS = 20


class Example(Struct, frozen=True):
    """A claim with the document that it comes from."""

    claim: Claim
    document: Document
    chunk: Chunk


class Edge(Struct, frozen=True):
    """(subject, relation, object) in canonical names."""

    subject: str
    relation: str
    object: str


class Length(Struct, frozen=True):
    """One document's words, and how many claims were made and kept."""

    words: int
    claims: int
    kept: int


class Found(Struct):
    """Everything that was counted and picked out of the readings."""

    documents: int = 0
    seeds: int = 0
    """How many of them are no documents, but what a model was asked about."""
    set_aside: Counter[str] = field(default_factory=Counter)
    chunks: int = 0
    claims: int = 0
    grounded: int = 0
    judged: int = 0
    """Claims with a score: of those that a document says, or of those that a model says by itself."""
    kept: int = 0
    negated: int = 0
    """Of the kept claims."""
    hedged: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    facts: list[Example] = field(default_factory=list)
    denied: list[Example] = field(default_factory=list)
    """Negated or hedged, and kept."""
    drops: dict[str, list[Example]] = field(default_factory=dict)
    edges: dict[Edge, list[float]] = field(default_factory=dict)
    """Scores of the kept claims behind each edge."""
    edges_left_out: int = 0
    types: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    scores: dict[bool, list[int]] = field(default_factory=lambda: {True: [0] * BINS, False: [0] * BINS})
    """Histogram of the combined scores in `BINS` equal ranges, of kept and of dropped claims."""
    lengths: list[Length] = field(default_factory=list)


def gather(readings: Iterable[Reading]) -> Found:
    """Read all readings once, keeping counts and the examples that the report shows."""
    found = Found()
    facts: list[tuple[tuple[float, str, str], Example]] = []
    for reading in readings:
        found.documents += 1
        if reading.set_aside:
            found.set_aside[reading.set_aside.split(":")[0].split(" of ")[0]] += 1
            continue
        claims = reading.claims
        found.seeds += reading.seed is not None
        found.chunks += len(reading.chunks)
        found.lengths.append(Length(len(words(reading.document.text)), len(claims), sum(c.kept for c in claims)))
        best: tuple[tuple[float, str, str], Example] | None = None
        for graph in reading.chunks:
            for claim in graph.claims:
                example = Example(claim, reading.document, graph.chunk)
                _count(claim, found)
                _pick(example, found)
                # What a model says has the same id in every document that it says it of.
                ranked = (_showable(claim), claim.id, reading.document.id), example
                if ranked[0][0] > 0 and (best is None or ranked[0] > best[0]):
                    best = ranked
            for entity in graph.entities:
                if len(found.types) < EDGES:
                    found.types[entity.name][entity.type] += 1
        if best:
            heapq.heappush(facts, best) if len(facts) < FACTS else heapq.heappushpop(facts, best)
    found.facts = [example for _, example in sorted(facts, key=lambda pair: pair[0], reverse=True)]
    return found


def _count(claim: Claim, found: Found) -> None:
    found.claims += 1
    found.grounded += claim.evidence is not None
    score = claim.verdict("combined")
    if score is not None:
        found.judged += claim.evidence is not None or bool(claim.said)
        found.scores[claim.kept][min(BINS - 1, int(score * BINS))] += 1
    if claim.dropped:
        found.dropped[claim.dropped.rule] += 1
        return
    found.kept += 1
    found.negated += claim.negated
    found.hedged += claim.hedged
    if claim.asserted and not claim.literal:
        edge = Edge(*claim.names)
        if edge in found.edges or len(found.edges) < EDGES:
            found.edges.setdefault(edge, []).append(claim.score)
            for old, new in ((claim.subject, edge.subject), (claim.object, edge.object)):
                if old != new and old in found.types:
                    found.types[new].update(found.types[old])
        else:
            found.edges_left_out += 1


def _pick(example: Example, found: Found) -> None:
    claim = example.claim
    if claim.dropped:
        picked = found.drops.setdefault(claim.dropped.rule, [])
        # One example a document shows more than three of the same.
        if len(picked) < DROPS and all(example.document.id != other.document.id for other in picked):
            picked.append(example)
    elif (claim.negated or claim.hedged) and claim.evidence and len(found.denied) < FACTS // 2:
        found.denied.append(example)


def _showable(claim: Claim) -> float:
    """How well a claim serves as an example: its score where subject and object stand in the sentence, else 0.

    What a model says by itself needs no sentence.
    """
    if claim.asserted and claim.said:
        return max(claim.score, 1e-6)
    if not (claim.asserted and claim.evidence and claim.evidence.subject and claim.evidence.object):
        return 0.0
    return max(claim.score, 1e-6) * (0.8 if claim.literal else 1.0)


class Reason(Struct):
    """Failures of one stage for one reason."""

    stage: str
    kind: str
    reason: str
    count: int = 0
    replies: int = 0
    """How many of them name the request whose reply they refuse."""
    examples: list[Failure] = field(default_factory=list)


class _Calibrator(Struct, frozen=True):
    reason: str = ""


class _Calibration(Struct, frozen=True):
    """What the report reads of `calibration.json`."""

    before: Reliability = Reliability()
    after: Reliability = Reliability()
    calibrator: _Calibrator = _Calibrator()


class Run(Struct, frozen=True):
    """A run folder as the report sees it; what is not there yet is None or empty."""

    state: dict[str, Any]
    found: Found | None
    """None also where a run makes pairs of texts, and no claims."""
    merges: tuple[Merge, ...]
    calibration: dict[str, Reliability]
    """Reliability "before" and "after" calibration."""
    calibration_note: str
    scores: Scores | None
    benchmark: Benchmark | None
    failures: tuple[Reason, ...]
    comparisons: tuple[Comparison, ...] = ()
    """Tables that stages left: sets of claims side by side."""
    reviewed: Reviewed | None = None
    """What people's review says of it, where there is one."""
    pairs: FoundPairs | None = None


def read_run(run: Path) -> Run:
    """Everything the report shows. Raises RunFolderError where there is no run, StorageError at a damaged file."""
    state = run_state(run)
    readings = _latest(run, "readings")
    names = _latest(run, "names")
    calibration, note = _calibration(_latest(run, "calibration"))
    rewordings = _latest(run, "rewordings")
    pairs = gather_pairs(rewordings.records(Rewording)) if rewordings else None
    found = gather(readings.records(Reading)) if readings else None
    scores, benchmark = _latest(run, "scores"), _latest(run, "benchmark")
    return Run(
        state=state,
        found=None if found and pairs and not found.claims else found,
        merges=tuple(read_records(names.folder / "merges.jsonl", Merge)) if names else (),
        calibration=calibration,
        calibration_note=note,
        scores=_read(scores.folder / "scores.json", Scores) if scores else None,
        benchmark=_read(benchmark.folder / "benchmark.json", Benchmark) if benchmark else None,
        failures=tuple(_failures(run, state)),
        comparisons=tuple(_comparisons(run, state)),
        reviewed=_reviewed(run, readings),
        pairs=pairs,
    )


def _reviewed(run: Path, readings: Artifact | None) -> Reviewed | None:
    review = read_review(run / FILE)
    if not review.decisions or readings is None:
        return None
    return review_figures(review.decisions, readings.records(Reading), review.damaged)


def _latest(run: Path, gives: str) -> Artifact | None:
    try:
        return latest(run, gives)
    except KgdistillError:
        return None


def _calibration(artifact: Artifact | None) -> tuple[dict[str, Reliability], str]:
    """The curves, and why there are none where there are none."""
    if artifact is None:
        return {}, "This run has not been calibrated."
    found = _read(artifact.folder / "calibration.json", _Calibration)
    curves = {"before": found.before, "after": found.after}
    return {name: curve for name, curve in curves.items() if curve.count}, found.calibrator.reason


def _read(path: Path, kind: type[Kind]) -> Kind:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} is damaged ({error}): delete its folder, run again") from error


def _comparisons(run: Path, state: dict[str, Any]) -> Iterator[Comparison]:
    for stage in state.get("stages", []):
        if found := read_comparison(run / stage["folder"]):
            yield found


def _failures(run: Path, state: dict[str, Any]) -> Iterator[Reason]:
    """Failures and rejections of all stages by reason, those that failed first, each with a few examples."""
    reasons: dict[tuple[str, str, str], Reason] = {}
    for stage in state.get("stages", []):
        for failure in Artifact(run / stage["folder"]).failures():
            key = (stage["name"], failure.kind, failure.reason)
            reason = reasons.setdefault(key, Reason(*key))
            reason.count += 1
            reason.replies += bool(failure.request)
            if len(reason.examples) < FAILURES:
                reason.examples.append(failure)
    yield from sorted(reasons.values(), key=lambda reason: (reason.kind, -reason.count))

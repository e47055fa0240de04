"""Comparatives of pairs of things: generated under clauses, judged, filtered, and set against each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from msgspec.structs import replace

from kgdistill.contracts import Bench, CorpusStage, ShardStage, SourceStage
from kgdistill.errors import ModelError, RecipeError
from kgdistill.evaluate.comparatives import Left, funnel
from kgdistill.evaluate.comparison import Comparison, write_comparison
from kgdistill.generate.comparatives import Comparatives
from kgdistill.generate.pairs import pairs
from kgdistill.graph.store import KnowledgeGraph
from kgdistill.judge import discriminator
from kgdistill.judge.combine import Combine, combine
from kgdistill.judge.discriminator import Discriminator, Row, read_discriminator
from kgdistill.records import Comparative, Failure, PairSeed, Reading, Verdict, content_id
from kgdistill.refine import comparatives as filters
from kgdistill.refine import orders
from kgdistill.refine.comparatives import Filters, Relate
from kgdistill.refine.orders import Circle
from kgdistill.refine.tagging import Tagger, open_tagger
from kgdistill.stages.build import TEACHER, booked, per_reading
from kgdistill.stages.entailment import Judge, entailment_fingerprint, open_entailment
from kgdistill.stages.seeds import seed_reading
from kgdistill.storage.comparatives import read_labelled
from kgdistill.storage.seeds import seed_name
from kgdistill.storage.shards import read_records, write_records
from kgdistill.storage.sources import fingerprint
from kgdistill.text.comparatives import continuation

ENCODER = frozenset({"encoder"})
CIRCLES = "circles.jsonl"


class GraphPairs(SourceStage, frozen=True, forbid_unknown_fields=True):
    """Pairs of entities of one type, out of the graph of a finished run; see generate/pairs."""

    gives: ClassVar[str] = "readings"

    path: str
    """Folder of a finished run."""
    types: tuple[str, ...] = ()
    """Types whose entities are compared; none: every type."""
    each: int = 20
    """Most pairs of a type; 0: all."""
    seed: int = 0

    def fingerprint(self) -> str:
        return content_id(*(seed_name(pair) for pair in self._pairs()))

    def _pairs(self) -> list[PairSeed]:
        """Raises RecipeError for a type that the graph does not have."""
        kinds: dict[str, list[str]] = defaultdict(list)
        with KnowledgeGraph.open(self.path) as graph:
            for row in graph.query(_TYPED):
                kinds[row["type"].value].append(row["name"].value)
        if unknown := [name for name in self.types if name not in kinds]:
            raise RecipeError(f"graph_pairs: the graph has no type {unknown[0]!r}; it has {', '.join(sorted(kinds))}")
        return list(pairs({name: kinds[name] for name in self.types or kinds}, self.each, self.seed))

    def run(self, bench: Bench) -> Iterator[Reading]:
        for pair in self._pairs():
            yield seed_reading(pair, Path(self.path).name)


_TYPED = """SELECT DISTINCT ?type ?name WHERE {
    ?entity a skos:Concept ; a ?class ; skos:prefLabel ?name . ?class a rdfs:Class ; rdfs:label ?type
}"""


class GenerateComparatives(Comparatives, ShardStage, frozen=True, forbid_unknown_fields=True):
    """Statements about each pair of things, under clauses; see generate/comparatives."""

    version: ClassVar[int] = 2
    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "readings"
    uses: ClassVar[frozenset[str]] = TEACHER

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        method = replace(self, seed=self.seed or bench.seed)
        for reading in per_reading(records, method, bench):
            yield booked(reading, bench)


class TrainDiscriminator(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """A discriminator from labelled statements of a file; see judge/discriminator."""

    gives: ClassVar[str] = "discriminator"
    uses: ClassVar[frozenset[str]] = ENCODER

    labels: str
    """A `.jsonl` file with left, right, statement and valid."""
    strength: float = 3.0
    """Inverse of the regularisation."""
    folds: int = 5

    def fingerprint(self) -> str:
        return fingerprint(self.labels)

    def run(self, records: Iterator[object], bench: Bench) -> None:
        known = list(read_labelled(self.labels))
        rows = [Row(one.left, one.right, one.statement) for one in known]
        labels = [one.valid for one in known]
        found = discriminator.learn(rows, labels, bench.encoder, strength=self.strength, folds=self.folds)
        found.save(bench.folder)
        bench.note("labelled statements learnt", found.trained)
        bench.note("area under the ROC curve, pairs not seen", round(found.area, 4))


class FilterComparatives(Filters, ShardStage, frozen=True, forbid_unknown_fields=True):
    """Marks statements that do not compare, repeat, are contradicted or unlikely to hold; see refine/comparatives."""

    version: ClassVar[int] = 2
    needs: ClassVar[tuple[str, ...]] = ("readings",)
    wants: ClassVar[tuple[str, ...]] = ("discriminator",)
    gives: ClassVar[str] = "readings"
    uses: ClassVar[frozenset[str]] = ENCODER

    pipeline: str = ""
    """A spaCy pipeline with parts of speech: package or folder. None: the rule about grammar is skipped, and a note
    says so."""
    entailment: str = ""
    """Folder or hub name of a classifier of text pairs. None: what two statements were read as decides."""

    def fingerprint(self) -> str:
        folder = Path(self.pipeline).expanduser()
        tags = fingerprint(f"{folder}/**/*") if self.pipeline and folder.is_dir() else self.pipeline
        return content_id(tags, entailment_fingerprint(self.entailment) if self.entailment else "")

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        tagger = open_tagger(self.pipeline) if self.pipeline else None
        model = self._model()
        judge = read_discriminator(bench.upstream("discriminator")) if bench.has("discriminator") else None
        for reading in records:
            if tagger is None and filters.statements(reading):
                bench.note(
                    "statements whose grammar was not checked (skipped: no pipeline is named)", len(reading.claims)
                )
            yield self._filtered(judged(reading, judge, bench), tagger, model, bench)

    def _model(self) -> Judge | None:
        """Raises ModelError for one that never finds a contradiction, since the vote would then drop nothing."""
        model = open_entailment(self.entailment) if self.entailment else None
        if model and not model.contradicts:
            raise ModelError(
                f"filter_comparatives: {self.entailment} has no label for contradiction, so no vote can be taken; "
                "name another classifier under `entailment`, or none"
            )
        return model

    def _filtered(self, reading: Reading, tagger: Tagger | None, model: Judge | None, bench: Bench) -> Reading:
        if tagger:
            reading = filters.parts_of_speech(reading, tagger, self.patterns)
        reading = filters.clustered(filters.repeated_words(reading), bench.encoder, self.cluster)
        relate: Relate = model.score if model else filters.related_claims(reading)
        reading = filters.vote(reading, relate, self)
        return filters.best(filters.one_claim(filters.low_validity(reading, self)), self)


def judged(reading: Reading, judge: Discriminator | None, bench: Bench) -> Reading:
    """The reading with the discriminator's verdict on each comparison, which is its combined score."""
    seed = reading.seed
    if judge is None or not isinstance(seed, PairSeed):
        return reading
    claims = [claim for claim in reading.claims if isinstance(claim, Comparative)]
    rows = [_row(claim, seed) for claim in claims]
    scores = dict(zip((claim.id for claim in claims), judge.score(rows, bench.encoder), strict=True))
    rule = Combine(weights={discriminator.NAME: 1.0})
    chunks = []
    for graph in reading.chunks:
        said = (
            combine(replace(c, verdicts=(*c.verdicts, Verdict(discriminator.NAME, scores[c.id]))), rule)
            if c.id in scores
            else c
            for c in graph.claims
        )
        chunks.append(replace(graph, claims=tuple(said)))
    return replace(reading, chunks=tuple(chunks))


def _row(claim: Comparative, seed: PairSeed) -> Row:
    """The claim's statement, with the thing first that its opening names first."""
    ways = ((seed.left, seed.right), (seed.right, seed.left))
    left, right = min(ways, key=lambda way: len(continuation(claim.statement, *way)))
    return Row(left, right, claim.statement)


class Orders(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """Comparisons of different pairs that contradict each other, and what each filter left; see refine/orders."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "orders"

    labels: str = ""
    """Labelled statements, for the share that holds after each filter."""

    def fingerprint(self) -> str:
        return fingerprint(self.labels) if self.labels else ""

    def run(self, records: Iterator[Reading], bench: Bench) -> None:
        readings = list(records)
        found = orders.circles(orders.edges(readings))
        write_records(bench.folder / CIRCLES, found)
        for circle in found:
            bench.note("comparisons that contradict each other in a circle", len(circle.edges))
            names = " > ".join([*(edge.greater for edge in circle.edges), circle.edges[0].greater])
            bench.fail(
                Failure("orders", circle.weakest.document, "circle", "rejected", message=f"{circle.aspect}: {names}")
            )
        bench.note("circles", len(found))
        labels = {one.statement: one.valid for one in read_labelled(self.labels)} if self.labels else {}
        settled = [orders.settle(reading, found) for reading in readings]
        write_comparison(bench.folder, table(funnel(settled, labels)))


def table(rows: Sequence[Left]) -> Comparison:
    """The funnel as the report shows it."""
    return Comparison(
        "What each filter left",
        "Statements after each filter in turn. Self-BLEU is 1 where all say the same; validity is the share of those "
        "labelled statements that hold, with its 95 % interval over pairs.",
        ("after", "statements", "pairs", "aspects", "self-BLEU", "labelled", "validity", "low", "high"),
        tuple(
            (row.after, row.statements, row.pairs, row.aspects, row.self_bleu, row.labelled, row.validity, *row.bounds)
            for row in rows
        ),
    )


class Settle(ShardStage, frozen=True, forbid_unknown_fields=True):
    """Drops, of comparisons that contradict each other in a circle, the weakest."""

    needs: ClassVar[tuple[str, ...]] = ("readings", "orders")
    gives: ClassVar[str] = "readings"

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        found = list(read_records(bench.upstream("orders") / CIRCLES, Circle))
        for reading in records:
            yield orders.settle(reading, found)

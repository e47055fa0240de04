"""The refining stages: calibrated scores, one name for one thing, what is dropped and why, and the store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

import msgspec
from msgspec import Struct, field

from kgdistill.contracts import Bench, CorpusStage, ShardStage
from kgdistill.distill.pairs import PairSettings, split_of
from kgdistill.errors import RecipeError
from kgdistill.evaluate.gold import fact_of, read_gold
from kgdistill.evaluate.match import correct
from kgdistill.evaluate.reliability import Reliability, measure
from kgdistill.evaluate.review import Labels
from kgdistill.generate.definitions import Definitions
from kgdistill.graph.store import write_store
from kgdistill.graph.validate import validate_store
from kgdistill.judge.calibrate import Calibrator, cross_fit, fit
from kgdistill.judge.combine import Combine, combine
from kgdistill.judge.critic import read_about
from kgdistill.records import Claim, Failure, Merge, Reading, Verdict, content_id
from kgdistill.refine import entities, relations, rules, variety
from kgdistill.refine.critic import criticise
from kgdistill.refine.entities import Aliases
from kgdistill.refine.relations import Clusters
from kgdistill.refine.rules import Rules
from kgdistill.stages.build import reclaimed
from kgdistill.storage.review import read_review, review_fingerprint
from kgdistill.storage.shards import read_records, write_bytes, write_records

ENCODER = frozenset({"encoder"})


class Calibration(Struct, frozen=True):
    """What `Calibrate` writes: the calibrator, and reliability before and after (out of sample, by document)."""

    calibrator: Calibrator
    before: Reliability
    after: Reliability
    documents: tuple[str, ...]
    """Those it has seen: no fair test for anything that uses it."""


class Calibrate(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """Isotonic calibration of the combined score where there is gold or review; without either it says so.

    Where both speak of a claim, the review counts. Sees only documents outside the test split, that of the pairs.
    """

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "calibration"
    uses: ClassVar[frozenset[str]] = ENCODER
    follows: ClassVar[Mapping[str, str]] = {"test": "pairs", "seed": "pairs"}

    gold: str = ""
    review: str = ""
    """A run's review log (`review.jsonl`): what people accepted and rejected on the page."""
    test: float = 0.1
    """Share of documents for testing, which calibration does not see."""
    seed: int = 0

    def fingerprint(self) -> str:
        gold = read_gold(self.gold).fingerprint
        return content_id(gold, review_fingerprint(self.review)) if self.review else gold

    def run(self, records: Iterator[Reading], bench: Bench) -> None:
        gold = read_gold(self.gold).facts
        reviewed = Labels(read_review(self.review).decisions if self.review else ())
        shares = PairSettings(test=self.test, seed=self.seed)
        scores: list[float] = []
        labels: list[bool] = []
        groups: list[str] = []
        for reading in records:
            document = reading.document.id
            if (document not in gold and document not in reviewed.documents) or split_of(document, shares) == "test":
                continue
            claims = [claim for claim in reading.claims if claim.verdict("combined") is not None]
            said: list[bool | None] = [reviewed.of(document, claim) for claim in claims]
            if document in gold:
                found = correct([fact_of(claim) for claim in claims], gold[document], bench.encoder)
                said = [right if own is None else own for own, right in zip(said, found, strict=True)]
            judged = [(claim.score, right) for claim, right in zip(claims, said, strict=True) if right is not None]
            scores += [score for score, _ in judged]
            labels += [right for _, right in judged]
            groups += [document] * len(judged)
        after = cross_fit(scores, labels, groups) if len(set(groups)) > 1 else scores
        calibration = Calibration(
            fit(scores, labels), measure(scores, labels), measure(after, labels), tuple(sorted(set(groups)))
        )
        write_bytes(bench.folder / "calibration.json", msgspec.json.encode(calibration))


class Names(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """Learns over the whole corpus which entity and relation names mean the same; every merge is a record."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "names"
    uses: ClassVar[frozenset[str]] = frozenset({"teacher", "encoder"})

    entities: Aliases = Aliases()
    relations: Clusters = Clusters()
    define: bool = False
    """Let the teacher define each relation first; else a definition is built from how it is used."""
    without: tuple[str, ...] = ()
    """Ids of merges that are undone (`--without-merge`): the graph is as if they had never been found."""

    def texts(self) -> dict[str, str]:
        return Definitions().texts() if self.define else {}

    def run(self, records: Iterator[Reading], bench: Bench) -> None:
        rows: list[entities.Row] = []
        uses: list[relations.Use] = []
        declared: list[tuple[str, str, str]] = []
        for reading in records:
            rows += entities.gather(reading)
            uses += relations.gather(reading)
            declared += entities.declared_in([reading])
        definitions = defined(uses, bench) if self.define else None
        merges: list[Merge] = [
            *entities.learn(rows, bench.encoder, self.entities, declared),
            *relations.learn(uses, bench.encoder, self.relations, definitions),
        ]
        if unknown := set(self.without) - {merge.id for merge in merges}:
            raise RecipeError(f"no merge has the id {min(unknown)}: the report and merges.jsonl list them")
        kept = [merge for merge in merges if merge.id not in self.without]
        for merge in kept:
            bench.note(f"{merge.kind} merges")
        write_records(bench.folder / "merges.jsonl", kept)


def defined(uses: Iterable[relations.Use], bench: Bench) -> dict[str, str]:
    """The teacher's definition of every relation name, from what is said with it."""
    sayings: dict[str, list[str]] = defaultdict(list)
    for use in uses:
        sayings[use.name].append(use.saying)
    method = Definitions(seed=bench.seed, brief=bench.teacher.card.brief)
    found = bench.converse(method(name, said) for name, said in sayings.items())
    return {name: definition for name, definition in zip(sayings, found, strict=True) if definition}


class Refine(ShardStage, frozen=True, forbid_unknown_fields=True):
    """Marks what is not kept, with the reason: rules, repeats, near repeats, caps; and brings names together."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    wants: ClassVar[tuple[str, ...]] = ("calibration", "names", "critic")
    gives: ClassVar[str] = "readings"
    uses: ClassVar[frozenset[str]] = ENCODER

    rules: Rules = Rules()
    variety: variety.Variety = field(default_factory=variety.Variety)
    combine: Combine | None = None
    """Another rule than the judge's; None: the judge's combined score as it is, calibrated where there is gold."""
    recall: float | None = None
    """Drop what a trained critic scores below its cut-off for this recall; None: its cut-offs are not used."""

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        calibrator, merges = upstream_calibrator(bench), list(upstream_merges(bench))
        cut = self._cut(bench)
        same_entities = entities.links(merges)
        same_relations = relations.links(merges)
        for reading in records:
            reading = reclaimed(reading, lambda claim: rescored(claim, self.combine, calibrator))
            reading = relations.apply(entities.apply(reading, same_entities), same_relations)
            reading = rules.screen(reading, self.rules)
            if cut is not None and self.recall is not None:
                reading = criticise(reading, cut, self.recall)
            reading = variety.repeats(reading)
            if reading.seed is None:  # what models say of one seed is alike by its nature
                reading = variety.near_repeats(reading, bench.encoder, self.variety)
            yield rules.cap(reading, self.rules)

    def _cut(self, bench: Bench) -> float | None:
        """The critic's cut-off. Raises RecipeError where a recall is aimed at and no critic was trained."""
        if self.recall is None:
            return None
        if not bench.has("critic"):
            raise RecipeError("refine: `recall` needs a stage that trains a critic before it")
        return read_about(bench.upstream("critic")).cut(self.recall)


def rescored(claim: Claim, rule: Combine | None, calibrator: Calibrator) -> Claim:
    """The claim under another rule, or with the judge's own score calibrated; calibration lifts no ungrounded claim."""
    if rule is not None:
        return combine(claim, rule, calibrator)
    score = claim.verdict("combined")
    if score is None or not calibrator.fitted:
        return claim
    found = calibrator.apply(score)
    verdict = Verdict("combined", found if claim.evidence or claim.said else min(found, score), "calibrated")
    return msgspec.structs.replace(claim, verdicts=(*claim.verdicts, verdict))


def upstream_calibrator(bench: Bench) -> Calibrator:
    """The calibrator of this run; one that changes nothing where the recipe does not calibrate."""
    if not bench.has("calibration"):
        return Calibrator(reason="the recipe does not calibrate")
    content = (bench.upstream("calibration") / "calibration.json").read_bytes()
    return msgspec.json.decode(content, type=Calibration).calibrator


def upstream_merges(bench: Bench) -> Iterator[Merge]:
    return read_records(bench.upstream("names") / "merges.jsonl", Merge) if bench.has("names") else iter(())


class Store(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """RDF with evidence in Oxigraph, the same facts as Parquet, and a SHACL report."""

    version: ClassVar[int] = 2
    needs: ClassVar[tuple[str, ...]] = ("readings",)
    wants: ClassVar[tuple[str, ...]] = ("names",)
    gives: ClassVar[str] = "store"
    uses: ClassVar[frozenset[str]] = frozenset({"teacher"})

    validate: int = -1
    """How many documents are checked against the shapes (0: none, -1: all)."""

    def run(self, records: Iterator[Reading], bench: Bench) -> None:
        counts = write_store(
            bench.folder,
            records,
            base=bench.base,
            run=bench.run,
            teacher=bench.teacher.card.name,
            merges=upstream_merges(bench),
        )
        for name, count in msgspec.structs.asdict(counts).items():
            bench.note(name, count)
        report = validate_store(bench.folder, self.validate)
        bench.note("documents checked against the shapes", report.documents)
        for violation in report.violations:
            bench.fail(Failure("store", "", "shape", message=str(violation)))

"""The refining stages: calibrated scores, one name for one thing, what is dropped and why, and the store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import ClassVar

import msgspec
from msgspec import field
from msgspec.structs import replace

from kgdistill.contracts import Bench, CorpusStage, ShardStage
from kgdistill.evaluate.gold import read_gold
from kgdistill.evaluate.match import correct
from kgdistill.evaluate.reliability import Reliability, measure
from kgdistill.generate.definitions import Definitions
from kgdistill.graph.store import write_store
from kgdistill.graph.validate import validate_store
from kgdistill.judge.calibrate import Calibrator, cross_fit, fit
from kgdistill.judge.combine import Combine, combine
from kgdistill.records import Fact, Merge, Reading
from kgdistill.refine import entities, relations, rules, variety
from kgdistill.refine.entities import Aliases
from kgdistill.refine.relations import Clusters
from kgdistill.refine.rules import Rules
from kgdistill.stages.build import reclaimed
from kgdistill.storage.shards import read_records, write_bytes, write_records

ENCODER = frozenset({"encoder"})


class Calibrate(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """Isotonic calibration of the combined score on documents that have gold graphs; without gold it says so."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "calibration"
    uses: ClassVar[frozenset[str]] = ENCODER

    gold: str = ""
    share: float = 0.5
    """Share of the gold documents that calibration may see; scores are reported on the others."""

    def fingerprint(self) -> str:
        return read_gold(self.gold).fingerprint

    def run(self, records: Iterator[Reading], bench: Bench) -> None:
        gold = read_gold(self.gold)
        scores, labels, groups = [], [], []
        for reading in records:
            document = reading.document.id
            if document in gold.facts and gold.tuning(document, self.share):
                claims = [claim for claim in reading.claims if claim.verdict("combined") is not None]
                scores += [claim.score for claim in claims]
                labels += correct([as_fact(claim) for claim in claims], gold.facts[document], bench.encoder)
                groups += [document] * len(claims)
        after = cross_fit(scores, labels, groups) if len(set(groups)) > 1 else tuple(scores)
        found = Calibration(fit(scores, labels), measure(scores, labels), measure(after, labels))
        write_bytes(bench.folder / "calibration.json", msgspec.json.encode(found))


class Calibration(msgspec.Struct, frozen=True):
    """What `Calibrate` writes: the calibrator, and reliability before and after (out of sample, by document)."""

    calibrator: Calibrator
    before: Reliability
    after: Reliability


class Names(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """Learns over the whole corpus which entity and relation names mean the same; every merge is a record."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "names"
    uses: ClassVar[frozenset[str]] = frozenset({"teacher", "encoder"})

    entities: Aliases = Aliases()
    relations: Clusters = Clusters()
    define: bool = False
    """Let the teacher define each relation first; else a definition is built from how it is used."""

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
        for merge in merges:
            bench.note(f"{merge.kind} merges")
        write_records(bench.folder / "merges.jsonl", merges)


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
    wants: ClassVar[tuple[str, ...]] = ("calibration", "names")
    gives: ClassVar[str] = "readings"
    uses: ClassVar[frozenset[str]] = ENCODER

    rules: Rules = Rules()
    variety: variety.Variety = field(default_factory=variety.Variety)
    combine: Combine = Combine()
    without: tuple[str, ...] = ()
    """Ids of merges that are not to be applied (`--without-merge`)."""

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        calibrator, merges = upstream_calibrator(bench), list(upstream_merges(bench))
        same_entities = entities.links(merges, frozenset(self.without))
        same_relations = relations.links(merges, frozenset(self.without))
        for reading in records:
            reading = reclaimed(reading, lambda claim: combine(claim, self.combine, calibrator))
            reading = relations.apply(entities.apply(reading, same_entities), same_relations)
            reading = rules.screen(reading, self.rules)
            reading = variety.repeats(reading, self.variety, bench.encoder)
            yield rules.cap(reading, self.rules)


def upstream_calibrator(bench: Bench) -> Calibrator:
    """The calibrator of this run; one that changes nothing where the recipe does not calibrate."""
    try:
        folder = bench.upstream("calibration")
    except KeyError:
        return Calibrator(reason="the recipe does not calibrate")
    return msgspec.json.decode((folder / "calibration.json").read_bytes(), type=Calibration).calibrator


def upstream_merges(bench: Bench) -> Iterator[Merge]:
    try:
        folder = bench.upstream("names")
    except KeyError:
        return iter(())
    return read_records(folder / "merges.jsonl", Merge)


class Store(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """RDF with evidence in Oxigraph, the same facts as Parquet, and a SHACL report."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    wants: ClassVar[tuple[str, ...]] = ("names",)
    gives: ClassVar[str] = "store"
    uses: ClassVar[frozenset[str]] = frozenset({"teacher"})

    validate: int = 200
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
        validate_store(bench.folder, self.validate)


def as_fact(claim: object) -> Fact:
    raise NotImplementedError

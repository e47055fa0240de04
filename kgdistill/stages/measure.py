"""The measuring stages: public data sets in, systems beside each other, and the judge checked with planted claims."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from kgdistill.contracts import Bench, CorpusStage, ShardStage, SourceStage
from kgdistill.distill.lessons import split_of
from kgdistill.distill.seed import seed_pair
from kgdistill.distill.swaps import SeedDocument
from kgdistill.errors import RecipeError, SourceError
from kgdistill.evaluate.benchmark import Roles, assess
from kgdistill.evaluate.benchmark_table import markdown
from kgdistill.evaluate.benchmarks import READERS, Format, files, read_set, sample, set_of
from kgdistill.evaluate.gold import fact_of
from kgdistill.evaluate.instrument import Instrument, check
from kgdistill.evaluate.planted import Planter
from kgdistill.evaluate.sets.lines import decoded
from kgdistill.evaluate.sets.redocred import NAMES
from kgdistill.evaluate.standings import Standings, System
from kgdistill.records import Document, Extraction, Failure, Pair, Reading, content_id
from kgdistill.stages.learn import SECONDS
from kgdistill.storage.artifact import Artifact
from kgdistill.storage.shards import read_records, write_bytes, write_records
from kgdistill.storage.sources import fingerprint
from kgdistill.storage.timing import shard_seconds

ENCODER = frozenset({"encoder"})
LOADING = 2
"""First shards, one for each of two workers."""
GOLD, JUDGE, BENCHMARK, TABLES = "gold.jsonl", "judge.json", "benchmark.json", "benchmark.md"


class BenchmarkSet(Struct, frozen=True, forbid_unknown_fields=True):
    """A data set: where it is, and how it is written."""

    path: str
    format: Format | Literal["seed", "pairs"]


def seed_documents(path: Path, every: bool = False) -> Iterator[Pair | Failure]:
    """The seed's test split, or every document of a file or folder that is written like the seed."""
    for file in sorted(path.glob("pairs_*.jsonl")) if path.is_dir() else [path]:
        for found in decoded(file, SeedDocument):
            if isinstance(found, Failure):
                yield found
            elif every or split_of(found[1].id) == "test":
                yield seed_pair(found[1])


class Benchmarks(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """Texts with gold facts, a fixed sample of each set; what does not decode, or is not there, is recorded."""

    gives: ClassVar[str] = "gold"

    sets: dict[str, BenchmarkSet]
    most: int = 200
    """Most documents of a set."""

    def fingerprint(self) -> str:
        found = [file for one in self.sets.values() for file in files(one.path)]
        found += [names for file in found if (names := file.with_name(NAMES)).is_file()]
        return content_id(*(fingerprint(file / "pairs_*.jsonl" if file.is_dir() else file) for file in found))

    def run(self, records: Iterator[object], bench: Bench) -> None:
        gold: list[Pair] = []
        for name, one in self.sets.items():
            found = list(read_set(name, one.path, self._reader(one)))
            for failure in found:
                if isinstance(failure, Failure):
                    bench.fail(failure)
            chosen = sample((pair for pair in found if isinstance(pair, Pair)), self.most, bench.seed)
            bench.note(f"{name}: documents", len(chosen))
            gold += chosen
        if not gold:
            raise SourceError("no benchmark set is there: give the folder with `--set data=FOLDER`")
        write_records(bench.folder / GOLD, gold)

    def _reader(self, one: BenchmarkSet) -> Callable[[Path], Iterator[Pair | Failure]]:
        if one.format in ("seed", "pairs"):
            return lambda path: seed_documents(path, every=one.format == "pairs")
        return READERS[one.format]


def gold_of(bench: Bench) -> Iterator[Pair]:
    return read_records(bench.upstream("gold") / GOLD, Pair)


class Documents(SourceStage, frozen=True, forbid_unknown_fields=True):
    """The texts of the benchmark sets as documents to be read, the first of each set's fixed sample."""

    needs: ClassVar[tuple[str, ...]] = ("gold",)
    gives: ClassVar[str] = "readings"

    most: int = 0
    """Most documents of a set; 0: all that `benchmarks` has chosen."""

    def fingerprint(self) -> str:
        """Of nothing more: the sets are told apart by the key of what has read them."""
        return ""

    def run(self, bench: Bench) -> Iterator[Reading]:
        taken: dict[str, int] = {}
        for pair in gold_of(bench):
            number = taken[set_of(pair.id)] = taken.get(set_of(pair.id), 0) + 1
            if not self.most or number <= self.most:
                yield Reading(Document(pair.id, pair.text, pair.id, language="en"))


class Plant(ShardStage, frozen=True, forbid_unknown_fields=True):
    """True and false claims beside the texts of one set, to check a judge with; see evaluate/planted."""

    needs: ClassVar[tuple[str, ...]] = ("readings", "gold")
    gives: ClassVar[str] = "readings"
    uses: ClassVar[frozenset[str]] = ENCODER

    set: str = "seed"
    facts: int = 4
    """Most facts of a chunk to start from."""

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        gold = {pair.id: pair for pair in gold_of(bench) if set_of(pair.id) == self.set}
        for reading in records:
            if pair := gold.get(reading.document.id):
                others = {fact.relation for other in gold.values() if other.id != pair.id for fact in other.facts}
                planter = Planter(pair, sorted(others), bench.encoder, self.facts, bench.seed)
                chunks = (replace(g, entities=(), claims=planter.claims(g.chunk)) for g in reading.chunks)
                yield replace(reading, chunks=tuple(chunks))


class CheckJudge(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """What judging and refining made of planted claims; see evaluate/instrument."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "judge check"

    def run(self, records: Iterator[Reading], bench: Bench) -> None:
        found = check(claim for reading in records for claim in reading.claims)
        write_bytes(bench.folder / JUDGE, msgspec.json.encode(found))


class Collect(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """The claims of readings as extractions of a system, beside those of the systems before it."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    wants: ClassVar[tuple[str, ...]] = ("extractions",)
    gives: ClassVar[str] = "extractions"

    system: str
    """Its name, as `compare.systems` calls it."""
    claims: Literal["all", "kept"] = "all"

    def run(self, records: Iterator[Reading], bench: Bench) -> None:
        seconds = {}
        if bench.has("extractions"):
            before = bench.upstream("extractions")
            for path in before.glob("*.jsonl"):
                shutil.copyfile(path, bench.folder / path.name)
            seconds = msgspec.json.decode((before / SECONDS).read_bytes(), type=dict[str, dict[str, float]])
        write_records(bench.folder / f"{self.system}.jsonl", map(self._extraction, records))
        seconds[self.system] = by_document(bench)
        write_bytes(bench.folder / SECONDS, msgspec.json.encode(seconds))

    def _extraction(self, reading: Reading) -> Extraction:
        claims = (claim for claim in reading.claims if claim.kept or self.claims == "all")
        return Extraction(reading.document.id, facts=tuple(map(fact_of, claims)))


def by_document(bench: Bench) -> dict[str, float]:
    """Seconds of one worker for each document of the readings: those of its shard, shared out by length of text.

    The first shards pay for loading models and libraries; where there are enough others they are left out.
    """
    artifact = Artifact(bench.upstream("readings"))
    seconds: dict[str, float] = {}
    timed = sorted(shard_seconds(bench.through).items())
    for shard, spent in timed[LOADING if len(timed) > 4 * LOADING else 0 :]:
        documents = [reading.document for reading in read_records(artifact.shard(shard), Reading)]
        letters = sum(len(document.text) for document in documents)
        seconds |= {document.id: spent * len(document.text) / letters for document in documents}
    return seconds


class Compare(Roles, CorpusStage, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Systems beside each other on every set, with the aims, as JSON and as Markdown tables; see evaluate/benchmark."""

    needs: ClassVar[tuple[str, ...]] = ("extractions", "gold")
    wants: ClassVar[tuple[str, ...]] = ("judge check",)
    gives: ClassVar[str] = "benchmark"
    uses: ClassVar[frozenset[str]] = ENCODER

    systems: dict[str, str]
    """Each system's name with the name that the tables give it, in the tables' order."""

    def run(self, records: Iterator[Extraction], bench: Bench) -> None:
        folder = bench.upstream("extractions")
        seconds = msgspec.json.decode((folder / SECONDS).read_bytes(), type=dict[str, dict[str, float]])
        systems = []
        for name, title in self.systems.items():
            if name not in seconds:
                raise RecipeError(f"compare.systems: nobody has collected {name!r}; there are {', '.join(seconds)}")
            found = {one.id: one.facts for one in read_records(folder / f"{name}.jsonl", Extraction)}
            systems.append(System(title, found, seconds[name]))
        judge = None
        if bench.has("judge check"):
            judge = msgspec.json.decode((bench.upstream("judge check") / JUDGE).read_bytes(), type=Instrument)
        roles = Roles(*(self.systems.get(name, "") for name in (self.raw, self.judged, self.extractor)))
        found_all = assess(Standings(gold_of(bench), systems, bench.encoder), roles, judge)
        write_bytes(bench.folder / BENCHMARK, msgspec.json.encode(found_all))
        write_bytes(bench.folder / TABLES, markdown(found_all).encode())

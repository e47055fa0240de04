"""The learning stages: pairs, a student trained on them, what it reads, and how teacher and student score."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec
from msgspec.structs import replace

from kgdistill.contracts import Bench, CorpusStage
from kgdistill.distill.llm_pairs import read_llm_pairs
from kgdistill.distill.pairs import PairSettings, make_pairs, read_pairs, write_pairs
from kgdistill.distill.seed import seed_pair, seed_pairs
from kgdistill.distill.settings import FAMILIES
from kgdistill.distill.student import student_folder
from kgdistill.encoders.minilm import model_folder
from kgdistill.errors import ModelError
from kgdistill.evaluate.gold import fact_of, read_gold
from kgdistill.evaluate.scores import score
from kgdistill.records import Document, Extraction, Fact, Failure, Pair, Reading, content_id
from kgdistill.stages.refine import Calibration
from kgdistill.storage.shards import read_records, write_bytes, write_records
from kgdistill.storage.sources import fingerprint, read_documents
from kgdistill.teacher import weights
from kgdistill.text.overlap import words

if TYPE_CHECKING:
    from kgdistill.distill.extractor import Extractor

ENCODER = frozenset({"encoder"})
SECONDS = "seconds.json"
"""Beside extractions: the seconds that each system took for each document."""


class MakePairs(PairSettings, CorpusStage, frozen=True, forbid_unknown_fields=True):
    """Document and graph pairs, split by document, with negatives from what was dropped; see distill/pairs."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "pairs"

    def run(self, records: Iterator[Reading], bench: Bench) -> None:
        for split, count in write_pairs(bench.folder, make_pairs(records, self)).items():
            bench.note(f"{split} pairs", count)


class SeedPairs(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """The seed documents as pairs: what the extractor that ships was trained on."""

    gives: ClassVar[str] = "pairs"

    seed_folder: str
    pairs_folder: str = ""
    """Document-graph pairs by other models (distill/llm_pairs), to be learnt from first."""
    kept_folder: str = ""
    """Pairs that a run of ours kept (its folder `pairs-...`), to be learnt from in the same way."""
    weight: float = 0.4
    """Share of both that the first epoch sees; later ones see ever fewer."""

    def fingerprint(self) -> str:
        patterns = [f"{self.seed_folder}/pairs_*.jsonl"]
        patterns += [f"{self.pairs_folder}/**/*.json"] if self.pairs_folder else []
        patterns += [f"{self.kept_folder}/*.jsonl"] if self.kept_folder else []
        return content_id(*map(fingerprint, patterns))

    def run(self, records: Iterator[object], bench: Bench) -> None:
        others: list[Iterator[Pair]] = []
        if self.pairs_folder:
            others.append(map(seed_pair, read_llm_pairs(Path(self.pairs_folder))))
        if self.kept_folder:
            others.append(read_pairs(Path(self.kept_folder)))
        fading = (replace(pair, split="train", weight=self.weight) for pair in chain(*others))
        pairs = chain(seed_pairs(Path(self.seed_folder)), fading)
        for split, count in write_pairs(bench.folder, pairs).items():
            bench.note(f"{split} pairs", count)


class Train(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """A student of either family; `family = "span"` or "generative", its settings under `[train.settings]`."""

    needs: ClassVar[tuple[str, ...]] = ("pairs",)
    gives: ClassVar[str] = "student"

    family: Literal["span", "generative"] = "span"
    settings: dict[str, object] = msgspec.field(default_factory=dict)
    """Settings of the family (distill/students), as a table."""
    learnt_from: tuple[str, ...] = ()
    """Sources with their licences, for the student's card."""
    threads: int = 0
    """CPU threads; 0: all cores."""

    def tables(self) -> dict[str, type]:
        return {"settings": FAMILIES[self.family]}

    def fingerprint(self) -> str:
        """Of the folder that learning starts from, so that another model under its name is noticed."""
        return weights.fingerprint(self._start()[1])

    def _start(self) -> tuple[str, Path]:
        """The key that names the folder to start from, and the folder. Raises ModelError where it is not there."""
        if self.family == "generative":
            return "model", weights.find_folder(str(self.settings["model"]))
        name = str(self.settings.get("encoder", ""))
        folder = student_folder(name) if name else model_folder()
        if not (folder / "config.json").is_file():
            raise ModelError(f"train.settings.encoder: {name}: no encoder and no student there")
        return "encoder", folder

    def run(self, records: Iterator[object], bench: Bench) -> None:
        import torch

        from kgdistill.distill.train import train

        # OMP_NUM_THREADS is meant for workers side by side; here nobody else works.
        torch.set_num_threads(self.threads or len(os.sched_getaffinity(0)))
        key, folder = self._start()
        settings = msgspec.convert({"seed": bench.seed, **self.settings, key: str(folder)}, FAMILIES[self.family])
        figures = train(read_pairs(bench.upstream("pairs")), settings, bench.folder, self.learnt_from)
        for split, count in figures["documents"].items():
            bench.note(f"{split} documents", count)


class Extract(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """The student reads new documents, or (without a path) those that the teacher read."""

    version: ClassVar[int] = 3
    needs: ClassVar[tuple[str, ...]] = ("readings", "student")
    gives: ClassVar[str] = "extractions"

    path: str = ""
    min_score: float | None = None
    """Least score of a fact; None: the student's own threshold."""
    threads: int = 0
    """CPU threads; 0: as many as torch takes."""
    beside: tuple[str, ...] = ()
    """Folders of other students that read the same, to be compared ("kgdistill-mini-extractor": the one that ships)."""

    def fingerprint(self) -> str:
        read = [fingerprint(self.path)] if self.path else []
        return content_id(*read, *(weights.fingerprint(folder) for folder in map(student_folder, self.beside)))

    def run(self, records: Iterator[Reading], bench: Bench) -> None:
        import torch

        from kgdistill.distill.extractor import Extractor

        threads = torch.get_num_threads()
        torch.set_num_threads(self.threads or threads)
        count, seconds = 0, dict[str, dict[str, float]]()
        folders = {"student": bench.upstream("student")}
        folders |= {Path(name).name: student_folder(name) for name in self.beside}
        for name, folder in folders.items():
            extractor = Extractor.from_pretrained(folder)
            documents = self._documents(bench.records("readings"), bench, first=name == "student")
            own = seconds[name] = {}
            count = write_records(bench.folder / f"{name}.jsonl", self._read(extractor, documents, own))
            bench.note(f"{name}: documents per second", round(count / max(sum(own.values()), 1e-9), 2))
        bench.note("documents", count)
        torch.set_num_threads(threads)
        write_bytes(bench.folder / SECONDS, msgspec.json.encode(seconds))

    def _read(
        self, extractor: Extractor, documents: Iterator[Document], seconds: dict[str, float]
    ) -> Iterator[Extraction]:
        """What the student finds in each document; the seconds that it took are entered by document."""
        for document in documents:
            started = time.perf_counter()
            found = extractor.read(document, self.min_score)
            seconds[document.id] = time.perf_counter() - started
            yield found

    def _documents(self, records: Iterator[Reading], bench: Bench, *, first: bool) -> Iterator[Document]:
        """What is to be read; failures are recorded the first time only."""
        if not self.path:
            yield from (reading.document for reading in records if not reading.set_aside)
            return
        for document in read_documents(self.path):
            if not isinstance(document, Failure):
                if document.id not in bench.forgotten:
                    yield document
            elif first:
                bench.fail(document)


class Score(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """Teacher beside student, raw beside kept, against gold graphs.

    Only documents count that neither calibration nor the student's training has seen.
    """

    needs: ClassVar[tuple[str, ...]] = ("readings", "extractions")
    wants: ClassVar[tuple[str, ...]] = ("calibration", "pairs")
    gives: ClassVar[str] = "scores"
    uses: ClassVar[frozenset[str]] = ENCODER

    gold: str = ""

    def fingerprint(self) -> str:
        return read_gold(self.gold).fingerprint

    def run(self, records: Iterator[Reading], bench: Bench) -> None:
        gold = read_gold(self.gold).facts
        seen = self._seen(bench)
        lengths: dict[str, int] = {}
        raw: dict[str, list[Fact]] = {}
        kept: dict[str, list[Fact]] = {}
        for reading in records:
            document = reading.document.id
            if document in gold and document not in seen and not reading.set_aside:
                lengths[document] = len(words(reading.document.text))
                raw[document] = [fact_of(claim) for claim in reading.claims]
                kept[document] = distinct([fact_of(claim) for claim in reading.claims if claim.kept])
        wanted = {document: gold[document] for document in lengths}
        systems: dict[str, dict[str, list[Fact]]] = {"teacher, raw": raw, "teacher, kept": kept}
        for path in sorted(bench.upstream("extractions").glob("*.jsonl"), key=lambda path: path.stem != "student"):
            read = read_records(path, Extraction)
            systems[path.stem] = {found.id: list(found.facts) for found in read if found.id in lengths}
        write_bytes(bench.folder / "scores.json", msgspec.json.encode(score(wanted, systems, bench.encoder, lengths)))

    def _seen(self, bench: Bench) -> set[str]:
        """Documents that are no fair test: calibration or training has used them."""
        seen: set[str] = set()
        if bench.has("calibration"):
            content = (bench.upstream("calibration") / "calibration.json").read_bytes()
            seen |= set(msgspec.json.decode(content, type=Calibration).documents)
        if bench.has("pairs"):
            seen |= {pair.document for pair in read_pairs(bench.upstream("pairs")) if pair.split != "test"}
        return seen


def distinct(facts: list[Fact]) -> list[Fact]:
    """Each fact once with its best score: a graph says a thing once, however often the text does."""
    best: dict[tuple[str, str, str, bool], Fact] = {}
    for fact in facts:
        key = (fact.subject, fact.relation, fact.object, fact.negated)
        if key not in best or fact.score > best[key].score:
            best[key] = fact
    return list(best.values())

"""Toy stages, and a scripted teacher that writes down what it is asked: for the engine's own tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from kgdistill.contracts import Answer, Bench, CorpusStage, Dialogue, Reply, Request, ShardStage, SourceStage
from kgdistill.engine.progress import Lines
from kgdistill.engine.recipe import Catalogue, decode
from kgdistill.engine.runner import run
from kgdistill.errors import EndpointError, KgdistillError
from kgdistill.records import Chunk, ChunkGraph, Document, Failure, Reading, Triple, content_id
from kgdistill.teacher.scripted import Scripted, ScriptedTeacher


class ToyEncoder(Struct, frozen=True, tag_field="kind", tag="minilm"):
    size: int = 4

    def open(self) -> Any:
        raise AssertionError("no toy stage encodes")


class Endpoint(Scripted, frozen=True, tag="scripted"):
    """The scripted teacher behind an endpoint that is dead while TOY_DEAD is set, or on GPUs that it does not need."""

    on: int = 0

    @property
    def gpus(self) -> int:
        return self.on

    def open(self) -> ScriptedTeacher:
        return EndpointTeacher(self)


class EndpointTeacher(ScriptedTeacher):
    def _answer(self, request: Request) -> Answer | Exception:
        return EndpointError("connection refused") if os.environ.get("TOY_DEAD") else super()._answer(request)


class Seed(SourceStage, frozen=True):
    """`count` documents of two chunks each, and one that cannot be read."""

    gives: ClassVar[str] = "readings"
    count: int = 20
    bad: bool = False

    def fingerprint(self) -> str:
        return str(self.count)

    def run(self, bench: Bench) -> Iterator[Reading]:
        for number in range(self.count):
            document = Document(f"d{number:04d}", f"First {number}. Second {number}.", f"{number}.txt")
            middle = document.text.index("Second")
            spans = ((0, middle), (middle, len(document.text)))
            chunks = [Chunk(document.id, i, *span, document.text[slice(*span)]) for i, span in enumerate(spans)]
            yield Reading(document, tuple(map(ChunkGraph, chunks)))
        if self.bad:
            bench.fail(Failure("seed", "bad.pdf", "unreadable", message="bad.pdf is not a PDF"))


class Ask(ShardStage, frozen=True):
    """Two turns about each chunk; each reply becomes a claim."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "readings"
    uses: ClassVar[frozenset[str]] = frozenset({"teacher"})
    question: str = "What about"
    crash: str = ""
    """Path of a file: the first worker that sees it removes it and dies."""

    def talk(self, graph: ChunkGraph) -> Dialogue[ChunkGraph]:
        ((first,),) = yield [Request("first", f"{self.question} {graph.chunk.text}")]
        prompt = f"{self.question} {graph.chunk.text} after {first.text}"
        seconds = yield [Request("second", prompt, samples=2, seed=seed) for seed in (1, 2)]
        texts = [first.text, *(reply.text for replies in seconds for reply in replies)]
        claims = tuple(Triple(content_id(text), graph.chunk.text, "says", text) for text in texts)
        return msgspec.structs.replace(graph, claims=graph.claims + claims)

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        if self.crash and Path(self.crash).exists():
            Path(self.crash).unlink()
            os._exit(9)
        waiting: list[Reading] = []

        def talks() -> Iterator[Dialogue[ChunkGraph]]:
            for reading in records:
                waiting.append(reading)
                for graph in reading.chunks:
                    yield self.talk(graph)

        done: list[ChunkGraph] = []
        for number, graph in enumerate(bench.converse(talks())):
            reading = waiting[0]
            done.append(graph or reading.chunks[number % len(reading.chunks)])
            bench.note("chunks")
            if len(done) == len(reading.chunks):
                yield msgspec.structs.replace(waiting.pop(0), chunks=tuple(done))
                done = []


class Sum(CorpusStage, frozen=True):
    """Counts the claims."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "store"

    def run(self, records: Iterator[Reading], bench: Bench) -> None:
        total = sum(len(reading.claims) for reading in records)
        (bench.folder / "total.txt").write_text(str(total))


CATALOGUE = Catalogue({"seed": Seed, "ask": Ask, "sum": Sum}, Endpoint, ToyEncoder)


def plain(count: int = 20, latency: float = 0.0, **teacher: Any) -> dict[str, Any]:
    return {
        "name": "toy",
        "base": "https://kg.test/",
        "stages": ["read", "ask", "again", "sum"],
        "teacher": {"kind": "scripted", "script": "toys:reply", "latency_s": latency, **teacher},
        "read": {"kind": "seed", "count": count},
        "again": {"kind": "ask", "question": "And then"},
    }


def reply(request: Request, sample: int) -> Reply:
    """A seeded reply; the key of the request is appended to the file that TOY_ASKED names."""
    if (asked := os.environ.get("TOY_ASKED")) and not sample:
        with Path(asked).open("a") as file:
            file.write(request.key + "\n")
    nonce = os.environ.get("TOY_NONCE", "") and os.urandom(8).hex()
    text = content_id(request.key, sample) + nonce
    return Reply(text, tokens=1)


def visible_gpus(request: Request, sample: int) -> Reply:
    """The GPUs that the worker may use."""
    return Reply(os.environ.get("CUDA_VISIBLE_DEVICES", "none"), tokens=1)


def tree(out: Path) -> dict[str, bytes]:
    """Every artefact file but the reports, which hold times."""
    files = (path for path in out.glob("*-????????/**/*") if path.is_file() and path.parent.name != "reports")
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(files)}


def main(out: str, workers: str, count: str, latency: str) -> int:
    recipe = decode(plain(int(count), float(latency), window=8), CATALOGUE)
    try:
        return 3 if run(recipe, Path(out), workers=int(workers), progress=Lines(sys.stderr)).failures else 0
    except KgdistillError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code

"""Retrieval: a million propositions searched by their index beside looking at all of them, in the same run.

    python benchmarks/retrieval.py [--count 1000000] [--dimension 384] [--questions 200] [--folder DIR]

The vectors are made up: bunches around `count / 50` middles, near as sentences about one thing are near (vectors by
chance alone have no neighbours to find). Each proposition says one fact between two of `count / 5` entities. Measured,
on one thread, for the same questions in turn: the ten nearest by the index, by looking at all, and what a person waits
for (`propositions` and `graph_propositions`, with texts and facts, but for the encoder, which has a line of its own).
The ratio is that of the medians; recall is the share of the true ten that the index finds. Aim: p95 well under 100 ms.
`--folder` keeps what was made for another run.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kgdistill.encoders.minilm import MiniLM
from kgdistill.query.evidence import Row, write_evidence
from kgdistill.query.index import Index, Source
from kgdistill.query.methods import Settings, graph_propositions, propositions
from kgdistill.query.parts import part
from kgdistill.query.vectors import Vectors, write_index

KEY = "made-up"
SPREAD = 1.2
"""Length of a vector's own direction beside that of its bunch: cosines within one are around 0.4."""
QUESTION = "Who was the first president of the association which published the Journal of Psychotherapy Integration?"


def write_bunches(folder: Path, count: int, dimension: int) -> None:
    """Vectors of unit length, written a block at a time."""
    chance = np.random.default_rng(0)
    middles = chance.normal(size=(max(1, count // 50), dimension)).astype(np.float32)
    shape = count, dimension
    matrix = np.lib.format.open_memmap(folder / "vectors.npy", "w+", dtype=np.float16, shape=shape)
    for start in range(0, count, 50_000):
        rows = min(50_000, count - start)
        own = chance.normal(size=(rows, dimension)).astype(np.float32)
        block = middles[chance.integers(len(middles), size=rows)] + SPREAD * own
        matrix[start : start + rows] = block / np.linalg.norm(block, axis=1, keepdims=True)
    matrix.flush()


def claims(count: int) -> Iterator[Row]:
    """A claim for each proposition, five in a document."""
    chance = np.random.default_rng(1)
    entities = max(2, count // 5)
    for number, (one, other) in enumerate(chance.integers(entities, size=(count, 2)).tolist()):
        names = f"Entity {one}", f"Entity {other}"
        yield {
            "id": f"c{number % 5}", "asserted": True, "from_model": False, "literal": False, "score": 0.5, "chunk": 0,
            "subject": names[0], "relation": f"relation {number % 97}", "object": names[1],
            "subject_text": names[0], "object_text": names[1], "document": f"document-{number // 5}.txt",
            "start": 80 * (number % 5), "end": 80 * (number % 5) + 70,
            "quote": f"{names[0]} is said to be in relation {number % 97} with {names[1]}.", "proposition": "",
        }  # fmt: skip


class Asked:
    """Stands for the encoder: the vector of a question is the one that was chosen for it."""

    name = KEY

    def __init__(self, vectors: Any) -> None:
        self.vectors = vectors

    def encode(self, texts: Sequence[str]) -> Any:
        return np.stack([self.vectors[int(text.rpartition(" ")[2])] for text in texts])


def milliseconds(work: Callable[[int], object], questions: int) -> list[float]:
    times = []
    for number in range(questions):
        started = time.perf_counter()
        work(number)
        times.append(1000 * (time.perf_counter() - started))
    return times


def summed(times: list[float]) -> dict[str, float]:
    return {"p50_ms": round(statistics.median(times), 2), "p95_ms": round(statistics.quantiles(times, n=20)[-1], 2)}


def index_in(folder: Path, options: argparse.Namespace) -> tuple[Index, dict[str, float]]:
    """An index of made-up propositions, and the seconds that its parts took; none for parts that were there."""
    took = {}
    for name in ("facts", "entities", "documents"):
        (folder / f"{name}.parquet").touch()
    asked = Asked(np.empty((0, options.dimension), dtype=np.float32))
    source = Source(
        folder, lambda: claims(options.count), lambda: (), lambda: (), f"{options.count} {options.dimension}"
    )
    index = Index(source, lambda: asked, KEY)

    def make(folder: Path) -> None:
        write_bunches(folder, options.count, options.dimension)
        started = time.process_time()
        write_index(folder)
        took["index_cpu_s"] = round(time.process_time() - started, 1)

    part(index.folder / f"propositions-{KEY}", make)
    if not (index.folder / "columns").is_dir():
        started = time.process_time()
        part(index.folder / "columns", lambda folder: write_evidence(folder, claims(options.count), ()))
        took["columns_cpu_s"] = round(time.process_time() - started, 1)
    return index, took


def measure(index: Index, options: argparse.Namespace) -> dict[str, object]:
    chance = np.random.default_rng(2)
    some: Vectors = index.vectors("propositions")
    chosen = some.matrix[chance.integers(len(some), size=options.questions)]
    noise = chance.normal(size=chosen.shape).astype(np.float32) / np.sqrt(options.dimension)
    asked = chosen.astype(np.float32) + 0.5 * noise
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    index.encoder.vectors = asked  # type: ignore[attr-defined]
    every = Vectors(index.folder / f"propositions-{KEY}", exact=True)
    few = min(options.questions, 20)
    exact = milliseconds(lambda number: every.nearest(asked[number], 10), few)
    for number in range(options.questions):  # pages of the index are read from disk once
        some.nearest(asked[number], 10)
    approximate = milliseconds(lambda number: some.nearest(asked[number], 10), options.questions)
    shared = [len(set(every.nearest(v, 10)[0]) & set(some.nearest(v, 10)[0])) for v in asked[:few]]
    settings, evidence = Settings(), index.evidence

    def whole(method: Any, number: int) -> None:
        for found, _ in method(index, f"What does Entity {number} have to do with 0 or {number}", 10, settings):
            [evidence.propositions.value(name, found) for name in ("document", "text", "start", "end", "claim")]
            [evidence.triple(triple) for triple in evidence.said.of(found).tolist()]

    encoder = MiniLM().open()
    encoder.encode([QUESTION])
    return {
        "index": summed(approximate),
        "looking at all": summed(exact),
        "ratio": round(statistics.median(exact) / statistics.median(approximate), 1),
        "recall_at_10": round(sum(shared) / (10 * few), 3),
        "propositions": summed(milliseconds(lambda n: whole(propositions, n), options.questions)),
        "graph_propositions": summed(milliseconds(lambda n: whole(graph_propositions, n), options.questions)),
        "encoding a question": summed(milliseconds(lambda n: encoder.encode([f"{n} {QUESTION}"]), few)),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        index, took = index_in(folder, options)
        figures = {"propositions_there": options.count, **took, **measure(index, options)}
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()

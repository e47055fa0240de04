"""Storing: our write_store beside pyoxigraph's bare bulk load of the same quads, and memory by number of documents.

    python benchmarks/storing.py [--documents 2000] [--small 1000] [--large 20000]

The ratio is taken within one run, on one machine; the target is at least 0.5, and equal peak memory for both sizes.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyoxigraph

from kgdistill.graph.store import write_store
from kgdistill.graph.validate import validate
from kgdistill.records import Chunk, ChunkGraph, Document, Entity, Evidence, Reading, Span, Triple, Verdict

BASE = "https://benchmark.test/"
CLAIMS = 10


def readings(count: int) -> Iterator[Reading]:
    """Synthetic documents of ten claims each, with evidence and three verdicts; deterministic.

    No fact is said twice in the first 500,000 documents: five million facts.
    """
    verdicts = (Verdict("teacher", 0.9), Verdict("agreement", 0.75), Verdict("combined", 0.8))
    for number in range(count):
        identity, sentences, entities, claims, place = f"document-{number}.txt", [], [], [], 0
        for index in range(CLAIMS):
            subject, target = (
                f"Person {(number * 7 + index) % 5000}",
                f"Place {(number * 3 + 7 * index + 7 * (number // 1000)) % 3000}",
            )
            sentence = f"{subject} was seen in {target} on day {index}. "
            end = place + len(sentence) - 1
            where = Evidence(Span(place, end), Span(place, place + len(subject)))
            claim = Triple(
                f"{number}-{index}", subject, "seen in", target, proposition=sentence.strip(),
                method="triples", samples=(0, 1, 3), evidence=where, verdicts=verdicts,
            )  # fmt: skip
            sentences.append(sentence)
            entities += [Entity(subject, "Person", (Span(place, place + len(subject)),)), Entity(target, "Place")]
            claims.append(claim)
            place += len(sentence)
        text = "".join(sentences)
        graph = ChunkGraph(Chunk(identity, 0, 0, len(text), text), tuple(entities), tuple(claims))
        yield Reading(Document(identity, text, identity), (graph,))


def ratio(count: int, folder: Path) -> dict[str, float]:
    """Seconds of write_store, and of bare loads of the same quads from N-Quads."""
    prepared = list(readings(count))
    start = time.perf_counter()
    counts = write_store(folder / "ours", prepared, base=BASE, run="benchmark", teacher="none")
    ours = time.perf_counter() - start
    store = pyoxigraph.Store.read_only(str(folder / "ours/oxigraph"))
    quads = folder / "quads.nq"
    store.dump(quads, format=pyoxigraph.RdfFormat.N_QUADS)
    start = time.perf_counter()
    bare = pyoxigraph.Store(folder / "bare")
    bare.bulk_load(path=quads)
    bare.flush()
    loading = time.perf_counter() - start
    start = time.process_time()
    report = validate(store, limit=1000 // CLAIMS)
    validating = time.process_time() - start
    return {
        "quads": counts.quads,
        "ours_quads_per_second": round(counts.quads / ours),
        "bare_quads_per_second": round(counts.quads / loading),
        "ratio": round(loading / ours, 3),
        "validation_cpu_seconds_per_1000_claims": round(1000 * validating / max(1, report.claims), 2),
    }


def peak(count: int) -> float:
    """Peak memory in MiB of a fresh process that stores `count` documents."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_store, (count,))


def _store(count: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        write_store(Path(folder), readings(count), base=BASE, run="benchmark", teacher="none")
    # Not getrusage: what it says of a new process begins with the size of the one that started it.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return round(int(status.partition("VmHWM:")[2].split()[0]) / 1024, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--small", type=int, default=1000)
    parser.add_argument("--large", type=int, default=20000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures: dict[str, float] = ratio(options.documents, Path(folder))
    for count in (options.small, options.large):
        if count:
            figures[f"peak_mib_{count}_documents"] = peak(count)
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Exporting: seconds and peak memory of every export format, by number of facts.

    python benchmarks/exporting.py [--small 100000] [--large 1000000] [--formats .nq .neo4j ...]

Each export runs in a process of its own over a made-up graph in which no two documents share a name, so that nodes grow
with the facts. What must stay flat is `memory`: peak memory at the large size over that at the small one.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from kgdistill.graph.export import FORMATS, export
from kgdistill.graph.store import KnowledgeGraph, write_store
from kgdistill.records import Chunk, ChunkGraph, Document, Entity, Evidence, Reading, Span, Triple, Verdict

BASE = "https://benchmark.test/"
CLAIMS = 10


def readings(facts: int) -> Iterator[Reading]:
    """Documents of ten facts each, all asserted; every second one has a value as its object."""
    for number in range(facts // CLAIMS):
        identity, sentences, claims, place = f"document-{number}.txt", [], [], 0
        keeper = f"Keeper {number}"
        for index in range(CLAIMS):
            target = f"{number}.{index} tons" if index % 2 else f"Light {number}-{index}"
            sentence = f"{keeper} looks after {target}. "
            where = Evidence(Span(place, place + len(sentence) - 1), Span(place, place + len(keeper)))
            claims.append(
                Triple(
                    f"{index}",
                    keeper,
                    "looks after",
                    target,
                    literal=bool(index % 2),
                    method="triples",
                    samples=(0,),
                    evidence=where,
                    verdicts=(Verdict("teacher", 0.7, "the text says so"), Verdict("combined", 0.8)),
                )
            )
            sentences.append(sentence)
            place += len(sentence)
        text = "".join(sentences)
        graph = ChunkGraph(Chunk(identity, 0, 0, len(text), text), (Entity(keeper, "Person"),), tuple(claims))
        yield Reading(Document(identity, text, identity), (graph,))


def measured(store: str, to: str) -> dict[str, float]:
    """Entries, seconds, size and peak memory (all in MiB) of one export, in this process."""
    started = time.perf_counter()
    with KnowledgeGraph.open(store) as graph:
        entries = export(graph, Path(to))
    seconds = time.perf_counter() - started
    path = Path(to)
    size = sum(file.stat().st_size for file in (path.iterdir() if path.is_dir() else [path]))
    # What getrusage says begins with the memory of the parent; this is the peak of the process itself.
    [peak] = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    mebibytes = {"mib": round(size / 2**20, 1), "peak_mib": round(int(peak) / 1024, 1)}
    return {"entries": entries, "seconds": round(seconds, 1), **mebibytes}


def every_format(facts: int, formats: list[str]) -> dict[str, dict[str, float]]:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        write_store(Path(folder, "store"), readings(facts), base=BASE, run="benchmark")
        for ending in formats:
            to = Path(folder, f"graph{ending}")
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                found[ending] = pool.apply(measured, (f"{folder}/store", str(to)))
            shutil.rmtree(to) if to.is_dir() else to.unlink()
            sys.stderr.write(f"{facts:,} facts {ending}: {found[ending]}\n")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=100_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--formats", nargs="*", default=list(FORMATS))
    options = parser.parse_args()
    small, large = (every_format(facts, options.formats) for facts in (options.small, options.large))
    figures = {
        ending: {**large[ending], "memory": round(large[ending]["peak_mib"] / small[ending]["peak_mib"], 2)}
        for ending in options.formats
    }
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Serving: queries through `kgdistill serve` beside bare pyoxigraph in the same run, on a graph of a chosen size.

    python benchmarks/serving.py [--facts 5000000] [--seconds 30] [--clients 2] [--folder DIR]

Each of `--clients` clients puts the same mixed workload (lookups, joins of two hops, aggregates, search in texts) to
both sides in turn, now this one first and now that one: to the service over HTTP, and to pyoxigraph in its own process,
which serialises to JSON and stops there. The ratio is that of queries per second over kinds of query that take more
than 5 ms bare; the target is at least 0.7. The overhead in ms is that of an ASK that needs no time. `--folder` keeps
the graph for another run: five million facts take 60 GB and an hour and a half of one core.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import httpx
import pyoxigraph
from storing import BASE, CLAIMS, readings

from kgdistill.graph.store import KnowledgeGraph, write_store

PEOPLE, PLACES = 5000, 3000
"""As `storing.readings` has them."""
SEEN = f"<{BASE}relation/seen_in>"
SLOW_MS = 5.0
NOTHING = "ASK {}"


def queries(chance: random.Random, documents: int) -> dict[str, str]:
    """One query of each kind, about things that chance chooses."""
    person = f"<{BASE}entity/Person_{chance.randrange(min(PEOPLE, 7 * documents))}>"
    document = chance.randrange(documents)
    return {
        "lookup": f"SELECT ?p ?o {{ {person} ?p ?o }}",
        "evidence": f"SELECT ?c ?q ?d {{ ?c kgd:subject {person} ; kgd:quote ?q ; prov:wasDerivedFrom ?d }} LIMIT 50",
        "two hops": f"SELECT DISTINCT ?other {{ {person} {SEEN} ?place . ?other {SEEN} ?place }}",
        "aggregate": f"SELECT ?o (COUNT(*) AS ?n) {{ GRAPH ?g {{ ?c kgd:object ?o ; kgd:kept true }} "
        f"VALUES ?g {{ {' '.join(f'<{BASE}evidence/document-{(document + n) % documents}.txt>' for n in range(200))} }}"
        " } GROUP BY ?o ORDER BY DESC(?n) ?o LIMIT 20",
        "text": f'SELECT ?e ?n {{ ?e skos:prefLabel ?n FILTER(CONTAINS(?n, "{document % 1000}")) }} LIMIT 100',
        "large": f"SELECT ?c ?q {{ ?c kgd:quote ?q }} LIMIT {min(5000, documents * CLAIMS)}",
    }  # fmt: skip


Times = dict[str, list[float]]
"""Milliseconds of each query, by kind."""


def client(folder: str, address: str, seconds: float, documents: int, seed: int) -> tuple[Times, Times]:
    """The same queries bare and served, in turn, so that whatever else the machine does falls on both alike."""
    chance, form = random.Random(seed), pyoxigraph.QueryResultsFormat.JSON
    alone: Times = {}
    service: Times = {}
    kind_header = {"Content-Type": "application/sparql-query"}
    with KnowledgeGraph.open(folder) as graph, httpx.Client(timeout=240) as http:

        def bare(text: str) -> bytes | None:
            return graph.query(text).serialize(format=form)

        def served(text: str) -> bytes | None:
            return http.post(address, content=text, headers=kind_header).raise_for_status().content

        for _ in range(20):
            bare(NOTHING), served(NOTHING)
        end, sides = time.perf_counter() + seconds, [(bare, alone), (served, service)]
        while time.perf_counter() < end:
            sides.reverse()  # whoever asks first reads what is not in memory yet
            for kind, text in {**queries(chance, documents), "nothing": NOTHING}.items():
                for ask, times in sides:
                    start = time.perf_counter()
                    ask(text)
                    times.setdefault(kind, []).append(1000 * (time.perf_counter() - start))
    return alone, service


def together(options: argparse.Namespace, *where: str | int | float) -> tuple[Times, Times]:
    """The times of all clients, each in a process of its own."""
    gathered: tuple[Times, Times] = ({}, {})
    with ProcessPoolExecutor(options.clients, multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(client, *where, seed) for seed in range(options.clients)]  # type: ignore[arg-type]
        for job in jobs:
            for side, found in zip(gathered, job.result(), strict=True):
                for kind, times in found.items():
                    side.setdefault(kind, []).extend(times)
    return gathered


def compare(alone: Times, service: Times) -> dict[str, object]:
    kinds = {
        kind: {
            "bare_ms": round(statistics.mean(alone[kind]), 2),
            "served_ms": round(statistics.mean(service[kind]), 2),
            "served_p95_ms": round(statistics.quantiles(service[kind], n=20)[-1], 2),
            "ratio": round(statistics.mean(alone[kind]) / statistics.mean(service[kind]), 3),
        }
        for kind in alone
    }
    slow = [kind for kind in alone if kind != "nothing" and statistics.mean(alone[kind]) > SLOW_MS]
    totals = [sum(statistics.mean(times[kind]) for kind in slow) for times in (alone, service)]
    mixed = [[each for kind in alone if kind != "nothing" for each in times[kind]] for times in (alone, service)]
    rates = [round(1000 / statistics.mean(times), 1) for times in mixed]
    return {
        "kinds": kinds,
        "a_client_s_queries_per_second": {"bare": rates[0], "served": rates[1]},
        "ratio_over_5_ms": round(totals[0] / totals[1], 3) if slow else None,
        # On a busy machine the median is mostly waiting for a core; the least times are nearest to what is computed.
        "overhead_ms_least": round(min(service["nothing"]) - min(alone["nothing"]), 3),
        "overhead_ms_median": round(statistics.median(service["nothing"]) - statistics.median(alone["nothing"]), 3),
        "served_p95_ms": round(statistics.quantiles(mixed[1], n=20)[-1], 2),
    }


def start(folder: Path, clients: int) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "kgdistill.cli", "serve", str(folder), "--port", "0", "--workers", str(clients)]
    process = subprocess.Popen([*command, "--timeout", "120"], stderr=subprocess.PIPE, text=True)
    assert process.stderr
    return process, process.stderr.readline().rpartition("SPARQL at ")[2].partition(";")[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facts", type=int, default=5_000_000)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        if not (folder / "graph.json").is_file():
            write_store(folder, readings(max(1, options.facts // CLAIMS)), base=BASE, run="benchmark", teacher="none")
        with KnowledgeGraph.open(folder) as graph:
            counts = graph.about.counts
        process, address = start(folder, options.clients)
        try:
            alone, service = together(options, str(folder), address, options.seconds, counts.documents)
        finally:
            process.terminate()
            process.wait()
    figures = {"facts": counts.facts, "quads": counts.quads, "clients": options.clients, **compare(alone, service)}
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""A finished run with a stored graph, to be explored and reviewed: merges, dropped claims, hostile texts and all."""

from __future__ import annotations

from pathlib import Path

import msgspec
from readings import curie, event
from sample_run import hostile_reading, make_run, sample_readings, stage

from kgdistill.graph.store import write_store
from kgdistill.records import Canonical, Claim, Merge, Reading
from kgdistill.storage.artifact import run_state
from kgdistill.storage.shards import read_records, write_bytes, write_records

BASE = "https://kg.test/explored/"


def explored_run(run: Path) -> Path:
    """Write the run folder; its graph has what the readings have. `curie.txt` has a letter beyond the first plane."""
    make_run(run, hostile=True)
    state = run_state(run)
    by_name = {line["name"]: line for line in state["stages"]}
    merges = list(read_records(run / by_name["names"]["folder"] / "merges.jsonl", Merge))
    readings = [_merged(reading, merges) for reading in (*sample_readings(), hostile_reading(), event(), curie())]
    write_records(run / by_name["refine"]["folder"] / "shards" / "00000.jsonl", readings)
    stored = stage(run, "store", "store")
    write_store(
        run / stored["folder"], readings, base=BASE, run="Sample <run>", teacher="kgdistill-mini", merges=merges
    )
    state["stages"].append(stored)
    write_bytes(run / "run.json", msgspec.json.encode(state))
    return run


def _merged(reading: Reading, merges: list[Merge]) -> Reading:
    """The reading with names as the merges have them."""
    names = {(merge.kind, merge.name): merge for merge in merges}

    def change(claim: Claim) -> Claim:
        kinds = zip(("entity", "relation", "entity"), claim.stated, strict=True)
        found = [names.get((kind, name)) for kind, name in kinds]
        if not any(found):
            return claim
        told = [merge.into if merge else name for merge, name in zip(found, claim.stated, strict=True)]
        canonical = Canonical(*told, tuple(merge.id for merge in found if merge))
        return msgspec.structs.replace(claim, canonical=canonical)

    chunks = tuple(msgspec.structs.replace(graph, claims=tuple(map(change, graph.claims))) for graph in reading.chunks)
    return msgspec.structs.replace(reading, chunks=chunks)

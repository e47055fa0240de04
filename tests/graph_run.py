"""A run folder with readings and a store, made without the engine, and an encoder that needs no model."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from readings import BASE

from kgdistill.graph.store import write_store
from kgdistill.records import Chunk, ChunkGraph, Document, Evidence, Merge, Reading, Span, Triple, Verdict
from kgdistill.storage.artifact import Artifact, Manifest
from kgdistill.storage.shards import write_records
from kgdistill.text.overlap import words


class Bag:
    """Texts as the words that stand in them: near are texts that share words. Remembers what it was asked."""

    name = "bag of words"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        vectors = np.full((len(texts), 256), 1e-3, dtype=np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            for word in words(text.casefold()):
                vector[zlib.crc32(word.encode()) % 256] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def graph_run(folder: Path, readings: Iterable[Reading], merges: Iterable[Merge] = ()) -> Path:
    """The run in `folder`; another call replaces its readings and its store."""
    found = list(readings)
    read, store = Artifact(folder / "read-00000001"), Artifact(folder / "store-00000002")
    read.clear(), store.clear()
    write_records(read.shard("00000"), found)
    read.seal(Manifest("read", "read", "1", "readings", ("00000",), len(found)))
    write_store(store.begin(), found, base=BASE, run="graph", teacher="none", merges=merges)
    store.seal(Manifest("store", "store", "2", "store"))
    stages = [
        {"name": "read", "kind": "read", "gives": "readings", "folder": read.folder.name},
        {"name": "store", "kind": "store", "gives": "store", "folder": store.folder.name},
    ]
    (folder / "run.json").write_text(json.dumps({"name": "graph", "stages": stages}))
    return folder


def said(name: str, *facts: tuple[str, str, str]) -> Reading:
    """A document with a sentence and a claim for each fact, in chunks of two sentences."""
    sentences = [f"{' '.join(fact)}. " for fact in facts]
    text, chunks, start = "".join(sentences), [], 0
    for index in range(0, len(facts), 2):
        claims, end = [], start
        for number, fact in enumerate(facts[index : index + 2], index):
            place = Evidence(Span(end, end + len(sentences[number]) - 1))
            claims.append(
                Triple(f"c{number}", *fact, evidence=place, verdicts=(Verdict("combined", 0.9 - number / 100),))
            )
            end += len(sentences[number])
        chunks.append(ChunkGraph(Chunk(name, index // 2, start, end, text[start:end]), (), tuple(claims)))
        start = end
    return Reading(Document(name, text, name), tuple(chunks))

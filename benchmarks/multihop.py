"""Multi-hop retrieval: six methods on MuSiQue and HotpotQA, over graphs made by the mini extractor or mini teacher.

    python benchmarks/multihop.py --data FOLDER [--graph extractor|teacher] [--documents 0] [--sets musique hotpotqa]

FOLDER holds `musique_train.json`, `hotpotqa_train.json` and their `_corpus.json`, as in HippoRAG's repository. The
graphs go to `--out` and stay there: another call goes on, or measures again. The extractor reads both corpora in
minutes; the teacher takes seconds for each passage, so give it `--documents 120`: the first questions whose passages
are no more than that, with just those. Printed are Markdown tables; `<out>/<graph>/<set>.json` holds the same figures.

Passages of MuSiQue were among the texts that the teacher learnt from; those lines are marked.
`--sweep` adds lines for other sizes of the graph that graph_propositions makes (M), and other distances in it (N).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from kgdistill import catalog
from kgdistill.contracts import Encoder
from kgdistill.distill.extractor import Extractor
from kgdistill.encoders.minilm import MiniLM, SentenceTransformer
from kgdistill.engine.extraction import as_reading
from kgdistill.engine.recipe import Catalogue, load
from kgdistill.engine.runner import run
from kgdistill.evaluate.retrieval import Line, Outcome, Piece, line, markdown
from kgdistill.evaluate.sets.multihop import READERS, MultiHop, read
from kgdistill.graph.store import write_store
from kgdistill.query.found import Retriever
from kgdistill.query.retrieve import METHODS, open_retriever
from kgdistill.records import Reading
from kgdistill.stages import STAGES
from kgdistill.storage.artifact import Artifact, Manifest
from kgdistill.storage.shards import write_records

HOME = Path(__file__).resolve().parent.parent
BASE = "https://w3id.org/kgdistill/multihop/"
SEEN = {("teacher", "musique")}
"""Graphs by a model that has learnt from the passages of the set."""
SHARD = 50
"""Passages that are read before they are written: what an interruption costs."""
DEEP = 60
"""Pieces that are asked for, so that ten different passages are among the sentences."""
SWEEP = ((60, 1), (60, 2), (120, 1), (120, 3), (240, 2))
"""(M, N)."""


def graph_by_extractor(data: MultiHop, folder: Path) -> Path:
    """A run folder with what the extractor that ships reads in each passage; it goes on from whatever is done."""
    if (folder / "run.json").is_file():
        return folder
    readings, store = Artifact(folder / "extract-00000001"), Artifact(folder / "store-00000001")
    shards = {f"{n // SHARD:05}": data.passages[n : n + SHARD] for n in range(0, len(data.passages), SHARD)}
    extractor, started, count = Extractor.from_pretrained(), time.process_time(), 0
    for name, passages in shards.items():
        if not readings.shard(name).is_file():
            found = (as_reading(one, extractor.extract(one.text, id=one.id)) for one in passages)
            count += write_records(readings.shard(name), found)
    say(f"{data.name}: {count} passages in {time.process_time() - started:.0f} s of computing")
    readings.seal(Manifest("extract", "extract", "1", "readings", tuple(shards), len(data.passages)))
    written = write_store(
        store.begin(), readings.records(Reading), base=BASE, run=data.name, teacher="kgdistill-mini-extractor"
    )
    store.seal(Manifest("store", "store", "1", "store"))
    say(f"{data.name}: {written.facts} facts")
    stages = [("extract", "readings", readings), ("store", "store", store)]
    lines = [{"name": name, "kind": name, "gives": gives, "folder": made.folder.name} for name, gives, made in stages]
    (folder / "run.json").write_text(json.dumps({"name": data.name, "stages": lines}))
    return folder


def graph_by_teacher(data: MultiHop, folder: Path) -> Path:
    """A run of pipelines/benchmark_multihop.toml over the passages; it goes on from whatever is done."""
    path = folder / "passages.jsonl"
    rows = ({"id": one.id, "title": one.title, "text": one.text} for one in data.passages)
    write_records(path, rows)
    recipe = load(
        HOME / "pipelines" / "benchmark_multihop.toml",
        Catalogue(STAGES, catalog.TEACHERS, catalog.ENCODERS),
        [f"read.path={json.dumps(str(path))}"],
    )
    state = run(recipe, folder / "run")
    say(f"{data.name}: {len(data.passages)} passages in {state.seconds:.0f} s")
    return folder / "run"


GRAPHS = {"extractor": graph_by_extractor, "teacher": graph_by_teacher}


def measured(name: str, retriever: Retriever, data: MultiHop) -> Line:
    """One method on every question."""
    retriever.retrieve(data.questions[0].text, 1)  # opens the index
    outcomes = []
    for question in data.questions:
        started = time.perf_counter()
        found = retriever.retrieve(question.text, DEEP)
        took = 1000 * (time.perf_counter() - started)
        outcomes.append(Outcome(question, tuple(Piece(one.document, one.text) for one in found), took))
    return line(name, outcomes)


def lines(folder: Path, data: MultiHop, encoder: Encoder, sweep: bool) -> Iterator[Line]:
    for method in METHODS:
        yield measured(method, open_retriever(folder, method, encoder=encoder, announce=say), data)
    for candidates, hops in SWEEP if sweep else ():
        retriever = open_retriever(folder, encoder=encoder, candidates=candidates, hops=hops)
        yield measured(f"graph_propositions, M {candidates}, N {hops}", retriever, data)


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--graph", choices=list(GRAPHS), default="extractor")
    parser.add_argument("--documents", type=int, default=0)
    parser.add_argument("--sets", nargs="+", choices=list(READERS), default=list(READERS))
    parser.add_argument("--encoder", default="")
    parser.add_argument("--out", type=Path, default=Path("runs/multihop"))
    parser.add_argument("--sweep", action="store_true")
    options = parser.parse_args()
    encoder = (SentenceTransformer(options.encoder) if options.encoder else MiniLM()).open()
    for name in options.sets:
        data = read(options.data, name).first(options.documents)
        if not data.questions:
            parser.error(f"--documents {options.documents} is less than one question of {name} comes with")
        size = f"-{options.documents}" if options.documents else ""
        folder = options.out / options.graph / f"{name}{size}"
        found = list(lines(GRAPHS[options.graph](data, folder), data, encoder, options.sweep))
        (options.out / options.graph / f"{name}{size}.json").write_bytes(msgspec.json.encode(found))
        mark = " (passages that the model has learnt from)" if (options.graph, name) in SEEN else ""
        sys.stdout.write(f"\n{name}{mark}, graph by the mini {options.graph}: ")
        sys.stdout.write(f"{len(data.questions)} questions, {len(data.passages)} passages\n\n{markdown(found)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

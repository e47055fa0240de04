"""Training a gate with one command: from a run's own graph, from questions with support, or from the seed documents.

    python -m kgdistill.engine.gating RUN --out gate.json [--questions QUESTIONS.jsonl] [--most 120]

RUN is a run folder, a store's folder, or a folder of seed documents (data/seed), whose facts become a graph first.
Without questions, they are made from the graph's facts by template; with them, each line is a `SupportedQuestion`.
"""

from __future__ import annotations

import sys
import tempfile
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import msgspec

from kgdistill.claims import Evidence, Triple, Verdict
from kgdistill.contracts import Encoder
from kgdistill.distill.seed import seed_pairs
from kgdistill.encoders.minilm import MiniLM
from kgdistill.errors import KgdistillError, SourceError
from kgdistill.graph.store import KnowledgeGraph, write_store
from kgdistill.query.found import Found, Retriever
from kgdistill.query.gate import Gate
from kgdistill.query.gate_training import SupportedQuestion, cases, train
from kgdistill.query.retrieve import open_retriever
from kgdistill.query.template_questions import template_questions
from kgdistill.records import Chunk, ChunkGraph, Document, Pair, Reading, Span
from kgdistill.storage.shards import write_bytes

BASE = "https://w3id.org/kgdistill/seed/"


def train_gate(graph: Path, questions: Path | None = None, most: int = 120) -> Gate:
    """A gate for this graph. Raises UserError, and ModelError without an encoder."""
    with tempfile.TemporaryDirectory() as folder:
        seed = any(graph.glob("pairs_*.jsonl"))
        store = Path(folder, "store") if seed else graph
        if seed:
            write_store(store, map(seed_reading, seed_pairs(graph)), base=BASE, run="seed")
        retriever = open_retriever(store)
        encoder = MiniLM().open()
        asked = read_questions(questions) if questions else template_questions(passages_of(store), most)
        source = "template questions about the seed documents" if seed else "template questions about a graph"
        return learn(asked, retriever, encoder, questions.name if questions else source)


def learn(asked: Sequence[SupportedQuestion], retriever: Retriever, encoder: Encoder, source: str) -> Gate:
    """A gate that has learnt from these questions."""
    return train(list(cases(asked, retriever, encoder)), encoder.name, {"from": source})


def passages_of(graph: Path) -> list[Found]:
    """The sentences of a graph with the facts that they state, in the order of their documents."""
    gathered: dict[tuple[str, int, int], list[tuple[str, str, str]]] = defaultdict(list)
    quotes: dict[tuple[str, int, int], str] = {}
    with KnowledgeGraph.open(graph) as opened:
        facts = opened.facts()
    for row in facts[facts["start"].notna() & (facts["start"] >= 0)].to_dict("records"):
        place = str(row["document"]), int(row["start"]), int(row["end"])
        gathered[place].append((str(row["subject"]), str(row["relation"]), str(row["object"])))
        quotes[place] = str(row["quote"])
    return [Found("", *place, quotes[place], tuple(said), 0.0) for place, said in sorted(gathered.items())]


def read_questions(path: Path) -> list[SupportedQuestion]:
    """One question a line. Raises SourceError."""
    decoder = msgspec.json.Decoder(SupportedQuestion)
    try:
        return [decoder.decode(line) for line in path.read_bytes().splitlines() if line.strip()]
    except (OSError, msgspec.DecodeError) as error:
        raise SourceError(f"{path}: {error}") from error


def seed_reading(pair: Pair) -> Reading:
    """A seed document with its facts as claims that were kept."""
    document = Document(pair.document, pair.text, f"seed/{pair.document}")
    claims = tuple(
        Triple(
            f"f{number}",
            fact.subject,
            fact.relation,
            fact.object,
            literal=fact.literal,
            negated=fact.negated,
            hedged=fact.hedged,
            method="seed",
            evidence=Evidence(Span(fact.start, fact.end)),
            verdicts=(Verdict("combined", 1.0),),
        )
        for number, fact in enumerate(pair.facts)
        if fact.start >= 0 and fact.end > fact.start
    )
    chunk = Chunk(document.id, 0, 0, len(document.text), document.text)
    return Reading(document, (ChunkGraph(chunk, pair.entities, claims),))


def main(arguments: Sequence[str]) -> int:
    """The command; returns its exit code."""
    parser = ArgumentParser(prog="python -m kgdistill.engine.gating", description="Train a gate for questions.")
    parser.add_argument("graph", type=Path, metavar="RUN", help="a run, a store, or data/seed")
    parser.add_argument("--out", type=Path, required=True, metavar="gate.json")
    parser.add_argument("--questions", type=Path, metavar="QUESTIONS.jsonl")
    parser.add_argument("--most", type=int, default=120, help="most questions made by template")
    given = parser.parse_args(arguments)
    try:
        gate = train_gate(given.graph, given.questions, given.most)
        write_bytes(given.out, msgspec.json.format(msgspec.json.encode(gate), indent=1) + b"\n")
    except KgdistillError as error:
        sys.stderr.write(f"kgdistill: {error}\n")
        return error.exit_code
    sys.stdout.write(f"wrote {given.out}: {gate.made}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

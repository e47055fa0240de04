"""What the gate lets into a prompt, on MuSiQue and HotpotQA, over graphs made by the shipped extractor.

    python benchmarks/answers.py FOLDER [--out GRAPHS] [--method M] [--questions 0] [--teacher NAME --answers 40]

FOLDER holds musique_train.json, hotpotqa_train.json and their corpora (the 100-question samples of HippoRAG). Each gate
is measured on questions that it has not learnt from: the shipped one on both sets, one trained on HotpotQA on MuSiQue,
one trained on MuSiQue on HotpotQA. Beside them stands no gate: the first ten passages of the retrieval, and as many as
the shipped gate lets through on average. Intervals are 95 %, by drawing the questions again (percentile bootstrap).
`--questions N` takes the first N questions of each set with just the passages that they came with: a smaller graph.

- support precision: share of the passages in the prompt that are from a supporting document
- support recall: share of a question's supporting documents that have a passage in the prompt
- answer string: share of the questions whose answer stands in the prompt (yes and no left out)
- absent: share of the questions for which nothing passes, so that "not in the graph" is said: for the set's own
  questions (a mistake), for those of the other set, and for its own where their supporting documents are left out
"""

from __future__ import annotations

import json
import random
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from kgdistill.catalog import teacher_named
from kgdistill.contracts import Encoder
from kgdistill.distill.extractor import Extractor
from kgdistill.encoders.minilm import MiniLM
from kgdistill.engine.extraction import as_reading
from kgdistill.engine.gating import learn
from kgdistill.graph.store import write_store
from kgdistill.query.found import Found, Retriever
from kgdistill.query.gate import MOST, Gate, Gated, admitted, load_gate
from kgdistill.query.gate_training import COUNT, SupportedQuestion
from kgdistill.query.retrieve import open_retriever
from kgdistill.query.wording import content
from kgdistill.records import Document
from kgdistill.serve.asking import Asker

SETS = ("musique", "hotpotqa")
BASE = "https://w3id.org/kgdistill/multihop/"
ROUNDS = 2000
Row = tuple[float, ...]


class Asked(NamedTuple):
    """A question of a set, and the passages that it came with, as (title, text)."""

    question: SupportedQuestion
    given: list[tuple[str, str]]


def identity(title: str, text: str) -> str:
    """Passages of one title are told apart by their length."""
    return f"{title} {len(text)}"


def questions(folder: Path, name: str, most: int) -> list[Asked]:
    """The first questions of a set (0: all), with their supporting documents."""
    found = []
    for row in json.loads((folder / f"{name}_train.json").read_text(encoding="utf-8"))[: most or None]:
        if name == "musique":
            given = [(p["title"], p["paragraph_text"]) for p in row["paragraphs"]]
            passages = [(p["title"], p["paragraph_text"]) for p in row["paragraphs"] if p["is_supporting"]]
        else:
            titles = {title for title, _ in row["supporting_facts"]}
            given = [(title, "".join(sentences)) for title, sentences in row["context"]]
            passages = [one for one in given if one[0] in titles]
        support = tuple(dict.fromkeys(identity(title, text) for title, text in passages))
        found.append(Asked(SupportedQuestion(row["question"], support, answer=row["answer"]), given))
    return found


def corpus(folder: Path, name: str) -> list[tuple[str, str]]:
    """All passages of a set, as (title, text)."""
    whole = json.loads((folder / f"{name}_train_corpus.json").read_text(encoding="utf-8"))
    if isinstance(whole, dict):
        return [(title, "".join(sentences)) for title, sentences in whole.items()]
    return [(passage["title"], passage["text"]) for passage in whole]


def graph(passages: Iterable[tuple[str, str]], name: str, store: Path) -> Path:
    """The extractor's graph of these passages, a document for each; made once."""
    if not (store / "graph.json").is_file():
        extractor = Extractor.from_pretrained()
        started = time.monotonic()
        documents = {
            identity(title, text): Document(identity(title, text), text, f"{name}/{title}", title)
            for title, text in passages
        }
        readings = (as_reading(one, extractor.extract(one.text, id=one.id)) for one in documents.values())
        counts = write_store(store, readings, base=f"{BASE}{name}/", run=name)
        sys.stderr.write(f"{name}: {counts} in {time.monotonic() - started:.0f} s\n")
    return store


def has_answer(asked: SupportedQuestion, shown: Iterable[Found]) -> float:
    """1.0 where the answer's words stand in a row in what is shown; NaN for yes and no."""
    wanted = " ".join(content(asked.answer))
    if asked.answer.strip().casefold() in ("yes", "no") or not wanted:
        return float("nan")
    texts = (
        " ".join(content(t)) for one in shown for t in (one.text, *(end for f in one.facts for end in (f[0], f[2])))
    )
    return float(any(f" {wanted} " in f" {text} " for text in texts))


def row(asked: SupportedQuestion, shown: Sequence[Found]) -> Row:
    """(passages, of them supporting, supporting documents reached, supporting documents, answer there, nothing)."""
    good = [one for one in shown if one.document in asked.documents]
    reached = len({one.document for one in good})
    return len(shown), len(good), reached, len(asked.documents), has_answer(asked, shown), float(not shown)


def figures(rows: Sequence[Row], seed: int = 0) -> dict[str, tuple[float, float, float]]:
    """Each figure with its interval."""
    import numpy as np

    table = np.array(rows)

    def of(part: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Row:
        shown, good, reached, gold = part[:, :4].sum(axis=0)
        answers = part[:, 4][~np.isnan(part[:, 4])]
        return good / max(1, shown), reached / gold, answers.mean(), part[:, 5].mean(), shown / len(part)

    drawn = np.random.default_rng(seed).integers(len(table), size=(ROUNDS, len(table)))
    spread = np.array([of(table[places]) for places in drawn])
    low, high = np.quantile(spread, (0.025, 0.975), axis=0)
    names = ("precision", "recall", "answer", "absent", "passages")
    return {name: (of(table)[k], low[k], high[k]) for k, name in enumerate(names)}


class Set:
    """One set: its questions, and what is found for them; everything is found once."""

    def __init__(
        self, asked: Sequence[SupportedQuestion], others: Sequence[SupportedQuestion], graph: Retriever
    ) -> None:
        self.asked, self.others, self.retriever = asked, others, graph
        self.found = [graph.retrieve(one.question, COUNT + COUNT // 2) for one in asked]
        self.strange = [graph.retrieve(one.question, COUNT) for one in others]

    def passed(self, gate: Gate, encoder: Encoder) -> dict[str, list[list[Gated]]]:
        """What passes: of the set's own questions, without their documents, and of the other set's questions."""
        own = [admitted(gate, a.question, f[:COUNT], encoder) for a, f in zip(self.asked, self.found, strict=True)]
        without = [
            admitted(gate, a.question, [one for one in f if one.document not in a.documents][:COUNT], encoder)
            for a, f in zip(self.asked, self.found, strict=True)
        ]
        other = [admitted(gate, a.question, f, encoder) for a, f in zip(self.others, self.strange, strict=True)]
        return {"own": own, "without": without, "other": other}


def share(passed: Sequence[Sequence[Gated]]) -> str:
    return interval(figures([(0, 0, 0, 1, float("nan"), float(not one)) for one in passed])["absent"])


def interval(figure: tuple[float, float, float]) -> str:
    return "{:.2f} ({:.2f} to {:.2f})".format(*figure)


def table(name: str, own: Set, gates: dict[str, Gate], encoder: Encoder) -> None:
    """Print the rows of one set."""
    gated = {label: own.passed(gate, encoder) for label, gate in gates.items()}
    mean = sum(map(len, gated["shipped"]["own"])) / len(own.asked)
    plain = {
        f"no gate, first {count}": [one[:count] for one in own.found]
        for count in dict.fromkeys((MOST, max(1, round(mean))))
    }
    for label, shown in plain.items():
        rows = [row(asked, found) for asked, found in zip(own.asked, shown, strict=True)]
        write(name, label, rows, ["never"] * 3)
    for label, passed in gated.items():
        rows = [row(asked, [g.found for g in one]) for asked, one in zip(own.asked, passed["own"], strict=True)]
        write(name, label, rows, [share(passed[kind]) for kind in ("own", "other", "without")])


def write(name: str, label: str, rows: Sequence[Row], absent: Sequence[str]) -> None:
    found = figures(rows)
    cells = [f"{found['passages'][0]:.1f}", *(interval(found[k]) for k in ("precision", "recall", "answer")), *absent]
    sys.stdout.write(f"| {name} | {label} | " + " | ".join(cells) + " |\n")
    sys.stdout.flush()


def answers(name: str, store: Path, asked: Sequence[SupportedQuestion], teacher: str, count: int) -> None:
    """What `ask` says to some questions of the set, chosen by a fixed draw."""
    chosen = random.Random(0).sample(list(asked), min(count, len(asked)))
    kinds = {"answer": 0, "extract": 0, "absent": 0}
    right, started = 0, time.monotonic()
    with Asker(store, teacher_named(teacher)) as asker:
        for one in chosen:
            told = asker.ask(one.question)
            kinds[told.kind] += 1
            wanted = " ".join(content(one.answer))
            right += told.kind == "answer" and f" {wanted} " in f" {' '.join(content(told.text))} "
    seconds = (time.monotonic() - started) / len(chosen)
    sys.stdout.write(f"{name}: {kinds}, of the answers {right} say the gold answer; {seconds:.1f} s a question\n")


def main() -> None:
    """Print the table."""
    parser = ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("multihop"))
    parser.add_argument("--method", default="graph_propositions")
    parser.add_argument("--questions", type=int, default=0)
    parser.add_argument("--teacher", default="")
    parser.add_argument("--answers", type=int, default=0)
    given = parser.parse_args()
    encoder = MiniLM().open()
    rows = {name: questions(given.folder, name, given.questions) for name in SETS}
    stores = {}
    for name in SETS:
        few = dict.fromkeys(passage for row in rows[name] for passage in row.given)
        place = given.out / (f"{name}-{given.questions}" if given.questions else name)
        stores[name] = graph(few if given.questions else corpus(given.folder, name), name, place)
    asked = {name: [row.question for row in rows[name]] for name in SETS}
    graphs = {name: open_retriever(stores[name], given.method) for name in SETS}
    trained = {name: learn(asked[name], graphs[name], encoder, name) for name in SETS}
    sys.stdout.write(
        "| questions of | gate | passages | support precision | support recall | answer string "
        "| absent, own | absent, other set | absent, documents left out |\n|" + "---|" * 9 + "\n"
    )
    for name, other in (SETS, SETS[::-1]):
        gates = {"shipped": load_gate(), f"trained on {other}": trained[other]}
        table(name, Set(asked[name], asked[other], graphs[name]), gates, encoder)
    if given.answers:
        for name in SETS:
            answers(name, stores[name], asked[name], given.teacher, given.answers)


if __name__ == "__main__":
    main()

"""The student of inferences: trained on what is kept, sampled on events that it has not seen, and weighed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from kgdistill.contracts import Bench, CorpusStage
from kgdistill.errors import RecipeError
from kgdistill.evaluate.commonsense import Weighed, key, weigh
from kgdistill.evaluate.comparison import Comparison, write_comparison
from kgdistill.judge.critic import NAME, About, Said, read_about
from kgdistill.records import Inference, Reading, content_id
from kgdistill.storage.artifact import CHECKPOINTS
from kgdistill.storage.inferences import Row, Split, read_atomic10x, read_atomic2020, read_labelled, write_atomic10x
from kgdistill.storage.shards import write_bytes
from kgdistill.storage.sources import fingerprint
from kgdistill.teacher import weights
from kgdistill.text.inferences import RELATIONS, tail_fault, tail_key
from kgdistill.text.names import normal

STUDENT = "student.jsonl"
SAMPLED = "sampled.jsonl"
TEACHER = "atomic10x.jsonl"


SHARES = {"test": "comet", "validation": "comet"}
"""The shares of the splits are those of `comet`, in every stage that splits."""


def split_of(event: str, seed: int, test: float = 0.1, validation: float = 0.1) -> Split:
    """The split that an event's words alone decide, under shares for two of them, so that no event is in two."""
    place = int(content_id("event split", seed, normal(event)), 16) / 16**16
    return "train" if place < 1 - test - validation else "val" if place < 1 - test else "test"


class TrainComet(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """A causal model fine-tuned on the kept inferences of training events, in COMET's format; see distill/comet."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "comet"

    model: str = "kgdistill-mini"
    """Folder or hub name of the causal model to start from."""
    test: float = 0.1
    """Share of events that the student does not learn from, and is asked about."""
    validation: float = 0.1
    """Share of events that its loss is measured on."""
    settings: dict[str, object] = msgspec.field(default_factory=dict)
    """Settings of the student (distill/comet), as a table."""
    threads: int = 0
    """CPU threads; 0: all cores."""

    def __post_init__(self) -> None:
        if min(self.test, self.validation) < 0 or self.test + self.validation >= 1:
            raise RecipeError("comet: test and validation are shares, and must leave some events to learn from")

    def fingerprint(self) -> str:
        return weights.fingerprint(weights.find_folder(self.model))

    def run(self, records: Iterator[Reading], bench: Bench) -> None:
        import torch

        from kgdistill.distill.comet import Comet, CometSettings

        torch.set_num_threads(self.threads or len(os.sched_getaffinity(0)))
        try:
            settings = msgspec.convert({"seed": bench.seed, **self.settings, "model": self.model}, CometSettings)
        except msgspec.ValidationError as error:
            raise RecipeError(f"comet.settings: {error}") from error
        parts: dict[Split, list[Said]] = {"train": [], "val": [], "test": []}
        for claim in inferences(records):
            if claim.kept:
                parts[split_of(claim.event, bench.seed, self.test, self.validation)].append(claim.stated)
        if not parts["train"]:
            raise RecipeError("comet: no inference of a training event is kept, so there is nothing to learn from")
        student = Comet.start(weights.find_folder(self.model), settings)
        log = student.fit(parts["train"], parts["val"], bench.folder / "checkpoints")
        student.save_pretrained(bench.folder)
        write_bytes(bench.folder / "training_log.json", msgspec.json.encode(log))
        bench.note("inferences learnt", len(parts["train"]))
        bench.note("validation loss, nats a token", round(log["validation_loss"], 4))


class Sampled(Struct, frozen=True):
    """What the student said of an event under a relation: the tails that it ended."""

    event: str
    relation: str
    tails: tuple[str, ...]


def sampled_before(path: Path) -> list[Sampled]:
    """What a run that was broken off has sampled; a last line that was cut short is taken away."""
    found = path.read_bytes() if path.is_file() else b""
    whole = found[: found.rfind(b"\n") + 1]
    if whole != found:
        write_bytes(path, whole)
    return [msgspec.json.decode(line, type=Sampled) for line in whole.splitlines()]


class SampleComet(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """The student's own inferences about events of the test split, scored by the critic: `student.jsonl`.

    What it says is written down at once, so that a run that was broken off goes on where it was.
    """

    needs: ClassVar[tuple[str, ...]] = ("readings", "comet", "critic")
    gives: ClassVar[str] = "comet_rows"
    follows: ClassVar[dict[str, str]] = {**SHARES, "shortest_tail": "readings"}

    samples: int = 10
    most: int = 0
    """How many events to ask about; 0: all of the test split."""
    shortest_tail: int = 3
    """That of `infer`, so that both are asked for the same."""
    test: float = 0.1
    validation: float = 0.1
    """Those of `comet`."""
    threads: int = 0
    """CPU threads; 0: all cores."""

    def run(self, records: Iterator[Reading], bench: Bench) -> None:
        import torch

        from kgdistill.distill.comet import Comet
        from kgdistill.judge.critic_network import Critic

        torch.set_num_threads(self.threads or len(os.sched_getaffinity(0)))
        student = Comet.from_pretrained(bench.upstream("comet"))
        critic, about = Critic.from_pretrained(bench.upstream("critic"))
        said: list[Said] = []
        asked: dict[str, dict[str, None]] = {}
        for claim in inferences(records):
            if split_of(claim.event, bench.seed, self.test, self.validation) == "test":
                asked.setdefault(claim.event, {})[claim.relation] = None
        events = list(asked)[: self.most or None]
        path = bench.folder / CHECKPOINTS / SAMPLED
        path.parent.mkdir(exist_ok=True)
        done = {(one.event, one.relation): one.tails for one in sampled_before(path)}
        with path.open("ab") as file:
            for event, relation in ((head, name) for head in events for name in asked[head]):
                tails = done.get((event, relation))
                if tails is None:  # each is drawn with a seed of its own
                    tails = tuple(w.tail for w in student.write(event, relation, self.samples) if w.finished)
                    file.write(msgspec.json.encode(Sampled(event, relation, tails)) + b"\n")
                    file.flush()
                said += [(event, relation, tail) for tail in distinct(tails, event, self.shortest_tail)]
        scores = critic.score(said)
        rows = (row_of(row, "test", score, about) for row, score in zip(said, scores, strict=True))
        bench.note("inferences of the student", write_atomic10x(bench.folder / STUDENT, rows))


class WeighInferences(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """Teacher, kept and student side by side, and every inference in ATOMIC-10X's schema: `atomic10x.jsonl`."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    wants: ClassVar[tuple[str, ...]] = ("critic", "comet_rows")
    gives: ClassVar[str] = "weighed"
    follows: ClassVar[dict[str, str]] = SHARES

    recall: float = 0.8
    """The critic accepts what its cut-off for this recall keeps."""
    labels: str = ""
    """Labelled inferences, to count how many of those that recur are right."""
    beside: str = ""
    """ATOMIC 2020's TSV, or any labelled inferences: some of what people wrote, to be weighed beside the rest."""
    most: int = 2000
    """How many inferences of `beside` are weighed, drawn by their words."""
    max_bleu: float = 0.5
    """A row is new where its BLEU against every other tail of the same event and relation is below this."""
    test: float = 0.1
    validation: float = 0.1
    """Those of `comet`."""

    def __post_init__(self) -> None:
        if not 0 < self.max_bleu <= 1:
            raise RecipeError("weigh_inferences: max_bleu must lie above 0, and at most at 1")

    def fingerprint(self) -> str:
        return content_id(*(fingerprint(path) if path else "" for path in (self.labels, self.beside)))

    def run(self, records: Iterator[Reading], bench: Bench) -> None:
        about = read_about(bench.upstream("critic")) if bench.has("critic") else None
        claims = list(inferences(records))
        labels = {(r.head, r.relation, r.tail): r.valid for r in read_labelled(self.labels)} if self.labels else {}
        rows = [
            row_of(
                claim.stated, split_of(claim.event, bench.seed, self.test, self.validation), claim.verdict(NAME), about
            )
            for claim in claims
        ]
        rows = list(labelled(rows, labels))
        write_atomic10x(bench.folder / TEACHER, rows)
        kept = [row for row, claim in zip(rows, claims, strict=True) if claim.kept]
        student = list(read_atomic10x(bench.upstream("comet_rows") / STUDENT)) if bench.has("comet_rows") else []
        asked = {row.head for row in student}
        sets = {
            "teacher": rows,
            "teacher, kept": kept,
            "teacher, events of the student": [row for row in rows if row.head in asked],
            "student": student,
            "people": list(self._people(bench, about)),
        }
        cut = about.cut(self.recall) if about else 0.5
        found = [
            weighed(name, part, cut, labels, self.max_bleu)
            for name, part in sets.items()
            if part or name.startswith("teacher")
        ]
        write_bytes(bench.folder / "weighed.json", msgspec.json.encode(found) + b"\n")
        write_comparison(bench.folder, table(found, self.recall, self.max_bleu))

    def _people(self, bench: Bench, about: About | None) -> Iterator[Row]:
        """Inferences that people wrote, under the relations asked for, scored by the critic."""
        if not self.beside:
            return
        from kgdistill.judge.critic_network import Critic

        if self.beside.endswith(".tsv"):
            read = list(read_atomic2020(self.beside))
        else:
            read = [(row.head, row.relation, row.tail) for row in read_labelled(self.beside) if row.valid]
        known = sorted({row for row in read if row[1] in RELATIONS}, key=lambda row: content_id("people", *row))
        said = known[: self.most]
        scores = Critic.from_pretrained(bench.upstream("critic"))[0].score(said) if about else [None] * len(said)
        yield from (row_of(row, "test", score, about) for row, score in zip(said, scores, strict=True))


def inferences(readings: Iterable[Reading]) -> Iterator[Inference]:
    """All inferences of readings, dropped ones too."""
    for reading in readings:
        yield from (claim for claim in reading.claims if isinstance(claim, Inference))


def row_of(said: Said, split: Split, score: float | None, about: About | None) -> Row:
    """An inference as a row of ATOMIC-10X, with the critic's score and what each of its cut-offs says."""
    row = Row(*said, split)
    if score is None or about is None:
        return row
    keeps = {f"rec_{round(cut.aim * 100)}": score >= cut.score for cut in about.cut_offs}
    return replace(row, p_valid=score, **{name: kept for name, kept in keeps.items() if hasattr(row, name)})


def distinct(tails: Iterable[str], event: str, shortest: int) -> list[str]:
    """The tails that are inferences, without those that say what one before them did: as a teacher's are told apart."""
    found: dict[str, str] = {}
    for tail in tails:
        if not tail_fault(tail, event, shortest):
            found.setdefault(tail_key(tail), tail)
    return list(found.values())


def labelled(rows: Iterable[Row], labels: Mapping[Said, bool]) -> Iterator[Row]:
    """The rows with the labels of those that say the same, word for word."""
    known = {key(said): valid for said, valid in labels.items()}
    for row in rows:
        label = known.get(key((row.head, row.relation, row.tail)))
        yield row if label is None else replace(row, valid=int(label))


def weighed(name: str, rows: list[Row], cut: float, labels: dict[Said, bool], max_bleu: float) -> Weighed:
    """The figures of a set of rows; without a critic there are no scores."""
    scores = [row.p_valid for row in rows if isinstance(row.p_valid, float)]
    said = [(row.head, row.relation, row.tail) for row in rows]
    return weigh(name, said, scores if len(scores) == len(rows) else (), cut, labels, max_bleu)


def table(found: Iterable[Weighed], recall: float, max_bleu: float) -> Comparison:
    """The sets side by side, for the report."""
    columns = ("set", "inferences", "events", "accepted", "mean P(valid)", "labelled", "of these right", "distinct")
    return Comparison(
        "Inferences side by side",
        f"Accepted: above the critic's cut-off for recall {recall:g}. Distinct: no other row says the same. New: BLEU "
        f"below {max_bleu:g} against every other tail of the same event and relation. The student is asked about "
        "events that it has not learnt from; the row above it is its teacher on the same events.",
        (*columns, "new", "distinct tails"),
        tuple(
            (w.name, w.rows, w.events, w.accepted, w.p_valid, w.labelled, w.right, w.strict, w.soft, w.tails)
            for w in found
        ),
    )

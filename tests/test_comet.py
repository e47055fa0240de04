"""The student of inferences, and the whole recipe of event commonsense on a scripted teacher."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from knowing import knows
from line import CATALOGUE, HOME
from notebook import execute
from students import tiny_encoder, tiny_writer

from kgdistill.contracts import Reply, Request
from kgdistill.distill.comet import Comet, CometSettings, Written, comet_prompt, comet_text, lesson, read_comet
from kgdistill.engine.progress import Quiet
from kgdistill.engine.recipe import Recipe, decode
from kgdistill.engine.runner import run
from kgdistill.errors import KgdistillError, ModelError, RecipeError
from kgdistill.evaluate.commonsense import weigh
from kgdistill.evaluate.report import write_report
from kgdistill.graph.store import KnowledgeGraph
from kgdistill.records import Failure, Inference, Reading
from kgdistill.stages.comet import SAMPLED, STUDENT, TrainComet, distinct, labelled, split_of
from kgdistill.storage.artifact import Artifact, latest
from kgdistill.storage.inferences import Row, read_atomic10x
from kgdistill.text.inferences import RELATIONS

PLAIN = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="<>[]")).map(str.strip).filter(bool)


@given(PLAIN, st.sampled_from(sorted(RELATIONS)), PLAIN)
@settings(deadline=None)
def test_the_one_input_format_comes_back(head: str, relation: str, tail: str) -> None:
    assert read_comet(comet_text(head, relation, tail)) == (head, relation, tail)
    assert read_comet(comet_prompt(head, relation)) == (head, relation, "")


def test_the_format_is_comets() -> None:
    said = comet_text("PersonX runs", "xWant", "to rest")
    assert said == "<head> PersonX runs </head> <relation> xWant </relation> [GEN] to rest"
    [turn] = lesson(("PersonX runs", "xWant", "to rest")).turns
    assert turn.prompt + turn.reply == said and turn.ends  # the model learns where a tail ends
    with pytest.raises(ValueError, match="not in COMET's form"):
        read_comet("PersonX runs xWant to rest")


def test_it_learns_is_sampled_and_comes_back(tmp_path: Path) -> None:
    chosen = CometSettings(epochs=60, batch_tokens=256, learning_rate=1e-2, dropout=0.0, max_tokens=12)
    student = Comet.start(tiny_writer(tmp_path / "tiny", paired=False), chosen)
    said = [(f"PersonX {n}", "xWant", "St. Lo") for n in range(4)] + [
        (f"PersonX {n}", "xAttr", "kind") for n in range(4)
    ]
    found = student.fit(said, said[:2], tmp_path / "checkpoints")
    assert found["validation_loss"] < 0.5
    student.save_pretrained(tmp_path / "student")
    again = Comet.from_pretrained(tmp_path / "student")
    written = again.write("PersonX 2", "xWant", 8)
    assert len(written) == 8 and written == again.write("PersonX 2", "xWant", 8)
    whole = [one for one in written if one.finished]
    # A tail ends where the model ends it: the original cuts at the first period.
    assert {one.tail for one in whole} & {"St. Lo"} and all(one.logprob < 0 and one.tokens > 1 for one in whole)
    with pytest.raises(ModelError, match="no student of inferences"):
        Comet.from_pretrained(tmp_path)
    with pytest.raises(ModelError, match="no causal model"):
        Comet.start(tmp_path, chosen)


def test_events_are_split_by_their_words() -> None:
    events = [f"PersonX counts to {number}" for number in range(400)]
    parts = [split_of(event, 0) for event in events]
    assert 0.7 < parts.count("train") / 400 < 0.9 and parts.count("test") > 20 < parts.count("val")
    assert [split_of(event.upper(), 0) for event in events] == parts
    assert {split_of(event, 0, 0.0, 0.0) for event in events} == {"train"}
    more = [split_of(event, 0, test=0.3, validation=0.0) for event in events]
    assert "val" not in more and 80 < more.count("test") < 160
    assert all(other == "test" for one, other in zip(parts, more, strict=True) if one == "test")
    with pytest.raises(RecipeError, match="must leave some events"):
        TrainComet(test=0.5, validation=0.5)


def test_tails_that_say_the_same_are_one_for_teacher_and_student() -> None:
    tails = ["to rest", "To rest.", "the rest", "a rest", "ok", "none", "to drink"]
    assert distinct(tails, "PersonX runs", 3) == ["to rest", "the rest", "to drink"]
    assert distinct(tails, "PersonX runs", 2) == ["to rest", "the rest", "ok", "to drink"]


def test_a_label_is_found_whatever_case_and_full_stop() -> None:
    """The table of figures found these labels, the exported rows did not."""
    said = [
        ("PersonX runs", "xWant", "to rest"),
        ("PersonX runs", "xWant", "to go"),
        ("PersonX runs", "xNeed", "to go"),
    ]
    labels = {("personx  runs", "xWant", "To rest."): True, ("PersonX runs", "xNeed", "to go"): False}
    found = list(labelled((Row(*one, "test") for one in said), labels))
    assert [row.valid for row in found] == [1, msgspec.UNSET, 0]
    assert weigh("teacher", said, labels=labels).labelled == 2


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the recipe, with a scripted teacher and tiny models."""
    folder = tmp_path_factory.mktemp("west")
    encoder, writer = tiny_encoder(folder / "encoder"), tiny_writer(folder / "writer", paired=False)
    out = folder / "out"
    run(recipe(encoder, writer), out, workers=0, progress=Quiet())
    return out


def people(folder: Path) -> Path:
    path = folder / "atomic.tsv"
    path.write_text("PersonX runs @@ xWant\tto rest| to drink| none\nPersonX runs @@ CapableOf\trun\n")
    return path


def recipe(encoder: Path, writer: Path, **changes: object) -> Recipe:
    plain = tomllib.loads((HOME / "pipelines" / "west2022_commonsense.toml").read_text(encoding="utf-8"))
    plain["teacher"] = {"kind": "scripted", "script": "knowing:knows"}
    plain["stages"].insert(2, "judge_inferences")
    plain["events"] |= {
        "path": str(HOME / "data" / "seed" / "events.jsonl"),
        "prompts": 4,
        "most": 40,
        "with_seeds": False,
    }
    plain["infer"] |= {"samples": 4, "relations": ["xWant", "xReact"]}
    plain["critic"] = {
        "labels": "",
        "encoder": str(encoder),
        "threads": 1,
        "settings": {"epochs": 1, "hidden": 16, "names": 1, "validation": 0.4},
    }
    plain["criticise"] = {"threads": 1}
    plain["comet"] = {"model": str(writer), "threads": 1, "settings": {"epochs": 1.0, "max_tokens": 8}}
    plain["weigh_inferences"] = {"beside": str(people(encoder.parent))}
    plain["sample_comet"] = {"samples": 2, "threads": 1}
    plain |= changes
    tables = {"events", "refine", "critic", "criticise", "comet", "sample_comet", "weigh_inferences"} - set(
        plain["stages"]
    )
    return decode({name: value for name, value in plain.items() if name not in tables}, CATALOGUE)


def test_the_recipe_runs_from_seed_to_student(finished: Path) -> None:
    readings = list(latest(finished, "readings").records(Reading))
    claims = [claim for reading in readings for claim in reading.claims if isinstance(claim, Inference)]
    assert 10 < len(readings) <= 40 and len(claims) > 60
    assert all(reading.seed and reading.seed.said and reading.seed.asked for reading in readings)  # type: ignore[union-attr]
    assert all(claim.verdict("critic") is not None and claim.said for claim in claims)
    dropped = {claim.dropped.rule for claim in claims if claim.dropped}
    assert "critic" in dropped
    rows = list(read_atomic10x(latest(finished, "weighed").folder / "atomic10x.jsonl"))
    assert len(rows) == len(claims)
    for row in rows:  # what a stricter cut-off keeps, a laxer one keeps too
        kept = [row.rec_50, row.rec_60, row.rec_70, row.rec_80, row.rec_90]
        assert kept == sorted(kept) and isinstance(row.p_valid, float)
    assert [row.rec_80 for row in rows] == [not (c.dropped and c.dropped.rule == "critic") for c in claims]
    by_event = {row.head: row.split for row in rows}
    assert all(by_event[row.head] == row.split for row in rows)


def test_its_refusals_are_counted_by_reason(finished: Path) -> None:
    state = json.loads((finished / "run.json").read_text())
    stages = {stage["name"]: stage for stage in state["stages"]}
    failures = list(latest_folder(finished, "events").failures())
    reasons = {failure.reason for failure in failures}
    assert reasons >= {"unlikely", "duplicate"} and reasons & {"unfinished", "no PersonX", "characters", "length"}
    assert all(isinstance(failure, Failure) and failure.stage == "events" for failure in failures)
    asked = stages["infer"]
    assert asked["planned"] == 2 * stages["events"]["records"]
    assert asked["kept"] + sum(asked["rejected"].values()) + sum(asked["failed"].values()) == asked["planned"]


def latest_folder(run_folder: Path, stage: str) -> Artifact:
    [folder] = run_folder.glob(f"{stage}-????????")
    return Artifact(folder)


def test_its_graph_is_the_models_own(finished: Path) -> None:
    with KnowledgeGraph.open(finished) as graph:
        assert graph.facts().empty and len(graph.model_facts()) > 20
        asked = (
            "ASK { GRAPH ?g { ?s ?p ?o } FILTER(STRENDS(STR(?g), 'graph/facts') || CONTAINS(STR(?g), '/evidence/')) }"
        )
        assert not graph.query(asked)
        seeds = "SELECT ?text { ?seed a kgd:Seed ; kgd:prompt/kgd:text ?text }"
        assert all("Task: event" in row["text"].value for row in graph.query(seeds))
    assert json.loads((latest(finished, "store").folder / "validation.json").read_text())["violations"] == []


def test_the_report_shows_it(finished: Path) -> None:
    page = write_report(finished).read_text(encoding="utf-8")
    assert "Inferences side by side" in page and "What the model says" in page and "seeds" in page
    weighed = json.loads((latest(finished, "weighed").folder / "weighed.json").read_text())
    assert [row["name"] for row in weighed][-1] == "people" and weighed[-1]["rows"] == 2
    assert "teacher, kept" in page and "by no document" in page


def test_the_notebook_runs_on_it(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KGDISTILL_RUN", str(finished))
    execute("commonsense")
    said = capsys.readouterr().out
    assert "xWant" in said and "Task: inference" in said and "critic: " in said


def test_running_again_asks_nothing_and_a_broken_off_run_ends_the_same(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Last of those on this run: the inferences are taken from it, with half of what was journalled of them."""
    given = recipe(finished.parent / "encoder", finished.parent / "writer")
    before = {path: path.read_bytes() for path in finished.glob("*-????????/shards/*")}
    journals = {path: path.read_bytes() for path in finished.glob("journal/infer/*.jsonl")}
    asked: list[str] = []

    def counted(request: Request, sample: int) -> Reply | str:
        asked.append(request.key)
        return knows(request, sample)

    monkeypatch.setattr("knowing.knows", counted)
    for taken in (0, 2):
        for path in finished.glob("infer-????????/**/*"):
            if path.is_file():
                path.unlink()
        for path, content in journals.items() if taken else ():
            lines = content.splitlines(keepends=True)
            path.write_bytes(b"".join(lines[: len(lines) // taken]) + lines[-1][:40])
        run(given, finished, workers=0, progress=Quiet())
        assert {path: path.read_bytes() for path in finished.glob("*-????????/shards/*")} == before
        assert bool(asked) == bool(taken)
    for path, content in journals.items():
        assert sorted(path.read_bytes().splitlines()) == sorted(content.splitlines())


def test_a_sampling_that_was_broken_off_goes_on(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = latest(finished, "comet_rows").folder
    given = recipe(finished.parent / "encoder", finished.parent / "writer")
    asked: list[tuple[str, str]] = []
    breaks = 0

    def write(self: Comet, head: str, relation: str, samples: int) -> list[Written]:
        asked.append((head, relation))
        if len(asked) == breaks:
            raise ModelError("broken off")
        return [Written(f"to rest after {len(head)} {relation}", -1.0, 5, True), Written("cut", -1.0, 1, False)]

    def sampled() -> bytes:
        run(given, finished, workers=0, progress=Quiet())
        assert not list(finished.rglob(SAMPLED))
        return (folder / STUDENT).read_bytes()

    def emptied() -> None:
        asked.clear()
        for path in folder.rglob("*"):
            if path.is_file():
                path.unlink()

    monkeypatch.setattr(Comet, "write", write)
    emptied()
    before = sampled()
    assert b"to rest after" in before and b"cut" not in before
    emptied()
    breaks = 3
    with pytest.raises(KgdistillError, match="broken off"):
        sampled()
    [path] = finished.rglob(SAMPLED)
    with path.open("ab") as file:
        file.write(b'{"event":"PersonX')
    assert sampled() == before
    assert len(asked) > 3 and len(asked) == len({*asked}) + 1, "what was sampled is not sampled again"


def test_what_is_no_event_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("lemon,banana\n")
    seeds = {"path": str(tmp_path / "pairs.csv"), "kind_of": "pair"}
    given = recipe(tmp_path, tmp_path, stages=["seeds", "infer"], name="pairs", seeds=seeds)
    with pytest.raises(KgdistillError, match=r"'lemon \| banana' is no event"):
        run(given, tmp_path / "out", workers=0, progress=Quiet())


def test_a_recall_without_a_critic_is_one_clear_line(tmp_path: Path) -> None:
    stages = ["events", "infer", "refine"]
    given = recipe(tmp_path, tmp_path, stages=stages, name="none")
    with pytest.raises(KgdistillError, match="needs a stage that trains a critic"):
        run(given, tmp_path / "out", workers=0, progress=Quiet())

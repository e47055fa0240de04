"""Forgetting a document: nothing that only it has said is left anywhere in the run, and all else stays as it was."""

from __future__ import annotations

import json
import random
import shutil
import time
from pathlib import Path
from typing import Any

import line
import msgspec
import pyoxigraph
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet
from service import served

from kgdistill import cli
from kgdistill.distill.pairs import read_pairs
from kgdistill.engine.forget import forget
from kgdistill.engine.recipe import Recipe
from kgdistill.engine.runner import run
from kgdistill.engine.state import StageState, load_state
from kgdistill.engine.toml import to_toml
from kgdistill.errors import RunFolderError
from kgdistill.graph.store import KnowledgeGraph
from kgdistill.records import Merge
from kgdistill.refine import merges
from kgdistill.stages import STAGES
from kgdistill.stages.commonsense import TrainCritic
from kgdistill.stages.refine import Calibration
from kgdistill.storage.artifact import Artifact, Manifest, latest
from kgdistill.storage.forgotten import load_forgotten
from kgdistill.storage.open_runs import kept_open, open_to_nobody
from kgdistill.storage.review import FILE, Decision, ReviewLog, read_review
from kgdistill.storage.shards import read_records

CRITIC = next(kind for kind, stage in STAGES.items() if stage is TrainCritic)
GONE = "e/lighthouse.txt"
COPY = "e/lighthouse_again.txt"
SHARED = "Ostermark Tower stands near Port Ellery."
TEXTS = {
    "bramble.txt": "Lower Bramble lies east of Port Ellery. Lower Bramble sold wool to Greta Haldorsen in 1902.",
    "harbour.txt": f"{SHARED} Port Ellery traded with Lower Bramble. LUDMILA VANTONGEREN ruled Port Ellery in 1840.",
    "lighthouse.txt": (
        f"Zorvath Quillon built Ostermark Tower in 1871. {SHARED} Zorvath Quillon painted Whalebone Gate. "
        "Ludmila Vantongeren paid Zorvath Quillon. Ludmila Vantongeren owned Whalebone Gate. "
        "Ludmila Vantongeren painted Port Ellery. Zorvath Quillon feared Ludmila Vantongeren."
    ),
    "lighthouse_again.txt": "",
    "mill.txt": "Greta Haldorsen bought Upper Mill in 1911. LUDMILA VANTONGEREN sold Upper Mill to Greta Haldorsen.",
    "road.txt": "Old Road joins Port Ellery with Upper Mill. Greta Haldorsen widened Old Road in 1920.",
    "vane.txt": "Copper Vane crowns Ostermark Tower. Greta Haldorsen paints Copper Vane.",
}
TEXTS["lighthouse_again.txt"] = TEXTS["lighthouse.txt"]
NAMED = (GONE, COPY, "lighthouse")
SECRETS = ("Zorvath", "Quillon", "Whalebone", "Ludmila", "zorvath", "quillon", "whalebone", "ludmila", "painted")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forget") / "corpus"
    (folder / "e").mkdir(parents=True)
    for name, text in TEXTS.items():
        (folder / "e" / name).write_text(text, encoding="utf-8")
    return folder


def recipe(corpus: Path, *changes: str) -> Recipe:
    return line.recipe(corpus, 'read.languages=["en"]', "refine.rules.min_score=0.0", *changes)


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with everything that a run can leave behind; read-only for the tests."""
    folder = tmp_path_factory.mktemp("whole")
    made = recipe(corpus)
    (folder / "line.toml").write_text(to_toml(made.plain))
    out = folder / "run"
    run(recipe(corpus, "split.max_tokens=30"), out, workers=1)  # results of other settings
    for arguments in (("plan", str(folder / "line.toml")), ("run", str(folder / "line.toml"))):
        assert cli._guarded([*arguments, "--workers", "1", "--out", str(out)], debug=False) == 0
    assert cli._guarded(["search", str(out), "Who built Ostermark Tower?"], debug=False) == 0  # makes an index
    (out / "workers.log").write_text(TEXTS["lighthouse.txt"])
    for place, (document, said) in enumerate(((GONE, "Zorvath Quillon"), ("e/harbour.txt", "LUDMILA VANTONGEREN"))):
        names = {"subject": "Ludmila Vantongeren", "relation": "ruled", "object": "Port Ellery"}
        about: dict[str, Any] = {"document": document, "claim": "c", "said": (said, "ruled", "Port Ellery"), **names}
        ReviewLog(out / FILE).add(Decision(id=str(place), at="now", reviewer="Ada", choice="accept", **about))
    calibration = latest(out, "calibration").folder / "calibration.json"
    seen = {**json.loads(calibration.read_bytes()), "documents": ["e/harbour.txt", GONE]}  # as with gold of both
    calibration.write_text(json.dumps(seen))
    (out / "journal" / "generate" / ".e.jsonl.part").write_text(TEXTS["lighthouse.txt"])
    return out


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def places(out: Path, *secrets: str) -> set[str]:
    """Files of a run in which any of the words stands, compressed tables and the database included."""
    found = set()
    for path in out.rglob("*"):
        if path.is_dir():
            continue
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content += json.dumps(parquet.read_table(path).to_pylist(), ensure_ascii=False).encode()
        if any(secret.encode() in content or secret in path.name for secret in secrets):
            found.add(str(path.relative_to(out)))
    for folder in out.rglob("oxigraph"):
        store = pyoxigraph.Store.read_only(str(folder))
        if any(secret in str(quad) for quad in store for secret in secrets):
            found.add(str(folder.relative_to(out)))
    return found


def test_no_word_of_it_is_left_and_everything_still_works(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.split("/")[0].split("-")[0] for path in places(copy, *SECRETS)}
    assert any("retrieval" in place for place in places(copy, *SECRETS)), "the index of the store"
    assert {place.split("-")[0] for place in places(copy, *NAMED)} >= {"read", "calibrate", "store"}
    assert before >= {"read", "judge", "refine", "names", "store", "pairs", "journal", "plan", "report.html", FILE}
    facts = KnowledgeGraph.open(copy).facts()
    code, out, error = line.here(capsys, "forget", str(copy), GONE)
    assert code == 0, error
    assert f"has forgotten {GONE}, {COPY}" in out
    assert places(copy, *SECRETS) == set()
    assert load_forgotten(copy).documents == (GONE, COPY)
    assert places(copy, *NAMED) == {"forgotten.json"}, "its id is in the list of what is never to be read, only there"
    calibration = latest(copy, "calibration").folder / "calibration.json"
    assert msgspec.json.decode(calibration.read_bytes(), type=Calibration).documents == ("e/harbour.txt",)
    assert [one.subject for one in read_review(copy / FILE).decisions] == ["LUDMILA VANTONGEREN"]
    with KnowledgeGraph.open(copy) as graph:
        left = graph.facts()
        expected = facts[~facts["document"].isin([GONE, COPY])]
        assert list(left["id"]) == list(expected["id"]) and 0 < len(left) < len(facts)
        assert {GONE, COPY}.isdisjoint(graph.documents()["id"])
        tower = left[(left["subject"] == "Ostermark Tower") & (left["object"] == "Port Ellery")]
        assert list(tower["document"]) == ["e/harbour.txt"], "the fact that another document says stays"
        names = {quad.object.value for quad in graph.store.quads_for_pattern(None, PREFERRED, None, None)}
        assert {"LUDMILA VANTONGEREN", "Ostermark Tower"} <= names
    assert {GONE, COPY}.isdisjoint(pair.document for pair in read_pairs(latest(copy, "pairs").folder))
    code, shown, _ = line.here(capsys, "show", str(copy))
    assert code == 0 and "finished" in shown
    code, rows, _ = line.here(capsys, "query", str(copy), "SELECT (COUNT(*) AS ?n) { ?d a kgd:Document }")
    assert code == 0 and rows.split()[-1] == str(len(TEXTS) - 2)
    code, _, _ = line.here(capsys, "export", str(copy), "--to", str(tmp_path / "g.nq"))
    assert code == 0 and not any(secret in (tmp_path / "g.nq").read_text() for secret in SECRETS)
    assert (copy / "report.html").is_file()
    state = load_state(copy)
    assert [stage.records for stage in state.stages if stage.gives == "readings"] == [len(TEXTS) - 2] * 7


PREFERRED = pyoxigraph.NamedNode("http://www.w3.org/2004/02/skos/core#prefLabel")


def test_the_graph_is_that_of_a_run_that_never_had_it(corpus: Path, copy: Path, tmp_path: Path) -> None:
    forget(recipe(corpus), copy, [GONE])
    shutil.copytree(corpus, tmp_path / "corpus")
    for name in (GONE, COPY):
        (tmp_path / "corpus" / name).unlink()
    run(recipe(tmp_path / "corpus"), tmp_path / "never", workers=1)
    assert line.quads(copy) == line.quads(tmp_path / "never")


def test_no_later_run_brings_it_back(corpus: Path, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget(recipe(corpus), copy, [GONE])
    kept = line.quads(copy)
    monkeypatch.setenv("READER_LOG", str(tmp_path / "log"))
    assert run(recipe(corpus), copy, workers=1).state == "finished"
    assert line.quads(copy) == kept and not line.keys(tmp_path / "log")
    for path in [*copy.glob("generate-*"), *copy.glob("judge-*")]:
        shutil.rmtree(path)
    run(recipe(corpus), copy, workers=1)
    assert not line.keys(tmp_path / "log"), "replies about other documents are still there"
    more = Path(shutil.copytree(corpus, tmp_path / "more"))
    (more / "e" / "new.txt").write_text("Greta Haldorsen planted Long Hedge in 1930.")
    for made in (recipe(more), recipe(corpus, "split.max_tokens=25")):
        run(made, copy, workers=1)
        assert places(copy, *SECRETS) == set()
        assert not [found for found in line.asked(tmp_path / "log") if any(s in found["prompt"] for s in SECRETS)]


def test_what_a_service_has_open_is_not_forgotten_behind_its_back(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(copy):
        code, _, error = line.here(capsys, "forget", str(copy), GONE)
        assert code == 2 and "stop `kgdistill serve`" in error and error.count("\n") == 1
        assert load_forgotten(copy).documents == ()
        with kept_open(copy):
            pass  # a second service may open it
    code, _, error = line.here(capsys, "forget", str(copy), GONE)
    assert code == 0, error
    assert places(copy, *SECRETS) == set()


def test_no_service_starts_while_documents_are_taken_out(copy: Path) -> None:
    with open_to_nobody(copy), pytest.raises(RunFolderError, match="try again"), kept_open(copy):
        pass


def test_an_unknown_document_is_one_line(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.name != "lock"}
    code, _, error = line.here(capsys, "forget", str(copy), "e/lighthose.txt")
    assert code == 2
    assert error == f'kgdistill: {copy} knows no document "e/lighthose.txt"; did you mean e/lighthouse.txt?\n'
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.name != "lock"} == before
    code, _, error = line.here(capsys, "forget", str(copy / "nowhere"), GONE)
    assert code == 2 and "is not a run folder" in error and not (copy / "nowhere").exists()


class Killed(BaseException):
    """No cleaning up hears of it: none of ours catches more than KeyboardInterrupt does."""


def test_killed_at_any_change_of_the_disk_the_same_command_completes_it(
    corpus: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = recipe(corpus)
    reference = Path(shutil.copytree(whole, tmp_path / "reference"))
    changes = 0

    def counting(original: object, limit: int) -> object:
        def change(*arguments: object, **options: object) -> object:
            nonlocal changes
            changes += 1
            if changes == limit:
                raise Killed
            return original(*arguments, **options)  # type: ignore[operator]

        return change

    def attempt(out: Path, limit: int) -> None:
        nonlocal changes
        changes = 0
        with monkeypatch.context() as patched:
            for name in ("replace", "rename", "unlink"):
                patched.setattr(Path, name, counting(getattr(Path, name), limit))
            patched.setattr(shutil, "rmtree", counting(shutil.rmtree, limit))
            patched.setattr("kgdistill.storage.shards._discard", lambda *_: None)
            forget(made, out, [GONE])

    attempt(reference, 0)
    total, wanted, quads = changes, line.tree(reference), line.quads(reference)
    assert total > 40
    for limit in [1, 2, 3, *range(5, total, 7), total - 1, total]:
        out = Path(shutil.copytree(whole, tmp_path / "run"))
        with pytest.raises(Killed):
            attempt(out, limit)
        if load_forgotten(out).unfinished:
            with pytest.raises(RunFolderError, match=r"was about to forget .* run `kgdistill forget` with it again"):
                run(made, out, workers=1)
        forget(made, out, [GONE])
        assert places(out, *SECRETS) == set(), limit
        assert line.tree(out) == wanted, limit
        assert line.quads(out) == quads, limit
        shutil.rmtree(out)


@pytest.mark.slow
def test_a_real_kill_is_no_different(copy: Path) -> None:
    chance = random.Random(5)
    for _ in range(3):
        process = line.command("forget", str(copy), GONE, cwd=copy.parent)
        until = time.monotonic() + 60
        while not (copy / "forgotten.json").exists() and time.monotonic() < until:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.3))
        process.kill()
        process.communicate()
    code, _, error = line.finished("forget", str(copy), GONE, cwd=copy.parent)
    assert code == 0, error
    assert places(copy, *SECRETS) == set()


@pytest.mark.slow
@pytest.mark.parametrize("keep", [False, True])
def test_students_that_have_learnt_from_it(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], keep: bool
) -> None:
    plain = recipe(corpus).plain
    plain |= {"stages": [*line.BUILDING, "train", "extract"], "train": {"settings": {"epochs": 1}}}
    plain["extract"] = {"beside": ["kgdistill-mini-extractor"]}  # the new student has seen too little to speak
    plain["pairs"] = {"test": 0.0, "validation": 0.2}
    out = tmp_path / "run"
    made = line.decode(plain, line.CATALOGUE)
    run(made, out, workers=1)
    assert "extract" in {path.split("-")[0] for path in places(out, *SECRETS)}
    code, said, error = line.here(capsys, "forget", str(out), GONE, *(["--keep-students"] if keep else []))
    assert code == 0, error
    if keep:
        assert "kept, though they have learnt from it: train-" in said
        assert {path.split("-")[0] for path in places(out, *SECRETS)} <= {"train"}
        return
    assert places(out, *SECRETS) == set()
    assert not list(out.glob("train-*")) and not list(out.glob("extract-*")) and "removed, as made from it" in said
    assert run(made, out, workers=1).state == "finished"
    # The vocabulary that every student starts from knows the word "painted".
    assert list(out.glob("train-*")) and places(out, *SECRETS) <= {f"{next(out.glob('train-*')).name}/tokenizer.json"}
    assert places(out, *SECRETS[:-1]) == set()


@pytest.mark.parametrize("keep", [False, True])
def test_a_critic_that_has_learnt_goes_alone(corpus: Path, copy: Path, keep: bool) -> None:
    plain = recipe(corpus).plain
    plain["stages"].insert(plain["stages"].index("judge") + 1, "critic")
    plain["critic"] = {"kind": CRITIC}
    critic = Artifact(copy / "critic-0123abcd")
    critic.folder.mkdir()
    critic.seal(Manifest("critic", CRITIC, "0123abcd", "critic"))
    state = load_state(copy)
    state.stages.append(StageState("critic", CRITIC, "critic", critic.folder.name, done=True))
    order = {name: place for place, name in enumerate(plain["stages"])}
    state.stages.sort(key=lambda stage: order[stage.name])
    state.save(copy)
    done = forget(line.decode(plain, line.CATALOGUE), copy, [GONE], keep_students=keep)
    assert critic.done == keep and done.students == (("critic-0123abcd",) if keep else ())
    assert all(stage.done for stage in load_state(copy).stages if stage.name != "critic")
    assert places(copy, *SECRETS) == set()


NAMES = st.sampled_from("ABCDEFGHIJ")


@given(st.lists(st.tuples(NAMES, NAMES), max_size=12), st.dictionaries(NAMES, st.integers(1, 3)))
def test_merges_without_some_names(pairs: list[tuple[str, str]], said: dict[str, int]) -> None:
    found: dict[str, Merge] = {}
    for name, into in pairs:
        if name < into:  # each name leads to at most one, as the learners let it
            found.setdefault(name, merges.merge("entity", name, into, f"{name} like {into}", 0.5))
    old = list(found.values())
    new = merges.remaining(old, {"entity": said, "relation": {}})
    assert {name for merge in new for name in (merge.name, merge.into)} <= said.keys()
    before, after = merges.links(old, "entity"), merges.links(new, "entity")
    for one in said:
        for other in said:
            together = before.follow(one)[0] == before.follow(other)[0]
            assert together == (after.follow(one)[0] == after.follow(other)[0])
        if before.follow(one)[0] in said:
            assert after.follow(one)[0] == before.follow(one)[0]
    assert merges.remaining(new, {"entity": said, "relation": {}}) == new
    assert len({merge.name for merge in new}) == len(new)


def test_merges_stay_as_they_are_where_no_name_goes(whole: Path) -> None:
    found = list(read_records(latest(whole, "names").folder / "merges.jsonl", Merge))
    said = {name: 1 for merge in found for name in (merge.name, merge.into)}
    assert found and merges.remaining(found, {"entity": said, "relation": said}) == found

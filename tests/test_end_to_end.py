"""The whole line on real documents: nothing is lost, nothing is paid twice, and every fact stands where it says."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import line
import msgspec
import pytest

from kgdistill.distill.pairs import from_row, read_pairs
from kgdistill.engine.recipe import Recipe
from kgdistill.engine.runner import run
from kgdistill.engine.state import RunState, load_state
from kgdistill.engine.summary import all_failures
from kgdistill.engine.toml import to_toml
from kgdistill.errors import RecipeError, ToleranceExceeded
from kgdistill.graph.store import KnowledgeGraph
from kgdistill.records import Claim, Merge, Reading, Span
from kgdistill.storage.artifact import latest
from kgdistill.storage.shards import read_records
from kgdistill.text.names import normal

ENDS = ("kept", "cached")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return line.corpus(tmp_path_factory.mktemp("line") / "corpus")


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of all building stages; read-only for the tests."""
    out = tmp_path_factory.mktemp("whole") / "run"
    run(line.recipe(corpus, "store.validate=-1"), out, workers=1)
    return out


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """The same run, to go on with."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("READER_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def assert_sums(state: RunState) -> None:
    """Every planned request ended in exactly one way."""
    for stage in state.stages:
        assert stage.done, stage.name
        assert stage.planned == stage.kept + stage.cached + sum(stage.rejected.values()) + sum(stage.failed.values())
    assert all(stage.planned for stage in state.stages if stage.name in ("decontextualise", "generate", "judge"))


def claims(readings: list[Reading]) -> list[tuple[Reading, Claim]]:
    return [(reading, claim) for reading in readings for claim in reading.claims]


def test_every_stage_is_sealed_and_every_request_has_one_end(whole: Path) -> None:
    state = load_state(whole)
    assert state.state == "finished" and [stage.name for stage in state.stages] == list(line.BUILDING)
    assert_sums(state)
    by_name = {stage.name: stage for stage in state.stages}
    assert by_name["decontextualise"].rejected["low rouge"] == by_name["decontextualise"].reasons["low rouge"] > 0
    assert by_name["generate"].reasons["no entity"] > 0 == by_name["generate"].failures
    assert by_name["names"].planned > 0, "no relation was defined"
    assert state.failures == 0


def test_what_is_not_read_is_set_aside_with_the_reason(whole: Path) -> None:
    aside = {reading.document.id: reading.set_aside for reading in line.readings(whole) if reading.set_aside}
    assert aside == {"e/der_buchdruck.txt": "language: de", "e/penicillin_copy.txt": "duplicate of e/penicillin.txt"}
    recorded = {failure.document: failure.message for stage, failure in all_failures(whole) if stage == "read"}
    assert recorded == aside
    formats = {Path(reading.document.source).suffix for reading in line.readings(whole) if reading.claims}
    assert formats == {".html", ".docx", ".md", ".pdf", ".txt", ".csv"}


def test_chunks_joined_are_the_document(whole: Path) -> None:
    for reading in line.readings(whole):
        texts = [graph.chunk.text for graph in reading.chunks]
        assert "".join(texts) == ("" if reading.set_aside else reading.document.text)


def test_every_claim_stands_where_it_says_or_says_why_not(whole: Path) -> None:
    rules: Counter[str] = Counter()
    for reading, claim in claims(line.readings(whole)):
        text, found = reading.document.text, claim.evidence
        if found:
            assert text[found.sentence.start : found.sentence.end].strip()
            for name, span in ((claim.subject, found.subject), (claim.object, found.object)):
                assert span is None or normal(text[span.start : span.end]) == normal(name)
        if claim.dropped:
            assert claim.dropped.rule and claim.dropped.reason
            rules[claim.dropped.rule] += 1
        else:
            assert found and claim.score >= 0.5
        assert found or claim.dropped
        assert claim.verdict("combined") is not None and claim.verdict("grounding") is not None
    assert {"low score", "ungrounded", "pronoun"} <= set(rules)
    assert sum(rules.values()) < len(claims(line.readings(whole)))


def test_sparql_gives_facts_with_the_words_that_say_them(whole: Path) -> None:
    texts = {reading.document.id: reading.document.text for reading in line.readings(whole)}
    with KnowledgeGraph.open(whole) as graph:
        rows = list(
            graph.query("""
            SELECT ?document ?start ?end ?quote ?subject WHERE {
              ?claim a kgd:Claim ; kgd:kept true ; kgd:negated false ; kgd:hedged false ;
                     kgd:subject/skos:prefLabel ?subject ; kgd:start ?start ; kgd:end ?end ; kgd:quote ?quote ;
                     prov:wasDerivedFrom/dcterms:identifier ?document }""")
        )
        assert len(rows) == len(graph.facts()) > 50
    for row in rows:
        span = slice(int(row["start"].value), int(row["end"].value))
        assert texts[row["document"].value][span] == row["quote"].value


def test_the_table_and_the_store_agree_and_only_what_is_asserted_is_a_fact(whole: Path) -> None:
    told = {claim.id: claim for _, claim in claims(line.readings(whole))}
    asserted = {key for key, claim in told.items() if claim.asserted}
    doubtful = [claim for claim in told.values() if claim.kept and (claim.negated or claim.hedged)]
    assert doubtful and asserted
    with KnowledgeGraph.open(whole) as graph:
        table = graph.claims()
        assert set(table["id"]) == set(told) and len(table) == len(told)
        assert set(graph.facts()["id"]) == asserted
        nodes = list(graph.query("SELECT ?id ?s ?r ?o WHERE { ?c a kgd:Claim ; dcterms:identifier ?id ; "
                                 "kgd:subject ?s ; kgd:predicate ?r ; kgd:object ?o }"))  # fmt: skip
        facts = {(row["s"], row["r"], row["o"]) for row in graph.query(
            "SELECT ?s ?r ?o WHERE { GRAPH <https://kg.test/graph/facts> { ?s ?r ?o } }")}  # fmt: skip
    assert {row["id"].value for row in nodes} == set(told)
    assert facts == {(row["s"], row["r"], row["o"]) for row in nodes if row["id"].value in asserted}
    for row in table.itertuples():
        claim = told[row.id]
        assert (row.subject, row.relation, row.object) == claim.names
        assert bool(row.asserted) == claim.asserted and row.rule == (claim.dropped.rule if claim.dropped else "")


def test_the_graph_conforms_to_the_shapes(whole: Path) -> None:
    report = msgspec.json.decode((latest(whole, "store").folder / "validation.json").read_bytes())
    assert report["count"] == 0 and report["violations"] == []
    assert report["documents"] == len(line.readings(whole))
    assert report["claims"] == len(claims(line.readings(whole)))


def test_pairs_are_loaded_by_datasets(whole: Path, tmp_path: Path) -> None:
    import datasets

    folder = latest(whole, "pairs").folder
    pairs = {pair.document: pair for pair in read_pairs(folder)}
    read = {r.document.id: r for r in line.readings(whole) if any(c.kept for c in r.claims)}
    assert set(pairs) == set(read)
    for kind, ending in (("parquet", "parquet"), ("json", "jsonl")):
        files = str(folder / f"train.{ending}")
        rows = datasets.load_dataset(kind, data_files=files, split="train", cache_dir=str(tmp_path / kind))
        loaded = [from_row(row) for row in rows]
        assert loaded == [pair for pair in pairs.values() if pair.split == "train"] != []
    for pair in pairs.values():
        assert pair.text == read[pair.document].document.text
        assert all(pair.text[fact.start : fact.end].strip() for fact in pair.facts)
        said = {(fact.subject, fact.relation, fact.object) for fact in pair.facts}
        assert not said & {(fact.subject, fact.relation, fact.object) for fact in pair.negatives}


def stamps(out: Path) -> dict[str, int]:
    files = (path for path in out.glob("*-????????/**/*") if path.is_file())
    return {str(path.relative_to(out)): path.stat().st_mtime_ns for path in files}


def test_the_same_command_does_nothing(corpus: Path, copy: Path, log: Path) -> None:
    before = stamps(copy)
    state = run(line.recipe(corpus, "store.validate=-1"), copy, workers=1)
    assert stamps(copy) == before and line.keys(log) == []
    assert_sums(state)


def changed_folders(out: Path, before: set[str]) -> set[str]:
    return {path.name.rpartition("-")[0] for path in out.glob("*-????????") if path.name not in before}


def test_a_new_threshold_repeats_only_what_depends_on_it(corpus: Path, copy: Path, log: Path) -> None:
    before = {path.name for path in copy.glob("*-????????")}
    kept = sum(claim.kept for _, claim in claims(line.readings(copy)))
    run(line.recipe(corpus, "refine.rules.min_score=0.9"), copy, workers=1)
    assert changed_folders(copy, before) == {"refine", "store", "pairs"}
    assert line.keys(log) == []
    assert 0 < sum(claim.kept for _, claim in claims(line.readings(copy))) < kept


def test_one_merge_is_undone_and_only_that(
    corpus: Path, copy: Path, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    merges = list(read_records(latest(copy, "names").folder / "merges.jsonl", Merge))
    before = {claim.id: claim for _, claim in claims(line.readings(copy))}
    uses = Counter(edge for claim in before.values() for edge in (claim.canonical.merges if claim.canonical else ()))
    assert len(uses) > 1, "the sample has too few merges for this test"
    undone = next(merge for merge in merges if uses[merge.id])
    recipe = tmp_path / "line.toml"
    recipe.write_text(to_toml(line.plain(corpus)))
    command = ["run", str(recipe), "--out", str(copy), "--workers", "1", "--without-merge", undone.id]
    assert line.here(capsys, *command)[0] == 0
    assert line.keys(log) == []
    after = {claim.id: claim for _, claim in claims(line.readings(copy))}
    assert after.keys() == before.keys()
    for key, claim in before.items():
        used = claim.canonical.merges if claim.canonical else ()
        if undone.id in used:
            now = after[key].canonical
            assert undone.id not in (now.merges if now else ())
            assert set(used) - {undone.id} >= set(now.merges if now else ())
            assert after[key].names != claim.names
        else:
            assert after[key].canonical == claim.canonical


def test_a_merge_that_nobody_made_cannot_be_undone(corpus: Path, copy: Path) -> None:
    with pytest.raises(RecipeError, match="no merge has the id feedfacefeedface"):
        run(line.recipe(corpus, 'names.without=["feedfacefeedface"]'), copy, workers=1)


def test_two_processes_write_what_one_writes(corpus: Path, tmp_path: Path) -> None:
    for workers in (1, 2):
        run(line.recipe(corpus, stages=line.SHORT), tmp_path / str(workers), workers=workers)
    assert line.tree(tmp_path / "1") == line.tree(tmp_path / "2")
    assert line.quads(tmp_path / "1") == line.quads(tmp_path / "2")


@pytest.mark.slow
def test_ray_writes_what_one_process_writes(corpus: Path, whole: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    run(line.recipe(corpus, "store.validate=-1"), tmp_path / "ray", on="ray", workers=2)
    assert line.tree(tmp_path / "ray") == line.tree(whole)
    assert line.quads(tmp_path / "ray") == line.quads(whole)


def journal_lines(out: Path) -> dict[tuple[str, str], bytes]:
    """Every whole line of every journal, by file and request key."""
    found: dict[tuple[str, str], bytes] = {}
    for path in out.glob("journal/*/*.jsonl"):
        for text in path.read_bytes().splitlines(keepends=True):
            if text.endswith(b"\n"):
                place = (str(path.relative_to(out)), msgspec.json.decode(text)["key"])
                assert place not in found, "one key stands twice in a journal"
                found[place] = text
    return found


def wait_for(process: subprocess.Popen[str], reached: Any) -> bool:
    """Whether the moment came before the process ended."""
    give_up = time.monotonic() + 240
    while process.poll() is None and time.monotonic() < give_up:
        if reached():
            return True
        time.sleep(0.01)
    return False


@pytest.mark.timeout(900)
def test_three_kills_change_nothing(corpus: Path, whole: Path, tmp_path: Path) -> None:
    """Killed while it asks about entities, while it judges, and while it refines or stores."""
    recipe = tmp_path / "line.toml"
    recipe.write_text(to_toml(line.plain(corpus, latency_s=0.01, window=4) | {"store": {"validate": -1}}))
    out = tmp_path / "run"
    chance = random.Random(11)
    few, many = chance.randrange(5, 60), chance.randrange(150, 300)
    moments = [
        lambda: len(journal_lines(out)) >= few,
        lambda: len(journal_lines(out)) >= many,
        lambda: bool(list(out.glob("refine-*")) or list(out.glob("names-*.pending"))),
        None,
    ]
    paid: dict[tuple[str, str], bytes] = {}
    for attempt, moment in enumerate(moments):
        log = tmp_path / f"log-{attempt}"
        command = ("run", str(recipe), "--workers", str(1 + (attempt == 1)), "--out", str(out))
        process = line.command(*command, cwd=tmp_path, log=log)
        if moment:
            assert wait_for(process, moment), process.communicate()
            time.sleep(chance.uniform(0, 0.2))
            process.kill()
            process.communicate()
        else:
            _, error = process.communicate(timeout=280)
            assert process.returncode == 0, error
        asked = line.keys(log)
        assert len(asked) == len(set(asked)), "asked twice in one attempt"
        assert not set(asked) & {key for _, key in paid}, "a journalled request was asked again"
        now = journal_lines(out)
        assert all(now[place] == text for place, text in paid.items()), "a journalled reply has changed"
        paid = now
    assert line.tree(out) == line.tree(whole)
    assert line.quads(out) == line.quads(whole)


def write_recipe(tmp_path: Path, corpus: Path, script: str = "tidy", **teacher: Any) -> None:
    plain = line.plain(corpus, line.SHORT, script, **teacher)
    (tmp_path / "line.toml").write_text(to_toml(plain))


def test_a_budget_stops_cleanly_and_nothing_is_asked_twice(
    corpus: Path, tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_recipe(tmp_path, corpus, window=4)
    monkeypatch.chdir(tmp_path)
    command = ("run", "line.toml", "--workers", "1")
    code, _, error = line.here(capsys, *command, "--max-tokens", "3000")
    assert code == 4
    assert line.last_line(error).startswith("kgdistill: the budget of 3000 tokens is spent")
    assert "budget of 3000 tokens" in load_state(tmp_path / "runs" / "line").state
    half = line.keys(log)
    assert half
    code, _, error = line.here(capsys, *command)
    assert code == 0, error
    asked = line.keys(log)
    assert len(asked) == len(set(asked)) > len(half)
    run(line.recipe(corpus, stages=line.SHORT, window=4), tmp_path / "whole", workers=1)
    assert line.tree(tmp_path / "runs" / "line") == line.tree(tmp_path / "whole")


def test_failures_end_with_three_and_are_shown(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    stages = (*line.SHORT[:2], "decontextualise", *line.SHORT[2:])
    plain = line.plain(corpus, stages, "clumsy", fail_every=19, cut_every=17)
    (tmp_path / "line.toml").write_text(to_toml(plain | {"tolerance": 0.9}))
    code, out, error = line.here(capsys, "run", "line.toml", "--workers", "1")
    assert code == 3, error
    assert "failed: `kgdistill show runs/line --failures` shows which and why" in out
    folder = tmp_path / "runs" / "line"
    state = load_state(folder)
    assert_sums(state)
    found = list(all_failures(folder))
    assert {failure.reason for _, failure in found} >= {"malformed", "endpoint", "no verdict", "language", "duplicate"}
    assert all(failure.raw for _, failure in found if failure.reason in ("malformed", "no verdict", "cut"))
    assert {failure.stage for _, failure in found} <= set(line.BUILDING)
    assert all(failure.document for _, failure in found)
    code, shown, _ = line.here(capsys, "show", "runs/line", "--failures")
    assert code == 0 and "malformed" in shown and "e/der_buchdruck.txt" in shown


def test_above_tolerance_the_stage_stops(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(ToleranceExceeded, match=r"generate stopped: \d+ of \d+ requests failed \(.*malformed\)"):
        run(line.recipe(corpus, stages=line.SHORT, script="clumsy"), tmp_path, workers=1)
    assert not list(tmp_path.glob("ground-*")) and list(all_failures(tmp_path))


def test_a_second_run_in_one_folder_is_refused(corpus: Path, tmp_path: Path) -> None:
    write_recipe(tmp_path, corpus, latency_s=0.5, window=1)
    first = line.command("run", "line.toml", "--workers", "1", cwd=tmp_path)
    try:
        assert wait_for(first, lambda: list(tmp_path.glob("runs/line/journal/*/*")))
        code, _, error = line.finished("run", "line.toml", "--workers", "1", cwd=tmp_path)
        assert code == 2
        assert f"runs/line is busy: process {first.pid} runs there" in line.last_line(error)
        assert first.poll() is None
    finally:
        first.kill()
        first.communicate()


def test_the_plan_before_and_after(
    corpus: Path, tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_recipe(tmp_path, corpus)
    monkeypatch.chdir(tmp_path)
    code, out, error = line.here(capsys, "plan", "line.toml", "--no-probe")
    assert code == 0 and out.count("to do") == len(line.SHORT), error
    assert not (tmp_path / "runs").exists() and line.keys(log) == []
    code, out, error = line.here(capsys, "plan", "line.toml", "--workers", "1")
    assert code == 0 and "forecast" in out and "generate" in out and "judge" in out, error
    assert line.keys(log)
    code, _, error = line.here(capsys, "run", "line.toml", "--workers", "1")
    assert code == 0, error
    assert len(line.keys(log)) == len(set(line.keys(log))), "what the probe has paid for was asked again"
    code, out, _ = line.here(capsys, "plan", "line.toml", "--no-probe")
    assert code == 0 and out.count("done") == len(line.SHORT) and "to do" not in out


@pytest.mark.slow
def test_the_line_ends_with_a_student_and_its_scores(corpus: Path, tmp_path: Path) -> None:
    stages = (*line.BUILDING, "train", "extract", "score")
    gold = str(line.HOME / "data" / "gold" / "corpus.jsonl")
    plain = line.plain(corpus / line.INNER, stages) | {"calibrate": {"gold": gold}, "score": {"gold": gold}}
    plain["train"] = {"settings": {"epochs": 1}}
    plain["refine"] = {"rules": {"min_score": 0.0}}  # calibrated, this reader deserves no trust at all
    made: Recipe = line.decode(plain, line.CATALOGUE)
    state = run(made, tmp_path / "run", workers=1)
    assert state.state == "finished"
    folder = latest(tmp_path / "run", "extractions").folder
    texts = {reading.document.id: reading.document.text for reading in line.readings(tmp_path / "run")}
    lines = [msgspec.json.decode(text) for text in (folder / "student.jsonl").read_bytes().splitlines()]
    read = {reading.document.id for reading in line.readings(tmp_path / "run") if not reading.set_aside}
    assert {found["id"] for found in lines} == read
    for found in lines:
        for entity in found.get("entities", []):
            for span in entity.get("spans", []):
                place = Span(*span)
                assert texts[found["id"]][place.start : place.end]
    rows = msgspec.json.decode((latest(tmp_path / "run", "scores").folder / "scores.json").read_bytes())["rows"]
    assert {row["name"] for row in rows} >= {"teacher, raw", "teacher, kept", "student"}

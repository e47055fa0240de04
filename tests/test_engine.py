"""The engine: what is run, skipped, counted, stopped and refused."""

from __future__ import annotations

import errno
import os
import re
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
import toys
from hypothesis import given
from hypothesis import strategies as st

from kgdistill.engine import forecast
from kgdistill.engine.lock import Lock
from kgdistill.engine.recipe import Recipe, decode
from kgdistill.engine.runner import run
from kgdistill.engine.state import RunState, load_state
from kgdistill.engine.summary import all_failures, count_claims
from kgdistill.errors import (
    BudgetSpent,
    RecipeError,
    RunFolderError,
    SourceError,
    StorageError,
    ToleranceExceeded,
)


def recipe(*changes: str, count: int = 20, **teacher: Any) -> Recipe:
    return decode(toys.plain(count, **teacher), toys.CATALOGUE, changes)


def asked(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


@pytest.fixture
def asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "asked"
    monkeypatch.setenv("TOY_ASKED", str(path))
    return path


def stage(state: RunState, name: str) -> Any:
    return next(stage for stage in state.stages if stage.name == name)


def test_every_planned_request_has_one_end(tmp_path: Path) -> None:
    state = run(recipe("tolerance=0.5", fail_every=23), tmp_path, workers=1)
    for line in state.stages:
        ended = line.kept + line.cached + sum(line.rejected.values()) + sum(line.failed.values())
        assert ended == line.planned
    assert state.failures == sum(failure.kind == "failed" for _, failure in all_failures(tmp_path)) > 0
    assert {failure.reason for _, failure in all_failures(tmp_path)} <= {"endpoint", "broken"}
    assert all(failure.document.startswith("d0") for _, failure in all_failures(tmp_path))
    assert load_state(tmp_path).state == "finished"


def test_processes_and_the_driver_alone_write_the_same(tmp_path: Path) -> None:
    run(recipe(), tmp_path / "one", workers=1)
    run(recipe(), tmp_path / "two", workers=2)
    assert toys.tree(tmp_path / "one") == toys.tree(tmp_path / "two")
    total, kept, dropped = count_claims(tmp_path / "two") or (0, 0, None)
    assert total == kept == 20 * 2 * 5 * 2 and not dropped
    assert (next(tmp_path.glob("two/sum-*")) / "total.txt").read_text() == str(total)


def test_what_is_done_is_not_done_again(tmp_path: Path, asking: Path) -> None:
    run(recipe(), tmp_path / "run", workers=1)
    first = len(asked(asking))
    assert first == 20 * 2 * 3 * 2
    run(recipe(), tmp_path / "run", workers=1)
    assert len(asked(asking)) == first
    run(recipe("again.question=Why"), tmp_path / "run", workers=1)
    assert len(asked(asking)) == first * 3 // 2


def test_a_new_document_pays_for_itself_only(tmp_path: Path, asking: Path) -> None:
    run(recipe(), tmp_path / "run", workers=1)
    first = len(asked(asking))
    state = run(recipe(count=21), tmp_path / "run", workers=1)
    assert len(asked(asking)) - first == 2 * 3 * 2
    assert stage(state, "ask").cached == 20 * 2 * 3


def test_a_budget_stops_and_the_next_command_goes_on(tmp_path: Path, asking: Path) -> None:
    for attempt in range(100):
        try:
            run(recipe(window=4), tmp_path / "run", workers=1 + attempt % 2, max_tokens=500)
            break
        except BudgetSpent as error:
            assert error.exit_code == 4
            assert "budget of 500 tokens" in load_state(tmp_path / "run").state
    assert attempt > 1
    assert len(set(asked(asking))) == len(asked(asking)) == 20 * 2 * 3 * 2
    whole = tmp_path / "whole"
    run(recipe(), whole, workers=1)
    assert toys.tree(whole) == toys.tree(tmp_path / "run")


def test_too_many_failures_stop_the_stage_and_can_be_mended(tmp_path: Path, asking: Path) -> None:
    with pytest.raises(ToleranceExceeded, match=r"ask stopped: \d+ of \d+ requests failed \(\d+ endpoint\)") as caught:
        run(recipe(fail_every=3), tmp_path / "run", workers=1)
    assert caught.value.exit_code == 3
    assert not list(tmp_path.glob("run/again-*/shards/*"))
    assert list(all_failures(tmp_path / "run"))


def test_a_dead_endpoint_is_asked_again_after_it_is_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_DEAD", "1")
    with pytest.raises(ToleranceExceeded, match="endpoint"):
        run(recipe(), tmp_path / "run", workers=1)
    monkeypatch.delenv("TOY_DEAD")
    assert run(recipe(), tmp_path / "run", workers=1).failures == 0
    run(recipe(), tmp_path / "whole", workers=1)
    assert toys.tree(tmp_path / "run") == toys.tree(tmp_path / "whole")


def test_an_unreadable_input_is_a_failure_and_an_empty_corpus_an_error(tmp_path: Path) -> None:
    state = run(recipe("read.bad=true"), tmp_path / "bad", workers=1)
    assert state.failures == 1
    assert [failure.message for _, failure in all_failures(tmp_path / "bad")] == ["bad.pdf is not a PDF"]
    with pytest.raises(SourceError, match=r"no document \(1 inputs were refused, the first: bad\.pdf is not"):
        run(recipe("read.bad=true", count=0), tmp_path / "empty", workers=1)
    with pytest.raises(SourceError, match=r"read found no document$"):
        run(recipe(count=0), tmp_path / "none", workers=1)
    assert not list(tmp_path.glob("none/ask-*"))


def test_a_busy_folder_refuses_the_second_run(tmp_path: Path) -> None:
    with Lock(tmp_path), pytest.raises(RunFolderError, match=f"busy: process {os.getpid()} runs there"):
        run(recipe(), tmp_path, workers=1)
    run(recipe(), tmp_path, workers=1)


def test_a_lock_waits_for_the_workers_of_a_dead_driver(tmp_path: Path) -> None:
    held = Lock(tmp_path)
    os.pwrite(held.file, b"99999999", 0)
    threading.Timer(0.3, held.close).start()
    Lock(tmp_path).close()


@pytest.mark.parametrize("workers", [2])
def test_a_dead_workers_shard_goes_to_another(tmp_path: Path, workers: int) -> None:
    trap = tmp_path / "trap"
    trap.touch()
    state = run(recipe(f"ask.crash={trap}"), tmp_path / "run", workers=workers)
    assert state.state == "finished" and not trap.exists()
    run(recipe(f"ask.crash={trap}"), tmp_path / "whole", workers=1)
    assert toys.tree(tmp_path / "run") == toys.tree(tmp_path / "whole")


def test_workers_that_cannot_start_are_given_up(tmp_path: Path) -> None:
    missing = recipe("teacher.script=nowhere:nothing")
    with pytest.raises(RecipeError, match="teacher script"):
        run(missing, tmp_path / "two", workers=2)
    assert "teacher script" in load_state(tmp_path / "two").state


def test_a_full_disk_ends_in_one_line_and_the_next_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs = 0

    def full(handle: int) -> None:
        nonlocal syncs
        syncs += 1
        if syncs > 25:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="the disk is full"):
            run(recipe(), tmp_path / "run", workers=1)
    run(recipe(), tmp_path / "run", workers=1)
    run(recipe(), tmp_path / "whole", workers=1)
    assert toys.tree(tmp_path / "run") == toys.tree(tmp_path / "whole")
    with pytest.raises(StorageError):
        run(recipe(), Path("/dev/null/run"), workers=1)


@given(st.lists(st.integers(0, 9), max_size=30), st.integers(0, 25))
def test_a_probe_takes_from_every_shard_in_turn(heaps: list[int], most: int) -> None:
    taken = forecast.deal(heaps, most)
    assert sum(taken) == min(most, sum(heaps))
    assert all(took <= heap for took, heap in zip(taken, heaps, strict=True))
    left = [took for took, heap in zip(taken, heaps, strict=True) if took < heap]
    assert not left or max(taken) - min(left) <= 1


def test_a_plan_probes_twenty_chunks_and_pays_nothing_twice(tmp_path: Path, asking: Path) -> None:
    big = recipe(count=300)
    assert [row[-1] for row in states(big, tmp_path / "run")] == ["to do"] * 4
    table = forecast.forecast(big, tmp_path / "run", workers=1)
    probed = len(asked(asking))
    assert probed == 20 * 3 * 2
    expected = 300 * 2 * 3
    for row in rows(table):
        value, low, high = map(int, re.findall(r"\d+", row[2].replace(",", "")))
        assert low <= expected * 1.05 and high >= expected * 0.95
        assert abs(value - expected) < 0.2 * expected
    forecast.forecast(big, tmp_path / "run", workers=1)
    assert len(asked(asking)) == probed
    state = run(big, tmp_path / "run", workers=1)
    assert sum(line.cached for line in state.stages) == probed
    assert len(set(asked(asking))) == len(asked(asking))
    assert [row[-1] for row in states(big, tmp_path / "run")] == ["done"] * 4
    whole = tmp_path / "whole"
    run(big, whole, workers=1)
    mine = {name: content for name, content in toys.tree(tmp_path / "run").items() if not name.startswith("plan")}
    assert mine == toys.tree(whole)


def rows(table: Any) -> list[list[str]]:
    cells = [list(column.cells) for column in table.columns]
    return [[str(cell) for cell in row] for row in zip(*cells, strict=True)]


def states(plan: Recipe, out: Path) -> list[list[str]]:
    return rows(forecast.step_table(plan, out))


def test_half_a_stage_is_shown_as_such(tmp_path: Path) -> None:
    run(recipe(), tmp_path, workers=1)
    folder = next(tmp_path.glob("again-*"))
    (folder / "manifest.json").unlink()
    reports = sorted(folder.glob("reports/*.json"))
    reports[0].unlink()
    assert states(recipe(), tmp_path)[2][-1] == f"{len(reports) - 1} of {len(reports)} shards"


def test_run_json_says_what_a_person_wants_to_know(tmp_path: Path) -> None:
    run(recipe(), tmp_path, workers=1)
    state = msgspec.json.decode((tmp_path / "run.json").read_bytes())
    assert state["versions"]["python"] and state["teacher"]["kind"] == "scripted" and state["started"]
    assert state["stages"][1]["notes"] == {"chunks": 40}
    assert (tmp_path / "recipe.toml").read_text().startswith('name = "toy"')

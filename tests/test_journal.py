"""The journal: what was put outlives everything, and comes back unchanged."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgdistill.contracts import Answer, Reply, Request
from kgdistill.errors import StorageError
from kgdistill.teacher.journal import Journal, blueprint_hash

REQUEST = Request("entities", "the secret prompt", samples=2)
ANSWER = Answer(
    (Reply("eins", tokens=3, logprob=-0.1234567890123, top=(("yes", -0.1),)), Reply("zw\nei\u2028", "length")), 7, 2
)


def test_an_answer_comes_back_unchanged_and_the_prompt_stays_out(tmp_path: Path) -> None:
    path = tmp_path / "stage" / "0.jsonl"
    with Journal(path, "b") as journal:
        assert journal.get(REQUEST.key) is None
        journal.put(REQUEST, ANSWER)
        assert journal.get(REQUEST.key) == ANSWER
    with Journal(path, "b") as journal:
        assert len(journal) == 1 and REQUEST.key in journal
        assert journal.get(REQUEST.key) == ANSWER
    assert b"secret" not in path.read_bytes()
    assert b'"purpose":"entities"' in path.read_bytes()


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5), logprob=st.floats(-1e9, 0))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str], logprob: float) -> None:
    path = tmp_path_factory.mktemp("journal") / "0.jsonl"
    answer = Answer(tuple(Reply(text, logprob=logprob) for text in texts))
    with Journal(path, "b") as journal:
        journal.put(REQUEST, answer)
    with Journal(path, "b") as journal:
        assert journal.get(REQUEST.key) == answer


def test_another_teachers_answers_are_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "0.jsonl"
    with Journal(path, blueprint_hash({"model": "a"})) as journal:
        journal.put(REQUEST, ANSWER)
    with Journal(path, blueprint_hash({"model": "b"})) as journal:
        assert journal.get(REQUEST.key) is None
        journal.put(REQUEST, Answer(()))
    with Journal(path, blueprint_hash({"model": "a"})) as journal:
        assert journal.get(REQUEST.key) == ANSWER


def test_the_blueprints_order_does_not_matter() -> None:
    assert blueprint_hash({"a": 1, "b": {"c": 2, "d": 3}}) == blueprint_hash({"b": {"d": 3, "c": 2}, "a": 1})
    assert blueprint_hash({"a": 1}) != blueprint_hash({"a": 2})


@pytest.mark.parametrize("tail", [b'{"key":"aa","blue', b"\0\0\0\0", b'{"key":"aa"\n'])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "0.jsonl"
    with Journal(path, "b") as journal:
        journal.put(REQUEST, ANSWER)
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    with Journal(path, "b") as journal:
        assert path.read_bytes() == whole
        other = Request("entities", "another")
        journal.put(other, ANSWER)
        assert journal.get(other.key) == journal.get(REQUEST.key) == ANSWER
    with Journal(path, "b") as journal:
        assert len(journal) == 2


def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "0.jsonl"
    with Journal(path, "b") as journal:
        journal.put(REQUEST, ANSWER)
    path.write_bytes(path.read_bytes() + b"damaged\n" + path.read_bytes())
    with pytest.raises(StorageError, match=r"line 2 of the journal .*0\.jsonl is damaged"):
        Journal(path, "b")


def test_every_put_outlives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "0.jsonl"
    script = textwrap.dedent(
        """
        import sys
        from kgdistill.contracts import Answer, Reply, Request
        from kgdistill.teacher.journal import Journal
        journal = Journal(sys.argv[1], "b")
        for number in range(10**9):
            journal.put(Request("p", str(number)), Answer((Reply(str(number)),)))
            print(number, flush=True)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(500):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().splitlines()
    process.wait()
    last = int(rest[-1]) if rest else 499
    with Journal(path, "b") as journal:
        for number in range(last + 1):
            found = journal.get(Request("p", str(number)).key)
            assert found is not None and found.replies[0].text == str(number)


def test_a_full_disk_is_one_clear_line_and_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "0.jsonl"
    script = textwrap.dedent(
        """
        import resource, sys
        from kgdistill.contracts import Answer, Reply, Request
        from kgdistill.errors import StorageError
        from kgdistill.teacher.journal import Journal
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
        journal = Journal(sys.argv[1], "b")
        try:
            for number in range(1000):
                journal.put(Request("p", str(number)), Answer((Reply("x" * 100),)))
        except StorageError as error:
            print(error)
        """
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert "cannot be written" in done.stdout and "run the same command again" in done.stdout
    assert done.stdout.count("\n") == 1
    assert path.read_bytes().endswith(b"\n") and path.stat().st_size <= 4000
    with Journal(path, "b") as journal:
        assert len(journal) > 5


def test_a_journal_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot be opened"):
        Journal(tmp_path / "file" / "0.jsonl", "b")


def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "0.jsonl", "b")
    journal.close()
    journal.close()
    assert journal.path.exists()

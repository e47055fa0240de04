"""The real line on the model that ships, killed and started again: the same facts, evidence and pairs."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import line
import pytest
from test_end_to_end import journal_lines, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

STAGES = ["read", "split", "generate", "ground", "judge", "calibrate", "names", "refine", "store", "pairs"]
QUICKSTART = line.HOME / "pipelines" / "quickstart.toml"


def command(corpus: Path, out: Path, workers: int) -> tuple[str, ...]:
    """The quickstart over a few documents, without a student."""
    stages, gold = f"stages={json.dumps(STAGES)}", f"calibrate.gold={line.HOME}/data/gold/corpus.jsonl"
    changes = ("--set", f"read.path={corpus}", "--set", stages, "--set", gold, "--set", "tolerance=1.0")
    return ("run", str(QUICKSTART), "--out", str(out), "--workers", str(workers), *changes)


def test_kills_change_nothing(tmp_path: Path) -> None:
    corpus = line.corpus(tmp_path / "corpus", ("penicillin.txt", "krakatoa.txt"))
    process = line.command(*command(corpus, tmp_path / "whole", 1), cwd=tmp_path)
    _, error = process.communicate()
    assert process.returncode in (0, 3), error
    total = len(journal_lines(tmp_path / "whole"))
    out, chance = tmp_path / "killed", random.Random(5)
    paid: dict[tuple[str, str], bytes] = {}
    for attempt in range(4):
        process = line.command(*command(corpus, out, 1 + attempt % 2), cwd=tmp_path)
        if attempt < 3:
            enough = len(paid) + chance.randrange(1, total // 4)
            assert wait_for(process, lambda enough=enough: len(journal_lines(out)) >= enough), process.communicate()
            time.sleep(chance.uniform(0, 0.5))
            process.kill()
        _, error = process.communicate()
        now = journal_lines(out)
        assert all(now[place] == text for place, text in paid.items()), "a journalled reply has changed"
        paid = now
    assert process.returncode in (0, 3), error
    assert line.tree(out) == line.tree(tmp_path / "whole")
    assert line.quads(out) == line.quads(tmp_path / "whole")
    assert len(paid) == total > 20

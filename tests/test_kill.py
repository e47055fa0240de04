"""`kill -9` at ten random moments, then the same command: nothing is lost, nothing is paid twice, nothing differs."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import toys

from kgdistill.records import Reading
from kgdistill.storage.artifact import latest

HERE = Path(__file__).parent
COUNT = "60"


def start(out: Path, asked: Path, workers: int, *, nonce: bool = False) -> subprocess.Popen[bytes]:
    environment = dict(os.environ, TOY_ASKED=str(asked), TOY_NONCE="1" if nonce else "", PYTHONPATH=str(HERE))
    program = "import sys, toys; sys.exit(toys.main(*sys.argv[1:]))"
    command = [sys.executable, "-c", program, str(out), str(workers), COUNT, "0.05"]
    return subprocess.Popen(command, env=environment, cwd=HERE.parent, stderr=subprocess.DEVNULL)


def journalled(out: Path) -> dict[tuple[str, str], bytes]:
    """Every whole line of every journal, by file and request key."""
    found = {}
    for path in out.glob("journal/*/*.jsonl"):
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                key = msgspec.json.decode(line)["key"]
                place = (str(path.relative_to(out)), key)
                assert place not in found, "one key stands twice in a journal"
                found[place] = line
    return found


def kill_and_finish(tmp_path: Path, kills: int, *, nonce: bool) -> Path:
    """Kill a run at random moments, checking what each attempt asks, until the last attempt ends by itself."""
    moments = random.Random(7)
    out, killed, attempt = tmp_path / "killed", 0, 0
    before: dict[tuple[str, str], bytes] = {}
    while True:
        attempt += 1
        assert attempt < 40
        asked = tmp_path / f"asked-{attempt}"
        process = start(out, asked, workers=1 + attempt % 2, nonce=nonce)
        if killed < kills:
            time.sleep(moments.uniform(0.35, 1.0))
            running = process.poll() is None
            process.kill()
            process.wait()
            killed += running
            assert running, "the run is too short for this test"
            time.sleep(0.1)  # its workers end when their input does
        else:
            assert process.wait(60) == 0
        keys = set(asked.read_text().split()) if asked.exists() else set()
        paid = {key for _, key in before}
        assert not keys & paid, "a journalled request was asked again"
        now = journalled(out)
        assert all(now[place] == line for place, line in before.items()), "a journalled reply has changed"
        before = now
        if killed == kills and process.returncode == 0:
            return out


def test_ten_kills_change_nothing(tmp_path: Path) -> None:
    whole = start(tmp_path / "whole", tmp_path / "asked-whole", workers=2)
    assert whole.wait(60) == 0
    out = kill_and_finish(tmp_path, 10, nonce=False)
    assert toys.tree(out) == toys.tree(tmp_path / "whole")
    assert len(toys.tree(out)) > 20


def test_journalled_replies_are_used_as_they_are(tmp_path: Path) -> None:
    """The teacher never says the same twice here: what the artefact holds can only come from the journal."""
    out = kill_and_finish(tmp_path, 3, nonce=True)
    said = {
        reply["text"] for line in journalled(out).values() for reply in msgspec.json.decode(line)["answer"]["replies"]
    }
    used = {claim.object for reading in latest(out, "readings").records(Reading) for claim in reading.claims}
    assert used == said

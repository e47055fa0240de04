"""Peak memory of a whole run for a growing corpus, with a scripted teacher.

`python benchmarks/memory.py 1000 10000 100000`

Each size is a run of its own (read, split, decontextualise, generate, ground, judge, refine, store, pairs) over made-up
documents of three sentences; memory is the largest resident size of any one process of the run, in MiB. What must stay
flat is the last figure over the first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent / "tests"
RECIPE = """
name = "memory"
base = "https://w3id.org/kgdistill/memory/"
tolerance = 1.0
stages = ["read", "split", "decontextualise", "generate", "ground", "judge", "refine", "store", "pairs"]
[teacher]
kind = "scripted"
script = "reader:tidy"
[read]
path = "{path}"
languages = []
[store]
validate = 0
"""


def write_corpus(path: Path, size: int) -> None:
    """`size` documents as JSON lines, no two alike."""
    with path.open("w", encoding="utf-8") as lines:
        for number in range(size):
            text = (
                f"Harbour {number} lies on the River Orla{number % 977}. Engineer Bela{number} Marsh built "
                f"Harbour {number} in {1700 + number % 300}. Harbour {number} never froze."
            )
            lines.write(json.dumps({"id": f"d{number}", "text": text}) + "\n")


def peak(size: int) -> tuple[float, float]:
    """(peak MiB, seconds) of a run over `size` documents, measured in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        corpus, recipe = Path(folder, "corpus.jsonl"), Path(folder, "memory.toml")
        write_corpus(corpus, size)
        recipe.write_text(RECIPE.format(path=corpus), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "kgdistill.cli",
            "run",
            str(recipe),
            "--out",
            f"{folder}/run",
            "--workers",
            "1",
        ]
        started = time.perf_counter()
        child = os.fork()
        if not child:
            done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(TESTS)}, stdout=sys.stderr, check=False)
            os._exit(0 if done.returncode in (0, 3) else 1)
        _, status, usage = os.wait4(child, 0)
        if status:
            raise SystemExit(f"the run over {size} documents failed")
        # wait4 counts the whole family of the child that was waited for; its largest member is the run.
        return max(usage.ru_maxrss, 0) / 1024, time.perf_counter() - started


def main() -> None:
    """Print a line per size, and the ratio of the last to the first."""
    sizes = [int(word) for word in sys.argv[1:]] or [1_000, 10_000]
    found = []
    for size in sizes:
        mebibytes, seconds = peak(size)
        found.append(mebibytes)
        sys.stdout.write(f"{size:>8,} documents: {mebibytes:7.0f} MiB peak, {seconds:6.0f} s\n")
    sys.stdout.write(f"last over first: {found[-1] / found[0]:.2f}\n")


if __name__ == "__main__":
    main()

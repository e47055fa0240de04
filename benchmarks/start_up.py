"""How long `kgdistill --help` takes, beside a bare interpreter: `python benchmarks/start_up.py`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

ROUNDS = 7


def median_seconds(command: list[str]) -> float:
    """Median wall time of a command over `ROUNDS` runs, after one that is not counted."""
    times = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def main() -> None:
    """Print both times and their ratio."""
    bare = median_seconds([sys.executable, "-c", "pass"])
    ours = median_seconds([sys.executable, "-m", "kgdistill.cli", "--help"])
    sys.stdout.write(f"kgdistill --help {ours:.3f} s, bare interpreter {bare:.3f} s, ratio {ours / bare:.1f}\n")


if __name__ == "__main__":
    main()

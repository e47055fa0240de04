"""Memory of every export format at two sizes, measured by the benchmark itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kgdistill.graph.export import FORMATS

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_memory_does_not_grow_with_the_graph() -> None:
    # A smaller graph would not fill a row group and the database's own caches: these have a fixed size.
    command = [sys.executable, "benchmarks/exporting.py", "--small", "20000", "--large", "60000"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    figures = json.loads(ran.stdout)
    assert set(figures) == set(FORMATS)
    assert {ending: found["memory"] for ending, found in figures.items() if found["memory"] > 1.5} == {}

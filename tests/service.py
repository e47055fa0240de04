"""A real `kgdistill serve` for tests, in a process of its own, on a free port."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

HOME = Path(__file__).resolve().parent.parent


class Served(NamedTuple):
    """A service that runs."""

    root: str
    process: subprocess.Popen[str]

    @property
    def sparql(self) -> str:
        return self.root + "sparql"


def start(run: Path, *options: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "kgdistill.cli", "serve", str(run), *options]
    variables = {**os.environ, "PYTHONPATH": str(HOME), **environment}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=variables)


@contextmanager
def served(run: Path, *options: str, port: int = 0, ends: int = 0, **environment: str) -> Iterator[Served]:
    """The service while the block lasts; it must end cleanly when told to, or as `ends` says."""
    process = start(run, "--port", str(port), "--workers", "2", *options, **environment)
    assert process.stderr
    lines = [process.stderr.readline()]
    found = re.search(r" is at (\S+),", lines[0])
    if not found:
        process.kill()
        raise AssertionError(lines[0] + process.communicate()[1])
    try:
        yield Served(found[1], process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == ends


def descendants(process: int) -> list[int]:
    """The query workers of a server."""
    listed = subprocess.run(["ps", "-e", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return [int(own) for own, parent, state in rows if int(parent) == process and not state.startswith("Z")]


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True

"""Who has a run open: a service that answers from a graph, and the command that takes documents out of it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kgdistill.errors import RunFolderError


@contextmanager
def kept_open(run: Path) -> Iterator[None]:
    """While a service answers from the run. Raises RunFolderError where documents are being taken out of it."""
    with _locked(run, fcntl.LOCK_SH, "documents are being taken out of it; try again when that is done"):
        yield


@contextmanager
def open_to_nobody(run: Path) -> Iterator[None]:
    """While documents are taken out of the run. Raises RunFolderError where a service has it open.

    What a service has in memory would go on being told.
    """
    with _locked(run, fcntl.LOCK_EX, "a service answers from it; stop `kgdistill serve` and `kgdistill mcp` first"):
        yield


@contextmanager
def _locked(run: Path, how: int, refusal: str) -> Iterator[None]:
    """A lock on the folder itself: it leaves no file, and goes with the process."""
    folder = os.open(run, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, how | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(folder)
        raise RunFolderError(f"{run} is in use: {refusal}") from error
    try:
        yield
    finally:
        os.close(folder)

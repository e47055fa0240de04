"""Forgotten documents: their ids in `forgotten.json` of a run, so that none is ever read there again."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from kgdistill.errors import RunFolderError
from kgdistill.storage.shards import write_bytes

_FILE = "forgotten.json"


class Forgotten(Struct, frozen=True, omit_defaults=True):
    """Documents that a run has forgotten, by id alone."""

    documents: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    """Those of them that something may be left of: the command was ended half-way."""


def load_forgotten(run: Path) -> Forgotten:
    """What a run has forgotten; nothing where it was never asked to. Raises RunFolderError at a damaged list."""
    try:
        return msgspec.json.decode((run / _FILE).read_bytes(), type=Forgotten)
    except FileNotFoundError:
        return Forgotten()
    except (OSError, msgspec.DecodeError) as error:
        raise RunFolderError(f"{run / _FILE} is damaged ({error}): write the forgotten ids into it again") from error


def save_forgotten(run: Path, forgotten: Forgotten) -> None:
    content = msgspec.json.format(msgspec.json.encode(forgotten), indent=2) + b"\n"
    write_bytes(run / _FILE, content)


def check_forgotten(run: Path) -> None:
    """Raise RunFolderError where the forgetting of a document was ended half-way."""
    if unfinished := load_forgotten(run).unfinished:
        raise RunFolderError(
            f"{run} was about to forget {', '.join(unfinished)} and was stopped: run `kgdistill forget` with it again"
        )

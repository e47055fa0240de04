"""The `search` command: what was found for some words, as text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kgdistill.query import entities, found
from kgdistill.query.entities import Entities
from kgdistill.query.retrieve import open_retriever

NAMES = "names"
"""Finds entities, not evidence."""


def searched(
    run: Path, text: str, method: str, count: int, form: str, encoder: str, announce: Callable[[str], None]
) -> str:
    """What the command prints: `form` is "table", "json" or "csv". Raises UserError."""
    if method == NAMES:
        named = Entities(run).find(text, count)
        return entities.shown(named, form)
    retriever = open_retriever(run, method, encoder=encoder, announce=announce)
    return found.shown(retriever.retrieve(text, count), form)

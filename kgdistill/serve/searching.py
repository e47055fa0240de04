"""The `search` command: what was found for some words, as text."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from msgspec import Struct

from kgdistill.catalog import teacher_named
from kgdistill.errors import UserError
from kgdistill.query import entities, found
from kgdistill.query.entities import Entities
from kgdistill.query.methods import METHODS, PROPOSITION_METHODS
from kgdistill.query.retrieve import open_retriever

NAMES = "names"
"""Finds entities, not evidence."""
GRAPH = "graph_propositions"


class Search(Struct, frozen=True):
    """What the command was told; None or empty where it was not."""

    method: str
    count: int
    encoder: str = ""
    propositions: int | None = None
    hops: int | None = None
    rerank: bool = False
    teacher: str = ""


def searched(run: Path, text: str, search: Search, form: str, announce: Callable[[str], None]) -> str:
    """What the command prints: `form` is "table", "json" or "csv". Raises UserError, and TeacherError."""
    _check(search)
    if search.method == NAMES:
        named = Entities(run).find(text, search.count)
        return entities.shown(named, form)
    graph = {"candidates": search.propositions, "hops": search.hops}
    settings: dict[str, Any] = {name: value for name, value in graph.items() if value is not None}
    with ExitStack() as opened:
        if search.rerank:
            settings["teacher"] = teacher = teacher_named(search.teacher).open()
            opened.callback(teacher.close)
        retriever = open_retriever(run, search.method, encoder=search.encoder, announce=announce, **settings)
        return found.shown(retriever.retrieve(text, search.count), form)


def _check(search: Search) -> None:
    """Raises UserError at an unknown method, and at an option that the method does not heed."""
    method = search.method
    if method not in (*METHODS, NAMES):
        raise UserError(f'there is no method "{method}": choose from {", ".join((*METHODS, NAMES))}')
    for name, value in (("--propositions", search.propositions), ("--hops", search.hops)):
        if value is not None and method != GRAPH:
            raise UserError(f"{name} is for --method {GRAPH}, not for {method}")
    if search.propositions is not None and search.propositions < search.count:
        raise UserError(f"--propositions must be at least --count ({search.count}), not {search.propositions}")
    if search.rerank and method not in PROPOSITION_METHODS:
        raise UserError(
            f"--rerank is for methods that find sentences ({', '.join(PROPOSITION_METHODS)}), not for {method}"
        )
    if search.teacher and not search.rerank:
        raise UserError("--teacher does nothing by itself: add --rerank")

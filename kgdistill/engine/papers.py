"""The `papers` command: every system that kgdistill builds on, from papers.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct
from rich import box
from rich.table import Table
from rich.text import Text

PAPERS = Path(__file__).resolve().parent.parent / "papers.toml"


class Paper(Struct, frozen=True, forbid_unknown_fields=True):
    """One system: `home` is the room (and file, where there is one) in which its idea lives."""

    key: str
    title: str
    year: int
    idea: str
    home: str
    status: Literal["planned", "works"]


def read_papers() -> tuple[Paper, ...]:
    """All rows of papers.toml, in order."""
    content = tomllib.loads(PAPERS.read_text(encoding="utf-8"))
    return msgspec.convert(content["paper"], tuple[Paper, ...])


def paper_table() -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("key", "year", "title", "idea", "home", "status"):
        table.add_column(column, overflow="fold", no_wrap=column in ("key", "year", "status"))
    for paper in read_papers():
        table.add_row(*map(Text, (paper.key, str(paper.year), paper.title, paper.idea, paper.home, paper.status)))
    return table

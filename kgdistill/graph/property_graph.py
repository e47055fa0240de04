"""Property graph: the asserted facts as nodes and edges, streamed, for tools that know no RDF."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from kgdistill.graph import iri
from kgdistill.graph.store import KnowledgeGraph
from kgdistill.graph.tables import CLAIMS
from kgdistill.graph.views import rows
from kgdistill.records import content_id

_ENDS = ("id", "subject", "object", "literal", "document")
_SAME = ("kept", "asserted", "negated", "hedged", "rule", "reason", "instead")
EDGE = {name: kind for name, kind in CLAIMS.items() if name not in ("id", "subject", "object", "literal", *_SAME)}
"""What an edge says of its fact, with types as in `tables`: relation, score, evidence, and how it was said."""

_TABLES = """
CREATE TABLE node (id TEXT PRIMARY KEY, name TEXT, literal INTEGER);
CREATE TABLE said (id TEXT, kind TEXT, text TEXT, PRIMARY KEY (id, kind, text)) WITHOUT ROWID;
"""


class Node(Struct, frozen=True):
    """An entity under its address in the RDF graph, or a value under an address of its own."""

    id: str
    name: str
    literal: bool
    types: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


class Edge(Struct, frozen=True):
    """One asserted claim under its address in the RDF graph."""

    id: str
    source: str
    target: str
    said: dict[str, Any]
    """The columns of `EDGE`; None where there is nothing to say."""


class PropertyGraph:
    """Nodes and edges of a stored graph, each once; a context manager.

    Which nodes there are is gathered in a scratch database of SQLite, on disk and gone when it is closed, so that
    memory does not grow with the graph.
    """

    def __init__(self, graph: KnowledgeGraph) -> None:
        self._folder, self._base = graph.folder, graph.base
        self._scratch = sqlite3.connect("")

    def __enter__(self) -> PropertyGraph:
        self._scratch.executescript(_TABLES)
        ends = (end for edge in rows(self._folder / "facts.parquet", [*_ENDS, "asserted"]) for end in self._ends(edge))
        self._gather("INSERT OR IGNORE INTO node VALUES (?, ?, ?)", ends)
        said = (word for row in rows(self._folder / "entities.parquet") for word in self._words(row))
        self._gather("INSERT OR IGNORE INTO said VALUES (?, ?, ?)", said)
        return self

    def __exit__(self, *_: object) -> None:
        self._scratch.close()

    def nodes(self) -> Iterator[Node]:
        """The ends of all edges, in the order in which these name them."""
        for address, name, literal in self._scratch.execute("SELECT id, name, literal FROM node ORDER BY rowid"):
            found = self._scratch.execute("SELECT kind, text FROM said WHERE id = ? ORDER BY text", (address,))
            words = found.fetchall()
            types, aliases = (tuple(text for kind, text in words if kind == wanted) for wanted in ("type", "alias"))
            yield Node(address, name, bool(literal), types, aliases)

    def edges(self) -> Iterator[Edge]:
        """An edge for each asserted claim."""
        for row in rows(self._folder / "facts.parquet"):
            if row["asserted"]:
                (source, *_), (target, *_) = self._ends(row)
                mint = iri.model_claim_iri if row["from_model"] else iri.claim_iri
                address = mint(self._base, row["document"], row["id"])
                yield Edge(address, source, target, {name: row[name] for name in EDGE})

    def _ends(self, row: dict[str, Any]) -> Iterator[tuple[str, str, bool]]:
        if row["asserted"]:
            yield iri.entity_iri(self._base, row["subject"]), row["subject"], False
            name, literal = row["object"], row["literal"]
            # Values are the same only where they are spelt the same: their text is no part of an address.
            address = f"{self._base}value/{content_id(name)}" if literal else iri.entity_iri(self._base, name)
            yield address, name, literal

    def _words(self, row: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
        address = iri.entity_iri(self._base, row["name"])
        if row["type"]:
            yield address, "type", row["type"]
        if row["text"] != row["name"]:
            yield address, "alias", row["text"]

    def _gather(self, insert: str, values: Iterable[tuple[Any, ...]]) -> None:
        self._scratch.executemany(insert, values)
        self._scratch.commit()

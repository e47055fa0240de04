"""Property graph: the asserted facts as nodes and edges, streamed, for tools that know no RDF."""

from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from kgdistill.graph import iri
from kgdistill.graph.store import KnowledgeGraph
from kgdistill.graph.tables import CLAIMS, as_json, flat
from kgdistill.graph.views import rows
from kgdistill.records import content_id

_ENDS = ("id", "subject", "object", "literal", "document")
_SPELT = ["kind", "subject", "subject_text", "object", "object_text", "literal"]
_SAME = ("kept", "asserted", "negated", "hedged", "rule", "reason", "instead", "states")
"""Columns that are the same in all asserted claims."""
_LEFT_OUT = ("id", "subject", "object", "literal", *_SAME)
EDGE = flat({name: kind for name, kind in CLAIMS.items() if name not in _LEFT_OUT})
"""What an edge says of its fact, with types as in `tables`: relation, verdicts, evidence, and how it was said."""

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
    """The columns of `EDGE`, lists as JSON; None where there is nothing to say."""


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
        self._gather("INSERT OR IGNORE INTO said VALUES (?, ?, ?)", self._words())
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
        for row in rows(self._folder / "facts.parquet", [*_ENDS, "asserted", *EDGE]):
            if row["asserted"]:
                (source, *_), (target, *_) = self._ends(row)
                mint = iri.model_claim_iri if row["from_model"] else iri.claim_iri
                address = mint(self._base, row["document"], row["id"])
                yield Edge(address, source, target, {name: _flat(row[name]) for name in EDGE})

    def _ends(self, row: dict[str, Any]) -> Iterator[tuple[str, str, bool]]:
        if row["asserted"]:
            yield iri.entity_iri(self._base, row["subject"]), _label(row["subject"]), False
            name, literal = row["object"], row["literal"]
            # Values are the same only where they are spelt the same: their text is no part of an address.
            if literal:
                yield f"{self._base}value/{content_id(name)}", name, True
            else:
                yield iri.entity_iri(self._base, name), _label(name), False

    def _words(self) -> Iterator[tuple[str, str, str]]:
        """Types and other names, as the graph of names has them: the spellings of entities, and those of claims."""
        for row in rows(self._folder / "entities.parquet"):
            if row["type"]:
                yield iri.entity_iri(self._base, row["name"]), "type", _label(row["type"])
            yield from self._alias(row["name"], row["text"])
        for row in rows(self._folder / "facts.parquet", _SPELT):
            if row["kind"] != "proposition":
                yield from self._alias(row["subject"], row["subject_text"])
                if not row["literal"]:
                    yield from self._alias(row["object"], row["object_text"])

    def _alias(self, name: str, text: str) -> Iterator[tuple[str, str, str]]:
        if text != name and _label(text) != _label(name):
            yield iri.entity_iri(self._base, name), "alias", _label(text)

    def _gather(self, insert: str, values: Iterable[tuple[Any, ...]]) -> None:
        self._scratch.executemany(insert, values)
        self._scratch.commit()


def _label(name: str) -> str:
    """As the graph of names spells it."""
    return unicodedata.normalize("NFC", name)


def _flat(value: Any) -> Any:
    if isinstance(value, list):
        return as_json(value) if value else None
    return value

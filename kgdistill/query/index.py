"""The index of a graph: every part of it, made when it is first needed and kept beside the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from kgdistill.contracts import Encoder
from kgdistill.query.bm25 import Words, write_words
from kgdistill.query.evidence import Evidence, Passage, Row, write_evidence
from kgdistill.query.labels import Labels
from kgdistill.query.parts import digest, part, tidy
from kgdistill.query.spread import Spread, write_spread
from kgdistill.query.vectors import Vectors, write_vectors

Opened = TypeVar("Opened")
VERSION = 1
"""Raised when what is written changes."""
FOLDER = "retrieval"
"""In the store's folder: it goes when the store goes."""


class Source(NamedTuple):
    """What an index is made from."""

    store: Path
    claims: Callable[[], Iterable[Row]]
    entities: Callable[[], Iterable[Row]]
    passages: Callable[[], Iterable[Passage]]
    key: str
    """Names where the passages come from."""


class Index:
    """An index that matches its store. Raises StorageError where it cannot be written."""

    def __init__(self, source: Source, encoder: Callable[[], Encoder], encoder_key: str, announce: Any = None) -> None:
        self._source, self._open_encoder, self._encoder_key = source, encoder, encoder_key
        self._announce: Callable[[str], None] = announce or (lambda line: None)
        store = source.store
        files = [store / f"{name}.parquet" for name in ("facts", "entities", "documents")]
        key = digest(files, str(VERSION), source.key)
        self.folder = store / FOLDER / key
        self._parts: dict[str, Any] = {}
        if not self.folder.is_dir():
            tidy(store / FOLDER, key)

    def _part(self, name: str, what: str, make: Callable[[Path], None]) -> Path:
        if not (self.folder / name).is_dir():
            self._announce(f"making the index of {what}; this is done once")
        return part(self.folder / name, make)

    @cached_property
    def evidence(self) -> Evidence:
        return Evidence(self._columns)

    @cached_property
    def labels(self) -> Labels:
        return Labels(self._columns)

    @cached_property
    def _columns(self) -> Path:
        source = self._source

        def make(folder: Path) -> None:
            write_evidence(folder, source.claims(), source.entities(), source.passages())

        return self._part("columns", "facts and names", make)

    @cached_property
    def encoder(self) -> Encoder:
        return self._open_encoder()

    def vectors(self, kind: str) -> Vectors:
        """Vectors of passages, propositions, triples or entities."""
        evidence = self.evidence

        def make(folder: Path) -> None:
            texts = lambda start, end: evidence.texts(kind, start, end)  # noqa: E731
            write_vectors(folder, self.encoder, texts, evidence.count(kind))

        what = f"{kind}, {evidence.count(kind):,} texts"
        return self._opened(f"{kind}-{self._encoder_key}", what, make, Vectors)

    def words(self, k1: float, b: float) -> Words:
        """Passages by their words."""
        passages = self.evidence.passages

        def make(folder: Path) -> None:
            write_words(folder, (passages.value("text", place) for place in range(len(passages))), k1, b)

        return self._opened(f"words-{k1:g}-{b:g}", "words", make, Words)

    def spread(self, synonym: float) -> Spread:
        """The walk over entities; names at least `synonym` near count as synonyms (above 1: none)."""
        evidence = self.evidence

        def make(folder: Path) -> None:
            write_spread(folder, evidence, self.vectors("entities") if synonym <= 1 else None, synonym)

        name = f"walk-{synonym:g}-{self._encoder_key}" if synonym <= 1 else "walk"
        return self._opened(name, "connections", make, Spread)

    def _opened(self, name: str, what: str, make: Callable[[Path], None], kind: Callable[[Path], Opened]) -> Opened:
        """A part, opened once."""
        if name not in self._parts:
            self._parts[name] = kind(self._part(name, what, make))
        found: Opened = self._parts[name]
        return found

"""Retrieval: evidence in a run's graph for a question, by any of six methods, from an index beside the store."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from kgdistill.contracts import Encoder
from kgdistill.encoders.minilm import MiniLM, SentenceTransformer
from kgdistill.errors import RunFolderError, UserError
from kgdistill.graph import iri
from kgdistill.graph.store import About, KnowledgeGraph, store_folder
from kgdistill.graph.views import rows
from kgdistill.query.evidence import CLAIM_COLUMNS, ENTITY_COLUMNS, Passage, Row
from kgdistill.query.found import Found, Retriever
from kgdistill.query.index import Index, Source
from kgdistill.query.methods import METHODS, PASSAGE_METHODS, PROPOSITION_METHODS, Ranked, Settings, checked
from kgdistill.query.rerank import relevance
from kgdistill.records import Reading, content_id
from kgdistill.storage.artifact import Artifact, run_state
from kgdistill.text.overlap import words
from kgdistill.text.surrogates import scrub

__all__ = ["METHODS", "Searcher", "open_retriever"]

EMBEDDED = "all-MiniLM-L6-v2"
"""Name of the encoder that comes with kgdistill."""
LONGEST = 4000
"""Characters of a question that are read: no encoder reads as many, and the rest is no question."""


def open_retriever(run: Path, method: str = "graph_propositions", **settings: object) -> Retriever:
    """A retriever over a run's graph (its newest finished store); `methods.Settings` says what can be set.

    The index is made when it is first needed, beside the store, and again when the store has changed; a retriever that
    is open sees that at its next question. Raises UserError at an unknown method or setting, and RunFolderError where
    there is no graph.
    """
    if method not in METHODS:
        raise UserError(f'there is no method "{method}": choose from {", ".join(METHODS)}')
    try:
        chosen = checked(dict(settings))
    except ValueError as error:
        raise UserError(str(error)) from error
    return Searcher(Path(run), method, chosen)


class Searcher:
    """A run's graph, open to questions by one method."""

    def __init__(self, run: Path, method: str, settings: Settings) -> None:
        self._run, self._method, self._settings = run, method, settings
        self._encoder: Encoder | None = None
        self._open()

    def _open(self) -> None:
        folder = store_folder(self._run)
        self._stamp = _stamp(folder)
        self.about = _about(folder)
        settings = self._settings
        encoder = settings.encoder or EMBEDDED
        key = content_id(encoder if isinstance(encoder, str) else encoder.name, length=8)
        try:
            self.index = Index(_source(self._run, folder), self._encode, key, settings.announce)
        except OSError as error:
            raise RunFolderError(f"{folder} holds no readable graph ({error}): run the recipe again") from error
        self._folder = folder

    def _encode(self) -> Encoder:
        """The encoder; it stays open when the index is opened anew."""
        if self._encoder is None:
            named = self._settings.encoder
            if isinstance(named, str):
                self._encoder = SentenceTransformer(named).open() if named else MiniLM().open()
            else:
                self._encoder = named
        return self._encoder

    def retrieve(self, question: str, count: int = 10) -> list[Found]:
        """At most `count` pieces of evidence, the best first; none for a question without a word.

        Raises UserError, and TeacherError where a teacher is to re-rank and is not there.
        """
        if count < 1:
            raise UserError("count must be 1 or more")
        question = scrub(question[:LONGEST])
        if not words(question):
            return []
        if _stamp(self._folder) != self._stamp:
            self._open()
        settings = self._settings
        if self._method in PASSAGE_METHODS:
            ranked = PASSAGE_METHODS[self._method](self.index, question, count, settings)
            return [self.passage(number, score) for number, score in ranked[:count]]
        ranked = PROPOSITION_METHODS[self._method](self.index, question, count, settings)
        if settings.teacher is not None:
            ranked = self._reranked(question, ranked)
        return [self.proposition(number, score) for number, score in ranked[:count]]

    def _reranked(self, question: str, ranked: Ranked) -> Ranked:
        """In the teacher's order; where it does not speak, after those of which it says anything, in their own."""
        assert self._settings.teacher is not None
        texts = [self.proposition(number, score).text for number, score in ranked]
        said = relevance(self._settings.teacher, question, texts)
        if (silent := said.count(None)) and self._settings.announce is not None:
            self._settings.announce(f"of {silent} of {len(said)} propositions the teacher said nothing: they come last")
        new = [(n, score - 3.0 if p is None else p) for (n, score), p in zip(ranked, said, strict=True)]
        return sorted(new, key=lambda one: -one[1])

    def proposition(self, number: int, score: float) -> Found:
        """A proposition by its number in the index."""
        evidence = self.index.evidence
        document, start, end, text, claim = (
            evidence.propositions.value(name, number) for name in ("document", "start", "end", "text", "claim")
        )
        facts = tuple(evidence.triple(triple) for triple in evidence.said.of(number).tolist())
        return Found(iri.claim_iri(self.about.base, document, claim), document, start, end, text, facts, float(score))

    def passage(self, number: int, score: float) -> Found:
        """A passage by its number in the index."""
        evidence = self.index.evidence
        document, start, end, text = (
            evidence.passages.value(name, number) for name in ("document", "start", "end", "text")
        )
        said = evidence.said.of_all(evidence.inside.of(number)).tolist()
        facts = tuple(evidence.triple(triple) for triple in dict.fromkeys(said))
        return Found(_chunk_iri(self.about.base, document, start, end), document, start, end, text, facts, float(score))


def _chunk_iri(base: str, document: str, start: int, end: int) -> str:
    address = iri.document_iri(base, document)
    return f"{address}{'/' if '#' in base else '#'}char={start},{end}"


def _stamp(folder: Path) -> tuple[int, ...]:
    """Changes when another store is in the folder; nothing where there is none."""
    try:
        stat = (folder / "graph.json").stat()
    except OSError:
        return ()
    return stat.st_mtime_ns, stat.st_ino, stat.st_size


def _about(folder: Path) -> About:
    with KnowledgeGraph.open(folder) as graph:
        return graph.about


def _source(run: Path, store: Path) -> Source:
    """What the index of a store is made from: its tables, and the chunks of the readings that it was made from.

    A store that lies there without its run has no chunks: its passages are the sentences that are evidence.
    """
    found = _readings(store.parent, store.name) or (None if run == store else _readings(run, store.name))
    claims = partial(rows, store / "facts.parquet", CLAIM_COLUMNS)
    names = partial(rows, store / "entities.parquet", ENTITY_COLUMNS)
    if found is None:
        return Source(store, lambda: map(_by_sentence, claims()), names, lambda: _sentences(claims()), "")
    return Source(store, claims, names, partial(_chunks, found, store), found.folder.name)


def _by_sentence(claim: Row) -> Row:
    """A claim in a store without chunks: its sentence is its passage, under the place where it starts."""
    return {**claim, "chunk": claim["start"]}


def _readings(run: Path, store: str) -> Artifact | None:
    """The readings that a run's store was made from; None where it is no run, or they are not there any more."""
    try:
        stages: list[dict[str, Any]] = run_state(run).get("stages", [])
    except RunFolderError:
        return None
    place = next((place for place, stage in enumerate(stages) if stage["folder"] == store), None)
    if place is None:
        return None
    wanted = _named_source(run, stages[place]["name"])
    before = [stage for stage in stages[:place] if stage["gives"] == "readings" and wanted in ("", stage["name"])]
    artifact = Artifact(run / before[-1]["folder"]) if before else None
    return artifact if artifact and artifact.done else None


def _named_source(run: Path, stage: str) -> str:
    """The stage that a run's recipe names as the source of this one, where it does."""
    try:
        table = tomllib.loads((run / "recipe.toml").read_text(encoding="utf-8")).get(stage, {})
    except (OSError, ValueError):
        return ""
    return str(table.get("from", "")) if isinstance(table, dict) else ""


def _sentences(claims: Iterable[Row]) -> Iterator[Passage]:
    """Each sentence that is evidence of something, under the place where it starts."""
    for document, said in groupby(claims, key=lambda row: str(row["document"])):
        places = {row["start"]: row for row in said if row["start"] is not None and not row["from_model"]}
        for start, row in places.items():
            yield Passage(document, start, start, row["end"], row["quote"])


def _chunks(readings: Artifact, store: Path) -> Iterator[Passage]:
    """The chunks of all documents in the store; a document that was not cut is one."""
    stored = {row["id"] for row in rows(store / "documents.parquet", ["id", "set_aside"]) if not row["set_aside"]}
    for reading in readings.records(Reading):
        name = scrub(reading.document.id)
        if reading.seed is not None or reading.set_aside or name not in stored:
            continue
        if not reading.chunks:
            yield Passage(name, 0, 0, len(reading.document.text), scrub(reading.document.text))
        for graph in reading.chunks:
            chunk = graph.chunk
            yield Passage(name, chunk.index, chunk.start, chunk.end, scrub(chunk.text))

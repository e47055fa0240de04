"""What there is to find in a graph, as columns on disk: passages, propositions, triples, entities, and their links.

A proposition is one sentence of a document (as the teacher has rewritten it, where it has) with all triples that it
says; only what is asserted counts, and only what a document says. A triple stands here once, whoever says it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from kgdistill.query.columns import Links, Rows, TableWriter, load, write_links
from kgdistill.query.labels import write_labels

PASSAGES = {"document": "text", "start": "number", "end": "number", "text": "text"}
PROPOSITIONS = {
    "document": "text", "start": "number", "end": "number", "text": "text", "stored": "number", "claim": "text",
    "score": "score", "passage": "number",
}  # fmt: skip
"""`stored`: 1 where the text is a stored proposition, 0 where it is the document's own sentence."""
TRIPLES = {"subject": "text", "relation": "text", "object": "text"}
ENTITIES = {"name": "text"}
CLAIM_COLUMNS = [
    "id", "asserted", "from_model", "subject", "relation", "object", "subject_text", "object_text", "literal", "score",
    "document", "chunk", "start", "end", "quote", "proposition",
]  # fmt: skip
"""What is read of a store's facts.parquet."""
ENTITY_COLUMNS = ["name", "text"]
"""What is read of its entities.parquet."""

Row = Mapping[str, Any]


class Passage(NamedTuple):
    """A chunk of a document, in code points; `number` says which one."""

    document: str
    number: int
    start: int
    end: int
    text: str


def write_evidence(
    folder: Path, claims: Iterable[Row], entities: Iterable[Row], passages: Iterable[Passage] = ()
) -> None:
    """Write all columns into `folder`, streaming: in memory are the names, the triples' numbers, and the links.

    `claims` come document by document (CLAIM_COLUMNS), `entities` have ENTITY_COLUMNS.
    """
    _Writer(folder).write(claims, entities, passages)


class _Writer:
    """One index being written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entities: dict[str, int] = {}
        self.labels: dict[tuple[str, int], None] = {}
        self.triples: dict[tuple[int, str, int | str], int] = {}
        self.ends = array("q"), array("q")
        self.said = array("q"), array("q")
        self.inside = array("q"), array("q")
        self.places: dict[str, dict[int, int]] = {}

    def write(self, claims: Iterable[Row], entities: Iterable[Row], passages: Iterable[Passage]) -> None:
        folder = self.folder
        with TableWriter(folder / "passages.arrow", PASSAGES) as table:
            for passage in passages:
                number = table.add(passage.document, passage.start, passage.end, passage.text)
                self.places.setdefault(passage.document, {})[passage.number] = number
            passages_there = table.count
        with (
            TableWriter(folder / "propositions.arrow", PROPOSITIONS) as propositions,
            TableWriter(folder / "triples.arrow", TRIPLES) as triples,
        ):
            asserted = (row for row in claims if row["asserted"] and not row["from_model"])
            for document, rows in groupby(asserted, key=lambda row: row["document"]):
                self._document(document, rows, propositions, triples)
        for row in entities:
            self._entity(row["name"], row["text"])
        with TableWriter(folder / "entities.arrow", ENTITIES) as names:
            for name in self.entities:
                names.add(name)
        self._links(propositions.count, passages_there)
        write_labels(folder, self.labels)

    def _document(self, document: str, rows: Iterator[Row], propositions: TableWriter, triples: TableWriter) -> None:
        sentences: dict[tuple[int, int, str], list[Row]] = {}
        for row in rows:
            start, end = (-1 if row[name] is None else row[name] for name in ("start", "end"))
            text = row["proposition"] or row["quote"] or spoken(row["subject"], row["relation"], row["object"])
            sentences.setdefault((start, end, text), []).append(row)
        places = self.places.get(document, {})
        for (start, end, text), said in sentences.items():
            foremost = max(said, key=lambda row: row["score"] or 0.0)
            passage = places.get(foremost["chunk"], -1)
            stored = int(text != foremost["quote"])
            number = propositions.add(
                document, start, end, text, stored, foremost["id"], foremost["score"] or 0.0, passage
            )
            if passage >= 0:
                _pair(self.inside, passage, number)
            for triple in dict.fromkeys(self._triple(row, triples) for row in said):
                _pair(self.said, number, triple)

    def _triple(self, row: Row, table: TableWriter) -> int:
        subject = self._entity(row["subject"], row["subject_text"])
        target = -1 if row["literal"] else self._entity(row["object"], row["object_text"])
        key = subject, row["relation"], target if target >= 0 else row["object"]
        number = self.triples.get(key)
        if number is None:
            number = self.triples[key] = table.add(row["subject"], row["relation"], row["object"])
            _pair(self.ends, subject, target)
        return number

    def _entity(self, name: str, label: str) -> int:
        number = self.entities.setdefault(name, len(self.entities))
        self.labels[name, number] = self.labels[label, number] = None
        return number

    def _links(self, propositions: int, passages: int) -> None:
        import numpy as np

        subjects, targets = (np.asarray(ends, dtype=np.int64) for ends in self.ends)
        np.save(self.folder / "subjects.npy", subjects)
        np.save(self.folder / "objects.npy", targets)
        numbers = np.arange(len(subjects))
        named = (targets >= 0) & (targets != subjects)
        ends, triples = np.concatenate([subjects, targets[named]]), np.concatenate([numbers, numbers[named]])
        write_links(self.folder, "about", ends, triples, len(self.entities))
        write_links(self.folder, "said", *self.said, propositions)
        write_links(self.folder, "saying", self.said[1], self.said[0], len(subjects))
        write_links(self.folder, "inside", *self.inside, passages)


def _pair(pairs: tuple[array[int], array[int]], one: int, other: int) -> None:
    pairs[0].append(one)
    pairs[1].append(other)


class Evidence:
    """The columns of an index, memory-mapped. Things are known by their numbers, from 0."""

    def __init__(self, folder: Path) -> None:
        self.passages, self.propositions = Rows(folder / "passages.arrow"), Rows(folder / "propositions.arrow")
        self.triples, self.entities = Rows(folder / "triples.arrow"), Rows(folder / "entities.arrow")
        self.subjects, self.objects = load(folder / "subjects.npy"), load(folder / "objects.npy")
        """Entity of each triple's ends; an object that is a value has -1."""
        self.said, self.saying = Links(folder, "said"), Links(folder, "saying")
        """Triples of a proposition; propositions of a triple."""
        self.about, self.inside = Links(folder, "about"), Links(folder, "inside")
        """Triples of an entity; propositions of a passage."""

    def triple(self, number: int) -> tuple[str, str, str]:
        """(subject, relation, object), by their names."""
        subject, relation, target = (self.triples.value(name, number) for name in TRIPLES)
        return subject, relation, target

    def ends(self, triples: Any) -> Any:
        """The entities of some triples, repeats included."""
        import numpy as np

        found = np.concatenate([self.subjects[triples], self.objects[triples]])
        return found[found >= 0]

    def texts(self, kind: str, start: int, end: int) -> list[str]:
        """How passages, propositions, triples or entities are read by an encoder: those from `start` up to `end`."""
        if kind == "passages":
            return self.passages.values("text", start, end)
        if kind == "entities":
            return self.entities.values("name", start, end)
        if kind == "triples":
            columns = (self.triples.values(name, start, end) for name in TRIPLES)
            return [spoken(*names) for names in zip(*columns, strict=True)]
        texts = self.propositions.values("text", start, end)
        stored = self.propositions.values("stored", start, end)
        return [
            text if kept else self._named(text, start + place)
            for place, (text, kept) in enumerate(zip(texts, stored, strict=True))
        ]

    def _named(self, sentence: str, proposition: int) -> str:
        """A document's sentence after the names that it has other words for ("he", "the company")."""
        names = (name for triple in self.said.of(proposition) for name in self.triple(int(triple))[::2])
        missing = [name for name in dict.fromkeys(names) if name.casefold() not in sentence.casefold()]
        return f"{', '.join(missing)}: {sentence}" if missing else sentence

    def count(self, kind: str) -> int:
        table: Rows = getattr(self, kind)
        return len(table)


def spoken(subject: str, relation: str, target: str) -> str:
    """A triple as words."""
    return f"{subject} {relation} {target}"

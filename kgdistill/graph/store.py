"""Store: a run's readings as an Oxigraph database and Parquet tables on disk, and the graph that opens them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec
import pyoxigraph
from msgspec import Struct

from kgdistill.errors import RunFolderError
from kgdistill.graph import views
from kgdistill.graph.census import Census
from kgdistill.graph.iri import check_base
from kgdistill.graph.labels import Renaming
from kgdistill.graph.tables import STORED, Table, claim_rows, document_row, entity_rows, merge_row, prompt_rows
from kgdistill.graph.terms import prefixes
from kgdistill.graph.vocabulary import merge_quads, quads
from kgdistill.records import Merge, Reading
from kgdistill.storage.artifact import latest
from kgdistill.storage.shards import disk_errors, write_bytes

if TYPE_CHECKING:
    import networkx
    import pandas
    import rdflib

BATCH = 100_000
"""Quads loaded at once. Left to itself the bulk loader gathers far more, and memory grows with the corpus until then;
smaller batches cost time."""


class StoreCounts(Struct, frozen=True):
    """What went into a store; `quads` counts those in the database, each once."""

    documents: int
    claims: int
    facts: int
    """Asserted claims of documents: kept, not negated, not hedged."""
    merges: int
    quads: int
    model_facts: int = 0
    """Asserted claims that no document vouches for."""
    entities: int = 0
    """Things with a name. This and what follows is 0 in a store that was written before they were counted."""
    properties: int = 0
    classes: int = 0
    """Distinct predicates, and distinct objects of rdf:type."""
    facts_graph: int = 0
    """Triples in the graph of facts: a fact that several claims state counts once; and in two other graphs."""
    model_facts_graph: int = 0
    names_graph: int = 0


class About(Struct, frozen=True):
    """What a store says of itself (graph.json)."""

    base: str
    run: str
    teacher: str
    counts: StoreCounts


def write_store(
    folder: Path,
    readings: Iterable[Reading],
    *,
    base: str,
    run: str,
    teacher: str = "",
    merges: Iterable[Merge] = (),
) -> StoreCounts:
    """Write the readings to `folder`/oxigraph and to the Parquet tables of `tables.STORED` beside it, in one pass.

    The readings are streamed: memory does not grow with their number (the merges are held, and the distinct relations
    and types). Whatever store was in the folder is replaced. Raises UserError at a base that is none, StorageError
    where the disk does not take it.
    """
    check_base(base)
    merges = tuple(merges)
    database = folder / "oxigraph"
    with disk_errors(database):
        folder.mkdir(parents=True, exist_ok=True)
        if database.exists():
            shutil.rmtree(database)
        store, census = pyoxigraph.Store(database), Census()
        with _Tables(folder, merges, teacher) as tables:
            written = (
                quad
                for reading in tables.pass_through(readings)
                for quad in quads(reading, base=base, run=run, teacher=teacher, merges=tables.renaming)
            )
            stream = census.pass_through(chain(merge_quads(merges, base=base), written))
            for first in stream:
                store.bulk_extend(chain([first], islice(stream, BATCH - 1)))
        store.flush()
        counts = StoreCounts(
            documents=tables.of["documents"].count,
            claims=tables.of["facts"].count,
            facts=tables.facts,
            merges=len(merges),
            quads=len(store),
            model_facts=tables.model_facts,
            **census.figures(store, base),
        )
        # The database unlocks when its last handle is gone.
        del store
    write_bytes(folder / "graph.json", msgspec.json.encode(About(base, run, teacher, counts)))
    return counts


class _Tables:
    """The tables of a store, filled by the readings on their way to the database."""

    def __init__(self, folder: Path, merges: tuple[Merge, ...], teacher: str) -> None:
        self.renaming, self.facts, self.model_facts, self._teacher = Renaming.of(merges), 0, 0, teacher
        self.of = {name: Table(folder / f"{name}.parquet", columns) for name, columns in STORED.items()}
        self.of["merges"].extend(map(merge_row, merges))

    def pass_through(self, readings: Iterable[Reading]) -> Iterator[Reading]:
        for reading in readings:
            self.of["documents"].add(document_row(reading))
            for row in claim_rows(reading):
                self.of["facts"].add(row)
                self.facts += row["asserted"] and not row["from_model"]
                self.model_facts += row["asserted"] and row["from_model"]
            self.of["entities"].extend(entity_rows(reading, self.renaming))
            self.of["prompts"].extend(prompt_rows(reading, self._teacher))
            yield reading

    def __enter__(self) -> _Tables:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for table in self.of.values():
            table.__exit__(kind, error, at)


class KnowledgeGraph:
    """A finished graph, read-only; any number of readers may have it open at once. A context manager.

    One query gives every fact with the document that says so, and where; text[start:end] is the quote:

        graph = KnowledgeGraph.open("runs/quickstart")
        rows = graph.query('''
            SELECT ?subject ?relation ?object ?document ?start ?end ?quote WHERE {
              ?claim a kgd:Claim ; kgd:kept true ; kgd:negated false ; kgd:hedged false ;
                     kgd:subject/skos:prefLabel ?subject ; kgd:predicate/rdfs:label ?relation ;
                     kgd:objectText ?object ; kgd:start ?start ; kgd:end ?end ; kgd:quote ?quote ;
                     prov:wasDerivedFrom/dcterms:identifier ?document .
            }''')
        for row in rows:
            print(row["document"].value, int(row["start"].value), int(row["end"].value), row["quote"].value)
    """

    def __init__(self, folder: Path, about: About, store: pyoxigraph.Store) -> None:
        self.folder, self.base, self.about = folder, about.base, about
        self._store: pyoxigraph.Store | None = store

    @classmethod
    def open(cls, run: Path | str) -> KnowledgeGraph:
        """The graph of a run folder (its newest finished store), or of a store's own folder. Raises RunFolderError."""
        folder = store_folder(Path(run))
        try:
            about = msgspec.json.decode((folder / "graph.json").read_bytes(), type=About)
            return cls(folder, about, pyoxigraph.Store.read_only(str(folder / "oxigraph")))
        except (OSError, msgspec.DecodeError) as error:
            raise RunFolderError(f"{folder} holds no readable graph ({error}): run the recipe again") from error

    @property
    def store(self) -> pyoxigraph.Store:
        """The database, opened read-only. Raises RunFolderError when the graph is closed."""
        if self._store is None:
            raise RunFolderError(f"the graph in {self.folder} is closed: open it again")
        return self._store

    @property
    def prefixes(self) -> dict[str, str]:
        """The prefixes that every query knows; the empty one is the base."""
        return prefixes(self.base)

    def query(self, sparql: str) -> Any:
        """What pyoxigraph answers (QuerySolutions, QueryBoolean or QueryTriples); all graphs are the default graph.

        Raises SyntaxError at a query that is none; updates are refused as such.
        """
        return self.store.query(sparql, prefixes=self.prefixes, use_default_graph_as_union=True)

    def facts(self) -> pandas.DataFrame:
        """A row for each asserted claim (kept, not negated, not hedged) of a document, with its evidence and score."""
        table = self.claims()
        return table[table["asserted"] & ~table["from_model"]].reset_index(drop=True)

    def model_facts(self) -> pandas.DataFrame:
        """The same for what a model said without a document; `document` is then the seed."""
        table = self.claims()
        return table[table["asserted"] & table["from_model"]].reset_index(drop=True)

    def claims(self) -> pandas.DataFrame:
        """A row for every claim ever made, dropped ones with rule and reason."""
        return views.table(self.folder / "facts.parquet")

    def documents(self) -> pandas.DataFrame:
        """A row for each document, those set aside too."""
        return views.table(self.folder / "documents.parquet")

    def to_rdflib(self) -> rdflib.Dataset:
        """All graphs as an rdflib Dataset, in memory."""
        return views.dataset(self.store, self.prefixes)

    def to_networkx(self, from_model: bool = False) -> networkx.MultiDiGraph:
        """The asserted facts of documents, or of a model, as a graph; `views.network` says what it carries."""
        return views.network(self.folder, from_model)

    def close(self) -> None:
        self._store = None

    def __enter__(self) -> KnowledgeGraph:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def store_folder(run: Path) -> Path:
    """Where the graph of `run` is: the folder itself or its newest finished store. Raises RunFolderError."""
    if (run / "graph.json").is_file():
        return run
    if not run.is_dir():
        raise RunFolderError(f"{run} is no folder: name a run folder, such as runs/quickstart")
    if (run / "run.json").is_file():
        return latest(run, "store").folder
    sealed = [path.parent for path in run.glob("store-*/manifest.json")]
    if not sealed:
        raise RunFolderError(f"{run} has no finished store: run its recipe to the end first")
    return max(sealed, key=lambda path: ((path / "manifest.json").stat().st_mtime_ns, path.name))

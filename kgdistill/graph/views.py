"""Views: a stored graph as pandas tables, an rdflib data set or a networkx graph."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgdistill.errors import RunFolderError

if TYPE_CHECKING:
    import networkx
    import pandas
    import pyarrow
    import pyoxigraph
    import rdflib

EDGE = ("relation", "score", "verdicts", "document", "source", "start", "end", "quote")


def table(path: Path) -> pandas.DataFrame:
    """A Parquet file of a store, integers nullable. Raises RunFolderError when it is not there or damaged."""
    import pandas

    try:
        return pandas.read_parquet(path, dtype_backend="numpy_nullable")
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path} cannot be read ({error}): run the recipe again") from error


def rows(path: Path, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file, streamed. Raises RunFolderError as `batches` does."""
    for batch in batches(path, columns):
        yield from batch.to_pylist()


def batches(path: Path, columns: list[str] | None = None, size: int = 4096) -> Iterator[pyarrow.RecordBatch]:
    """The same as Arrow has them. Raises RunFolderError where the file or a column is not there, or it is damaged."""
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            if missing := [name for name in columns or () if name not in file.schema_arrow.names]:
                raise ValueError(f"an older kgdistill wrote it, without {missing[0]}")
            yield from file.iter_batches(batch_size=size, columns=columns)
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path} cannot be read ({error}): run the recipe again") from error


def dataset(store: pyoxigraph.Store, prefixes: dict[str, str]) -> rdflib.Dataset:
    """All quads of the store in rdflib's terms."""
    import rdflib

    found = rdflib.Dataset()
    for prefix, space in prefixes.items():
        found.bind(prefix, space)
    for quad in store:
        graph = found.graph(rdflib.URIRef(quad.graph_name.value))
        graph.add((term(quad.subject), term(quad.predicate), term(quad.object)))
    return found


def term(value: Any) -> Any:
    """A pyoxigraph term as rdflib has it, its spelling unchanged."""
    import rdflib

    if hasattr(value, "datatype"):
        text = rdflib.URIRef("http://www.w3.org/2001/XMLSchema#string")
        kind = rdflib.URIRef(value.datatype.value)
        if value.language:
            return rdflib.Literal(value.value, lang=value.language)
        return rdflib.Literal(value.value, datatype=None if kind == text else kind, normalize=False)
    return rdflib.URIRef(value.value)


def network(folder: Path, from_model: bool = False) -> networkx.MultiDiGraph:
    """The asserted facts of a store's documents (or of a model) as a directed multigraph, an edge for each claim.

    Nodes are canonical names with `label`, `types` (sorted list) and `literal`; a value is a node of its own, its key
    being (name, "literal") so that it is never mistaken for the entity of that name. Edges are keyed by claim id within
    its document and carry relation, score, verdicts (a list of judge, score and reason), document, source, start, end
    and quote.
    """
    import networkx

    types: dict[str, set[str]] = {}
    for row in rows(folder / "entities.parquet"):
        if row["type"]:
            types.setdefault(row["name"], set()).add(row["type"])
    found = networkx.MultiDiGraph()

    def place(name: str, literal: bool = False) -> Any:
        key = (name, "literal") if literal else name
        found.add_node(key, label=name, types=[] if literal else sorted(types.get(name, ())), literal=literal)
        return key

    columns = ["id", "subject", "object", "literal", "asserted", "from_model", *EDGE]
    for row in rows(folder / "facts.parquet", columns):
        if row["asserted"] and row["from_model"] == from_model:
            subject, target = place(row["subject"]), place(row["object"], row["literal"])
            found.add_edge(subject, target, key=f"{row['document']} {row['id']}", **{name: row[name] for name in EDGE})
    return found

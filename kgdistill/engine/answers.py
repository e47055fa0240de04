"""The `query` command's answers: SPARQL results as a table, JSON or CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kgdistill.errors import UserError

if TYPE_CHECKING:
    from kgdistill.graph.store import KnowledgeGraph


def print_answers(graph: KnowledgeGraph, sparql: str, form: str, out: TextIO) -> None:
    """Ask and print as "table", "json" or "csv" (of the SPARQL 1.1 result formats); a graph prints as Turtle.

    Raises UserError at a query that is none.
    """
    import pyoxigraph

    try:
        found = graph.query(sparql)
    except SyntaxError as error:
        raise UserError(f"the query is no SPARQL: {' '.join(str(error).split())}") from error
    if isinstance(found, pyoxigraph.QueryTriples):
        turtle = pyoxigraph.serialize(found, format=pyoxigraph.RdfFormat.TURTLE, prefixes=graph.prefixes)
        out.write((turtle or b"").decode())
    elif form != "table":
        chosen = pyoxigraph.QueryResultsFormat.JSON if form == "json" else pyoxigraph.QueryResultsFormat.CSV
        if isinstance(found, pyoxigraph.QueryBoolean) and form == "csv":  # the standard has no CSV for yes and no
            out.write(f"{str(bool(found)).lower()}\n")
        else:
            out.write(found.serialize(format=chosen).decode().rstrip() + "\n")
    elif isinstance(found, pyoxigraph.QueryBoolean):
        out.write("yes\n" if found else "no\n")
    else:
        Console(file=out, width=None if out.isatty() else 160).print(_table(found, graph.prefixes))


def _table(solutions: Any, prefixes: dict[str, str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for variable in solutions.variables:
        table.add_column(Text(variable.value), overflow="fold")
    for solution in solutions:
        table.add_row(*(Text(_term(term, prefixes)) for term in solution))
    return table


def _term(term: Any, prefixes: dict[str, str]) -> str:
    """A term for a person: prefixed where a prefix fits, a literal's bare value."""
    if term is None:
        return ""
    value = str(getattr(term, "value", term))
    if type(term).__name__ == "NamedNode":
        for prefix, space in sorted(prefixes.items(), key=lambda item: -len(item[1])):
            if space and value.startswith(space):
                return f"{prefix}:{value[len(space) :]}"
        return f"<{value}>"
    return value

"""SPARQL: a person's query against a graph, read-only and without network, as a table, JSON or CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from kgdistill.errors import UserError
from kgdistill.query.screen import chooses_graphs, screen
from kgdistill.query.tokens import columns_place, undeclared, variables

if TYPE_CHECKING:
    import pyoxigraph

STRING = "http://www.w3.org/2001/XMLSchema#string"
WIDTH = 60
"""Characters of a value that a table shows."""
_REASON = re.compile(r"[A-Z]\w+(?: [\w*]+){2,}")
_SIGNS = re.compile(r"\[(?:[^\]']|'[^']*')*\](?:,\s)?")


class Dataset(Struct, frozen=True):
    """The graphs that a query is put to, by their addresses, as in the SPARQL protocol: in place of its own FROM."""

    default: tuple[str, ...] = ()
    named: tuple[str, ...] = ()


class Answer(Struct, frozen=True):
    """What a query gave: rows of pyoxigraph terms, None where a variable is unbound."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truth: bool | None = None
    """The answer of an ASK query."""


def query(store: pyoxigraph.Store, sparql: str, prefixes: Mapping[str, str] | None = None) -> Answer:
    """Run a query; raises UserError, on one line, at whatever cannot be answered.

    All graphs of the store together are the default graph, unless the query has a FROM. Updates are refused, and
    SERVICE (which would reach into the network) with them. CONSTRUCT and DESCRIBE give rows of subject, predicate,
    object.
    """
    import pyoxigraph

    with readable_errors(sparql, prefixes):
        found = results(store, sparql, prefixes)
        if isinstance(found, pyoxigraph.QueryBoolean):
            return Answer((), (), truth=bool(found))
        if isinstance(found, pyoxigraph.QuerySolutions):
            columns = tuple(variable.value for variable in found.variables)
            rows = tuple(tuple(row[name] for name in columns) for row in found)
            return Answer(columns, rows)
        rows = tuple((triple.subject, triple.predicate, triple.object) for triple in found)
        return Answer(("subject", "predicate", "object"), rows)


def results(
    store: pyoxigraph.Store, sparql: str, prefixes: Mapping[str, str] | None = None, dataset: Dataset | None = None
) -> Any:
    """What pyoxigraph answers (QuerySolutions, QueryBoolean or QueryTriples), not yet computed; see `query`.

    Computing goes on while it is read: read it under `readable_errors`, as this is called.
    """

    screen(sparql)
    known = dict(prefixes or {})
    sparql = _with_columns(sparql, known)
    if dataset is not None:
        default, named = [_graph(name) for name in dataset.default], [_graph(name) for name in dataset.named]
        return store.query(sparql, prefixes=known, default_graph=default, named_graphs=named)
    # Under the union pyoxigraph would pass over FROM.
    return store.query(sparql, prefixes=known, use_default_graph_as_union=not chooses_graphs(sparql))


def _graph(name: str) -> Any:
    import pyoxigraph

    try:
        return pyoxigraph.NamedNode(name)
    except ValueError as error:
        raise UserError(f"{name[:100]!a} is no address of a graph: {_short(error)}") from error


def _with_columns(sparql: str, prefixes: dict[str, str]) -> str:
    """The query with the columns of a `SELECT *` spelt out as they first appear: Oxigraph orders them by name."""
    import pyoxigraph

    place = columns_place(sparql)
    if place is None:
        return sparql
    found: Any = pyoxigraph.Store().query(sparql, prefixes=prefixes)
    names = [variable.value for variable in found.variables]
    order = {name: number for number, name in enumerate(variables(sparql))}
    names.sort(key=lambda name: order.get(name, len(order)))
    columns = "".join(f" ?{name}" for name in names) or "*"
    return f"{sparql[:place]}{columns} {sparql[place + 1 :]}"


@contextmanager
def readable_errors(sparql: str, prefixes: Mapping[str, str] | None = None) -> Iterator[None]:
    """What goes wrong in this query becomes a UserError of one line."""
    try:
        yield
    except SyntaxError as error:
        raise UserError(f"this is no SPARQL query: {_mistake(str(error), sparql, prefixes or {})}") from error
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"the query cannot be answered: {_short(error)}") from error


def shown(answer: Answer, form: str = "table", prefixes: Mapping[str, str] | None = None) -> str:
    """The answer as text: an aligned table (IRIs by their prefixes), SPARQL 1.1 Query Results JSON or CSV."""
    if form == "json":
        return _json(answer)
    if answer.truth is not None:
        return "true" if answer.truth else "false"
    if form == "csv":
        return _csv(answer)
    if form == "table":
        return _table(answer, prefixes or {})
    raise UserError(f'there is no format "{form}": choose table, json or csv')


def _mistake(said: str, sparql: str, prefixes: Mapping[str, str]) -> str:
    """What the parser said, for a person: it lists every sign that it would have taken, and now and then the reason."""
    if not sparql.strip():
        return "it is empty"
    name = undeclared(sparql, prefixes)
    if name is not None and _said(sparql, {**prefixes, name: "x:"}) != said:  # else something before it is wrong
        return f'prefix "{name[:60]}" is not declared: add PREFIX {name[:60]}: <...> in front of the query'
    where, _, wanted = said.partition(": ")
    if reason := _REASON.search(wanted):
        return f"{where}: {reason[0]}"
    return _short(f"{where}: {_SIGNS.sub('', wanted).rstrip(', ')}".removesuffix(": expected"))


def _said(sparql: str, prefixes: Mapping[str, str]) -> str:
    """What the parser says against a query, "" where nothing."""
    import pyoxigraph

    try:
        with suppress(OSError, RuntimeError, ValueError):  # it has read the query by then
            pyoxigraph.Store().query(sparql, prefixes=dict(prefixes))
    except SyntaxError as error:
        return str(error)
    return ""


def _short(error: Exception | str) -> str:
    line = " ".join(str(error).split())
    return line if len(line) <= 200 else line[:199] + "…"


def _json(answer: Answer) -> str:
    """W3C query results JSON; for triples in the same form, since SPARQL has none of its own for them."""
    if answer.truth is not None:
        return msgspec.json.encode({"head": {}, "boolean": answer.truth}).decode()
    bindings = [
        {name: _binding(term) for name, term in zip(answer.columns, row, strict=True) if term is not None}
        for row in answer.rows
    ]
    return msgspec.json.encode({"head": {"vars": answer.columns}, "results": {"bindings": bindings}}).decode()


def _binding(term: Any) -> dict[str, Any]:
    import pyoxigraph

    if isinstance(term, pyoxigraph.Triple):
        parts = {"subject": term.subject, "predicate": term.predicate, "object": term.object}
        return {"type": "triple", "value": {name: _binding(part) for name, part in parts.items()}}
    if not isinstance(term, pyoxigraph.Literal):
        return {"type": "uri" if isinstance(term, pyoxigraph.NamedNode) else "bnode", "value": term.value}
    if term.language:
        return {"type": "literal", "value": term.value, "xml:lang": term.language}
    kind = {} if term.datatype.value == STRING else {"datatype": term.datatype.value}
    return {"type": "literal", "value": term.value, **kind}


def _value(term: Any) -> str:
    return "" if term is None else str(getattr(term, "value", term))


def _csv(answer: Answer) -> str:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(answer.columns)
    writer.writerows([_value(term) for term in row] for row in answer.rows)
    return file.getvalue()


def _table(answer: Answer, prefixes: Mapping[str, str]) -> str:
    rows = [[_cell(_named(term, prefixes)) for term in row] for row in answer.rows]
    widths = [max(map(len, column)) for column in zip(answer.columns, *rows, strict=True)]
    lines: list[Iterable[str]] = [answer.columns, ["-" * width for width in widths], *rows]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def _named(term: Any, prefixes: Mapping[str, str]) -> str:
    """A term for a person: with the longest prefix that fits, a literal's bare value."""
    value = _value(term)
    if type(term).__name__ != "NamedNode":
        return value
    fitting = [(space, name) for name, space in prefixes.items() if space and value.startswith(space)]
    return f"{max(fitting)[1]}:{value.removeprefix(max(fitting)[0])}" if fitting else value


def _cell(text: str) -> str:
    # Control and direction signs of a document must not steer the terminal.
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return plain if len(plain) <= WIDTH else plain[: WIDTH - 1] + "…"

from __future__ import annotations

import csv
import io
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from readings import BASE, curie, hostile

from kgdistill.errors import UserError
from kgdistill.graph.store import KnowledgeGraph, write_store
from kgdistill.query.sparql import Answer, query, shown


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeGraph:
    folder: Path = tmp_path_factory.mktemp("sparql")
    write_store(folder, [curie(), hostile()], base=BASE, run="test")
    return KnowledgeGraph.open(folder)


def ask(graph: KnowledgeGraph, text: str) -> Answer:
    return query(graph.store, text, graph.prefixes)


BORN = "SELECT ?label ?none { ?s <https://kg.test/graph/relation/born_in> ?o . ?o skos:prefLabel ?label }"


def test_the_same_rows_in_every_format(graph: KnowledgeGraph) -> None:
    answer = ask(graph, BORN)
    assert shown(answer).splitlines()[0].split() == ["label", "none"]
    assert shown(answer).splitlines()[2].strip() == "Warsaw"
    assert list(csv.reader(io.StringIO(shown(answer, "csv")))) == [["label", "none"], ["Warsaw", ""]]
    read = json.loads(shown(answer, "json"))
    assert read["head"]["vars"] == ["label", "none"]
    assert read["results"]["bindings"] == [{"label": {"type": "literal", "value": "Warsaw"}}]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("SELECT*{ ?z ?m ?a }", "z m a"),
        ("select # ?a *\n distinct * { $z a ?m { SELECT * { ?q ?b ?d } } OPTIONAL { ?a ?b ?z } }", "z m q b d a"),
        ("SELECT * { ?z ?m ?a MINUS { ?y ?m '?b *' } BIND(1 AS ?c) }", "z m a c"),
        ("PREFIX select: <http://a.test/> SELECT * { ?z select:c ?a }", "z a"),
        ("SELECT ?m ?z { ?z ?m ?a { SELECT * { ?z ?m ?a } } }", "m z"),
        ("SELECT (COUNT(*) AS ?n) { ?z ?m ?a }", "n"),
        ("SELECT * {}", ""),
    ],
)
def test_all_columns_come_as_the_query_first_names_them(graph: KnowledgeGraph, text: str, columns: str) -> None:
    assert ask(graph, f"{text} LIMIT 1").columns == tuple(columns.split())


def test_ask_and_construct(graph: KnowledgeGraph) -> None:
    assert shown(ask(graph, "ASK { ?c a kgd:Claim }")) == "true"
    assert json.loads(shown(ask(graph, "ASK { ?c a kgd:Nothing }"), "json"))["boolean"] is False
    built = ask(graph, "CONSTRUCT { ?s rdfs:label ?l } WHERE { ?s skos:prefLabel ?l }")
    assert built.columns == ("subject", "predicate", "object")
    assert len(json.loads(shown(built, "json"))["results"]["bindings"]) == len(built.rows) > 3


def test_hostile_text_cannot_steer_a_terminal(graph: KnowledgeGraph) -> None:
    text = shown(ask(graph, "SELECT ?t { ?d dcterms:title ?t }"))
    assert all(letter == "\n" or letter.isprintable() for letter in text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * { SERVICE <http://127.0.0.1:9/> { ?s ?p ?o } }",
        "SELECT * { service silent ?x { ?s ?p ?o } }",
        "SELECT * { SERV\\u0049CE <http://127.0.0.1:9/> { ?s ?p ?o } }",
        "SELECT * { ?s ?p trueSERVICE <http://127.0.0.1:9/> { } }",
        "SELECT * { ?s ?p 1SERVICE <http://127.0.0.1:9/> { } }",
        "SELECT * { ?s ?p '#' . SERVICE <http://127.0.0.1:9/> { } }",
        "SELECT * { FILTER(1<2) #<\nSERVICE kgd:x { } }",
        "SELECT * { ?s ?p ?o } #'\n SERVICE kgd:x {} #'",
        "PREFIX e: <http://127.0.0.1:9/> SELECT * { FILTER(1<2)SERVICE e:x#>\n{ ?s ?p ?o } }",
        "SELECT * { BIND(<http://127.0.0.1:9/> AS ?x) FILTER(1<2)SERVICE?x#>\n{ ?s ?p ?o } }",
        "PREFIX : <http://127.0.0.1:9/> SELECT * { ?s ?p :.SERVICE <http://127.0.0.1:9/> { ?s ?p ?o } }",
        "SELECT * { { SELECT * { OPTIONAL { SERVICE#c\nSILENT#<\n<http://127.0.0.1:9/>{ ?s ?p ?o } } } } }",
        "ASK { FILTER EXISTS { { ?s ?p ?o } MINUS { SERVICE <http://127.0.0.1:9/> { ?s ?p ?o } } } }",
    ],
)
def test_service_is_refused(graph: KnowledgeGraph, text: str) -> None:
    with pytest.raises(UserError, match="SERVICE is refused"):
        ask(graph, text)


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        found = Listener(listening)
        thread = threading.Thread(target=found.hang_up, daemon=True)
        thread.start()
        yield found
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)


class Listener:
    """Counts whoever calls, and hangs up."""

    def __init__(self, listening: socket.socket) -> None:
        self.listening, self.calls = listening, 0
        self.address = f"http://127.0.0.1:{listening.getsockname()[1]}/"

    def hang_up(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listening.accept()
                self.calls += 1
                connection.close()


gaps = st.lists(st.sampled_from([" ", "\n", "\t", "# <\n", "#'\n", "#{?x:\r"]), max_size=2).map("".join)
before = st.sampled_from(
    [
        "",
        "?s ?p ?o .",
        "?s ?p :.",
        "FILTER(1<2)",
        "FILTER('<'='')",
        "BIND(?o<1AS?b)",
        "?s ?p true",
        "?s ?p 1.",
        "?s :p? ?o.",
    ]
)
after = st.sampled_from(["{ ?s ?p ?o }", "#>\n{ ?s ?p ?o }", "#'\n{ ?s ?p ?o }", '#"""\r{ }', "# >\n# }\n{ ?s ?p ?o }"])
around = st.sampled_from(
    ["SELECT * {{ {} }}", "ASK {{ FILTER EXISTS {{ {} }} }}", "SELECT * {{ {{ SELECT * {{ OPTIONAL {{ {} }} }} }} }}"]
)
word = st.sampled_from(["SERVICE", "service", "SerVice", "SERV\\u0049CE", "S\\U00000045RVICE"])


@given(around, before, word, gaps, st.sampled_from(["", "SILENT", "silent#\n"]), gaps, st.sampled_from("ipv"), after)
def test_no_spelling_reaches_the_network(
    graph: KnowledgeGraph, listener: Listener, around: str, before: str, word: str, gap: str, silent: str,
    second: str, kind: str, after: str,
) -> None:  # fmt: skip
    address = listener.address
    target = {"i": f"<{address}>", "p": "e:x", "v": "?e"}[kind]
    bound = f"VALUES ?e {{ <{address}> }} " if kind == "v" else ""
    text = f"PREFIX e: <{address}> " + around.format(f"{bound}{before}{word}{gap}{silent}{second}{target}{after}")
    with suppress(UserError):
        ask(graph, text)
    assert not listener.calls, text


@pytest.mark.parametrize(
    "text",
    [
        "SELECT ?service { ?service a kgd:SERVICE }",
        "SELECT ?service ?x { ?service a kgd:SERVICE . OPTIONAL { ?service kgd:service ?x } }",
        "ASK { ?s ?p 'SERVICE' } # SERVICE",
    ],
)
def test_the_word_service_alone_is_no_harm(graph: KnowledgeGraph, text: str) -> None:
    assert not ask(graph, text).rows


def test_from_chooses_the_graphs(graph: KnowledgeGraph) -> None:
    count = "SELECT (COUNT(*) AS ?n) %s { ?s ?p ?o }"
    whole, facts, names, both = (
        int(ask(graph, count % "".join(f"FROM <{BASE}graph/{name}> " for name in graphs)).rows[0][0].value)
        for graphs in ((), ("facts",), ("names",), ("facts", "names"))
    )
    assert 0 < facts < both < whole
    assert both == facts + names
    assert not ask(graph, f"SELECT * FROM NAMED <{BASE}graph/facts> {{ ?s ?p ?o }}").rows
    assert ask(graph, "SELECT * { ?s ?p ?o FILTER(?o != 'FROM <x>') } # FROM").rows


def test_files_are_not_read(graph: KnowledgeGraph) -> None:
    assert not ask(graph, f"SELECT * FROM <{Path(__file__).as_uri()}> {{ ?s ?p ?o }}").rows


@pytest.mark.parametrize("text", ["INSERT DATA { :a :b :c }", "PREFIX x: <http://x.test/> delete where { ?s ?p ?o }"])
def test_updates_are_refused(graph: KnowledgeGraph, text: str) -> None:
    with pytest.raises(UserError, match="read-only"):
        ask(graph, text)


@pytest.mark.parametrize("text", ["", "SELECT * {", "hello", "SELECT * { ?s no:prefix ?o }", "SELECT ?a { \ud800 }"])
def test_mistakes_are_one_line(graph: KnowledgeGraph, text: str) -> None:
    with pytest.raises(UserError) as caught:
        ask(graph, text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("SELECT * { ?s foo:bar ?o }", 'prefix "foo" is not declared: add PREFIX foo: <...> in front of the query'),
        ("SELECT * {\n  ?s a rdf:Statement ; foo:bar ?o }", 'prefix "foo" is not declared'),
        ("PREFIX a: <http://a.test/>\nASK { ?s a:b _:c . FILTER(foo:bar(?s)) }", 'prefix "foo" is not declared'),
        ("DESCRIBE foo:bar", 'prefix "foo" is not declared'),
        ("ASK { ?s a '1'^^foo:int . bar:x ?p ?o }", 'prefix "foo" is not declared'),
        # What is wrong comes before the name.
        ("SELECT * { ?s ?p 'foo:bar }", "error at 1:28: expected one of"),
        ("SELECT * { ?s # foo:bar\n ?p 'foo:bar' <foo:bar> }", "error at 2:"),
        ("SELECT (COUNT(?s) AS ?n) ?o { ?s ?p ?o }", "error at 1:41: The SELECT contains a variable that is unbound"),
        ("SELECT * { ?s ?p ?o } GROUP BY ?s", "error at 1:34: SELECT * is not authorized with GROUP BY"),
        ("hello", "error at 1:6"),
        (" \n", "it is empty"),
    ],
)
def test_a_mistake_is_named_and_not_the_parsers_alphabet(graph: KnowledgeGraph, text: str, why: str) -> None:
    with pytest.raises(UserError) as caught:
        ask(graph, text)
    assert str(caught.value).startswith(f"this is no SPARQL query: {why}")
    assert "u{" not in str(caught.value)

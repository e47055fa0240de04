from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
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

from __future__ import annotations

from pathlib import Path

import networkx
import pandas
import pytest
import rdflib
from readings import BASE, HOSTILE, MERGES, curie, hostile

from kgdistill.errors import UserError
from kgdistill.graph.export import FORMATS, export
from kgdistill.graph.store import KnowledgeGraph, write_store


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeGraph:
    folder: Path = tmp_path_factory.mktemp("export")
    write_store(folder, [curie(), curie("two.txt"), hostile()], base=BASE, run="test", merges=MERGES)
    return KnowledgeGraph.open(folder)


@pytest.mark.parametrize(("name", "form"), [("g.nq", "nquads"), ("g.trig", "trig"), ("g.jsonld", "json-ld")])
def test_rdflib_reads_every_quad(graph: KnowledgeGraph, tmp_path: Path, name: str, form: str) -> None:
    assert export(graph, tmp_path / name) == len(graph.store)
    read = rdflib.Dataset()
    read.parse(tmp_path / name, format=form)
    assert plain(read.quads()) == plain(graph.to_rdflib().quads())


def plain(quads):  # type: ignore[no-untyped-def]
    def name(term):  # type: ignore[no-untyped-def]
        return getattr(term, "identifier", term).n3()

    return {tuple(name(term) for term in quad) for quad in quads}


def test_turtle_holds_all_graphs_as_one(graph: KnowledgeGraph, tmp_path: Path) -> None:
    export(graph, tmp_path / "g.ttl")
    read = rdflib.Graph().parse(tmp_path / "g.ttl", format="turtle")
    assert plain(read) == plain(quad[:3] for quad in graph.to_rdflib().quads())


@pytest.mark.parametrize("name", ["g.csv", "g.parquet"])
def test_pandas_reads_every_claim(graph: KnowledgeGraph, tmp_path: Path, name: str) -> None:
    if name.endswith("csv"):
        count = export(graph, tmp_path / name)
        read = pandas.read_csv(tmp_path / name, keep_default_na=False, dtype=str, lineterminator="\n")
    else:
        count = export(graph, tmp_path / name)
        read = pandas.read_parquet(tmp_path / name)
    claims = graph.claims()
    assert list(read.columns) == list(claims.columns)
    assert count == len(read) == len(claims) == 16
    for column in ("subject", "object", "quote", "rule", "proposition"):
        assert list(read[column]) == list(claims[column])
    assert [str(s) for s in read["start"] if s == s and s not in ("", None)] != []
    assert HOSTILE in set(read["source"])


def test_networkx_reads_every_fact(graph: KnowledgeGraph, tmp_path: Path) -> None:
    count = export(graph, tmp_path / "g.graphml")
    read = networkx.read_graphml(tmp_path / "g.graphml")
    assert read.number_of_edges() == count == len(graph.facts()) == 7
    edges = [data for _, _, data in read.edges(data=True)]
    told = sorted((e["relation"], e["document"], e["start"], e["end"]) for e in edges if "curie" in e["document"])
    facts = graph.facts()
    facts = facts[facts["document"] == "curie.txt"]
    assert told == sorted(zip(facts["relation"], facts["document"], facts["start"], facts["end"], strict=True))
    assert read.nodes["e:Marie Curie"]["types"] == "Person"


def test_an_unknown_ending_names_those_there_are(graph: KnowledgeGraph, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        export(graph, tmp_path / "graph.xlsx")
    assert all(ending in str(caught.value) for ending in FORMATS)
    assert not list(tmp_path.iterdir())

from __future__ import annotations

from pathlib import Path

import pytest
import rdflib
from readings import BASE, MERGES, curie, hostile

from kgdistill.graph.iri import facts_iri
from kgdistill.graph.store import KnowledgeGraph, write_store


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeGraph:
    folder: Path = tmp_path_factory.mktemp("views")
    write_store(folder, [curie(), hostile()], base=BASE, run="test", merges=MERGES)
    return KnowledgeGraph.open(folder)


def test_rdflib_has_every_quad(graph: KnowledgeGraph) -> None:
    dataset = graph.to_rdflib()
    assert len(set(dataset.quads())) == len(graph.store)
    facts = dataset.graph(rdflib.URIRef(facts_iri(BASE)))
    assert len(facts) == 4
    answer = facts.query("SELECT ?o { ?s ?p ?o FILTER(isLiteral(?o)) }")
    assert [str(row.o) for row in answer] == ["1867"]  # type: ignore[union-attr]


def test_networkx_carries_labels_types_scores_and_quotes(graph: KnowledgeGraph) -> None:
    network = graph.to_networkx()
    assert network.nodes["Marie Curie"] == {"label": "Marie Curie", "types": ["Person"], "literal": False}
    assert network.nodes["1867", "literal"]["literal"] is True
    (edge,) = network.get_edge_data("Marie Curie", "Nobel Prizes").values()
    assert edge["relation"] == "won"
    assert edge["score"] == 0.75
    assert [(one["judge"], one["score"], one["reason"]) for one in edge["verdicts"]] == [
        ("teacher", 0.8, ""),
        ("combined", 0.75, "mean"),
    ]
    assert edge["quote"] == "M. Curie won two Nobel Prizes."
    assert network.number_of_edges() == len(graph.facts()) == 4

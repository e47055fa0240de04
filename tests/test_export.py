from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import networkx
import pandas
import pyoxigraph
import pytest
import rdflib
from readings import BASE, HOSTILE, MERGES, curie, hostile

from kgdistill.errors import UserError
from kgdistill.graph.export import FORMATS, export
from kgdistill.graph.iri import claim_iri, entity_iri
from kgdistill.graph.store import KnowledgeGraph, write_store
from kgdistill.graph.terms import KGD, RDF, RDF_STATEMENT, TYPE
from kgdistill.graph.views import rows


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


def expanded(quads: Iterable[pyoxigraph.Quad]) -> set[pyoxigraph.Quad]:
    """Quads in RDF 1.2 as the store has them in RDF 1.1: each reifier with the parts of its triple."""
    found = set()
    for quad in quads:
        if quad.predicate.value != RDF + "reifies":
            found.add(quad)
            continue
        found.add(pyoxigraph.Quad(quad.subject, TYPE, RDF_STATEMENT, quad.graph_name))
        for part in ("subject", "predicate", "object"):
            for space in (RDF, KGD):
                name = pyoxigraph.NamedNode(space + part)
                found.add(pyoxigraph.Quad(quad.subject, name, getattr(quad.object, part), quad.graph_name))
    return found


def test_rdf_12_has_every_claim_as_a_reifier_of_its_triple(graph: KnowledgeGraph, tmp_path: Path) -> None:
    count = export(graph, tmp_path / "g.rdf12.trig")
    quads = list(pyoxigraph.parse(path=tmp_path / "g.rdf12.trig"))
    assert count == len(quads) == len(graph.store) - 6 * 16
    assert expanded(quads) == set(graph.store)
    export(graph, tmp_path / "G.RDF12.TTL")
    triples = list(pyoxigraph.parse(path=tmp_path / "G.RDF12.TTL", format=pyoxigraph.RdfFormat.TURTLE))
    assert {quad.triple for quad in expanded(triples)} == {quad.triple for quad in graph.store}
    store = pyoxigraph.Store()
    store.extend(triples)
    asked = "SELECT ?s ?o ?quote WHERE { ?s ?p ?o ~ ?claim {| kgd:kept true ; kgd:quote ?quote |} }"
    rows = store.query(asked, prefixes=graph.prefixes)
    facts = graph.facts()
    assert {row["quote"].value for row in rows} == set(facts["quote"])


def test_networkx_reads_every_fact(graph: KnowledgeGraph, tmp_path: Path) -> None:
    count = export(graph, tmp_path / "g.graphml")
    read = networkx.read_graphml(tmp_path / "g.graphml", force_multigraph=True)
    facts = graph.facts()
    assert read.number_of_edges() == count == len(facts) == 7
    ends = {(read.nodes[s]["label"], read.nodes[o]["label"], key) for s, o, key in read.edges(keys=True)}
    claims = [claim_iri(BASE, *row) for row in zip(facts["document"], facts["id"], strict=True)]
    assert ends == {
        tuple(map(shown, row)) for row in zip(facts["subject"], facts["object"], claims, strict=True)
    }  # fmt: skip
    person = read.nodes[entity_iri(BASE, "Marie Curie")]
    assert (person["types"], person["aliases"], person["literal"]) == ("Person", "M. Curie", False)
    assert [data["label"] for _, data in read.nodes(data=True) if data["literal"]] == ["1867"]


def shown(value: object) -> object:
    """A text as GraphML can have it."""
    escaped = "".join(c if c in "\t\n\r" or c >= " " else f"\\u{ord(c):04x}" for c in str(value))
    return escaped if isinstance(value, str) else value


def test_pandas_reads_what_neo4j_imports(graph: KnowledgeGraph, tmp_path: Path) -> None:
    count = export(graph, tmp_path / "g.neo4j")
    assert {path.name for path in (tmp_path / "g.neo4j").iterdir()} == {"nodes.csv", "relationships.csv", "README.md"}
    nodes, edges = (
        pandas.read_csv(tmp_path / "g.neo4j" / name, keep_default_na=False, dtype=str, lineterminator="\n")
        for name in ("nodes.csv", "relationships.csv")
    )
    assert nodes[":LABEL"].str.split(";").str[0].isin(["Entity", "Value"]).all()
    named = dict(zip(nodes["iri:ID"], nodes["name"], strict=True))
    assert len(named) == len(nodes)
    facts = graph.facts()
    assert count == len(edges) == len(facts)
    told = set(
        zip(
            edges[":START_ID"].map(named),
            edges["relation"],
            edges[":END_ID"].map(named),
            edges["claim"],
            edges["quote"],
            edges["start:long"],
            edges["score:double"].map(lambda s: s and float(s)),
            strict=True,
        )
    )
    claims = [claim_iri(BASE, *row) for row in zip(facts["document"], facts["id"], strict=True)]
    starts, scores = facts["start"].map(str), [("" if pandas.isna(score) else score) for score in facts["score"]]
    assert told == set(
        zip(facts["subject"], facts["relation"], facts["object"], claims, facts["quote"], starts, scores, strict=True)
    )
    curie = nodes.set_index("iri:ID").loc[entity_iri(BASE, "Marie Curie")]
    assert tuple(curie) == ("Marie Curie", "Person", "M. Curie", "Entity;Person")
    assert {"BORN_IN", "YEAR_OF_BIRTH", "WON"} < set(edges[":TYPE"])


def test_datasets_reads_every_table(graph: KnowledgeGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    to = tmp_path / "curie.dataset"
    assert export(graph, to) == len(graph.facts())
    expected = {name: list(rows(graph.folder / f"{name}.parquet")) for name in ("entities", "documents", "merges")}
    expected["claims"] = list(rows(graph.folder / "facts.parquet"))
    expected["facts"] = [row for row in expected["claims"] if row["asserted"]]
    assert set(datasets.get_dataset_config_names(str(to))) == set(expected)
    for name, wanted in expected.items():
        read = datasets.load_dataset(str(to), name, split="train", cache_dir=str(tmp_path / "cache"))
        assert list(read) == wanted and wanted
    assert "3 documents" in (to / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["g.neo4j", "g.dataset"])
def test_a_folder_is_never_written_over_anything(graph: KnowledgeGraph, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="is there already"):
        export(graph, tmp_path / name)
    assert [path.name for path in tmp_path.rglob("*")] == [name, "mine.txt"]


def test_an_interrupted_folder_leaves_nothing_and_the_next_attempt_succeeds(
    graph: KnowledgeGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".g.neo4j.part").mkdir()  # left over from a kill
    with monkeypatch.context() as patched:
        patched.setattr("kgdistill.graph.neo4j._relationship", lambda edge: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            export(graph, tmp_path / "g.neo4j")
    assert not list(tmp_path.iterdir())
    assert export(graph, tmp_path / "g.neo4j") == 7


def test_an_unknown_ending_names_those_there_are(graph: KnowledgeGraph, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        export(graph, tmp_path / "graph.xlsx")
    assert all(ending in str(caught.value) for ending in FORMATS)
    assert not list(tmp_path.iterdir())

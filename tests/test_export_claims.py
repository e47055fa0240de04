"""Nothing of a claim is lost in a table: each format, read by another tool, says what the RDF says of every claim."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import networkx
import pandas
import pyoxigraph
import pytest
from readings import BASE, MERGES, curie, event, fruits, hostile, said, stated, triad

from kgdistill.errors import RunFolderError
from kgdistill.graph.export import export
from kgdistill.graph.iri import claim_iri, model_claim_iri, prompt_iri
from kgdistill.graph.store import KnowledgeGraph, write_store
from kgdistill.graph.terms import DERIVED, IDENTIFIER, KGD, PREFERRED, RDF, RDFS_LABEL, SOURCE
from kgdistill.graph.vocabulary import ALTERNATIVE
from kgdistill.records import (
    Canonical,
    Chunk,
    ChunkGraph,
    Document,
    EventSeed,
    Evidence,
    Proposition,
    Reading,
    Span,
    Triple,
    Verdict,
)

SAID = {
    "chunk": "chunk", "negated": "negated", "hedged": "hedged", "kept": "kept", "rule": "rule", "reason": "reason",
    "instead": "instead", "score": "score", "start": "start", "end": "end", "quote": "quote", "method": "method",
    "subject_start": "subjectStart", "subject_end": "subjectEnd", "object_start": "objectStart",
    "object_end": "objectEnd", "subject_text": "subjectText", "relation_text": "relationText",
    "object_text": "objectText", "samples": "samples", "aspect": "aspect", "direction": "direction",
    "frequency": "frequency",
}  # fmt: skip
"""Columns, and the properties that say the same."""
NESTED = ("verdicts", "utterances", "merges", "others", "states")
ASSERTED_ONLY = ("kept", "negated", "hedged", "rule", "reason", "instead", "states")
"""What an edge need not say: it is the same in all of them."""
Claims = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeGraph:
    folder: Path = tmp_path_factory.mktemp("claims")
    readings = [curie(), stated(), hostile(), event(), fruits(), triad(), she()]
    write_store(folder, readings, base=BASE, run="test", teacher="a teacher", merges=MERGES)
    return KnowledgeGraph.open(folder)


def she() -> Reading:
    """A claim whose subject no chunk has as an entity, spelled as lists are parted, and judged by a person."""
    text = "She|he sang."
    names = Canonical("Marie Curie", "sang", "songs", ("m1",))
    verdicts = (Verdict('reviewer Ana; "B"', 1.0, "I read it,\nand it says so"), Verdict("combined", 0.9))
    claim = Triple("s1", "She|he", "sang", "songs", evidence=Evidence(Span(0, 12)), canonical=names, verdicts=verdicts)
    return Reading(Document("she.txt", text, "she.txt"), (ChunkGraph(Chunk("she.txt", 0, 0, 12, text), (), (claim,)),))


def in_the_store(graph: KnowledgeGraph) -> Claims:
    """Every claim by its address, as the RDF has it; what is not said is not there."""
    found = {}
    for name in ("Claim", "ModelClaim", "Proposition"):
        for quad in graph.store.quads_for_pattern(None, None, pyoxigraph.NamedNode(KGD + name), None):
            found[quad.subject.value] = claim_in(graph, quad.subject) | {"model": name == "ModelClaim"}
    assert len(found) == 7 + 8 + 2 + 2 + 1 + 1 + 1
    return found


def claim_in(graph: KnowledgeGraph, claim: pyoxigraph.NamedNode) -> dict[str, Any]:
    said = properties(graph, claim)
    one = {name: said[KGD + own][0] for name, own in SAID.items() if KGD + own in said}
    source = properties(graph, pyoxigraph.NamedNode(said[DERIVED.value][0]))
    one |= {"document": source[IDENTIFIER.value][0], "source": source[SOURCE.value][0]}
    one["id"] = said[IDENTIFIER.value][0]
    one["proposition"] = said.get(KGD + "text", said.get(KGD + "proposition", [""]))[0]
    if KGD + "subject" in said:
        subject, relation, target = (said[KGD + part][0] for part in ("subject", "predicate", "object"))
        label = lambda address, name: properties(graph, pyoxigraph.NamedNode(address))[name.value][0]  # noqa: E731
        one |= {"subject": label(subject, PREFERRED), "relation": label(relation, RDFS_LABEL)}
        one["literal"] = not target.startswith(BASE + "entity/")
        one["object"] = target if one["literal"] else label(target, PREFERRED)
    nodes = [sorted(said.get(KGD + name, []), key=number_of) for name in ("verdict", "utterance")]
    verdicts, utterances = ([properties(graph, pyoxigraph.NamedNode(node)) for node in part] for part in nodes)
    one["verdicts"] = [
        {"judge": v[KGD + "judge"][0], "score": v[KGD + "score"][0], "reason": v.get(KGD + "reason", [""])[0]}
        for v in verdicts
    ]
    names = {"prompt": "prompt", "sample": "sample", "logprob": "logProbability", "tokens": "tokens"}
    one["utterances"] = [{name: u[KGD + own][0] for name, own in names.items()} for u in utterances]
    one |= {"merges": said.get(KGD + "merge", []), "others": said.get(KGD + "otherText", [])}
    one["states"] = sorted(said.get(KGD + "states", []))
    return told(one)


def number_of(address: str) -> int:
    return int(address.rpartition("/")[2])


def properties(graph: KnowledgeGraph, node: pyoxigraph.NamedNode) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for quad in graph.store.quads_for_pattern(node, None, None, None):
        value: Any = quad.object.value
        kind = quad.object.datatype.value.rpartition("#")[2] if isinstance(quad.object, pyoxigraph.Literal) else ""
        if kind in ("integer", "double", "boolean") and not quad.predicate.value.startswith((KGD + "object", RDF)):
            value = {"integer": int, "double": float, "boolean": lambda text: text == "true"}[kind](value)
        found.setdefault(quad.predicate.value, []).append(value)
    return found


def told(one: dict[str, Any]) -> dict[str, Any]:
    """Without what is not said."""
    return {name: value for name, value in one.items() if value is not None and value not in ("", [])}


def from_row(row: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A row of a table as the store has the claim, under its address."""
    one = {name: row[name] for name in (*SAID, "id", "document", "source", "proposition", *NESTED) if name in row}
    mint = model_claim_iri if row["from_model"] else claim_iri
    if row["kind"] == "proposition":
        one |= {"subject_text": None, "relation_text": None, "object_text": None}
    else:
        one |= {name: row[name] for name in ("subject", "relation", "object", "literal")}
    one["states"] = sorted(mint(BASE, row["document"], name) for name in one.get("states") or ())
    one["utterances"] = [u | {"prompt": prompt_iri(BASE, u["prompt"])} for u in one.get("utterances") or ()]
    return mint(BASE, row["document"], row["id"]), told(one) | {"model": row["from_model"]}


def typed(row: dict[str, str], kinds: dict[str, str]) -> dict[str, Any]:
    """Texts of a CSV file as what they are; the empty text is nothing."""
    read = {"int64": int, "float64": float, "bool": lambda text: text == "true", "json": json.loads}
    return {name: read.get(kinds[name], str)(text) if text else None for name, text in row.items()}


KINDS = {
    "score": "float64", **dict.fromkeys(NESTED, "json"),
    **dict.fromkeys(("from_model", "literal", "negated", "hedged", "kept", "asserted"), "bool"),
    **dict.fromkeys(("chunk", "start", "end", "subject_start", "subject_end", "object_start", "object_end"), "int64"),
    "samples": "int64",
}  # fmt: skip


def with_pandas(to: Path) -> Iterator[dict[str, Any]]:
    for row in pandas.read_parquet(to, dtype_backend="pyarrow").to_dict("records"):
        plain = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in row.items()}
        yield {name: None if value is pandas.NA or value != value else value for name, value in plain.items()}


def with_csv(to: Path) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(sys.maxsize)
    with to.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield typed(row, {name: KINDS.get(name, "string") for name in row})


def with_datasets(to: Path) -> Iterator[dict[str, Any]]:
    import datasets

    yield from datasets.load_dataset(str(to), "claims", split="train", cache_dir=str(to.parent / "cache"))


@pytest.mark.parametrize(
    ("name", "read"), [("g.parquet", with_pandas), ("g.csv", with_csv), ("g.dataset", with_datasets)]
)
def test_a_table_says_all_that_the_store_says_of_a_claim(
    graph: KnowledgeGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, read: Callable[[Path], Any]
) -> None:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    count = export(graph, tmp_path / name)
    found = dict(map(from_row, read(tmp_path / name)))
    stored = in_the_store(graph)
    assert found == stored
    assert count == len(stored) or name == "g.dataset"
    met = {key for one in stored.values() for key in one}
    assert met >= {*SAID, *NESTED} - {"object_start", "object_end"}, "the test has seen every property"


def with_networkx(to: Path) -> Iterator[dict[str, Any]]:
    read = networkx.read_graphml(to, force_multigraph=True)
    for source, target, address, edge in read.edges(keys=True, data=True):
        ends = {"subject": read.nodes[source]["label"], "object": read.nodes[target]["label"]}
        lists = {name: json.loads(edge[name]) for name in NESTED if name in edge}
        yield {**edge, **ends, **lists, "literal": read.nodes[target]["literal"], "id": "", "claim": address}


def from_neo4j(to: Path) -> Iterator[dict[str, Any]]:
    tables = []
    for name in ("nodes.csv", "relationships.csv"):
        with (to / name).open(encoding="utf-8", newline="") as file:
            tables.append(
                [{key.partition(":")[0] or key: text for key, text in row.items()} for row in csv.DictReader(file)]
            )
    nodes = {row["iri"]: row for row in tables[0]}
    for row in tables[1]:
        source, target = nodes[row[":START_ID"]], nodes[row[":END_ID"]]
        ends = {"subject": source["name"], "object": target["name"], "literal": target[":LABEL"].startswith("Value")}
        yield {**typed(row, {name: KINDS.get(name, "string") for name in row}), **ends, "id": ""}


@pytest.mark.parametrize(("name", "read"), [("g.graphml", with_networkx), ("g.neo4j", from_neo4j)])
def test_an_edge_says_all_that_the_store_says_of_an_asserted_claim(
    graph: KnowledgeGraph, tmp_path: Path, name: str, read: Callable[[Path], Any]
) -> None:
    count = export(graph, tmp_path / name)
    found = {row["claim"]: from_row(row)[1] for row in read(tmp_path / name)}
    claims = in_the_store(graph)
    asserted = {key: c for key, c in claims.items() if c["kept"] and not c["negated"] and not c["hedged"]}
    stored = {
        key: {name: value for name, value in claim.items() if name not in (*ASSERTED_ONLY, "id")}
        for key, claim in asserted.items()
        if "subject" in claim
    }
    assert count == len(stored) == 3 + 3 + 1 + 1 + 1 + 1 + 1
    assert found == {key: as_text(one, name) for key, one in stored.items()}


def as_text(one: dict[str, Any], name: str) -> dict[str, Any]:
    """As XML can have it, where it is XML: JSON escapes by itself."""
    if not name.endswith("graphml"):
        return one
    allowed = lambda text: "".join(c if c in "\t\n\r" or c >= " " else f"\\u{ord(c):04x}" for c in text)  # noqa: E731
    return {key: allowed(value) if isinstance(value, str) else value for key, value in one.items()}


def test_nodes_have_every_name_and_type_that_the_store_has(graph: KnowledgeGraph, tmp_path: Path) -> None:
    """The spellings of claims too, which the entities of no chunk have ("She|he" is Marie Curie)."""
    export(graph, tmp_path / "g.graphml")
    for address, node in networkx.read_graphml(tmp_path / "g.graphml").nodes(data=True):
        said = properties(graph, pyoxigraph.NamedNode(address))
        kinds = [
            properties(graph, pyoxigraph.NamedNode(kind)).get(RDFS_LABEL.value, [])
            for kind in said.get(RDF + "type", [])
        ]
        aliases = [as_text({"x": alias}, "graphml")["x"] for alias in sorted(said.get(ALTERNATIVE.value, []))]
        assert (node["aliases"] or "") == "|".join(alias.replace("|", "\\u007c") for alias in aliases)
        assert len((node["types"] or "").split("|")) == max(1, sum(map(len, kinds)))


def test_a_dataset_has_merges_and_prompts(graph: KnowledgeGraph, tmp_path: Path, monkeypatch: Any) -> None:
    import datasets

    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    export(graph, tmp_path / "g.dataset")

    def rows(name: str) -> list[dict[str, Any]]:
        found = datasets.load_dataset(
            str(tmp_path / "g.dataset"), name, split="train", cache_dir=str(tmp_path / "cache")
        )
        return list(found)

    asked = """SELECT ?id ?kind ?name ?into ?reason ?score { ?m a kgd:Merge ; dcterms:identifier ?id ; kgd:kind ?kind ;
        kgd:from ?name ; kgd:intoName ?into ; kgd:reason ?reason ; kgd:score ?score }"""
    [merge] = graph.query(asked)
    assert rows("merges") == [
        {**{name: merge[name].value for name in ("id", "kind", "name", "into", "reason")}, "score": 0.9}
    ]
    asked = """SELECT ?p ?text ?model ?seed { GRAPH ?g { ?p a kgd:Prompt ; kgd:text ?text ;
        prov:wasAssociatedWith/rdfs:label ?model . ?s a kgd:Seed ; dcterms:identifier ?seed } }"""
    prompts = {tuple(row[name].value for name in ("p", "text", "model", "seed")) for row in graph.query(asked)}
    found = {(prompt_iri(BASE, row["key"]), row["text"], row["model"], row["document"]) for row in rows("prompts")}
    assert found == prompts and len(prompts) == 4
    seeds = {row["id"]: row for row in rows("documents") if row["from_model"]}
    assert {row["definition"] for row in seeds.values()} >= {"<ENT0> uses <ENT1> for <ENT2>."}
    assert [(row["left"], row["right"]) for row in seeds.values() if row["left"]] == [("lemon", "banana")]
    made_up = [row["utterances"] for row in seeds.values() if row["utterances"]]
    assert made_up == [[{"prompt": "k0", "sample": 2, "logprob": -9.0, "tokens": 12}]]


def test_a_dataset_offers_only_tables_with_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`datasets` cannot load a table without any."""
    import datasets

    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    denied = said(EventSeed("PersonX waits"), "PersonX waits", Proposition("p", "PersonX waits."))
    for number, (reading, offered) in enumerate([(curie(), "facts"), (denied, "claims")]):
        write_store(tmp_path / str(number), [reading], base=BASE, run="test")
        to = str(tmp_path / f"{number}.dataset")
        with KnowledgeGraph.open(tmp_path / str(number)) as graph:
            export(graph, Path(to))
        names = datasets.get_dataset_config_names(to)
        assert offered in names and "merges" not in names and ("facts" in names) == (offered == "facts")
        for name in (None, *names):  # without a name: the default
            assert len(datasets.load_dataset(to, name, split="train", cache_dir=str(tmp_path / "cache")))


@pytest.mark.parametrize("name", ["g.graphml", "g.csv", "g.parquet", "g.neo4j", "g.dataset"])
def test_a_graph_of_an_older_version_is_one_line(tmp_path: Path, name: str) -> None:
    write_store(tmp_path / "store", [curie()], base=BASE, run="test")
    path = tmp_path / "store" / "facts.parquet"
    pandas.read_parquet(path).drop(columns=["verdicts"]).to_parquet(path)
    with (
        KnowledgeGraph.open(tmp_path / "store") as graph,
        pytest.raises(RunFolderError, match="older kgdistill") as caught,
    ):
        export(graph, tmp_path / name)
    assert "run the recipe again" in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / name).exists()

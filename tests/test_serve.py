"""The service as its clients see it: a real server on this machine, and clients that know nothing of it."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import httpx
import msgspec
import pyoxigraph
import pytest
import rdflib
from rdflib.plugins.stores.sparqlstore import SPARQLStore
from readings import BASE, aside, curie, event, hostile
from service import Served, descendants, served, start

from kgdistill.graph.store import About, KnowledgeGraph, write_store
from kgdistill.query.sparql import query, shown
from kgdistill.serve.describe import description
from kgdistill.serve.negotiate import GRAPHS, TABLES

NAMES = "SELECT ?entity ?name { ?entity skos:prefLabel ?name } ORDER BY ?entity ?name"
QUOTES = "SELECT ?claim ?quote ?also { ?claim kgd:quote ?quote OPTIONAL { ?claim kgd:nothing ?also } }"
ENDLESS = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l FILTER(?a != ?l) }"
TOKEN = "a-token-of-some-length"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    write_store(folder, [curie(), curie("second.txt"), hostile(), aside(), event()], base=BASE, run="a <run>")
    return folder


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Served]:
    with served(folder, "--timeout", "1", "--max-result", "1", "--cors", "https://page.test") as service:
        yield service


def ask(service: Served, sparql: str, accept: str = "*/*", **more: str | list[str]) -> httpx.Response:
    return httpx.get(service.sparql, params={"query": sparql, **more}, headers={"Accept": accept})


# Answers


@pytest.mark.parametrize("sparql", [NAMES, QUOTES, "ASK { ?c a kgd:Claim }"])
def test_the_command_and_the_service_give_the_same_rows(service: Served, folder: Path, sparql: str) -> None:
    with KnowledgeGraph.open(folder) as graph:
        local = json.loads(shown(query(graph.store, sparql, graph.prefixes), "json"))
    remote = ask(service, sparql).json()
    if "boolean" in local:
        assert remote["boolean"] == local["boolean"]
        return
    order = lambda rows: sorted(json.dumps(row, sort_keys=True) for row in rows)  # noqa: E731
    assert remote["head"]["vars"] == local["head"]["vars"]
    assert order(remote["results"]["bindings"]) == order(local["results"]["bindings"])
    assert len(remote["results"]["bindings"]) > 5


@pytest.mark.parametrize("media", [form.media for form in TABLES])
def test_every_table_form_holds_the_same_rows(service: Served, folder: Path, media: str) -> None:
    answer = ask(service, NAMES, media)
    assert answer.headers["content-type"].partition(";")[0] == media
    assert "Accept" in answer.headers["vary"]
    with KnowledgeGraph.open(folder) as graph:
        wanted = [(row["entity"].value, row["name"].value) for row in graph.query(NAMES)]
    if media == "text/csv":  # which tells no kinds of terms
        assert [tuple(row) for row in csv.reader(io.StringIO(answer.text, newline=""))][1:] == wanted
        return
    if media.endswith("xml"):  # for any parser, so without the characters that XML cannot hold
        found = [node.text for node in ElementTree.fromstring(answer.content).iter() if node.tag.endswith("literal")]
        assert found == [re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f]", "\ufffd", name) for _, name in wanted]
        return
    form = pyoxigraph.QueryResultsFormat.from_media_type(media)
    rows = pyoxigraph.parse_query_results(answer.content, format=form)
    assert [(row["entity"].value, row["name"].value) for row in rows] == wanted


@pytest.mark.parametrize("media", [form.media for form in GRAPHS])
def test_every_graph_form_holds_the_same_triples(service: Served, folder: Path, media: str) -> None:
    sparql = "CONSTRUCT { ?c kgd:quote ?q ; kgd:score ?s } WHERE { ?c kgd:quote ?q ; kgd:score ?s }"
    answer = ask(service, sparql, media)
    assert answer.headers["content-type"].partition(";")[0] == media
    form = pyoxigraph.RdfFormat.from_media_type(media)
    found = {quad.triple for quad in pyoxigraph.parse(answer.content, format=form)}
    with KnowledgeGraph.open(folder) as graph:
        assert found == set(graph.query(sparql))
    assert found


@pytest.mark.parametrize("media", ["text/turtle", "application/trig"])
def test_a_graph_comes_with_the_prefixes_of_the_query_and_of_the_store(service: Served, media: str) -> None:
    head = f"PREFIX e: <{BASE}entity/> PREFIX kg: <http://www.w3.org/2004/02/skos/core#> BASE <http://b.test/>"
    for sparql in (
        "PREFIX r: <r/> CONSTRUCT WHERE { e:Marie_Curie kg:prefLabel ?o ; a kg:Concept ; a ?type }",
        "PREFIX e2: <http://b.test/\\u0041> DESCRIBE e:Marie_Curie",
    ):
        answer = ask(service, f"{head} {sparql}", media).raise_for_status()
        lines = answer.text.splitlines()
        assert f"@prefix e: <{BASE}entity/> ." in lines
        assert "@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> ." in lines
        assert any(line.startswith("e:Marie_Curie ") for line in lines)
        assert "<http://www.w3.org/2004/02/skos/core#Concept>" not in answer.text
        form = pyoxigraph.RdfFormat.from_media_type(media)
        assert len(list(pyoxigraph.parse(answer.content, format=form))) > 2


def test_all_columns_come_as_the_query_first_names_them(service: Served) -> None:
    found = ask(service, "SELECT * { ?z a ?m . ?c kgd:subject ?z } LIMIT 3").json()
    assert found["head"]["vars"] == ["z", "m", "c"] and len(found["results"]["bindings"]) == 3


def test_the_protocol_chooses_the_graphs(service: Served) -> None:
    count = "SELECT (COUNT(*) AS ?n) { %s }"
    facts, names = f"{BASE}graph/facts", f"{BASE}graph/names"

    def number(pattern: str, **more: str | list[str]) -> int:
        return int(ask(service, count % pattern, **more).json()["results"]["bindings"][0]["n"]["value"])

    plain, quads = "?s ?p ?o", "GRAPH ?g { ?s ?p ?o }"
    default = {"default-graph-uri": facts}
    named = {"named-graph-uri": [facts, names]}
    assert 0 < number(plain, **default) < number(plain, **{"default-graph-uri": [facts, names]}) < number(plain)
    assert number(quads, **default) == number(plain, **named) == 0
    assert 0 < number(quads, **named) < number(quads)
    # What the protocol says stands before FROM.
    assert ask(service, f"ASK FROM <{names}> {{ ?s skos:prefLabel ?o }}").json()["boolean"]
    assert not ask(service, f"ASK FROM <{names}> {{ ?s skos:prefLabel ?o }}", **default).json()["boolean"]


# Clients


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl(service: Served) -> None:
    command = ["curl", "--silent", "--fail", service.sparql, "-H", "Accept: text/csv"]
    for way in (["--data-urlencode", f"query={NAMES}"], ["-G", "--data-urlencode", f"query={NAMES}"]):
        out = subprocess.run([*command, *way], capture_output=True, text=True, check=True).stdout
        assert out.startswith("entity,name\n") and "Marie Curie" in out
    direct = ["-H", "Content-Type: application/sparql-query", "--data-binary", "ASK {}"]
    assert subprocess.run([*command, *direct], capture_output=True, text=True, check=True).stdout == "true"


def test_rdflib(service: Served) -> None:
    for method in ("GET", "POST", "POST_FORM"):
        graph = rdflib.Graph(SPARQLStore(service.sparql, method=method))  # type: ignore[arg-type]
        found = {(str(s), str(o)) for s, o in graph.subject_objects(rdflib.SKOS.prefLabel)}
        assert (f"{BASE}entity/Marie_Curie", "Marie Curie") in found
        built = graph.query("CONSTRUCT { ?s ?p ?o } WHERE { ?s a skos:Concept ; ?p ?o }", initNs={"skos": rdflib.SKOS})
        assert built.graph is not None and len(built.graph) > 5
        assert graph.query("ASK { ?s ?p ?o }").askAnswer
    assert len(rdflib.Graph().parse(service.root)) > 10


def test_sparqlwrapper(service: Served) -> None:
    wrapper = pytest.importorskip("SPARQLWrapper")
    client = wrapper.SPARQLWrapper(service.sparql)
    for method in (wrapper.GET, wrapper.POST):
        for kind in (wrapper.URLENCODED, wrapper.POSTDIRECTLY):
            client.setMethod(method)
            client.setRequestMethod(kind)
            client.setQuery(NAMES)
            client.setReturnFormat(wrapper.JSON)
            rows = client.queryAndConvert()["results"]["bindings"]
            assert any(row["name"]["value"] == "Marie Curie" for row in rows)
    client.setReturnFormat(wrapper.XML)
    assert client.queryAndConvert().getElementsByTagName("result")
    client.setQuery("CONSTRUCT WHERE { ?s skos:prefLabel ?o }")
    for form in (wrapper.TURTLE, wrapper.RDFXML, wrapper.JSONLD):
        client.setReturnFormat(form)
        assert len(client.queryAndConvert()) > 5
    client.setQuery("SELECT {")
    with pytest.raises(wrapper.SPARQLExceptions.QueryBadFormed):
        client.query()


# The root


COUNTED = {
    "triples": "SELECT (COUNT(*) AS ?n) { GRAPH ?g { ?s ?p ?o } }",
    "documents": "SELECT (COUNT(DISTINCT ?d) AS ?n) { { ?d a kgd:Document } UNION { ?d a kgd:Seed } }",
    "entities": "SELECT (COUNT(DISTINCT ?e) AS ?n) { ?e a skos:Concept }",
    "properties": "SELECT (COUNT(DISTINCT ?p) AS ?n) { ?s ?p ?o }",
    "classes": "SELECT (COUNT(DISTINCT ?c) AS ?n) { ?s a ?c }",
}


SD = rdflib.Namespace("http://www.w3.org/ns/sparql-service-description#")
VOID = rdflib.VOID


def test_the_root_describes_the_service(service: Served) -> None:
    said = []
    for address in (service.root, service.sparql, service.root + ".well-known/void"):
        for form in ("text/turtle", "application/ld+json"):
            answer = httpx.get(address, headers={"Accept": form})
            graph = rdflib.Graph().parse(data=answer.content, format=answer.headers["content-type"].partition(";")[0])
            assert [str(endpoint) for endpoint in graph.objects(None, SD.endpoint)] == [service.sparql]
            said.append(set(graph))
    assert all(triples == said[0] for triples in said)
    assert httpx.head(service.root).status_code == 200


def test_the_description_counts_what_is_there_and_names_the_graphs(service: Served, folder: Path) -> None:
    told = rdflib.Graph().parse(service.root)
    [data] = told.subjects(rdflib.RDF.type, SD.Dataset)
    named = {str(told.value(one, SD.name)): told.value(one, SD.graph) for one in told.objects(data, SD.namedGraph)}
    assert set(named) == {f"{BASE}graph/{name}" for name in ("facts", "names", "model-facts")}
    spaces = {str(told.value(one, VOID.uriSpace)) for one in told.objects(data, VOID.subset)}
    with KnowledgeGraph.open(folder) as graph:
        for name, sparql in COUNTED.items():
            assert int(str(told.value(data, VOID[name]))) == int(next(graph.query(sparql))["n"].value) > 0
        for name, content in named.items():
            triples = list(graph.store.quads_for_pattern(None, None, None, pyoxigraph.NamedNode(name)))
            assert int(str(told.value(content, VOID.triples))) == len(triples) > 0
        others = {name.value for name in graph.store.named_graphs()} - set(named)
    # There may be any number of the others: how they begin is told.
    assert {next(space for space in spaces if name.startswith(space)) for name in others} == spaces
    assert len(spaces) == 2 and not others & set(map(str, told.all_nodes()))


def test_a_browser_gets_a_page(service: Served) -> None:
    answer = httpx.get(service.root, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert answer.headers["content-type"].startswith("text/html")
    assert "a &lt;run&gt;" in answer.text and "<run>" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


# Refusals


@pytest.mark.parametrize(
    ("sparql", "accept", "status", "why"),
    [
        ("SELECT {", "*/*", 400, "no SPARQL query"),
        ("SELECT * { ?s foo:bar ?o }", "*/*", 400, 'prefix "foo" is not declared: add PREFIX foo: <...>'),
        ("INSERT DATA { <a:b> <a:b> <a:b> }", "*/*", 400, "read-only"),
        ("ASK { { SELECT * { SERVICE <http://127.0.0.1:9/> { ?s ?p ?o } } } }", "*/*", 400, "SERVICE is refused"),
        ("ASK {}", "image/png", 406, "text/csv"),
        ("CONSTRUCT { ?s ?p ?o } WHERE { ?s ?p ?o }", "text/csv", 406, "text/turtle"),
        (ENDLESS, "*/*", 504, "longer than 1 seconds"),
        ("SELECT * { ?a ?b ?c . ?d ?e ?f }", "*/*", 400, "longer than 1 MiB"),
    ],
)
def test_what_is_refused_says_why(service: Served, sparql: str, accept: str, status: int, why: str) -> None:
    before = time.monotonic()
    answer = ask(service, sparql, accept)
    assert answer.status_code == status
    assert why in answer.text and answer.text.count("\n") == 1
    assert ("accept" in answer.headers.get("vary", "").lower()) == (status == 406)
    assert time.monotonic() - before < 10
    assert ask(service, "ASK { ?c a kgd:Claim }").json()["boolean"]


def test_a_graph_of_a_bad_name_is_refused(service: Served) -> None:
    answer = ask(service, "ASK {}", **{"default-graph-uri": [f"{BASE}graph/facts", "no address"]})
    assert answer.status_code == 400 and answer.text.count("\n") == 1
    assert answer.text.startswith("'no address' is no address of a graph: ")


def test_requests_that_are_none(service: Served) -> None:
    def direct(content: bytes, kind: str) -> int:
        return httpx.post(service.sparql, content=content, headers={"Content-Type": kind}).status_code

    assert direct(b"{}", "application/json") == 415
    assert direct(b" " * 10_000_000, "application/sparql-query") == 413
    assert direct(b"ASK {}" + b" " * 4_000_000, "application/sparql-query") == 200


@pytest.mark.parametrize(
    ("method", "address", "status", "why"),
    [
        ("GET", "nothing", 404, "nothing at this address"),
        ("GET", "openapi.json", 404, "nothing at this address"),
        ("GET", "page/nothing", 404, "no such file"),
        ("GET", "api/nothing", 404, "nothing at this address"),
        ("GET", "api/document?id=nothing", 404, "see its documents"),
        ("PUT", "sparql", 405, "not asked with 'PUT', but with GET"),
        ("GET", "ask", 405, "not asked with 'GET', but with POST"),
        ("POST", "", 405, "not asked with 'POST', but with GET"),
    ],
)
def test_what_is_not_there_is_a_line_of_plain_text(
    service: Served, method: str, address: str, status: int, why: str
) -> None:
    answer = httpx.request(method, service.root + address)
    assert answer.status_code == status and why in answer.text and answer.text.count("\n") == 1
    assert answer.headers["content-type"].startswith("text/plain") and "nosniff" in answer.headers.values()
    assert ("allow" in answer.headers) == (status == 405)
    assert httpx.head(service.root + "nothing").status_code == 404


# Who may ask


def test_pages_of_other_sites_may_ask_only_where_allowed(service: Served) -> None:
    for origin, allowed in (("https://page.test", "https://page.test"), ("https://evil.test", None)):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = httpx.options(service.sparql, headers=headers)
        assert answer.headers.get("access-control-allow-origin") == allowed
        answer = httpx.get(service.sparql, params={"query": "ASK {}"}, headers=headers)
        assert answer.headers.get("access-control-allow-origin") == allowed


def test_only_names_of_this_machine_are_answered(service: Served) -> None:
    assert httpx.get(service.root, headers={"Host": "evil.test"}).status_code == 421
    assert httpx.get(service.root, headers={"Host": "localhost:1"}).status_code == 200


def test_a_token_opens_the_service_to_others(folder: Path) -> None:
    with served(folder, "--host", "0.0.0.0", KGDISTILL_TOKEN=TOKEN) as service:
        address = service.sparql.replace("0.0.0.0", "127.0.0.1") + "?query=ASK%7B%7D"
        refused = httpx.get(address)
        assert refused.status_code == 401
        assert "Bearer" in refused.headers["www-authenticate"] and "Basic" in refused.headers["www-authenticate"]
        assert httpx.get(address, headers={"Authorization": f"Bearer {TOKEN}x"}).status_code == 401
        assert "access-control-allow-origin" not in refused.headers
        assert httpx.get(address, headers={"Authorization": f"Bearer {TOKEN}", "Host": "kg.test"}).status_code == 200
        assert httpx.get(address, auth=("anyone", TOKEN)).json()["boolean"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--host", "0.0.0.0"], "--token"),
        (["--token", "short"], "16 characters"),
        (["--host", "no.such.host.invalid"], "cannot be listened on"),
    ],
)
def test_a_service_that_cannot_be_is_one_line(folder: Path, options: list[str], why: str) -> None:
    process = start(folder, "--port", "0", *options)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 2
    assert why in error and error.count("\n") == 1


def test_a_busy_port_is_one_line(service: Served, folder: Path) -> None:
    process = start(folder, "--port", service.root.rpartition(":")[2].strip("/"))
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 2 and "in use" in error and error.count("\n") == 1


def test_an_answer_does_not_wait_for_an_acknowledgement(service: Served) -> None:
    """The least of many times: one connection, so that delayed acknowledgements (40 ms) would show in all but a few."""
    times = []
    with httpx.Client() as client:
        for _ in range(60):
            start = time.perf_counter()
            client.post(service.sparql, data={"query": "ASK {}"})
            times.append(time.perf_counter() - start)
    assert min(times[20:]) < 0.03


def test_workers_end_with_their_server(folder: Path) -> None:
    with served(folder) as service:
        workers = descendants(service.process.pid)
        assert len(workers) == 2
    deadline = time.monotonic() + 10
    while descendants(service.process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


def test_a_store_from_before_the_counts_is_described_without_them(folder: Path) -> None:
    about = json.loads((folder / "graph.json").read_bytes())
    about["counts"] = {name: about["counts"][name] for name in ("documents", "claims", "facts", "merges", "quads")}
    old = msgspec.json.decode(json.dumps(about), type=About)
    text = description(old, "http://a.test/", "text/turtle").decode()
    assert "void:triples" in text and "sd:namedGraph" in text
    assert not re.search(r"void:(entities|properties|classes)| 0 ", text)

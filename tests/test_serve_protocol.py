"""The SPARQL protocol and content negotiation, without a network."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgdistill.query.sparql import Dataset
from kgdistill.serve.guard import LOOPBACK, _given, _name
from kgdistill.serve.negotiate import GRAPHS, PAGE, TABLES, choose
from kgdistill.serve.protocol import DIRECT, FORM, UPDATES, Refusal, question

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"
RDFLIB = "application/rdf+xml,text/rdf+n3;q=0.9,application/xhtml+xml;q=0.5, */*;q=0.1"


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, "application/sparql-results+json"),
        ("", "application/sparql-results+json"),
        ("*/*", "application/sparql-results+json"),
        ("text/*", "text/csv"),
        ("text/csv;q=0.2, text/tab-separated-values;q=0.3", "text/tab-separated-values"),
        ("TEXT/CSV", "text/csv"),
        ("application/json;q=0.5, application/sparql-results+xml;q=0.4", "application/sparql-results+json"),
        ("*/*, application/sparql-results+json;q=0", "application/sparql-results+xml"),
        ("*/*;q=0.1, text/csv;q=0.1", "application/sparql-results+json"),
        ("application/*;q=0.3, text/csv;q=0.2", "application/sparql-results+json"),
        (BROWSER, "application/sparql-results+xml"),
        ("image/png", ""),
        ("text/csv;q=0", ""),
        ("nonsense", "application/sparql-results+json"),
        ('application/json;profile="a,b;q=0";q=0.3, text/csv;q=0.2', "application/sparql-results+json"),
    ],
)
def test_tables_are_negotiated(accept: str | None, media: str) -> None:
    assert choose(accept, TABLES) == media


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (BROWSER, "text/html"),
        (RDFLIB, "application/rdf+xml"),
        ("*/*", "text/turtle"),
        ("application/ld+json, text/html;q=0.9", "application/ld+json"),
        ("application/n-quads;q=0.5,application/trig;q=0.6", "application/trig"),
        ("text/csv", ""),
    ],
)
def test_the_root_is_a_page_for_browsers_and_rdf_for_programs(accept: str, media: str) -> None:
    assert choose(accept, (*GRAPHS, PAGE)) == media


qualities = st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)


@given(st.dictionaries(st.sampled_from([form.media for form in TABLES]), qualities, min_size=1))
def test_the_highest_quality_wins(wanted: dict[str, float]) -> None:
    chosen = choose(", ".join(f"{media};q={quality:.3f}" for media, quality in wanted.items()), TABLES)
    assert wanted.get(chosen, 0.0) == max(wanted.values())
    assert (chosen == "") == (max(wanted.values()) == 0)


@given(st.text())
def test_any_header_is_read(accept: str) -> None:
    assert choose(accept, TABLES) in {"", *(form.media for form in TABLES)}


names = st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=3).map(tuple)
texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts, names, names)
def test_the_three_ways_to_ask_ask_the_same(text: str, default: tuple[str, ...], named: tuple[str, ...]) -> None:
    graphs = [*(("default-graph-uri", name) for name in default), *(("named-graph-uri", name) for name in named)]
    whole, part = urlencode([("query", text), *graphs]).encode(), urlencode(graphs).encode()
    asked = [
        question("GET", whole, "", b"", None, 5),
        question("POST", b"", FORM, whole, None, 5),
        question("POST", part, f"{DIRECT}; charset=UTF-8", b"\xef\xbb\xbf" + text.encode(), None, 5),
    ]
    assert asked[0] == asked[1] == asked[2]
    assert asked[0].sparql == text
    assert asked[0].dataset == (Dataset(default, named) if graphs else None)


@pytest.mark.parametrize(
    ("method", "address", "kind", "body", "status"),
    [
        ("GET", b"x=1", "", b"", 400),
        ("GET", b"query=a&query=b", "", b"", 400),
        ("GET", b"query=%FF", "", b"", 400),
        ("GET", b"query=\xc3\xa4", "", b"", 400),
        ("GET", b"update=x", "", b"", 400),
        ("POST", b"", FORM, b"", 400),
        ("POST", b"query=a", DIRECT, b"b", 400),
        ("POST", b"", DIRECT, b"\xff", 400),
        ("POST", b"", UPDATES, b"CLEAR ALL", 400),
        ("POST", b"", FORM, b"query=a&update=b", 400),
        ("POST", b"", FORM, b"a=1&" * 20_000, 400),
        ("POST", b"", "", b"ASK {}", 415),
        ("POST", b"", "application/json", b"{}", 415),
        ("POST", b"", "multipart/form-data; boundary=x", b"", 415),
        ("POST", b"", f"{DIRECT}; charset=latin-1", b"ASK {}", 415),
    ],
)
def test_what_is_no_question_is_refused(method: str, address: bytes, kind: str, body: bytes, status: int) -> None:
    with pytest.raises(Refusal) as caught:
        question(method, address, kind, body, None, 5)
    assert caught.value.status == status
    assert caught.value.message and "\n" not in caught.value.message


def test_a_token_is_read_in_both_ways() -> None:
    assert _given("Bearer secret") == _given("bearer  secret") == _given("Basic YW5uOnNlY3JldA==") == b"secret"
    assert _given("Basic ???") == _given("") == _given("Digest secret") == b""


def test_names_of_this_machine() -> None:
    assert {_name(host) for host in ("127.0.0.1:80", "LOCALHOST", "[::1]:8008", "[::1]")} == LOOPBACK
    assert not {_name(host) for host in ("", "evil.test", "127.0.0.1.evil.test:80", "localhost.evil.test")} & LOOPBACK

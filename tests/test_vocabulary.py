from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyoxigraph import Literal, NamedNode, RdfFormat, parse, serialize
from readings import BASE, HOSTILE, MERGES, curie, hostile

from kgdistill.errors import UserError
from kgdistill.graph import iri
from kgdistill.graph.iri import check_base, local
from kgdistill.graph.literals import DATE, DECIMAL, INTEGER, YEAR, literal
from kgdistill.graph.vocabulary import (
    ALTERNATIVE,
    PREFERRED,
    RDF_STATEMENT,
    RDFS_LABEL,
    TYPE,
    merge_quads,
    own,
    prefixes,
    quads,
)

NAMES = st.text(
    st.one_of(
        st.characters(exclude_categories=()),
        st.sampled_from("_ /#%é\u0301א🙂\u200f\u202e.\\'\"<>~:?=&A5\u00e9\x00\ud800"),
    ),
    max_size=12,
)


@given(NAMES, NAMES)
@example("a b", "a_b")
@example("a%20b", "a b")
@example("e\u0301", "\u00e9")
@example("/\u0301", "%2F\u0301")
@example(".", "")
def test_addresses_are_equal_exactly_where_names_are(one: str, other: str) -> None:
    same = unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)
    assert (local(one) == local(other)) is same
    assert (iri.entity_iri(BASE, one) == iri.entity_iri(BASE, other)) is same


@given(NAMES)
@example("\u0301")
@example("..")
@example("👩‍👩‍👧 שלום/#%")
def test_addresses_are_legal_and_survive_every_syntax(name: str) -> None:
    address = iri.entity_iri(BASE, name)
    assert unicodedata.normalize("NFC", address) == address
    assert not set(local(name)) & set('/#?<>"{}|^`\\ ')
    term = NamedNode(address)
    triple = [(term, NamedNode(BASE + "p"), term)]
    import pyoxigraph

    facts = [pyoxigraph.Triple(*terms) for terms in triple]
    for form in (RdfFormat.TURTLE, RdfFormat.N_TRIPLES):
        text = serialize(facts, format=form, prefixes=prefixes(BASE) if form == RdfFormat.TURTLE else None)
        assert [quad.triple for quad in parse(text, format=form)] == facts


def test_addresses_stay_readable() -> None:
    assert local("Marie Curie") == "Marie_Curie"
    assert local("Łódź") == "Łódź"
    assert local("東京 タワー") == "東京_タワー"
    assert local("AC/DC") == "AC%2FDC"
    assert local("St. John") == "St._John"


@pytest.mark.parametrize("base", ["https://kg.test/", "http://kg.test/x#", "urn:mine:/", "https://example-shop.com/"])
def test_good_bases_pass(base: str) -> None:
    assert check_base(base) == base


@pytest.mark.parametrize(
    "base",
    ["", "kg/", "https://kg.test", "https://kg.test/a b/", "http://example.org/", "https://www.EXAMPLE.com:80/x/",
     "http://kg.test/#x#", "https://u@example.net/", "http://kg.test/<>/", "http://kg.test/\ud800/", "http://example/"],
)  # fmt: skip
def test_bad_bases_are_refused(base: str) -> None:
    with pytest.raises(UserError, match="base"):
        check_base(base)


@pytest.mark.parametrize(
    ("value", "relation", "lexical", "kind"),
    [
        ("42", "count", "42", INTEGER),
        ("1,234,567", "population", "1234567", INTEGER),
        ("3.14", "value", "3.14", DECIMAL),
        ("1867", "year of birth", "1867", YEAR),
        ("17 May 2020", "on", "2020-05-17", DATE),
        ("May 17, 2020", "on", "2020-05-17", DATE),
        ("2020-02-29", "on", "2020-02-29", DATE),
    ],
)
def test_values_beyond_doubt_are_typed(value: str, relation: str, lexical: str, kind: NamedNode) -> None:
    assert literal(value, relation) == Literal(lexical, datatype=kind)


@pytest.mark.parametrize("value", ["1867", "1,234", "05/06/2020", "007", "2021-02-29", "31 June 2020", "٣", "1e5", ""])
def test_ambiguous_values_stay_strings(value: str) -> None:
    assert literal(value, "number of seats") == Literal(value)


def found(reading=None):  # type: ignore[no-untyped-def]
    return list(quads(reading or curie(), base=BASE, run="test", teacher="T 1", merges=MERGES))


def test_only_asserted_claims_become_facts() -> None:
    facts = {(q.predicate.value, str(q.object)) for q in found() if q.graph_name.value == iri.facts_iri(BASE)}
    assert facts == {
        (iri.relation_iri(BASE, "born in"), f"<{iri.entity_iri(BASE, 'Warsaw')}>"),
        (iri.relation_iri(BASE, "year of birth"), str(Literal("1867", datatype=YEAR))),
        (iri.relation_iri(BASE, "won"), f"<{iri.entity_iri(BASE, 'Nobel Prizes')}>"),
    }


def test_every_claim_has_its_node_and_dropped_ones_their_reason() -> None:
    evidence = [q for q in found() if q.graph_name.value == iri.evidence_iri(BASE, "curie.txt")]
    nodes = {q.subject for q in evidence if q.object == RDF_STATEMENT}
    assert len(nodes) == 7
    dropped = NamedNode(iri.claim_iri(BASE, "curie.txt", "c6"))
    told = {q.predicate: q.object for q in evidence if q.subject == dropped}
    assert told[own("rule")] == Literal("threshold")
    assert told[own("reason")] == Literal("score 0.75 < 0.8")
    assert told[own("instead")] == Literal("c3")
    assert told[own("kept")] == Literal(False)


def test_names_brought_together_are_labels_of_one_concept() -> None:
    names = {(q.subject.value, q.predicate, q.object.value) for q in found()}
    subject = iri.entity_iri(BASE, "Marie Curie")
    assert (subject, PREFERRED, "Marie Curie") in names
    assert (subject, ALTERNATIVE, "M. Curie") in names
    assert (subject, TYPE, iri.type_iri(BASE, "Person")) in names
    assert (iri.type_iri(BASE, "Person"), RDFS_LABEL, "Person") in names
    assert (iri.relation_iri(BASE, "won"), ALTERNATIVE, "received") in names
    assert not any(subject == iri.entity_iri(BASE, "M. Curie") for subject, _, _ in names)


def test_merges_are_records() -> None:
    told = {q.predicate: q.object for q in merge_quads(MERGES, base=BASE)}
    assert told[own("from")] == Literal("M. Curie")
    assert told[own("into")] == NamedNode(iri.entity_iri(BASE, "Marie Curie"))
    assert told[own("score")] == Literal(0.9)


@pytest.mark.parametrize("form", [RdfFormat.N_QUADS, RdfFormat.TRIG, RdfFormat.JSON_LD])
def test_hostile_text_comes_back_as_the_same_terms(form: RdfFormat) -> None:
    told = set(found(hostile()))
    text = serialize(told, format=form, prefixes=None if form == RdfFormat.N_QUADS else prefixes(BASE))
    assert set(parse(text, format=form)) == told
    addresses = {t.value for q in told for t in (q.subject, q.predicate, q.object) if isinstance(t, NamedNode)}
    assert not any(address.startswith("http://evil") for address in addresses)
    assert Literal(HOSTILE) in {q.object for q in told}


def test_lone_surrogates_do_not_stop_the_graph() -> None:
    from msgspec.structs import replace

    reading = curie()
    broken = replace(reading, document=replace(reading.document, title="\ud800"))
    assert Literal("\ufffd") in {q.object for q in found(broken)}

"""The graph against its SHACL shapes: what we write conforms, what is broken is refused, and pySHACL agrees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pyshacl
import pytest
import rdflib
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from pyoxigraph import Literal, NamedNode, Quad
from rdflib import SH
from readings import BASE, MERGES, aside, curie, hostile

from kgdistill.errors import KgdistillError
from kgdistill.graph import iri
from kgdistill.graph import validate as validation
from kgdistill.graph.constraints import XSD
from kgdistill.graph.shacl import Shapes
from kgdistill.graph.store import write_store
from kgdistill.graph.validate import validate, validate_store
from kgdistill.graph.views import term
from kgdistill.graph.vocabulary import DERIVED, GENERATED, PREFERRED, RDF_OBJECT, merge_quads, own, quads

CLAIM = NamedNode(iri.claim_iri(BASE, "curie.txt", "c1"))
GRAPH = NamedNode(iri.evidence_iri(BASE, "curie.txt"))


def good() -> list[Quad]:
    told = [*merge_quads(MERGES, base=BASE)]
    for reading in (curie(), hostile(), aside()):
        told += quads(reading, base=BASE, run="test", teacher="T", merges=MERGES)
    return told


def without(predicate: NamedNode, subject: NamedNode = CLAIM) -> list[Quad]:
    left = [q for q in good() if not (q.subject == subject and q.predicate == predicate)]
    assert len(left) < len(good())
    return left


def setting(name: str, value: Literal) -> list[Quad]:
    return [*without(own(name)), Quad(CLAIM, own(name), value, GRAPH)]


def test_what_we_write_conforms() -> None:
    report = validate(good())
    assert report.conforms, report.violations
    assert (report.documents, report.claims) == (3, 9)


@pytest.mark.parametrize(
    "broken",
    [
        lambda: setting("start", Literal(200)),
        lambda: setting("end", Literal(100000)),
        lambda: setting("start", Literal(-1)),
        lambda: setting("score", Literal(1.5)),
        lambda: setting("score", Literal("high")),
        lambda: setting("subjectEnd", Literal(0)),
        lambda: without(own("subject")),
        lambda: without(own("object")),
        lambda: without(RDF_OBJECT),
        lambda: [*good(), Quad(CLAIM, own("predicate"), CLAIM, GRAPH)],
        lambda: without(own("quote")),
        lambda: without(DERIVED),
        lambda: without(GENERATED),
        lambda: without(own("reason"), NamedNode(iri.claim_iri(BASE, "curie.txt", "c6"))),
        lambda: without(own("sha256"), NamedNode(iri.document_iri(BASE, "curie.txt"))),
        lambda: without(own("length"), NamedNode(iri.document_iri(BASE, "hallo.txt"))),
        lambda: without(PREFERRED, NamedNode(iri.entity_iri(BASE, "Warsaw"))),
        lambda: without(own("into"), NamedNode(iri.merge_iri(BASE, "m1"))),
        lambda: without(own("judge"), NamedNode(CLAIM.value + "/verdict/0")),
    ],
)
def test_broken_data_is_refused(broken: Callable[[], list[Quad]]) -> None:
    report = validate(broken())
    assert not report.conforms
    assert report.violations[0].focus
    assert report.violations[0].message


TERMS = [
    *(NamedNode(BASE), CLAIM, own("Claim"), own("Document"), PREFERRED),
    *map(Literal, ["", "x", True, 7, -1, 100000, 0.5, 1.5, "entity", "0" * 64]),
    Literal("7", datatype=NamedNode(XSD + "decimal")),
    Literal("high", datatype=NamedNode(XSD + "integer")),
    Literal("x", language="en"),
]
GOOD = sorted(good(), key=str)
PREDICATES = sorted({quad.predicate for quad in GOOD}, key=str)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_pyshacl_refuses_the_same(data: st.DataObject) -> None:
    """Quads taken out, put in and changed at random: our checks and a general validator must refuse the same nodes."""
    gone = data.draw(st.sets(st.sampled_from(range(len(GOOD))), max_size=6))
    extra = []
    for quad in data.draw(st.lists(st.sampled_from(GOOD), max_size=6)):
        predicate = data.draw(st.just(quad.predicate) | st.sampled_from(PREDICATES))
        extra.append(Quad(quad.subject, predicate, data.draw(st.sampled_from(TERMS)), quad.graph_name))
    told = [quad for number, quad in enumerate(GOOD) if number not in gone] + extra
    ours = {(violation.focus, violation.path) for violation in validate(told).violations}
    try:
        theirs = set(by_pyshacl(told))
    except TypeError:  # pySHACL cannot compare an address with a number
        reject()
    assert ours == theirs


def by_pyshacl(told: list[Quad]) -> Iterator[tuple[str, str]]:
    """(focus, path) of what pySHACL refuses, one named graph at a time as we read them."""
    shapes = rdflib.Graph().parse(Path(validation.__file__).with_name("shapes.ttl"), format="turtle")
    graphs: dict[str, rdflib.Graph] = {}
    for quad in told:
        if not quad.graph_name.value.endswith("graph/facts"):
            graph = graphs.setdefault(quad.graph_name.value, rdflib.Graph())
            graph.add((term(quad.subject), term(quad.predicate), term(quad.object)))
    for graph in graphs.values():
        for claim, document in list(graph.subject_objects(term(DERIVED))):
            for length in list(graph.objects(document, term(own("length")))):
                graph.add((claim, term(own("documentLength")), length))
        _, results, _ = pyshacl.validate(graph, shacl_graph=shapes, inference="none", meta_shacl=False)
        top = set(results.objects(None, SH.result))
        for result in top:
            path = results.value(result, SH.resultPath)
            yield str(results.value(result, SH.focusNode)), "" if path is None else str(path)


def test_shapes_that_ask_for_more_than_is_checked_are_refused(tmp_path: Path) -> None:
    head = "@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix : <https://a.test/> ."
    for asked in ("sh:path :b ; sh:uniqueLang true", "sh:path [ sh:inversePath :b ]"):
        (tmp_path / "shapes.ttl").write_text(f"{head} :S sh:targetClass :C ; sh:property [ {asked} ] .")
        with pytest.raises(KgdistillError, match="which kgdistill does not check"):
            Shapes(tmp_path / "shapes.ttl")


def test_a_store_is_validated_up_to_a_number_of_documents(tmp_path: Path) -> None:
    write_store(tmp_path, [curie(f"{n}.txt") for n in range(5)], base=BASE, run="test", merges=MERGES)
    assert validate_store(tmp_path, 0).documents == 0
    assert validate_store(tmp_path, 3).documents == 3
    report = validate_store(tmp_path)
    assert (report.documents, report.claims, report.conforms) == (5, 35, True)
    assert msgspec.json.decode((tmp_path / "validation.json").read_bytes())["claims"] == 35

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from pyoxigraph import Literal, NamedNode, Quad
from readings import BASE, MERGES, aside, curie, hostile

from kgdistill.graph import iri
from kgdistill.graph.store import write_store
from kgdistill.graph.validate import validate, validate_store
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


def test_a_store_is_validated_up_to_a_number_of_documents(tmp_path: Path) -> None:
    write_store(tmp_path, [curie(f"{n}.txt") for n in range(5)], base=BASE, run="test", merges=MERGES)
    assert validate_store(tmp_path, 0).documents == 0
    assert validate_store(tmp_path, 3).documents == 3
    report = validate_store(tmp_path)
    assert (report.documents, report.claims, report.conforms) == (5, 35, True)
    assert msgspec.json.decode((tmp_path / "validation.json").read_bytes())["claims"] == 35

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from readings import BASE, MERGES, TEXT, aside, curie, hostile

from kgdistill.errors import RunFolderError, UserError
from kgdistill.graph.store import KnowledgeGraph, write_store
from kgdistill.graph.terms import CONCEPT, TYPE
from kgdistill.graph.vocabulary import Renaming, merge_quads, quads
from kgdistill.records import Reading
from kgdistill.storage.artifact import Artifact, Manifest

EXAMPLE = KnowledgeGraph.__doc__.split("'''")[1]  # type: ignore[union-attr]


def readings() -> list[Reading]:
    return [curie(), curie("second.txt"), hostile(), aside()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    write_store(folder, iter(readings()), base=BASE, run="test", teacher="T", merges=iter(MERGES))
    return folder


def test_counts_and_quads_are_those_of_the_readings(tmp_path: Path) -> None:
    counts = write_store(tmp_path, readings(), base=BASE, run="test", teacher="T", merges=MERGES)
    told = set(merge_quads(MERGES, base=BASE))
    for reading in readings():
        told |= set(quads(reading, base=BASE, run="test", teacher="T", merges=Renaming.of(MERGES)))
    assert (counts.documents, counts.claims, counts.facts, counts.merges) == (4, 16, 7, 1)
    assert counts.quads == len(told)
    assert counts.properties == len({quad.predicate for quad in told}) > 30
    assert counts.classes == len({quad.object for quad in told if quad.predicate == TYPE}) > 10
    assert counts.entities == len({quad.subject for quad in told if quad.object == CONCEPT}) > 5
    for number, name in ((counts.facts_graph, "facts"), (counts.names_graph, "names")):
        assert number == len([quad for quad in told if quad.graph_name.value == f"{BASE}graph/{name}"]) > 3
    assert counts.facts_graph < counts.facts, "two documents state the same"
    with KnowledgeGraph.open(tmp_path) as graph:
        assert set(graph.store) == told


def test_the_example_quotes_the_text_itself(folder: Path) -> None:
    with KnowledgeGraph.open(folder) as graph:
        texts = {reading.document.id: reading.document.text for reading in readings()}
        rows = list(graph.query(EXAMPLE))
        assert len(rows) == 7
        for row in rows:
            start, end = int(row["start"].value), int(row["end"].value)
            assert texts[row["document"].value][start:end] == row["quote"].value
        assert {(row["subject"].value, row["relation"].value, row["object"].value) for row in rows} >= {
            ("Marie Curie", "born in", "Warsaw"),
            ("Marie Curie", "won", "Nobel Prizes"),
        }


def test_a_store_is_written_again_over_an_older_one(tmp_path: Path) -> None:
    write_store(tmp_path, readings(), base=BASE, run="test")
    counts = write_store(tmp_path, [aside()], base=BASE, run="test")
    assert counts.claims == 0
    with KnowledgeGraph.open(tmp_path) as graph:
        assert len(graph.store) == counts.quads
        assert list(graph.documents()["set_aside"]) == ["language: de"]
        assert graph.facts().empty


def test_many_read_at_once_and_nobody_writes(folder: Path) -> None:
    with KnowledgeGraph.open(folder) as one, KnowledgeGraph.open(folder) as other:
        assert len(one.store) == len(other.store) > 0
        with pytest.raises(RuntimeError):
            one.store.update("INSERT DATA { <http://a.test/> <http://a.test/> 1 }")
    with pytest.raises(RunFolderError, match="closed"):
        one.query("ASK {}")


def test_the_newest_finished_store_of_a_run_is_found(tmp_path: Path) -> None:
    for name in ("store-00000001", "store-00000002"):
        write_store(tmp_path / name, [curie()], base=BASE, run=name)
    with pytest.raises(RunFolderError, match="finished"):
        KnowledgeGraph.open(tmp_path)
    for name in ("store-00000002", "store-00000001"):
        Artifact(tmp_path / name).seal(Manifest("store", "Store", name, "store"))
    assert KnowledgeGraph.open(tmp_path).about.run == "store-00000001"


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no folder"):
        KnowledgeGraph.open(tmp_path / "absent")
    (tmp_path / "graph.json").write_text("{")
    with pytest.raises(RunFolderError, match="readable"):
        KnowledgeGraph.open(tmp_path)


def test_a_bad_base_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="base"):
        write_store(tmp_path / "s", [curie()], base="http://example.org/", run="test")
    assert not (tmp_path / "s").exists()


def test_what_breaks_in_the_readings_comes_out_as_itself(tmp_path: Path) -> None:
    def broken() -> Iterator[Reading]:
        yield curie()
        raise ValueError("upstream broke")

    with pytest.raises(ValueError, match="upstream broke"):
        write_store(tmp_path, broken(), base=BASE, run="test")


def test_tables_hold_every_claim(folder: Path) -> None:
    with KnowledgeGraph.open(folder) as graph:
        claims, facts = graph.claims(), graph.facts()
    assert len(claims) == 16
    assert len(facts) == 7
    dropped = claims[(claims["document"] == "curie.txt") & (claims["id"] == "c6")].iloc[0]
    assert (dropped["rule"], dropped["reason"], dropped["instead"]) == ("threshold", "score 0.75 < 0.8", "c3")
    for row in facts[facts["document"] == "curie.txt"].itertuples():
        assert TEXT[row.start : row.end] == row.quote
        if row.subject_start is not None and row.subject_start == row.subject_start:
            assert TEXT[row.subject_start : row.subject_end] == row.subject_text

"""The parts of a search index: columns, vectors, words, labels, the walk over entities, and paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pytest
from graph_run import graph_run, said
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from readings import HOSTILE, MERGES, curie, hostile

from kgdistill.errors import UserError
from kgdistill.query import vectors
from kgdistill.query.bm25 import Words, write_words
from kgdistill.query.columns import Links, Rows, TableWriter, best, write_links
from kgdistill.query.entities import Entities
from kgdistill.query.evidence import Evidence, write_evidence
from kgdistill.query.labels import Labels, write_labels
from kgdistill.query.spread import Spread, write_spread
from kgdistill.query.vectors import Vectors, write_index
from kgdistill.text.names import normal

ANEW = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
"""Each example writes its own files over those of the one before."""


@given(st.lists(st.floats(-5, 5, width=16), max_size=30), st.integers(0, 40))
def test_the_best_are_those_that_sorting_gives(scores: list[float], count: int) -> None:
    expected = sorted(range(len(scores)), key=lambda place: (-scores[place], place))[:count]
    assert best(np.array(scores), count).tolist() == expected


@ANEW
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 50)), max_size=40), st.lists(st.integers(0, 6), max_size=9))
def test_links_lead_where_the_pairs_say(tmp_path: Path, pairs: list[tuple[int, int]], asked: list[int]) -> None:
    write_links(tmp_path, "pairs", [one for one, _ in pairs], [other for _, other in pairs], 7)
    links = Links(tmp_path, "pairs")
    each = [[other for one, other in pairs if one == thing] for thing in range(7)]
    assert [links.of(thing).tolist() for thing in range(7)] == each
    assert links.of_all(asked).tolist() == [other for thing in asked for other in each[thing]]
    assert links.counts().tolist() == list(map(len, each))


def test_tables_hold_what_was_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kgdistill.query.columns.ROWS", 3)
    texts = [f"{HOSTILE} {number} 日本 \x00" for number in range(10)]
    with TableWriter(tmp_path / "t.arrow", {"text": "text", "number": "number"}) as table:
        assert [table.add(text, number) for number, text in enumerate(texts)] == list(range(10))
    rows = Rows(tmp_path / "t.arrow")
    assert len(rows) == 10 and [rows.value("text", number) for number in range(10)] == texts
    assert rows.values("text", 2, 8) == texts[2:8] and rows.numbers("number").tolist() == list(range(10))


def unit(count: int, seed: int) -> Any:
    """Vectors in a few hundred bunches, as those of sentences are."""
    chance = np.random.default_rng(seed)
    middles = chance.normal(size=(200, 64))
    found = middles[chance.integers(200, size=count)] + 0.6 * chance.normal(size=(count, 64))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def test_the_index_of_many_finds_nearly_all_that_looking_at_all_finds(tmp_path: Path) -> None:
    matrix = unit(8000, 1)
    np.save(tmp_path / "vectors.npy", matrix.astype(np.float16))
    every = Vectors(tmp_path)
    write_index(tmp_path)
    some = Vectors(tmp_path)
    shared, asked = 0, unit(50, 2)
    for vector in asked:
        (exact, scores), (found, found_scores) = every.nearest(vector, 10), some.nearest(vector, 10)
        shared += len(set(exact) & set(found))
        assert found_scores == sorted(found_scores, reverse=True)
        own = dict(zip(exact, scores, strict=True))
        assert all(own[n] == pytest.approx(s, abs=1e-6) for n, s in zip(found, found_scores, strict=True) if n in own)
    assert shared >= 0.93 * 10 * len(asked), "how many it misses depends on the order in which threads added them"


def test_few_vectors_are_looked_at_one_by_one(tmp_path: Path) -> None:
    class Known:
        name = "known"

        def encode(self, texts: Any) -> Any:
            return np.stack([unit(1, int(text))[0] for text in texts])

    vectors.write_vectors(tmp_path, Known(), lambda start, end: [str(n) for n in range(start, end)], 30)
    found, scores = Vectors(tmp_path).nearest(unit(1, 7)[0], 40)
    assert found[0] == 7 and scores[0] == pytest.approx(1, abs=2e-3) and len(found) == 30
    for number, near, cosines in Vectors(tmp_path).neighbours(3, block=7):
        exact, true = Vectors(tmp_path).nearest(Vectors(tmp_path).matrix[number].astype(np.float32), 3)
        assert (near, cosines) == (exact, pytest.approx(true, abs=1e-5)) and near[0] == number
    vectors.write_vectors(tmp_path, Known(), lambda start, end: [], 0)
    assert Vectors(tmp_path).nearest(unit(1, 7)[0], 5) == ([], [])


def test_words_are_found_in_any_script_whatever_their_case(tmp_path: Path) -> None:
    texts = ["The Panama Canal", "ПАНАМСКИЙ канал", "巴拿马运河", "…", "قناة بنما", "die Straße"]
    write_words(tmp_path, texts, 1.5, 0.75)
    index = Words(tmp_path)
    for question, place in (("panama", 0), ("Панамский", 1), ("运河", 2), ("بنما", 4), ("STRASSE", 5)):
        assert index.nearest(question, 3)[0] == [place]
    assert index.nearest("unknown", 3) == ([], []) and index.nearest("", 3) == ([], [])


def test_texts_without_a_word_make_an_empty_index(tmp_path: Path) -> None:
    write_words(tmp_path, ["…", ""], 1.5, 0.75)
    assert Words(tmp_path).nearest("a word", 3) == ([], [])


NAMES = (
    "Marie Curie",
    "Warsaw",
    "Karl Šimek",
    "東京",
    "東京大学",
    "Лев Толстой",
    "The Who",
    "New York City",
    "New York",
)


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Labels:
    folder = tmp_path_factory.mktemp("labels")
    write_labels(folder, [*((name, number) for number, name in enumerate(NAMES)), ("M. Curie", 0)])
    return Labels(folder)


def test_names_are_found_whole_as_a_start_and_nearly(labels: Labels) -> None:
    def found(text: str) -> list[tuple[str, int]]:
        return [(NAMES[one.entity], int(one.likeness)) for one in labels.find(text, 3)]

    assert found("marie curie")[0] == ("Marie Curie", 100)
    assert labels.find("m. curie")[0].label == "M. Curie"
    assert found("new york")[:2] == [("New York", 100), ("New York City", 95)]
    assert found("東京")[:2] == [("東京", 100), ("東京大学", 95)]
    assert found("Mary Curie")[0][0] == "Marie Curie" and found("Толстой")[0][0] == "Лев Толстой"
    assert found("Warszaw")[0][0] == "Warsaw" and found("zzzz") == [] and found("") == []


def test_names_in_a_question(labels: Labels) -> None:
    def named(text: str) -> list[str]:
        return [NAMES[entity] for entity in labels.mentioned(text)]

    assert named("Was Marie Curie born in Warsaw?") == ["Marie Curie", "Warsaw"]
    assert named("where in new york city is it?") == ["New York City"]
    assert named("東京大学はどこですか") == ["東京大学"] and named("東京に行く") == ["東京"]
    assert named("Когда родился Лев Толстой?") == ["Лев Толстой"]
    assert named("who was born in warsaw?") == [], "one word in small letters is a word"
    assert named("") == [] and named("?") == []
    assert [NAMES[entity] for entity in labels.nearly_mentioned("Where was Marie Curei born?")][:1] == ["Marie Curie"]


@ANEW
@given(st.lists(st.text(max_size=12), max_size=12))
def test_every_label_is_found_by_itself(tmp_path: Path, names: list[str]) -> None:
    names = [name.encode("utf-8", "replace").decode() for name in names]
    write_labels(tmp_path, [(name, number) for number, name in enumerate(names)])
    index = Labels(tmp_path)
    for number, name in enumerate(names):
        assert (number in index.exact(name)) == bool(normal(name))
        if normal(name):
            assert index.find(name, 20)[0].likeness == 100 and number in {one.entity for one in index.find(name, 20)}


EDGES = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=14)


def rows(edges: list[tuple[int, int]]) -> list[dict[str, Any]]:
    plain = {
        "asserted": True,
        "from_model": False,
        "literal": False,
        "score": 0.5,
        "chunk": 0,
        "quote": "",
        "start": None,
    }
    return [
        {**plain, "id": f"c{n}", "document": "d", "end": None, "proposition": "", "relation": "to",
         "subject": f"e{one}", "subject_text": f"e{one}", "object": f"e{other}", "object_text": f"e{other}"}
        for n, (one, other) in enumerate(edges)
    ]  # fmt: skip


@ANEW
@given(EDGES)
def test_the_walk_is_that_of_another_implementation(tmp_path: Path, edges: list[tuple[int, int]]) -> None:
    write_evidence(tmp_path, rows(edges), [])
    evidence = Evidence(tmp_path)
    write_spread(tmp_path, evidence, None, 2.0)
    mass = Spread(tmp_path).entities([0], 0.5)
    graph: Any = networkx.Graph()
    graph.add_nodes_from(range(len(evidence.entities)))
    for one, other in dict.fromkeys(zip(evidence.subjects.tolist(), evidence.objects.tolist(), strict=True)):
        if one != other:
            before = graph.get_edge_data(one, other, {"weight": 0})["weight"]
            graph.add_edge(one, other, weight=before + 1)
    expected = networkx.pagerank(graph, alpha=0.5, personalization={0: 1.0}, dangling={0: 1.0}, tol=1e-10)
    assert mass == pytest.approx([expected[n] for n in range(len(mass))], abs=1e-5)


@settings(ANEW, max_examples=40)
@given(EDGES, st.integers(0, 7), st.integers(0, 7), st.integers(0, 4))
def test_a_path_is_as_short_as_can_be(tmp_path: Path, edges: list[tuple[int, int]], a: int, b: int, hops: int) -> None:
    facts = [(f"Place {one}", "leads to", f"Place {other}") for one, other in edges]
    entities = Entities(graph_run(tmp_path, [said("roads.txt", *facts)]))
    graph: Any = networkx.Graph(edges)
    if a not in graph or b not in graph:
        with pytest.raises(UserError, match="search for a part of the name"):
            entities.path(f"Place {a}", f"Place {b}", hops)
        return
    way = entities.path(f"Place {a}", f"place  {b}", hops)
    near = networkx.has_path(graph, a, b) and networkx.shortest_path_length(graph, a, b) <= hops
    assert len(way) == (networkx.shortest_path_length(graph, a, b) if near else 0)
    here = f"Place {a}"
    for step in way:
        [(subject, _, target)] = step.facts
        assert here in (subject, target) and step.text == f"{subject} leads to {target}."
        here = target if here == subject else subject
    assert here == f"Place {b}" or not way


def test_facts_of_an_entity_come_with_their_evidence(tmp_path: Path) -> None:
    entities = Entities(graph_run(tmp_path, [curie(), curie("two.txt"), hostile()], MERGES))
    found = entities.facts("m. curie")
    text = curie().document.text
    assert {one.document for one in found} == {"curie.txt", "two.txt"} and len(found) == 6
    assert {fact for one in found for fact in one.facts} == {
        ("Marie Curie", "born in", "Warsaw"),
        ("Marie Curie", "year of birth", "1867"),
        ("Marie Curie", "won", "Nobel Prizes"),
    }
    assert {text[one.start : one.end] for one in found} == {
        "Marie Curie 🧪 was born in Warsaw in 1867.",
        "M. Curie won two Nobel Prizes.",
    }
    assert [one.facts[0][2] for one in entities.path("Warsaw", "Nobel Prizes")] == ["Warsaw", "Nobel Prizes"]
    assert [one.name for one in entities.find(HOSTILE)][:1] == [HOSTILE]
    [first, *_] = entities.find("M. Curie")
    assert (first.name, first.label, first.facts) == ("Marie Curie", "M. Curie", 3)
    assert len(entities.facts("Marie Curie", 1)) == 1


def test_the_best_scored_sentence_comes_first_and_stands_for_a_fact(tmp_path: Path) -> None:
    fact, other = ("Ada Holt", "was born in", "Port Ellery"), ("Anton Reiss", "sold", "dried fish")
    # The later a sentence stands in its document, the lower its score.
    entities = Entities(graph_run(tmp_path, [said("a.txt", other, fact), said("b.txt", fact), said("c.txt", fact)]))
    found = entities.facts("Ada Holt")
    assert [one.document for one in found] == ["b.txt", "c.txt", "a.txt"] and found[0].score > found[2].score
    assert [step.document for step in entities.path("Port Ellery", "Ada Holt")] == ["b.txt"]


def test_of_names_that_start_so_the_shortest_comes_first(tmp_path: Path) -> None:
    write_labels(tmp_path, [("Bonnington", 0), ("Bonny", 1)])
    assert [one.label for one in Labels(tmp_path).find("bonn")] == ["Bonny", "Bonnington"]

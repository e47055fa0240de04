"""The method with a real model, and the whole recipe through the engine: from pairs to a graph and a report."""

from __future__ import annotations

import itertools
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import xgrammar
from hypothesis import given, settings
from hypothesis import strategies as st
from line import CATALOGUE, HOME
from notebook import execute
from readings import curie
from test_clauses import obeys
from test_constrained import make_opt

from kgdistill.contracts import Answer, Beams, Reply, Request
from kgdistill.engine.progress import Quiet
from kgdistill.engine.recipe import Recipe, decode
from kgdistill.engine.runner import run
from kgdistill.errors import RecipeError
from kgdistill.evaluate.comparison import read_comparison
from kgdistill.evaluate.report import write_report
from kgdistill.generate.comparatives import Comparatives
from kgdistill.generate.pairs import pairs
from kgdistill.graph.store import KnowledgeGraph, write_store
from kgdistill.records import Comparative, EventSeed, Failure, PairSeed, Reading
from kgdistill.stages.comparatives import GraphPairs
from kgdistill.stages.seeds import seed_reading
from kgdistill.storage.artifact import latest
from kgdistill.storage.shards import read_records
from kgdistill.teacher.constrained import clause_grammar
from kgdistill.teacher.local import Local
from kgdistill.text.clauses import Course
from kgdistill.text.names import normal

PAIR = PairSeed("lemon", "lime", "fruits")
SMALL = Beams(beams=5, temperature=0.0, reach=0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that has learnt some comparisons of lemons and limes."""
    return make_opt(tmp_path_factory.mktemp("model"))


def asked(method: Comparatives, seed: Any = PAIR) -> list[Request]:
    return next(method(seed_reading(seed, "x")))


def told(method: Comparatives, replies: list[list[Reply]], seed: Any = PAIR) -> Reading:
    dialogue = method(seed_reading(seed, "x"))
    next(dialogue)
    try:
        dialogue.send(replies)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise AssertionError("a second turn")


def test_each_auxiliary_with_each_adverb_and_both_ways_round() -> None:
    requests = asked(Comparatives())
    assert len(requests) == 2 * 6 * 5 and len({request.key for request in requests}) == 60
    assert {request.prompt for request in requests} == {
        "Compared to lemons, limes",
        "Compared to limes, lemons",
    }
    first = requests[0].constraints
    assert first and [clause.phrases for clause in first.clauses[:2]] == [("are",), ("typically",)]
    assert [clause.order for clause in first.clauses] == [0, 0, 1] and first.clauses[2].best == 5
    assert {"lemon", "lemons", ","} <= set(first.forbidden) and "lime" not in first.forbidden
    assert len(asked(Comparatives(divide=False, both=False))) == 1


def test_stuff_is_spoken_of_in_the_singular() -> None:
    [request] = asked(Comparatives(divide=False, both=False), PairSeed("lemonade", "milk"))
    assert request.prompt == "Compared to lemonades, milk"
    assert request.constraints and request.constraints.clauses[0].phrases[:4] == ("is", "can", "has", "needs")


@settings(deadline=None)
@given(st.text(max_size=30), st.text(max_size=30))
def test_no_name_of_a_thing_breaks_the_constraints(left: str, right: str) -> None:
    """Not even "more", "are" or "."."""
    for pair in (PairSeed(left, right), PairSeed("Less Often", "more")):
        asked(Comparatives(divide=False), pair)


def test_a_grammar_of_all_words_is_made_for_engines_that_cannot_search() -> None:
    """The real clauses, with the built-in words; compiled by the engine that vLLM uses."""
    [request] = asked(Comparatives(divide=False, both=False), PairSeed("Coca-Cola", "lemonade"))
    assert request.constraints
    text = clause_grammar(request, chat=False)
    compiled = xgrammar.GrammarCompiler(xgrammar.TokenizerInfo([])).compile_grammar(text)
    for said, fits in {
        " are typically sweeter.": True,
        " would often be more expensive to buy.": True,
        " are typically sweeter and cheaper.": False,
        " are typically sweeter than coca-cola.": False,
        " are typically red.": False,
        " sweeter are typically.": False,
    }.items():
        matcher = xgrammar.GrammarMatcher(compiled, terminate_without_stop_token=True)
        assert (matcher.accept_string(said) and matcher.is_completed()) is fits, said
        assert fits is not bool(Course(request.constraints).fault(said)), said


def test_statements_become_claims_and_what_breaks_a_clause_is_refused() -> None:
    method = Comparatives(divide=False, samples=6)
    texts = [
        " are often sourer.", " are typically less sour", " are often red.", " are often sourer and older.",
        " are often more of a fruit.", " are often sourer.",
    ]  # fmt: skip
    found = told(method, [[Reply(text, tokens=4, logprob=-2.0) for text in texts], [Reply(" are often less sour.")]])
    claims = [claim for claim in found.claims if isinstance(claim, Comparative)]
    assert [(c.left, c.right, c.aspect, c.direction, c.frequency) for c in claims] == [
        ("lime", "lemon", "sourness", "more", "often"),
        ("lemon", "lime", "sourness", "more", "typically"),
        ("lime", "lemon", "sourness", "more", "often"),
    ]
    assert claims[0].statement == "Compared to lemons, limes are often sourer." and len(claims[0].said) == 2
    assert claims[2].statement == "Compared to limes, lemons are often less sour."
    assert claims[0].stated == claims[2].stated and claims[0].id != claims[2].id
    failures = found.chunks[0].failures
    assert [failure.reason for failure in failures] == ["constraints", "constraints", "unread"]
    assert "'and' is forbidden" in failures[1].message and {failure.kind for failure in failures} == {"rejected"}
    assert [prompt.prompt for prompt in found.chunks[0].asked] == [
        "Compared to lemons, limes",
        "Compared to limes, lemons",
    ]


def test_other_seeds_and_failed_requests_leave_the_reading_as_it_was() -> None:
    event = seed_reading(EventSeed("PersonX runs"), "x")
    with pytest.raises(StopIteration) as end:
        next(Comparatives()(event))
    assert end.value.value == event
    found = told(Comparatives(divide=False), [[], []])
    assert not found.claims and not found.failures and not found.chunks[0].asked


def test_settings_that_cannot_hold_are_one_line() -> None:
    for bad in ({"auxiliaries": ()}, {"samples": 0}, {"words": ("...",)}, {"forbidden": ("are",)}):
        with pytest.raises(RecipeError):
            Comparatives(**bad)  # type: ignore[arg-type]


def test_a_real_model_says_only_what_obeys(model: Path) -> None:
    teacher = Local(str(model)).open()
    method = Comparatives(
        divide=False, beams=SMALL, samples=5, auxiliaries=("are", "can"), adverbs=("often", "typically")
    )
    answers = []
    for request in asked(method):
        teacher.submit(0, request)
        [(_, answer)] = teacher.poll()
        assert isinstance(answer, Answer), answer
        assert request.constraints and all(obeys(reply.text, request.constraints) for reply in answer.replies)
        answers.append(list(answer.replies))
    found = told(method, answers)
    assert any(claim.aspect in ("redness", "size") for claim in found.claims if isinstance(claim, Comparative))


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=3), st.lists(st.text(max_size=3), max_size=9), max_size=3), st.integers(0, 5))
def test_pairs_are_of_one_class_and_come_once(kinds: dict[str, list[str]], each: int) -> None:
    found = list(pairs(kinds, each, 1))
    assert found == list(pairs(kinds, each, 1))
    ways = [frozenset((normal(pair.left), normal(pair.right))) for pair in found]
    assert len(set(ways)) == len(ways) and all(len(way) == 2 for way in ways)
    for pair in found:
        assert {pair.left, pair.right} <= set(kinds[pair.kind])
    if not each:
        wanted = {frozenset((one, other)) for names in kinds.values() for one, other in _twos(names)}
        assert set(ways) == wanted
    assert not each or all(sum(pair.kind == kind for pair in found) <= each for kind in kinds)


def _twos(names: list[str]) -> Iterator[tuple[str, str]]:
    plain = sorted({normal(name) for name in names} - {""})
    yield from itertools.combinations(plain, 2)


def test_pairs_come_from_a_graph(tmp_path: Path) -> None:
    [graph], reading = curie().chunks, curie()
    things = tuple(msgspec.structs.replace(entity, type="thing") for entity in graph.entities)
    reading = msgspec.structs.replace(reading, chunks=(msgspec.structs.replace(graph, entities=things),))
    write_store(tmp_path, [reading], base="https://kg.test/", run="r", teacher="t", merges=[])
    found = [reading.seed for reading in GraphPairs(str(tmp_path)).run(bench=None)]  # type: ignore[arg-type]
    assert found and all(isinstance(seed, PairSeed) and seed.kind for seed in found)
    assert len(GraphPairs(str(tmp_path)).fingerprint()) == 16
    with pytest.raises(RecipeError, match="has no type 'Nonsense'; it has"):
        GraphPairs(str(tmp_path), types=("Nonsense",)).fingerprint()


def recipe(model: Path, listed: Path, **changes: Any) -> Recipe:
    plain = tomllib.loads((HOME / "pipelines" / "howard2024_comparatives.toml").read_text(encoding="utf-8"))
    plain["teacher"] |= {"model": str(model)}
    plain["seeds"] |= {"path": str(listed)}
    plain["comparatives"] |= {"samples": 4, "beams": {"beams": 5, "temperature": 0.0, "reach": 0}, "max_tokens": 14}
    plain["comparatives"] |= {"auxiliaries": ["are", "can"], "adverbs": ["often", "typically"]}
    for stage in ("discriminator", "orders"):
        plain[stage] |= {"labels": str(HOME / plain[stage]["labels"])}
    plain["filter_comparatives"] |= {"min_valid": 0.0, **changes}
    return decode(plain, CATALOGUE)


@pytest.fixture(scope="module")
def finished(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("howard")
    listed = folder / "pairs.jsonl"
    rows = [("lemon", "lime"), ("lime", "melon"), ("melon", "lemon"), ("fig", ""), ("fig", "fig"), ("lemon", "lime")]
    listed.write_text("".join(json.dumps({"left": a, "right": b, "class": "fruits"}) + "\n" for a, b in rows))
    run(recipe(model, listed), folder / "out", workers=0, progress=Quiet())
    return folder / "out"


def test_the_recipe_runs_from_pairs_to_a_graph(finished: Path) -> None:
    readings = list(latest(finished, "readings").records(Reading))
    claims = [claim for reading in readings for claim in reading.claims if isinstance(claim, Comparative)]
    assert len(readings) == 3 and len(claims) >= 6
    assert all(claim.verdict("discriminator") is not None and claim.said for claim in claims)
    assert all(claim.kept or claim.dropped for claim in claims)
    kept = [claim for claim in claims if claim.asserted]
    assert kept and max(sum(c.kept for c in reading.claims) for reading in readings) <= 5
    assert len({claim.stated for claim in kept}) == len({(c.stated, c.id) for c in kept})
    with KnowledgeGraph.open(finished) as graph:
        facts = graph.model_facts()
        assert len(facts) == len(kept) and len(graph.facts()) == 0
        asked = (
            "SELECT ?aspect ?direction ?left WHERE { ?claim a kgd:ModelClaim ; kgd:kept true ; kgd:aspect ?aspect ; "
        )
        asked += "kgd:direction ?direction ; kgd:subjectText ?left ; kgd:utterance/kgd:prompt/kgd:text ?prompt }"
        rows = list(graph.query(asked))
        assert {row["direction"].value for row in rows} == {"more"} and len(rows) >= len(kept)
        plain = "SELECT ?s ?p ?o WHERE { GRAPH ?g { ?s ?p ?o } FILTER(STRENDS(STR(?g), 'graph/model-facts')) }"
        assert len(list(graph.query(plain))) == len({claim.names for claim in kept})


def test_seeds_that_are_none_and_rules_that_were_skipped_say_so(finished: Path) -> None:
    state = json.loads((finished / "run.json").read_text())
    said = json.dumps(state)
    assert "grammar was not checked (skipped: no pipeline is named)" in said
    assert "area under the ROC curve, pairs not seen" in said
    reasons = {failure.reason for failure in read_all_failures(finished)}
    assert {"one entity", "duplicate"} <= reasons


def read_all_failures(out: Path) -> list[Failure]:
    return [f for path in sorted(out.glob("*/failures/*.jsonl")) for f in read_records(path, Failure)]


def test_the_report_shows_what_each_filter_left(finished: Path) -> None:
    table = read_comparison(latest(finished, "orders").folder)
    assert table and [row[0] for row in table.rows][:2] == ["generated", "grammar"]
    counts = [row[1] for row in table.rows]
    assert counts == sorted(counts, reverse=True)  # type: ignore[type-var]
    page = write_report(finished).read_text(encoding="utf-8")
    assert "What each filter left" in page and "self-BLEU" in page


def test_the_notebook_runs_on_it(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KGDISTILL_RUN", str(finished))
    execute("comparatives")
    said = capsys.readouterr().out
    assert "lemon | lime" in said and "has more" in said and "Compared to" in said


def test_running_again_changes_nothing_and_another_filter_asks_nothing_anew(finished: Path, model: Path) -> None:
    listed = finished.parent / "pairs.jsonl"
    before = {path: path.read_bytes() for path in finished.glob("*-????????/shards/*")}
    run(recipe(model, listed), finished, workers=0, progress=Quiet())
    assert {path: path.read_bytes() for path in finished.glob("*-????????/shards/*")} == before
    run(recipe(model, listed, top=1), finished, workers=0, progress=Quiet())
    stages = {stage["name"]: stage for stage in json.loads((finished / "run.json").read_text())["stages"]}
    assert "comparatives" in stages
    readings = list(latest(finished, "readings").records(Reading))
    assert max(sum(claim.kept for claim in reading.claims) for reading in readings) == 1

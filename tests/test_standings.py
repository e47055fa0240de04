"""Systems beside each other: what counts as a pair, which documents count, and that intervals and aims are right."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from test_match import FACTS, NAMES, Words

from kgdistill.evaluate.benchmark import Roles, assess
from kgdistill.evaluate.benchmark_table import markdown, pace, table
from kgdistill.evaluate.match import Comparison, Score, normalised
from kgdistill.evaluate.resampling import bootstrap, paired
from kgdistill.evaluate.standings import Standings, System, aliases, exact
from kgdistill.records import Entity, Fact, Pair, Span
from kgdistill.storage.shards import write_bytes
from kgdistill.storage.timing import shard_seconds


def document(number: int, set_: str = "seed") -> Pair:
    text = f"Mira Holt ({number}), known as Holt, founded Holt & Sons and never lived in Oslo."
    names = [Span(0, 9), Span(text.index("Holt, founded"), text.index(", founded"))]
    facts = (
        Fact("Holt & Sons", "founded by", "Mira Holt"),
        Fact("Mira Holt", "lived in", "Oslo", negated=True),
    )
    return Pair(
        f"{set_}/{number}", f"{set_}/{number}", text, "test", (Entity("Mira Holt", "person", tuple(names)),), facts
    )


RIGHT = (Fact("Holt & Sons", "founded by", "Holt", 0.9), Fact("Mira Holt", "lived in", "Oslo", 0.8, negated=True))
WRONG = (*RIGHT[:1], Fact("Oslo", "has", "Sons", 0.3), Fact("Holt", "lived in", "Oslo", 0.4))


def standings() -> Standings:
    gold = [*(document(n) for n in range(4)), *(document(n, "webnlg") for n in range(2))]
    shared = [pair.id for pair in gold if pair.id not in ("seed/3", "webnlg/1")]
    systems = [
        System("raw", dict.fromkeys(shared, WRONG), dict.fromkeys(shared, 2.0)),
        System("judged", dict.fromkeys(shared, WRONG[:1]), {}),
        System("extractor", dict.fromkeys([pair.id for pair in gold], RIGHT), {"seed/0": 0.01, "seed/1": 0.03}),
    ]
    return Standings(gold, systems, Words())


def test_any_name_of_an_entity_counts() -> None:
    pair = document(0)
    assert aliases(pair) == {"Mira Holt": ("Holt",)}
    compared = Comparison([Fact("Holt & Sons", "founded by", "holt")], pair.facts, Words(), aliases(pair))
    assert compared.object.tolist() == [[1.0, 0.0]]
    assert compared.pairs()[0] == Score(1.0, 1, 2)
    assert exact(RIGHT, pair.facts, aliases(pair)) == Score(2.0, 2, 2)
    assert exact(RIGHT, pair.facts, {}) == Score(1.0, 2, 2)


@given(FACTS, FACTS)
def test_without_other_names_exact_is_normalised(predicted: list[Fact], gold: list[Fact]) -> None:
    assert exact(predicted, gold, {}) == normalised(predicted, gold)


@given(FACTS, FACTS, NAMES, NAMES)
def test_another_name_never_loses_a_pair(predicted: list[Fact], gold: list[Fact], name: str, other: str) -> None:
    without = Comparison(predicted, gold, Words()).pairs()[0]
    assert Comparison(predicted, gold, Words(), {name: (other,)}).pairs()[0].matched >= without.matched


def test_lines_compare_on_the_documents_that_all_have_read() -> None:
    lines = {(line.set, line.system, line.whole): line for line in standings().lines()}
    assert set(lines) == {
        *((set_, system, False) for set_ in ("seed", "webnlg") for system in ("raw", "judged", "extractor")),
        ("seed", "extractor", True),
        ("webnlg", "extractor", True),
    }
    raw, judged = lines["seed", "raw", False], lines["seed", "judged", False]
    assert (raw.documents, raw.gold, raw.facts) == (3, 6, 9)
    assert (raw.pairs.precision.value, raw.pairs.recall.value) == (pytest.approx(2 / 3), 1)
    assert (judged.pairs.precision.value, judged.pairs.recall.value) == (1, 0.5)
    assert raw.pairs.f1.low <= raw.pairs.f1.value <= raw.pairs.f1.high
    assert raw.exact.recall.value == 0.5, "a dropped negation is another triple"
    assert lines["seed", "extractor", False].exact.f1.value == 1
    assert lines["seed", "extractor", True].documents == 4
    assert raw.per_second == pytest.approx(0.5)
    assert judged.per_second is None
    assert lines["seed", "extractor", False].per_second == pytest.approx(50)


def test_a_pair_said_twice_counts_once() -> None:
    twice = (*RIGHT, Fact("holt & sons", "set up by", "holt"))
    found = Standings([document(0)], [System("s", {"seed/0": twice}, {})], Words()).lines()[0]
    assert (found.facts, found.pairs.precision.value) == (3, 1)
    assert found.exact.precision.value == pytest.approx(2 / 3)


def test_aims_speak_of_the_systems_that_have_the_roles() -> None:
    found = assess(standings(), Roles("raw", "judged", "extractor"), None)
    aims = {aim.name: aim for aim in found.aims}
    assert aims["precision gained by judging"].found.value == pytest.approx(1 / 3)
    assert aims["precision gained by judging"].met
    assert aims["share of the correct pairs that judging keeps"].found.value == 0.5
    assert not aims["share of the correct pairs that judging keeps"].met
    assert aims["pair F1 of the extractor on seed"].found.value == 1
    assert aims["F1 of the extractor's negated facts"].found.value == 1
    assert aims["calibration error of the extractor"].found.value == pytest.approx(0.15)
    assert not aims["calibration error of the extractor"].met
    assert not assess(standings(), Roles(), None).aims
    trust = {one.system: one for one in found.trust}
    assert trust["raw"].negation.value == 0
    assert trust["judged"].calibration is None
    page = markdown(found)
    assert "| extractor, all documents | 4 |" in page
    assert "| precision gained by judging | at least 0.15 | 0.333 | met |" in page
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found


def test_documents_are_drawn_together_for_two_systems() -> None:
    one = [Score(float(n % 2), 1, 1) for n in range(20)]
    low, high = paired(one, one, lambda a, b: b.f1 - a.f1)
    assert (low, high) == (0, 0)
    low, high = paired(one, [Score(1.0, 1, 1)] * 20, lambda a, b: b.f1 - a.f1)
    alone = bootstrap(one, lambda score: score.f1)
    assert (low, high) == (pytest.approx(1 - alone[1], abs=0.06), pytest.approx(1 - alone[0], abs=0.06))
    with pytest.raises(ValueError, match="20 documents beside 0"):
        paired(one, [], lambda a, b: 0.0)


def test_time_of_shards_whose_replies_were_known_is_not_counted(tmp_path: Path) -> None:
    def report(folder: str, shard: str, seconds: float, cached: int = 0) -> None:
        content = {"seconds": seconds, "ledger": {"stages": {"x": {"planned": 3, "cached": cached}}}}
        write_bytes(tmp_path / folder / "reports" / f"{shard}.json", msgspec.json.encode(content))

    report("ask", "00000", 2.0)
    report("judge", "00000", 1.5)
    report("ask", "00001", 0.1, cached=3)
    report("judge", "00001", 4.0)
    assert shard_seconds([tmp_path / "ask", tmp_path / "judge"]) == {"00000": 3.5}


def test_tables_are_markdown() -> None:
    assert table(("", "x|y"), [("a", "1")]) == "|  | x\\|y |\n| --- | ---: |\n| a | 1 |"
    assert [pace(value) for value in (None, 0.123, 9.96, 1234.5)] == ["–", "0.12", "10", "1,234"]

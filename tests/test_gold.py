"""Gold files: read whole, or refused with the line that is wrong; the labelled comparatives keep their rules."""

from __future__ import annotations

import json
import tomllib
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from kgdistill.errors import SourceError
from kgdistill.evaluate.gold import fact_of, read_gold
from kgdistill.records import Canonical, PairSeed, Triple, Verdict
from kgdistill.storage.seeds import read_seeds
from kgdistill.text.comparatives import opening

DATA = Path(__file__).parent.parent / "data"
CORPUS = DATA / "gold" / "corpus.jsonl"
MANY, SEED = DATA / "gold" / "comparatives_many.jsonl", DATA / "seed" / "comparatives.jsonl"
LINE = '{"id": "a", "facts": [{"subject": "X", "relation": "owns", "object": "Y", "negated": true, "quote": "q"}]}\n'


def test_the_sample_gold_is_read_whole() -> None:
    gold = read_gold(str(CORPUS))
    assert len(gold.facts) == len(CORPUS.read_bytes().splitlines())
    assert all(fact.subject and fact.relation and fact.object for facts in gold.facts.values() for fact in facts)
    assert any(fact.negated for facts in gold.facts.values() for fact in facts)
    assert len(gold.fingerprint) == 64


def test_no_file_named_is_no_gold() -> None:
    assert read_gold("").facts == {}


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "gold.jsonl"
    path.write_text(LINE)
    before = read_gold(str(path))
    assert [fact.negated for fact in before.facts["a"]] == [True]
    path.write_text(LINE + "\n" + LINE.replace('"a"', '"b"'))
    after = read_gold(str(path))
    assert after.facts.keys() == {"a", "b"} and after.fingerprint != before.fingerprint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LINE + "{", ":2: "),
        (LINE.replace('"relation"', '"verb"'), ":1: .*relation"),
        (LINE + LINE, ":2: a second line for document 'a'"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "gold.jsonl"
    path.write_text(content)
    with pytest.raises(SourceError, match=message):
        read_gold(str(path))


def test_a_missing_file_says_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="leave `gold` out"):
        read_gold(str(tmp_path / "none.jsonl"))


def test_a_line_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "gold.jsonl"
    path.write_bytes(b'{"id": "\xff", "facts": []}')
    with pytest.raises(SourceError, match=":1: "):
        read_gold(str(path))


def test_a_claim_is_matched_in_its_canonical_names() -> None:
    claim = Triple(
        "x", "M. Curie", "was born in", "Warsaw", negated=True, verdicts=(Verdict("combined", 0.4),),
        canonical=Canonical("Marie Curie", "born in", "Warsaw"),
    )  # fmt: skip
    fact = fact_of(claim)
    assert (fact.subject, fact.relation, fact.object) == ("Marie Curie", "born in", "Warsaw")
    assert fact.negated and fact.score == 0.4


def labelled(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def pair(row: dict[str, Any]) -> frozenset[str]:
    return frozenset((row["left"], row["right"]))


def test_the_many_comparatives_are_complete_and_name_both_things() -> None:
    for row in labelled(MANY):
        assert row.keys() == labelled(SEED)[0].keys(), row
        assert all(row[key] and row[key] == row[key].strip() for key in row.keys() - {"valid"}), row
        assert isinstance(row["valid"], bool) and row["direction"] in ("more", "less"), row
        assert row["statement"].startswith(opening(row["left"], row["right"]) + " "), row
        assert row["statement"].endswith("."), row


def test_the_many_comparatives_are_no_pairs_that_anything_is_trained_on() -> None:
    assert not {pair(row) for row in labelled(MANY)} & {pair(row) for row in labelled(SEED)}


def test_the_recipe_asks_about_these_pairs_and_its_discriminator_learns_from_others() -> None:
    pairs = [seed for seed in read_seeds(DATA / "gold" / "comparative_pairs.csv", "pair") if isinstance(seed, PairSeed)]
    assert len(pairs) == len({frozenset((seed.left, seed.right)) for seed in pairs})
    assert {(seed.kind, frozenset((seed.left, seed.right))) for seed in pairs} == {
        (row["class"], pair(row)) for row in labelled(MANY)
    }
    recipe = tomllib.loads((DATA.parent / "pipelines" / "howard2024_comparatives.toml").read_text(encoding="utf-8"))
    assert recipe["seeds"]["path"] == "data/gold/comparative_pairs.csv"
    learnt, measured = (recipe[stage]["labels"] for stage in ("discriminator", "orders"))
    assert (DATA.parent / learnt, DATA.parent / measured) == (SEED, MANY)


def test_every_pair_of_the_many_comparatives_has_something_for_each_filter() -> None:
    pairs: dict[frozenset[str], list[dict[str, Any]]] = defaultdict(list)
    for row in labelled(MANY):
        pairs[pair(row)].append(row)
    assert len(pairs) >= 40
    for things, rows in pairs.items():
        said = {row["statement"].casefold() for row in rows}
        assert len(said) == len(rows) and 8 <= len(rows) <= 12, things
        assert {row["valid"] for row in rows} == {True, False}, things
        assert {row["left"] for row in rows} == things, f"{things}: said one way round only"
        assert len({row["class"] for row in rows}) == 1, things
    shared = Counter(thing for things in pairs for thing in things)
    assert sum(count == 2 for count in shared.values()) >= 15, "circles need things of several pairs"
    assert 0.4 <= sum(row["valid"] for row in labelled(MANY)) / len(labelled(MANY)) <= 0.7

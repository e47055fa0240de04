"""Planted claims are what they are said to be, and the instrument's figures are right."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from test_match import Words

from kgdistill.distill.seed import seed_pairs
from kgdistill.evaluate.instrument import area, check, wilson
from kgdistill.evaluate.planted import CORRECT, KINDS, Planter, kind_of
from kgdistill.records import Chunk, Claim, Drop, Pair, Triple, Verdict
from kgdistill.text.names import find, normal
from kgdistill.text.split import split

SEED = Path(__file__).resolve().parent.parent / "data" / "seed"
PAIRS = [pair for pair in seed_pairs(SEED) if pair.split == "validation"]
RELATIONS = sorted({fact.relation for pair in PAIRS for fact in pair.facts})


def chunks_of(pair: Pair) -> list[Chunk]:
    from kgdistill.records import Document

    return split(Document(pair.id, pair.text, "", language="en"), 80, lambda text: len(text.split()))


def planted(pair: Pair, seed: int = 0) -> list[tuple[Chunk, Claim]]:
    planter = Planter(pair, RELATIONS, Words(), 4, seed)
    return [(chunk, claim) for chunk in chunks_of(pair) for claim in planter.claims(chunk)]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.id)
def test_false_claims_are_false_and_true_ones_true(pair: Pair) -> None:
    gold = {(normal(f.subject), normal(f.relation), normal(f.object), f.negated) for f in pair.facts}
    connected = {(subject, object_) for subject, _, object_, _ in gold}
    for chunk, claim in planted(pair):
        key = (normal(claim.subject), normal(claim.relation), normal(claim.object), claim.negated)
        kind = kind_of(claim)
        assert (key in gold) == (kind == CORRECT), kind
        if kind == CORRECT:
            assert find(claim.subject, chunk.text) and find(claim.object, chunk.text)
        if kind in ("swapped arguments", "wrong object", "wrong subject"):
            assert (key[0], key[2]) not in connected
        if kind == "relation from another sentence":
            assert key[1] in {relation for _, relation, _, _ in gold}
        if kind == "dropped negation":
            assert (*key[:3], True) in gold
        if kind == "changed number":
            assert any((key[0], key[1], object_, key[3]) in gold for object_ in {o for _, _, o, _ in gold})


def test_every_kind_is_planted_and_always_the_same() -> None:
    counts = Counter(kind_of(claim) for pair in PAIRS for _, claim in planted(pair))
    assert set(counts) == {CORRECT, *KINDS}
    assert counts["dropped negation"] >= 5
    assert planted(PAIRS[0]) == planted(PAIRS[0])
    assert len({claim.id for pair in PAIRS for _, claim in planted(pair)}) == sum(counts.values())


def claim(kind: str, teacher: float, rule: str = "") -> Claim:
    made = Triple(f"{kind}{teacher}{rule}", "a", "b", "c", method=f"planted: {kind}")
    return replace(made, verdicts=(Verdict("teacher", teacher),), dropped=Drop(rule, "") if rule else None)


def test_the_instrument_counts_what_rules_refuse() -> None:
    claims = [
        claim(CORRECT, 0.9), claim(CORRECT, 0.2, "low score"), claim(CORRECT, 0.8, "near repeat"),
        claim("wrong object", 0.1, "ungrounded"), claim("wrong object", 0.3, "low score"), claim("wrong object", 0.95),
        Triple("other", "a", "b", "c"),
    ]  # fmt: skip
    correct, every, wrong = check(claims).rows
    assert (correct.name, every.name, wrong.name) == (CORRECT, "all false", "wrong object")
    assert (correct.count, correct.refused, correct.by_score) == (3, pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert (wrong.count, wrong.refused, wrong.by_score) == (3, pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert wrong.teacher == pytest.approx(5 / 9)
    assert (correct.teacher, wrong.combined) == (None, None)
    assert wrong.low < wrong.refused < wrong.high


SCORES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=8)


@given(SCORES, SCORES)
def test_the_area_is_the_share_of_pairs_in_order(right: list[float], wrong: list[float]) -> None:
    pairs = [(a > b) + (a == b) / 2 for a in right for b in wrong]
    assert area(right, wrong) == pytest.approx(sum(pairs) / len(pairs))
    assert area(right, []) is None


@given(st.integers(0, 50), st.integers(0, 50))
def test_an_interval_holds_its_share(found: int, more: int) -> None:
    low, high = wilson(found, found + more)
    assert 0 <= low <= high <= 1
    if found + more:
        assert low - 1e-9 <= found / (found + more) <= high + 1e-9
    assert wilson(0, 0) == (0, 1)

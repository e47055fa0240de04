"""Rules mark and never remove; each has its reason, and the first reason stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kgdistill.errors import RecipeError
from kgdistill.records import Chunk, ChunkGraph, Document, Drop, Evidence, Reading, Span, Triple, Verdict
from kgdistill.refine import rules
from kgdistill.refine.rules import Rules

TEXT = "Anna Berg founded Acme in Oslo. " * 3


def claim(
    subject: str = "Anna Berg", relation: str = "founded", target: str = "Acme", score: float = 0.9, **more: object
) -> Triple:
    fields = {"evidence": Evidence(Span(0, 31)), "verdicts": (Verdict("combined", score),)} | more
    return Triple(f"{subject} {relation} {target}", subject, relation, target, **fields)  # type: ignore[arg-type]


def reading(*claims: Triple, text: str = TEXT, language: str = "en") -> Reading:
    chunk = Chunk("d", 0, 0, len(text), text)
    return Reading(Document("d", text, "test", language=language), (ChunkGraph(chunk, (), claims),))


def rule_of(one: Triple, settings: Rules | None = None, language: str = "en") -> str:
    dropped = rules.screen(reading(one, language=language), settings or Rules()).claims[0].dropped
    if dropped is not None:
        assert dropped.reason
    return dropped.rule if dropped else ""


@pytest.mark.parametrize(
    ("one", "rule"),
    [
        (claim(), ""),
        (claim(subject=" "), "empty"),
        (claim(relation="..."), "empty"),
        (claim(target=""), "empty"),
        (claim(target="+", literal=True), ""),
        (claim(subject="It"), "pronoun"),
        (claim(subject="they"), "pronoun"),
        (claim(target="This"), "pronoun"),
        (claim(target="the"), "pronoun"),
        (claim(target="this", literal=True), ""),
        (claim(subject="US"), ""),
        (claim(subject="WHO"), ""),
        (claim(subject="I"), "pronoun"),
        (claim(subject="Them Crooked Vultures"), ""),
        (claim(target="x" * 121), "overlong"),
        (claim(target="x" * 120), ""),
        (claim(target="anna  berg"), "self-loop"),
        (claim(evidence=None), "ungrounded"),
        (claim(score=0.49), "low score"),
        (claim(score=0.5), ""),
        (claim(score=float("nan")), "low score"),
        (claim(verdicts=()), ""),
    ],
    ids=lambda value: getattr(value, "id", value)[:40],
)
def test_each_rule_speaks(one: Triple, rule: str) -> None:
    assert rule_of(one) == rule


@pytest.mark.parametrize(
    ("language", "word"), [("de", "Sie"), ("fr", "elles"), ("ru", "Они"), ("zh", "他们"), ("es", "ellos")]
)
def test_pronouns_of_other_languages(language: str, word: str) -> None:
    assert rule_of(claim(subject=word), language=language) == "pronoun"
    assert rule_of(claim(subject=word)) == ""


def test_settings_turn_rules_off_and_on() -> None:
    assert rule_of(claim(target="Anna Berg"), Rules(drop_self_loops=False)) == ""
    assert rule_of(claim(evidence=None), Rules(drop_ungrounded=False)) == ""
    assert rule_of(claim(target="x" * 999), Rules(max_name=0)) == ""
    assert rule_of(claim(relation="Is related to"), Rules(generic=("is related to",))) == "generic relation"


@pytest.mark.parametrize("bad", [{"min_score": 2}, {"max_name": -1}, {"per_hundred_words": float("nan")}])
def test_limits_that_cannot_hold_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(RecipeError):
        Rules(**bad)  # type: ignore[arg-type]


def test_the_first_reason_stays() -> None:
    old = Drop("repeat", "said before", "x")
    assert rules.screen(reading(claim(subject="it", dropped=old)), Rules()).claims[0].dropped == old


def test_the_cap_drops_the_lowest_scores_and_counts_kept_claims_only() -> None:
    scores = [0.6, 0.9, 0.7, 0.9, 0.8, 0.5, 0.95, 0.65, 0.55]
    claims = [claim(target=f"T{place}", score=score) for place, score in enumerate(scores)]
    gone = claim(target="gone", dropped=Drop("empty", "…"))
    capped = rules.cap(reading(gone, *claims), Rules())
    # 18 words at 40 per 100: at most ceil(7.2) = 8.
    assert [one.object for one in capped.claims if not one.kept] == ["gone", "T5"]
    assert capped.claims[0].dropped == gone.dropped
    assert "40 per 100 words" in next(one.dropped.reason for one in capped.claims if one.dropped and one.object == "T5")
    assert rules.cap(reading(*claims), Rules(per_hundred_words=0)) == reading(*claims)


def test_ties_at_the_cap_keep_the_earlier_claim() -> None:
    claims = [claim(target=f"T{place}") for place in range(3)]
    capped = rules.cap(reading(*claims, text="Anna founded three firms."), Rules())
    assert [one.kept for one in capped.claims] == [True, True, False]


def test_words_are_counted_in_scripts_without_spaces() -> None:
    assert rules.count_words("one two three") == 3
    assert 5 <= rules.count_words("北京是中华人民共和国的首都") <= 8


@given(
    st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5), st.floats(0, 1), st.booleans()), max_size=8),
    st.text(max_size=60),
)
def test_nothing_is_ever_removed_or_changed_but_marked(rows: list[tuple[str, str, float, bool]], text: str) -> None:
    claims = [claim(a, "r", b, score, **({} if grounded else {"evidence": None})) for a, b, score, grounded in rows]
    before = reading(*claims, text=text)
    after = rules.cap(rules.screen(before, Rules()), Rules())
    assert [replace(one, dropped=None) for one in after.claims] == list(before.claims)
    assert rules.cap(rules.screen(after, Rules()), Rules()) == after
    assert sum(one.kept for one in after.claims) <= -(-rules.count_words(text) * 40 // 100)

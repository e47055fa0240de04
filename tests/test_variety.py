"""Repeats: one claim stays per chunk and sentence, others are marked with what is kept instead."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from kgdistill.encoders.minilm import MiniLM
from kgdistill.errors import RecipeError
from kgdistill.records import Chunk, ChunkGraph, Document, Evidence, Reading, Span, Triple, Verdict
from kgdistill.refine import variety
from kgdistill.refine.variety import Variety


class Alike:
    """A double that finds all texts the same: what the guards leave is then a repeat."""

    name = "alike"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.ones((len(texts), 1), dtype=np.float32)


def claim(
    id: str, subject: str, relation: str, target: str, score: float = 0.5, sentence: int = 0, **more: object
) -> Triple:
    evidence = Evidence(Span(sentence, sentence + 1)) if sentence >= 0 else None
    fields = {"evidence": evidence, "verdicts": (Verdict("combined", score),)} | more
    return Triple(id, subject, relation, target, **fields)  # type: ignore[arg-type]


def reading(*chunks: Sequence[Triple]) -> Reading:
    graphs = tuple(ChunkGraph(Chunk("d", n, n, n + 1, "x"), (), tuple(claims)) for n, claims in enumerate(chunks))
    return Reading(Document("d", "x" * len(chunks), "test"), graphs)


def dropped(after: Reading) -> dict[str, tuple[str, str]]:
    return {one.id: (one.dropped.rule, one.dropped.instead) for one in after.claims if one.dropped}


def test_the_best_then_earliest_of_exact_repeats_stays() -> None:
    claims = [
        claim("a", "Oslo", "is in", "Norway", 0.7),
        claim("b", "oslo", "Is in", "Norway", 0.9),
        claim("c", "OSLO", "is in", "norway", 0.9),
    ]
    assert dropped(variety.repeats(reading(claims))) == {"a": ("repeat", "b"), "c": ("repeat", "b")}


def test_other_chunks_sentences_and_polarities_keep_their_own() -> None:
    same = ("Oslo", "is in", "Norway")
    before = reading(
        [
            claim("a", *same),
            claim("b", *same, sentence=1),
            claim("c", *same, negated=True),
            claim("d", *same, hedged=True),
        ],
        [claim("e", *same)],
    )
    assert variety.repeats(before) == before


def test_a_claim_without_evidence_repeats_any_and_never_wins() -> None:
    same = ("Oslo", "is in", "Norway")
    after = variety.repeats(reading([claim("a", *same, score=0.9, sentence=-1), claim("b", *same, score=0.1)]))
    assert dropped(after) == {"a": ("repeat", "b")}


def test_near_repeats_with_the_real_encoder() -> None:
    claims = [
        claim("a", "Marie Curie", "discovered", "radium", 0.9),
        claim("b", "Marie Curie", "has discovered", "radium", 0.8),
        claim("c", "Marie Curie", "discovered", "polonium"),
        claim("d", "Marie Curie", "was discovered by", "radium"),
    ]
    assert dropped(variety.near_repeats(reading(claims), MiniLM().open(), Variety())) == {"b": ("near repeat", "a")}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("Kim", "visited", "North Korea"), ("Kim", "visited", "South Korea")),
        (("Anna", "born in", "1990"), ("Anna", "born in", "1991")),
        (("Acme", "acquired", "Delta"), ("Acme", "was acquired by", "Delta")),
        (("Acme", "acquired", "Delta"), ("Delta", "acquired", "Acme")),
        (("Acme", "parent of", "Delta"), ("Delta", "child of", "Acme")),
        (("Anna", "moved to", "Rome"), ("Anna", "moved from", "Rome")),
        (("李明", "毕业于", "北京"), ("李明", "位于", "北京")),
    ],
)
def test_what_only_looks_alike_stays(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    before = reading([claim("a", *one), claim("b", *other)])
    assert variety.near_repeats(before, Alike(), Variety()) == before


def test_near_repeats_stay_inside_a_chunk_and_a_polarity() -> None:
    near = claim("b", "Oslo", "is located in", "Norway")
    before = reading([claim("a", "Oslo", "located in", "Norway"), claim("c", *near.names, negated=True)], [near])
    assert variety.near_repeats(before, Alike(), Variety()) == before


def test_known_inverses_are_repeats() -> None:
    before = reading([claim("a", "Acme", "parent of", "Delta"), claim("b", "Delta", "is a child of", "Acme", 0.9)])
    after = variety.near_repeats(before, Alike(), Variety(inverses=(("parent of", "child of"),)))
    assert dropped(after) == {"a": ("near repeat", "b")}


def test_a_chain_of_near_repeats_never_points_at_a_dropped_claim() -> None:
    claims = [
        claim(str(n), "Oslo", f"{verb} in", "Norway", 0.5) for n, verb in enumerate(["lies", "is lying", "lay", "lain"])
    ]
    after = variety.near_repeats(reading(claims), Alike(), Variety())
    assert set(dropped(after).values()) == {("near repeat", "0")} and len(dropped(after)) == 3


def test_dropped_claims_are_left_as_they_are() -> None:
    once = variety.repeats(reading([claim("a", "A", "r", "B"), claim("b", "A", "r", "B")]))
    assert variety.repeats(once) == once
    assert variety.near_repeats(once, Alike(), Variety()) == once


def test_a_threshold_out_of_range_is_refused() -> None:
    with pytest.raises(RecipeError):
        Variety(min_similarity=0)

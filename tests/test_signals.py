"""Agreement: the share of samples that said so, near-equal claims together."""

from __future__ import annotations

import pytest

from kgdistill.judge.signals import agreement
from kgdistill.records import Chunk, ChunkGraph, Triple


def shares(*claims: Triple, samples: int = 4) -> list[float | None]:
    graph = agreement(ChunkGraph(Chunk("d", 0, 0, 1, "x"), (), claims), samples)
    return [claim.verdict("agreement") for claim in graph.claims]


def claim(relation: str, *said: int, subject: str = "Oslo", negated: bool = False) -> Triple:
    return Triple(f"{relation} {said}", subject, relation, "Norway", samples=said, negated=negated)


def test_the_share_of_samples() -> None:
    assert shares(claim("is in", 0), claim("borders", 0, 1, 3)) == [0.25, 0.75]


def test_near_equal_claims_count_together() -> None:
    assert shares(claim("is located in", 0, 1), claim("located in", 1, 2), claim("Is  located in", 3)) == [
        1.0,
        1.0,
        1.0,
    ]
    assert shares(claim("is in", 0), claim("is in", 1, subject="the OSLO")) == [0.5, 0.5]


@pytest.mark.parametrize(
    ("one", "other"), [("founded", "was founded"), ("moved to", "moved in"), ("located in", "located on")]
)
def test_other_directions_and_prepositions_do_not(one: str, other: str) -> None:
    assert shares(claim(one, 0), claim(other, 1)) == [0.25, 0.25]


def test_a_denial_is_no_agreement() -> None:
    assert shares(claim("is in", 0, 1), claim("is in", 2, negated=True)) == [0.5, 0.25]


def test_nothing_to_agree_with_gives_no_verdict() -> None:
    assert shares(claim("is in", 0), samples=1) == [None]
    assert shares(claim("is in"), claim("borders", 0)) == [None, 0.25]


def test_samples_must_be_positive() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        shares(claim("is in", 0), samples=0)

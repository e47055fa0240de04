"""Signals: verdicts that cost no further question, here how many samples of the teacher agree on a claim."""

from __future__ import annotations

from collections import defaultdict

from msgspec.structs import replace
from rapidfuzz import fuzz

from kgdistill.records import ChunkGraph, Claim, Verdict
from kgdistill.text import names

AUXILIARIES = frozenset(["is", "are", "was", "were", "be", "been", "being", "has", "have", "had"])
SIMILAR = 85.0
"""Smallest rapidfuzz ratio (0-100) at which two relation names count as one saying."""


def agreement(graph: ChunkGraph, samples: int) -> ChunkGraph:
    """Give every claim Verdict("agreement", share of the `samples` that said so), self-consistency style.

    Claims with the same normal subject, object and polarity and a similar relation name count together. One sample
    agrees with nothing, and a claim of a method that does not sample carries no numbers: neither gets a verdict.

    Raises ValueError where `samples` is not positive.
    """
    if samples < 1:
        raise ValueError(f"samples must be at least 1, not {samples}")
    if samples == 1:
        return graph
    same_ends: dict[tuple[object, ...], list[Claim]] = defaultdict(list)
    for claim in graph.claims:
        same_ends[_ends(claim)].append(claim)
    judged = []
    for claim in graph.claims:
        said = {
            number
            for other in same_ends[_ends(claim)]
            if _similar(claim.relation, other.relation)
            for number in other.samples
        }
        if not said:
            judged.append(claim)
            continue
        verdict = Verdict("agreement", min(1.0, len(said) / samples), f"{len(said)} of {samples} samples")
        judged.append(replace(claim, verdicts=(*claim.verdicts, verdict)))
    return replace(graph, claims=tuple(judged))


def _ends(claim: Claim) -> tuple[object, ...]:
    return names.normal(claim.subject), names.normal(claim.object), claim.negated


def _similar(one: str, other: str) -> bool:
    """Same words but for auxiliaries, or near in spelling with the same last word ("born in" is not "born to")."""
    first, second = _content(one), _content(other)
    if first == second:
        return True
    return bool(
        first and second and first[-1] == second[-1] and fuzz.ratio(" ".join(first), " ".join(second)) >= SIMILAR
    )


def _content(relation: str) -> list[str]:
    """The relation's words without leading auxiliaries ("was born in" is "born in"), unless nothing else is left.

    An auxiliary before a lone word stays: "was founded" and "founded" point in opposite directions.
    """
    words = names.normal(relation.replace("_", " ")).split()
    start = 0
    while len(words) - start > 2 and words[start] in AUXILIARIES:
        start += 1
    return words[start:]

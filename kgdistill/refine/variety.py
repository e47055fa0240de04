"""Variety: mark repeats, so that a chunk says each thing once; what is said elsewhere keeps its own evidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

from msgspec import Struct
from msgspec.structs import replace

from kgdistill.contracts import Encoder
from kgdistill.errors import RecipeError
from kgdistill.records import Claim, Drop, Reading, Triple
from kgdistill.refine.spelling import conflict, form
from kgdistill.refine.wording import differ, legible, read
from kgdistill.text import names

Inverse = set[tuple[tuple[object, ...], tuple[object, ...]]]


class Variety(Struct, frozen=True, forbid_unknown_fields=True):
    """When two claims of a chunk say the same. Raises RecipeError for a threshold that cannot be reached."""

    min_similarity: float = 0.95
    """Smallest cosine similarity of two near repeats, said as "subject relation object"."""
    any_script: bool = False
    """The encoder reads every script; else relations that are not in Latin letters must be the same word for word."""
    inverses: tuple[tuple[str, str], ...] = ()
    """Relation names that are each other's inverse: ("parent of", "child of"): A r B then repeats B r' A."""

    def __post_init__(self) -> None:
        if not 0 < self.min_similarity <= 1:
            raise RecipeError(f"variety: min_similarity must lie in (0, 1], not {self.min_similarity}")


def repeats(reading: Reading) -> Reading:
    """Mark exact repeats (same normal names and polarity) inside a chunk as "repeat", with the claim kept instead.

    The best-scored, then earliest claim stays. Inside a chunk claims with evidence in different sentences stay both;
    one without evidence repeats any. Between chunks nothing is a repeat: each claim is evidence.
    """
    drops: dict[tuple[int, int], Drop] = {}
    for place, claims in _kept(reading):
        same: dict[tuple[object, ...], list[tuple[int, Claim]]] = defaultdict(list)
        for at, claim in claims:
            others = claim.others if isinstance(claim, Triple) else ()
            said = map(names.normal, (*claim.names, *others))
            same[(*said, claim.literal, *_polarity(claim))].append((at, claim))
        for group in same.values():
            stay: list[Claim] = []
            for at, claim in sorted(group, key=lambda found: (found[1].evidence is None, *_order(found))):
                kept = next((other for other in stay if _same_sentence(claim, other)), None)
                if kept:
                    drops[place, at] = Drop("repeat", "says the same as another claim of its chunk", kept.id)
                else:
                    stay.append(claim)
    return _marked(reading, drops)


def near_repeats(reading: Reading, encoder: Encoder, settings: Variety) -> Reading:
    """Mark near repeats inside a chunk as "near repeat"; all claims of the reading are embedded in one batch.

    Near means: the same subject or the same object, the same polarity, relations that `wording.differ` does not tell
    apart, other ends that `spelling.conflict` does not tell apart, and embeddings at least `min_similarity` near.
    A known inverse the other way round counts as near without asking the encoder.
    """
    inverse = {(read(one).key, read(other).key) for pair in settings.inverses for one, other in (pair, pair[::-1])}
    drops: dict[tuple[int, int], Drop] = {}
    pairs = list(_candidates(reading, inverse, settings.any_script))
    texts = sorted({_said(claim) for _, (_, one), (_, other), turned in pairs if not turned for claim in (one, other)})
    vectors = dict(zip(texts, encoder.encode(texts), strict=True)) if texts else {}
    for place, first, second, turned in sorted(pairs, key=lambda pair: (pair[0], _order(pair[1]), _order(pair[2]))):
        if (place, first[0]) in drops or (place, second[0]) in drops:
            continue
        near = 1.0 if turned else float(vectors[_said(first[1])] @ vectors[_said(second[1])])
        if near >= settings.min_similarity:
            reason = "the inverse of another claim" if turned else f"nearly the same as another claim ({near:.3f})"
            drops[place, second[0]] = Drop("near repeat", reason, first[1].id)
    return _marked(reading, drops)


def _candidates(
    reading: Reading, inverse: Inverse, any_script: bool
) -> Iterator[tuple[int, tuple[int, Claim], tuple[int, Claim], bool]]:
    """(chunk, better claim, other claim, turned round) that may be near repeats, found through a shared end."""
    for place, claims in _kept(reading):
        ends: dict[tuple[object, ...], list[tuple[int, Claim]]] = defaultdict(list)
        for found in sorted(claims, key=_order):
            subject, _, target = map(names.normal, found[1].names)
            for key in (("subject", subject), ("object", target), ("pair", *sorted((subject, target)))):
                ends[(*key, *_polarity(found[1]))].append(found)
        seen: set[tuple[int, int]] = set()
        for group in ends.values():
            for first, second in combinations(group, 2):
                if (first[0], second[0]) not in seen:
                    seen.add((first[0], second[0]))
                    turned = _turned(first[1], second[1], inverse)
                    if turned or _may_repeat(first[1], second[1], any_script):
                        yield place, first, second, turned


def _turned(one: Claim, other: Claim, inverse: Inverse) -> bool:
    first, relation, second = one.names
    third, back, fourth = other.names
    crossed = names.normal(first) == names.normal(fourth) and names.normal(second) == names.normal(third)
    return crossed and (read(relation).key, read(back).key) in inverse


def _may_repeat(one: Claim, other: Claim, any_script: bool) -> bool:
    first, relation, second = one.names
    third, said, fourth = other.names
    subjects, objects = names.normal(first) == names.normal(third), names.normal(second) == names.normal(fourth)
    if not (subjects or objects) or one.literal != other.literal or differ(read(relation), read(said)):
        return False
    same = read(relation).key == read(said).key
    if not (same or any_script or (legible(relation) and legible(said))):
        return False
    left, right = (second, fourth) if subjects else (first, third)
    return not conflict(form(left), form(right))


def _kept(reading: Reading) -> Iterator[tuple[int, Sequence[tuple[int, Claim]]]]:
    """Per chunk its place and its kept claims with theirs."""
    for place, graph in enumerate(reading.chunks):
        yield place, [(at, claim) for at, claim in enumerate(graph.claims) if claim.kept]


def _order(found: tuple[int, Claim]) -> tuple[float, int]:
    """Best score first, then the earliest."""
    return -found[1].score, found[0]


def _polarity(claim: Claim) -> tuple[bool, bool]:
    return claim.negated, claim.hedged


def _same_sentence(one: Claim, other: Claim) -> bool:
    return not (one.evidence and other.evidence) or one.evidence.sentence == other.evidence.sentence


def _said(claim: Claim) -> str:
    return " ".join(part for part in claim.names if part)


def _marked(reading: Reading, drops: dict[tuple[int, int], Drop]) -> Reading:
    if not drops:
        return reading
    chunks = tuple(
        replace(graph, claims=tuple(_drop(claim, drops.get((place, at))) for at, claim in enumerate(graph.claims)))
        for place, graph in enumerate(reading.chunks)
    )
    return replace(reading, chunks=chunks)


def _drop(claim: Claim, drop: Drop | None) -> Claim:
    return replace(claim, dropped=drop) if drop else claim

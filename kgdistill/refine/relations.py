"""Relations: bring relation names together by defining and clustering them (EDC, Zhang and Soh 2024).

Names with the same words but for tense and auxiliaries are one. Others must be near each other twice, by name and by
definition, and `wording.differ` (voice, direction, negation, opposites) and their types must have nothing against it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from kgdistill.contracts import Encoder
from kgdistill.errors import RecipeError
from kgdistill.records import Canonical, Claim, Merge, Reading
from kgdistill.refine import merges, types, wording

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROWS = 1024
"""Relation names compared at a time: bounds memory to ROWS x all names."""
NEAREST = 8
"""Nearest preferred names that are looked at for each name."""


class Use(Struct, frozen=True):
    """How a document uses a relation name: the types of its ends and what is said, with the ends replaced by them."""

    name: str
    subject: str
    object: str
    saying: str
    count: int = 1


class Clusters(Struct, frozen=True, forbid_unknown_fields=True):
    """When two relation names are one. Raises RecipeError for thresholds that cannot be reached."""

    min_name: float = 0.7
    """Smallest cosine similarity of the names."""
    min_definition: float = 0.8
    """Smallest cosine similarity of "name: definition"."""
    any_script: bool = False
    """The encoder reads every script; else names that are not in Latin letters are compared word for word only."""

    def __post_init__(self) -> None:
        if not (-1 <= self.min_name <= 1 and -1 <= self.min_definition <= 1):
            raise RecipeError("relations: similarities lie in [-1, 1]")


class Relation(Struct, frozen=True):
    """One relation name with what the corpus says of it."""

    name: str
    wording: wording.Wording
    count: int
    ends: tuple[str, str]
    """Main type families of subject and object, "" where unknown."""
    definition: str


def gather(reading: Reading) -> list[Use]:
    """What one document gives to `learn`."""
    uses: Counter[tuple[str, str, str, str]] = Counter()
    for graph in reading.chunks:
        typed = {entity.name: entity.type for entity in graph.entities}
        for claim in graph.claims:
            subject = typed.get(claim.subject, "")
            target = "value" if claim.literal else typed.get(claim.object, "")
            saying = claim.proposition.replace(claim.subject, subject or "something", 1)
            saying = saying.replace(claim.object, target or "something", 1) if claim.object else saying
            uses[claim.relation, subject, target, saying] += 1
    return [Use(*use, count) for use, count in sorted(uses.items())]


def learn(
    uses: Iterable[Use], encoder: Encoder, settings: Clusters, definitions: Mapping[str, str] | None = None
) -> list[Merge]:
    """Decide which relation names mean the same; one record per decision, the most frequent, then longest name wins.

    `definitions` (name -> one sentence, where a teacher wrote them) replace those built from types and sayings.
    The order of the uses does not matter.
    """
    known = _collect(uses, definitions or {})
    decided: list[Merge] = []
    heads: dict[object, Relation] = {}
    for relation in known:
        head = heads.setdefault(relation.wording.key, relation)
        if head is not relation:
            reason = "same words but for tense and auxiliaries"
            decided.append(merges.merge("relation", relation.name, head.name, reason, 1.0))
    return decided + _cluster(list(heads.values()), encoder, settings)


def links(found: Iterable[Merge], without: frozenset[str] = frozenset()) -> merges.Links:
    """What `apply` needs, worked out once for many readings."""
    return merges.links(found, "relation", without)


def apply(reading: Reading, found: Iterable[Merge] | merges.Links, without: frozenset[str] = frozenset()) -> Reading:
    """The reading with canonical relation names, as if the merges in `without` had never been found.

    `without` is only heard with merges, not with finished links.
    """
    way = found if isinstance(found, merges.Links) else links(found, without)

    def rename(claim: Claim) -> Canonical:
        subject, _, target = claim.names
        relation, used = way.follow(claim.relation)
        return Canonical(subject, relation, target, used)

    return merges.canonical(reading, rename, way.known)


def _collect(uses: Iterable[Use], definitions: Mapping[str, str]) -> list[Relation]:
    """All relation names, the most preferred first."""
    counts: Counter[str] = Counter()
    ends: dict[str, tuple[Counter[str], Counter[str]]] = defaultdict(lambda: (Counter(), Counter()))
    sayings: dict[str, Counter[str]] = defaultdict(Counter)
    for use in uses:
        counts[use.name] += use.count
        ends[use.name][0][use.subject] += use.count
        ends[use.name][1][use.object] += use.count
        if use.saying:
            sayings[use.name][use.saying] += use.count
    known = []
    for name in sorted(counts, key=lambda name: (-counts[name], -len(name), name)):
        subject, target = (_main(kinds) for kinds in ends[name])
        typical = min(sayings[name], key=lambda text: (-sayings[name][text], len(text), text), default="")
        definition = definitions.get(name) or _define(name, subject, target, typical)
        families = (types.family(subject), types.family(target))
        known.append(Relation(name, wording.read(name), counts[name], families, definition))
    return known


def _main(kinds: Counter[str]) -> str:
    """The type said most, first in code point order among equals; "" only where nothing else was said."""
    said = {kind: count for kind, count in kinds.items() if kind}
    return min(said, key=lambda kind: (-said[kind], kind), default="")


def _define(name: str, subject: str, target: str, typical: str) -> str:
    words = " ".join(name.replace("_", " ").split())
    return f"{subject or 'something'} {words} {target or 'something'}. {typical}".strip()


def _cluster(heads: Sequence[Relation], encoder: Encoder, settings: Clusters) -> list[Merge]:
    """Let each name join the nearest preferred one whose whole company it fits."""
    heads = [head for head in heads if settings.any_script or wording.legible(head.name)]
    if len(heads) < 2:
        return []
    by_name = encoder.encode([" ".join(head.name.replace("_", " ").split()) for head in heads])
    by_definition = encoder.encode([f"{head.name}: {head.definition}" for head in heads])
    root_of: dict[int, int] = {}
    company: dict[int, list[int]] = defaultdict(list)
    decided = []
    for here, other, name_near, definition_near in _near(by_name, by_definition, settings):
        root = root_of.get(other, other)
        if here in root_of or not all(_fit(heads[here], heads[member]) for member in [root, *company[root]]):
            continue
        root_of[here] = root
        company[root].append(here)
        reason = f"near in name ({name_near:.2f}) and definition ({definition_near:.2f})"
        decided.append(
            merges.merge("relation", heads[here].name, heads[other].name, reason, min(name_near, definition_near))
        )
    return decided


def _fit(one: Relation, other: Relation) -> bool:
    ends = zip(one.ends, other.ends, strict=True)
    return all(types.compatible(a, b) for a, b in ends) and not wording.differ(one.wording, other.wording)


def _near(
    by_name: NDArray[np.float32], by_definition: NDArray[np.float32], settings: Clusters
) -> Iterator[tuple[int, int, float, float]]:
    """(place, preferred place, both similarities) above both thresholds: places in order, the nearest first."""
    for start in range(0, len(by_name), ROWS):
        rows = slice(start, start + ROWS)
        names_near = by_name[rows] @ by_name.T
        definitions_near = by_definition[rows] @ by_definition.T
        passing = (names_near >= settings.min_name) & (definitions_near >= settings.min_definition)
        for row in range(len(names_near)):
            here = start + row
            nearest = [
                (float(names_near[row, other]), float(definitions_near[row, other]), int(other))
                for other in passing[row, :here].nonzero()[0]
            ]
            for name_near, definition_near, other in sorted(nearest, key=lambda near: (-near[0] - near[1], near[2]))[
                :NEAREST
            ]:
                yield here, other, name_near, definition_near

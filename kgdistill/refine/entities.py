"""Entities: learn over the corpus which names mean the same thing, and apply it document by document.

A wrong merge is worse than a missed one. Evidence is found by looking names up under keys, never by comparing all
pairs, so that 200,000 names take minutes; guards (`spelling.apart`, types, what is merged already) have the last word.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from kgdistill.contracts import Encoder
from kgdistill.errors import RecipeError
from kgdistill.records import Canonical, Claim, Merge, Reading
from kgdistill.refine import aliases, merges, respelling, types
from kgdistill.refine.aliases import Name, Proposal
from kgdistill.refine.spelling import apart, form

Row = tuple[str, str, str, int]
"""(name, type, document id, how often it is said there)"""


class Aliases(Struct, frozen=True, forbid_unknown_fields=True):
    """When two names are one. Raises RecipeError for thresholds that cannot be reached."""

    min_ratio: float = 90.0
    """Smallest rapidfuzz ratio (0-100) of two names that differ in spelling."""
    min_similarity: float = 0.8
    """Smallest cosine similarity of the embeddings of two names that differ in spelling."""

    def __post_init__(self) -> None:
        if not (0 <= self.min_ratio <= 100 and -1 <= self.min_similarity <= 1):
            raise RecipeError("aliases: min_ratio must lie in [0, 100] and min_similarity in [-1, 1]")


def gather(reading: Reading) -> list[Row]:
    """The rows that one document gives to `learn`: its entities and the ends of its claims, values left out."""
    counts: Counter[tuple[str, str]] = Counter()
    for graph in reading.chunks:
        typed = {entity.name: entity.type for entity in graph.entities}
        for entity in graph.entities:
            counts[entity.name, entity.type] += max(1, len(entity.spans))
        for claim in graph.claims:
            ends = (claim.subject,) if claim.literal else (claim.subject, claim.object)
            for name in ends:
                if name not in typed:
                    counts[name, ""] += 1
    return [(name, kind, reading.document.id, count) for (name, kind), count in sorted(counts.items())]


def learn(
    rows: Iterable[Row],
    encoder: Encoder,
    settings: Aliases,
    abbreviations: Iterable[tuple[str, str, str]] = (),
) -> list[Merge]:
    """Decide which names mean the same; one record per decision, each name led to at most one preferred name.

    `abbreviations` are (short, long, document id) that the texts themselves declare (`aliases.declared`). The most
    frequent, then longest name is preferred; a person's full name counts its shorter forms as its own. Order of the
    rows does not matter.
    """
    known = _collect(rows)
    short_forms = aliases.person_forms(known)
    proposals = [
        *short_forms,
        *aliases.same_letters(known),
        *aliases.titles(known),
        *aliases.legal_forms(known),
        *aliases.acronyms(known, abbreviations),
        *respelling.respellings(known, encoder, settings.min_ratio, settings.min_similarity),
    ]
    rank = _rank(known, short_forms)
    return _decide(known, proposals, rank)


def links(found: Iterable[Merge], without: frozenset[str] = frozenset()) -> merges.Links:
    """What `apply` needs, worked out once for many readings."""
    return merges.links(found, "entity", without)


def apply(reading: Reading, found: Iterable[Merge] | merges.Links, without: frozenset[str] = frozenset()) -> Reading:
    """The reading with canonical subjects and objects, as if the merges in `without` had never been found.

    Values (literal objects) are never renamed. `without` is only heard with merges, not with finished links.
    """
    way = found if isinstance(found, merges.Links) else links(found, without)

    def rename(claim: Claim) -> Canonical:
        subject, first = way.follow(claim.subject)
        target, second = (claim.object, ()) if claim.literal else way.follow(claim.object)
        return Canonical(subject, claim.names[1], target, (*first, *second))

    return merges.canonical(reading, rename, way.known)


def _collect(rows: Iterable[Row]) -> dict[str, Name]:
    """All names with their counts; values and names without a letter or digit are left out."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    documents: dict[str, set[str]] = defaultdict(set)
    for name, kind, document, count in rows:
        counts[name][types.family(kind)] += count
        documents[name].add(document)
    known = {}
    for name in sorted(counts):
        families = {family: count for family, count in counts[name].items() if family}
        main = max(families, key=lambda family: (families[family], family)) if families else ""
        if main != "value" and form(name).words:
            known[name] = Name(
                name, form(name), counts[name].total(), main, frozenset(families), frozenset(documents[name])
            )
    return known


def _rank(known: Mapping[str, Name], short_forms: Iterable[Proposal]) -> dict[str, int]:
    """Place of each name, the most preferred first: most frequent, then longest."""
    credit = Counter({name: entry.count for name, entry in known.items()})
    for proposal in short_forms:
        credit[proposal.other] += known[proposal.name].count

    def preference(name: str) -> tuple[int, int, int, int, str]:
        # Among names equally frequent and long the one with accents and the fewest signs is the proper one.
        accents = sum(not letter.isascii() for letter in name)
        return -credit[name], -len(known[name].form.key), -accents, len(name), name

    return {name: place for place, name in enumerate(sorted(known, key=preference))}


def _decide(known: Mapping[str, Name], proposals: Iterable[Proposal], rank: Mapping[str, int]) -> list[Merge]:
    """Walk the names from the most preferred on; each may join one before it that nothing in its company forbids."""
    waiting: dict[str, list[Proposal]] = defaultdict(list)
    for proposal in proposals:
        name, other = sorted((proposal.name, proposal.other), key=lambda end: -rank[end])
        waiting[name].append(Proposal(name, other, proposal.reason, proposal.score))
    root_of: dict[str, str] = {}
    company: dict[str, list[str]] = defaultdict(list)
    decided = []
    for name in sorted(waiting, key=lambda name: rank[name]):
        for proposal in sorted(waiting[name], key=lambda found: (-found.score, rank[found.other], found.reason)):
            root = root_of.get(proposal.other, proposal.other)
            if all(_may_join(known[name], known[member]) for member in [root, *company[root]]):
                root_of[name] = root
                company[root].append(name)
                decided.append(merges.merge("entity", name, proposal.other, proposal.reason, proposal.score))
                break
    return decided


def _may_join(one: Name, other: Name) -> bool:
    return types.compatible(one.family, other.family) and not apart(one.form, other.form)


def declared_in(readings: Iterable[Reading]) -> Iterator[tuple[str, str, str]]:
    """All abbreviations that the documents themselves declare."""
    for reading in readings:
        for short, long in aliases.declared(reading.document.text):
            yield short, long, reading.document.id

"""Labels: what entities and relations of a reading are called, in the graph of names."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

from msgspec import Struct
from pyoxigraph import Literal, NamedNode, Quad

from kgdistill.graph import iri
from kgdistill.graph.terms import (
    ALTERNATIVE,
    CONCEPT,
    PREFERRED,
    RDF_PROPERTY,
    RDFS_CLASS,
    RDFS_LABEL,
    TYPE,
    node,
)
from kgdistill.records import Merge, Proposition, Reading, Triple
from kgdistill.text.surrogates import scrub


class Renaming(Struct, frozen=True):
    """Where the corpus' merges lead: name -> canonical name, for entities that no claim of their document names."""

    entities: dict[str, str] = {}

    @classmethod
    def of(cls, merges: Iterable[Merge]) -> Renaming:
        return cls({merge.name: merge.into for merge in merges if merge.kind == "entity"})

    def follow(self, name: str) -> str:
        seen = {name}
        while (further := self.entities.get(name)) is not None and further not in seen:
            seen.add(further)
            name = further
        return name


def names(reading: Reading, base: str, renaming: Renaming) -> Iterator[Quad]:
    """Concepts with labels and types, and properties with labels, once each for the document."""
    graph = node(iri.names_iri(base))
    entities: dict[tuple[str, str], None] = {}
    relations: dict[tuple[str, str], None] = {}
    for claim in reading.claims:
        if isinstance(claim, Proposition):
            continue
        subject, relation, target = claim.names
        entities[subject, claim.subject] = None
        relations[relation, claim.relation] = None
        if not claim.literal:
            entities[target, claim.object] = None
        if isinstance(claim, Triple):
            entities.update({(other, other): None for other in claim.others})
    known = {name: canonical for canonical, name in entities}
    typed: dict[tuple[str, str], None] = {}
    for entity in (entity for chunk in reading.chunks for entity in chunk.entities):
        canonical = known.get(entity.name) or renaming.follow(entity.name)
        entities[canonical, entity.name] = None
        if entity.type:
            typed[canonical, entity.type] = None
    yield from _labels(entities, base, graph)
    for canonical, kind in typed:
        minted = node(iri.type_iri(base, kind))
        yield Quad(node(iri.entity_iri(base, canonical)), TYPE, minted, graph)
        yield Quad(minted, TYPE, RDFS_CLASS, graph)
        yield Quad(minted, RDFS_LABEL, _label(kind), graph)
    for canonical in dict.fromkeys(canonical for canonical, _ in relations):
        predicate = node(iri.relation_iri(base, canonical))
        yield Quad(predicate, TYPE, RDF_PROPERTY, graph)
        yield Quad(predicate, RDFS_LABEL, _label(canonical), graph)
    for canonical, name in relations:
        if name != canonical:
            yield Quad(node(iri.relation_iri(base, canonical)), ALTERNATIVE, _label(name), graph)


def _labels(entities: Iterable[tuple[str, str]], base: str, graph: NamedNode) -> Iterator[Quad]:
    for canonical in dict.fromkeys(canonical for canonical, _ in entities):
        subject = node(iri.entity_iri(base, canonical))
        yield Quad(subject, TYPE, CONCEPT, graph)
        yield Quad(subject, PREFERRED, _label(canonical), graph)
    for canonical, name in entities:
        if _nfc(name) != _nfc(canonical):
            yield Quad(node(iri.entity_iri(base, canonical)), ALTERNATIVE, _label(name), graph)


def _label(name: str) -> Literal:
    # In NFC like the address, so that one entity never has two preferred labels.
    return Literal(_nfc(name))


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", scrub(name))

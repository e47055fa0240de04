"""Ways of finding evidence for a question, each a function from an index to what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from kgdistill.contracts import Encoder, Teacher
from kgdistill.query.columns import best
from kgdistill.query.evidence import Evidence
from kgdistill.query.index import Index

Ranked = list[tuple[int, float]]
"""Numbers of passages or propositions with their scores, the best first."""
TRIPLES_FIRST = 5
"""Where no name of the graph stands in a question, a walk starts at the ends of so many triples that are near it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of retrieval; each method reads those that it needs."""

    encoder: str | Encoder = ""
    """A sentence-transformers model by name or folder, or an open encoder; empty: the embedded all-MiniLM-L6-v2."""
    candidates: int = 0
    """Propositions that a graph is made of (M of Distill-SynthKG); 0: twice as many as are asked for."""
    hops: int = 2
    """How far from the question's entities a proposition may stand in that graph (N)."""
    teacher: Teacher | None = None
    """Brings the propositions of that graph into its own order; None: they stay in that of their nearness."""
    damping: float = 0.5
    """Of PageRank, as HippoRAG has it."""
    synonym: float = 0.8
    """Cosine from which names count as synonyms in PageRank, as HippoRAG has it; above 1: none."""
    k1: float = 1.5
    b: float = 0.75
    """Both of BM25, as Lucene has them but for k1 (1.2 there)."""
    announce: Callable[[str], None] | None = None
    """Hears, in a line, of what takes long."""


def dense(index: Index, question: str, count: int, settings: Settings) -> Ranked:
    """Passages whose vectors are nearest to the question's."""
    return _nearest(index, "passages", question, count)


def bm25(index: Index, question: str, count: int, settings: Settings) -> Ranked:
    """Passages that share words with the question."""
    return list(zip(*index.words(settings.k1, settings.b).nearest(question, count), strict=True))


def pagerank(index: Index, question: str, count: int, settings: Settings) -> Ranked:
    """Passages that speak of what a walk from the question's entities meets most (HippoRAG)."""
    seeds = entities_of(index, question)
    if not seeds and len(index.evidence.triples):
        near = [triple for triple, _ in _nearest(index, "triples", question, TRIPLES_FIRST)]
        seeds = sorted(set(index.evidence.ends(near).tolist()))
    if not seeds:
        return []
    mass = index.spread(settings.synonym).passages(seeds, settings.damping)
    return [(place, float(mass[place])) for place in best(mass, count).tolist() if mass[place] > 0]


def triples(index: Index, question: str, count: int, settings: Settings) -> Ranked:
    """Propositions that say the triples nearest to the question, each under the nearest of its triples."""
    found: dict[int, float] = {}
    saying = index.evidence.saying
    wanted = count
    while True:
        near = _nearest(index, "triples", question, wanted)
        for triple, score in near:
            for proposition in saying.of(triple).tolist():
                found.setdefault(proposition, score)
        if len(found) >= count or len(near) < wanted:
            return list(found.items())[:count]
        wanted *= 2  # triples of one sentence: there were fewer sentences than triples


def propositions(index: Index, question: str, count: int, settings: Settings) -> Ranked:
    """Propositions whose vectors are nearest to the question's."""
    return _nearest(index, "propositions", question, count)


def graph_propositions(index: Index, question: str, count: int, settings: Settings) -> Ranked:
    """Propositions near the question that also hang together with its entities (Distill-SynthKG, retrieval).

    The `candidates` nearest propositions and their entities are a graph. Those within `hops` of the question's entities
    come first, by their nearness; the others after them, each with one point less. Where the question names no entity
    of the graph, nearness alone decides.
    """
    near = _nearest(index, "propositions", question, max(count, settings.candidates or 2 * count))
    seeds = entities_of(index, question)
    close = reached(index.evidence, (number for number, _ in near), seeds, settings.hops)
    ranked = [(number, score if number in close or not seeds else score - 1.0) for number, score in near]
    return sorted(ranked, key=lambda one: -one[1])


def reached(evidence: Evidence, numbers: Iterable[int], seeds: Iterable[int], hops: int) -> set[int]:
    """Which propositions are within so many hops of the seed entities, going only from one of them to another.

    One hop leads from an entity to a proposition that speaks of it, and to all that this proposition speaks of.
    """
    ends = {number: set(evidence.ends(evidence.said.of(number)).tolist()) for number in numbers}
    known, found = set(seeds), set[int]()
    for _ in range(hops):
        new = {number for number, entities in ends.items() if number not in found and entities & known}
        if not new:
            break
        found |= new
        known.update(*(ends[number] for number in new))
    return found


def entities_of(index: Index, question: str) -> list[int]:
    """Entities that a question names: as the graph spells them or, where there is none, nearly so."""
    return index.labels.mentioned(question) or index.labels.nearly_mentioned(question)


def _nearest(index: Index, kind: str, question: str, count: int) -> Ranked:
    vectors = index.vectors(kind)
    if not len(vectors):
        return []
    [vector] = index.encoder.encode([question])
    return list(zip(*vectors.nearest(vector, count), strict=True))


Method = Callable[[Index, str, int, Settings], Ranked]
PASSAGE_METHODS: dict[str, Method] = {"dense": dense, "bm25": bm25, "pagerank": pagerank}
PROPOSITION_METHODS: dict[str, Method] = {
    "triples": triples,
    "propositions": propositions,
    "graph_propositions": graph_propositions,
}
METHODS: tuple[str, ...] = (*PASSAGE_METHODS, *PROPOSITION_METHODS)
"""What `open_retriever` knows."""


def checked(given: dict[str, Any]) -> Settings:
    """The settings. Raises ValueError, on one line, at one that is unknown or out of its range."""
    known = Settings.__dataclass_fields__
    if unknown := sorted(given.keys() - known.keys()):
        raise ValueError(f'there is no setting "{unknown[0]}": choose from {", ".join(known)}')
    settings = Settings(**given)
    ranges = {"candidates": (0, 1e6), "hops": (0, 100), "damping": (0, 0.999), "synonym": (-1, 2), "k1": (0, 100)}
    for name, (least, most) in {**ranges, "b": (0, 1)}.items():
        value = getattr(settings, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise ValueError(f"{name} must be a number from {least} to {most}")
    return settings

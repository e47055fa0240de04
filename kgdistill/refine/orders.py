"""Orders: what comparisons say together of one aspect, and where they contradict each other by going in a circle."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

from msgspec import Struct

from kgdistill.records import Comparative, Drop, Reading
from kgdistill.refine.comparatives import drop, likelihood
from kgdistill.text.names import normal


class Edge(Struct, frozen=True):
    """`greater` has more of the aspect than `lesser`, says the claim."""

    greater: str
    lesser: str
    aspect: str
    weight: float
    """How far it is believed: of a circle, the weakest gives way."""
    claim: str
    document: str
    statement: str = ""


class Circle(Struct, frozen=True):
    """Comparisons of one aspect of which each next one goes on where the last one ends, back to the first."""

    aspect: str
    edges: tuple[Edge, ...]

    @property
    def weakest(self) -> Edge:
        return min(self.edges, key=_strength)


def edges(readings: Iterable[Reading]) -> list[Edge]:
    """Every kept comparison; its weight is its combined score, else its likelihood as a number below 0."""
    return [
        Edge(*_ends(claim), normal(claim.aspect), _weight(claim), claim.id, reading.document.id, claim.statement)
        for reading in readings
        for claim in reading.claims
        if isinstance(claim, Comparative) and claim.asserted
    ]


def _ends(claim: Comparative) -> tuple[str, str]:
    left, _, right = map(normal, claim.names)
    return (left, right) if claim.direction == "more" else (right, left)


def _weight(claim: Comparative) -> float:
    score = claim.verdict("combined")
    return likelihood(claim) if score is None else score


def circles(found: Iterable[Edge]) -> list[Circle]:
    """Circles until none is left when the weakest way of each is taken away: the shortest through the weakest way that
    lies on any. A way (this has more than that) is as strong as the strongest comparison that goes it. The same circles
    for the same comparisons, whatever their order."""
    ways: dict[str, dict[tuple[str, str], Edge]] = defaultdict(dict)
    for edge in sorted(found, key=lambda edge: (-edge.weight, edge.claim)):
        ways[edge.aspect].setdefault((edge.greater, edge.lesser), edge)
    return [circle for aspect in sorted(ways) for circle in _circles(aspect, ways[aspect])]


def _circles(aspect: str, ways: dict[tuple[str, str], Edge]) -> Iterator[Circle]:
    import networkx

    graph = networkx.DiGraph()
    graph.add_edges_from(sorted(ways))
    while True:
        parts = enumerate(networkx.strongly_connected_components(graph))
        part = {node: number for number, nodes in parts for node in nodes}
        inside = [ways[one, other] for one, other in graph.edges if part[one] == part[other]]
        if not inside:
            return
        first = min(inside, key=_strength)
        back = networkx.shortest_path(graph, first.lesser, first.greater)
        circle = Circle(aspect, (first, *(ways[way] for way in pairwise(back))))
        yield circle
        graph.remove_edge(circle.weakest.greater, circle.weakest.lesser)


def _strength(edge: Edge) -> tuple[float, str]:
    return edge.weight, edge.claim


def settle(reading: Reading, found: Iterable[Circle]) -> Reading:
    """Drop the comparisons that go the weakest way of a circle ("circle"); the one that goes on from there is named."""
    drops: dict[str, Drop] = {}
    ways = {(edge.greater, edge.lesser, edge.aspect): edge for edge in edges([reading])}
    named: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for claim in reading.claims:
        if isinstance(claim, Comparative):
            named[(*_ends(claim), normal(claim.aspect))].append(claim.id)
    for circle in found:
        weakest = circle.weakest
        way = (weakest.greater, weakest.lesser, weakest.aspect)
        if way in ways:
            next_one = circle.edges[(circle.edges.index(weakest) + 1) % len(circle.edges)]
            names = " > ".join([*(edge.greater for edge in circle.edges), circle.edges[0].greater])
            drops |= dict.fromkeys(named[way], Drop("circle", f"{circle.aspect}: {names}", next_one.claim))
    return drop(reading, drops)

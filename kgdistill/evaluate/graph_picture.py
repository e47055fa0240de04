"""A picture of the graph: its most connected islands, laid out the same way each time, as inline SVG."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup
from msgspec import Struct

from kgdistill.evaluate.figures import svg
from kgdistill.evaluate.findings import Edge
from kgdistill.evaluate.graph_layout import LINE, WIDTH, Place, half_width, lay_out, short

if TYPE_CHECKING:
    import networkx

MOST = 60
"""Nodes drawn."""
NAMED = 24
"""Edges whose relation is written beside them; the others say it when pointed at."""
SMALL_LETTER = 5.0
COLOURS = 7
"""Types with a colour of their own; the rest share one."""


class Picture(Struct, frozen=True):
    """The drawing, and what its colours mean."""

    drawing: Markup
    legend: tuple[tuple[str, str], ...]
    """(class of the style sheet, entity type)."""
    nodes: int
    edges: int
    all_nodes: int
    all_edges: int


def draw(edges: Mapping[Edge, Sequence[float]], types: Mapping[str, Counter[str]]) -> Picture | None:
    """The picture of these edges (with the scores behind each); None where there is nothing to draw."""
    whole = _graph(edges)
    if not whole:
        return None
    shown = _most_connected(whole)
    places, height = lay_out(_parts(shown))
    kinds = {node: _type(node, types) for node in shown}
    ranked = [kind for kind, _ in Counter(sorted(kinds.values())).most_common() if kind]
    style = {kind: f"type{place}" for place, kind in enumerate(ranked[:COLOURS])}
    named = _named(shown, places)
    lines = [_line(shown, one, other, places, named.get((one, other))) for one, other in sorted(shown.edges)]
    marks = [
        _mark(node, places[node], kinds[node], style.get(kinds[node], "other"), shown.degree[node])
        for node in sorted(shown)
    ]
    title = f"{len(shown)} of {len(whole)} entities and the relations between them"
    legend = [*((name, kind) for kind, name in style.items())]
    if len(ranked) > COLOURS or not all(kinds.values()):
        legend.append(("other", "other"))
    return Picture(
        svg(title, WIDTH, math.ceil(height), Markup("").join((*lines, *marks)), "graph"),
        tuple(legend),
        len(shown),
        shown.number_of_edges(),
        len(whole),
        whole.number_of_edges(),
    )


def _graph(edges: Mapping[Edge, Sequence[float]]) -> networkx.Graph:
    """Undirected for laying out; each edge lists what is said along it, strongest first, and its weight."""
    import networkx

    graph = networkx.Graph()
    for edge in sorted(edges, key=lambda edge: (edge.subject, edge.object, edge.relation)):
        if edge.subject == edge.object:
            continue
        if not graph.has_edge(edge.subject, edge.object):
            graph.add_edge(edge.subject, edge.object, said=[], weight=0.0)
        line = graph.edges[edge.subject, edge.object]
        line["said"].append((sum(edges[edge]), edge))
        line["weight"] += sum(edges[edge])
    return graph


def _parts(graph: networkx.Graph) -> list[networkx.Graph]:
    import networkx

    parts = sorted(networkx.connected_components(graph), key=lambda part: (-len(part), min(part)))
    return [_part(graph, part) for part in parts]


def _part(graph: networkx.Graph, nodes: Iterable[str]) -> networkx.Graph:
    """The graph of these nodes alone, in an order that no hash decides (that of a networkx subgraph is a set's)."""
    import networkx

    inside = set(nodes)
    part = networkx.Graph()
    part.add_nodes_from(sorted(inside))
    edges = sorted(_sorted(edge) for edge in graph.edges if inside.issuperset(edge))
    part.add_edges_from((one, other, graph.edges[one, other]) for one, other in edges)
    return part


def _sorted(edge: tuple[str, str]) -> tuple[str, str]:
    return (edge[0], edge[1]) if edge[0] <= edge[1] else (edge[1], edge[0])


def _most_connected(graph: networkx.Graph) -> networkx.Graph:
    """The largest islands that fit; of one that is too large alone, its best connected nodes."""
    chosen: list[str] = []
    for part in _parts(graph):
        room = MOST - len(chosen)
        if len(part) <= room:
            chosen += part
        elif not chosen or room >= MOST // 3:
            chosen += _core(part, room)
        if MOST - len(chosen) < 3:
            break
    return _part(graph, chosen)


def _core(part: networkx.Graph, room: int) -> list[str]:
    """A connected choice of `room` nodes: grown from the best connected one, always by its best connected neighbour."""

    def rank(node: str) -> tuple[int, float, str]:
        return -part.degree[node], -part.degree(node, weight="weight"), node

    chosen = [min(part, key=rank)]
    edge = set(part[chosen[0]])
    while edge and len(chosen) < room:
        node = min(edge, key=rank)
        chosen.append(node)
        edge |= set(part[node])
        edge -= set(chosen)
    return chosen


def _named(graph: networkx.Graph, places: Mapping[str, Place]) -> dict[tuple[str, str], Place]:
    """Where to write the relations of the strongest edges that have room for it, without covering another label."""
    chosen: dict[tuple[str, str], Place] = {}
    boxes = [(x, y, half_width(node), LINE / 2 - 1) for node, (x, y) in places.items()]
    for one, other in sorted(graph.edges, key=lambda pair: (-graph.edges[pair]["weight"], pair)):
        (x1, y1), (x2, y2) = places[one], places[other]
        half = len(short(_said(graph, one, other)[0].relation)) * SMALL_LETTER / 2 + 3
        for along in (0.5, 0.42, 0.58, 0.34, 0.66):
            x, y = x1 + along * (x2 - x1), y1 + along * (y2 - y1)
            if all(abs(x - left) >= half + wide or abs(y - top) >= high + 6 for left, top, wide, high in boxes):
                chosen[one, other] = x, y
                boxes.append((x, y, half, 6.0))
                break
        if len(chosen) == NAMED:
            break
    return chosen


def _said(graph: networkx.Graph, one: str, other: str) -> list[Edge]:
    """What is said along an edge, strongest first."""
    said = sorted(graph.edges[one, other]["said"], key=lambda pair: (-pair[0], pair[1].relation, pair[1].subject))
    return [edge for _, edge in said]


def _type(node: str, types: Mapping[str, Counter[str]]) -> str:
    known = types.get(node)
    return min(known, key=lambda kind: (-known[kind], kind)) if known else ""


def _line(graph: networkx.Graph, one: str, other: str, places: Mapping[str, Place], name: Place | None) -> Markup:
    said = _said(graph, one, other)
    (x1, y1), (x2, y2) = places[one], places[other]
    title = "\n".join(f"{edge.subject} — {edge.relation} → {edge.object}" for edge in said[:6])
    width = min(4.0, 1.0 + 0.5 * graph.edges[one, other]["weight"])
    numbers = (round(number, 1) for number in (x1, y1, x2, y2, width))
    line = Markup(
        '<g class="edge"><line x1="{}" y1="{}" x2="{}" y2="{}" stroke-width="{}"/>'
        '<line class="reach" x1="{}" y1="{}" x2="{}" y2="{}"/><title>{}</title></g>'
    )
    drawn = line.format(*numbers, *(round(number, 1) for number in (x1, y1, x2, y2)), title)
    if name is None:
        return drawn
    x, y = round(name[0], 1), round(name[1] + 3, 1)
    return drawn + Markup('<text class="relation" x="{}" y="{}">{}</text>').format(x, y, short(said[0].relation))


def _mark(node: str, place: tuple[float, float], kind: str, style: str, degree: int) -> Markup:
    x, y = place
    return Markup(
        '<g class="node {}"><circle cx="{}" cy="{}" r="{}"/><text x="{}" y="{}">{}</text><title>{}</title></g>'
    ).format(
        style,
        round(x, 1),
        round(y - 6, 1),
        round(min(10.0, 4.5 + 0.7 * degree), 1),
        round(x, 1),
        round(y + 13, 1),
        short(node),
        f"{node} ({kind or 'no type'}), {degree} connections",
    )

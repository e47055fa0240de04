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

if TYPE_CHECKING:
    import networkx

MOST = 60
"""Nodes drawn."""
NAMED = 24
"""Edges whose relation is written beside them; the others say it when pointed at."""
LETTER = 6.3
"""Width of a letter in pixels, on average."""
SMALL_LETTER = 5.0
LINE = 30.0
LONGEST = 26
WIDTH = 1120
GAP = 26
ROUNDS = 120
"""Sweeps of the layout: by then nothing moves that an eye could see."""
COLOURS = 7
"""Types with a colour of their own; the rest share one."""


Place = tuple[float, float]


class Picture(Struct, frozen=True):
    """The drawing, and what its colours mean."""

    drawing: Markup
    legend: tuple[tuple[str, str], ...]
    """(class of the style sheet, entity type)."""
    nodes: int
    edges: int
    all_nodes: int
    all_edges: int


class Island(Struct):
    """A connected part with its nodes' centres and its size, in pixels from its own corner."""

    places: dict[str, Place]
    width: float
    height: float


def draw(edges: Mapping[Edge, Sequence[float]], types: Mapping[str, Counter[str]]) -> Picture | None:
    """The picture of these edges (with the scores behind each); None where there is nothing to draw."""
    whole = _graph(edges)
    if not whole:
        return None
    shown = _most_connected(whole)
    islands = [_lay_out(part) for part in _parts(shown)]
    places, height = _pack(islands)
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


def _lay_out(part: networkx.Graph) -> Island:
    """Places by connections, then labels pushed apart until none covers another."""
    nodes = list(part)
    raw = _springs(part)
    reach = 62 * math.sqrt(len(nodes)) + 20
    # Labels are wide and low, so the picture may be too.
    wide = min(reach * 1.6, WIDTH / 2 - 110)
    xs, ys = _level([x for x, _ in raw], [y for _, y in raw])
    xs, ys = [x * wide for x in xs], [y * reach * 0.9 for y in ys]
    _push_apart(xs, ys, [_half_width(node) for node in nodes])
    left = min(x - _half_width(node) for x, node in zip(xs, nodes, strict=True))
    top = min(ys) - LINE / 2
    right = max(x + _half_width(node) for x, node in zip(xs, nodes, strict=True))
    places = {node: (x - left, y - top) for node, x, y in zip(nodes, xs, ys, strict=True)}
    return Island(places, right - left, max(ys) - top + LINE / 2)


def _springs(part: networkx.Graph) -> list[Place]:
    """Places whose distances are as near as can be to the steps between the nodes (Gansner, Koren and North 2004).

    Node by node, in plain numpy: quick for some dozens, and the same bits on every machine whatever its threads.
    """
    import networkx
    import numpy as np

    nodes = list(part)
    start = networkx.spring_layout(part, seed=0, iterations=50)
    places = np.array([start[node] for node in nodes]) * math.sqrt(len(nodes))
    steps = dict(networkx.all_pairs_shortest_path_length(part))
    wanted = np.array([[steps[one][other] for other in nodes] for one in nodes], dtype=float)
    weights = np.where(wanted > 0, 1 / np.maximum(wanted, 1) ** 2, 0.0)
    for _ in range(ROUNDS):
        for place in range(len(nodes)):
            apart = places[place] - places
            far = np.maximum(np.sqrt((apart**2).sum(axis=1)), 1e-6)
            pulled = places + apart * (wanted[place] / far)[:, None]
            places[place] = (pulled * weights[place][:, None]).sum(axis=0) / weights[place].sum()
    return [(float(x), float(y)) for x, y in places]


def _level(xs: list[float], ys: list[float]) -> tuple[list[float], list[float]]:
    """The points turned so that they spread most from left to right, within -1 and 1."""
    middle_x, middle_y = sum(xs) / len(xs), sum(ys) / len(ys)
    xs, ys = [x - middle_x for x in xs], [y - middle_y for y in ys]
    across, down, both = sum(x * x for x in xs), sum(y * y for y in ys), sum(x * y for x, y in zip(xs, ys, strict=True))
    angle = 0.5 * math.atan2(2 * both, across - down)
    cosine, sine = math.cos(angle), math.sin(angle)
    turned = [x * cosine + y * sine for x, y in zip(xs, ys, strict=True)]
    other = [y * cosine - x * sine for x, y in zip(xs, ys, strict=True)]
    largest = max(map(abs, turned)) or 1.0
    return [x / largest for x in turned], [y / largest for y in other]


def _half_width(node: str) -> float:
    return max(18.0, len(_short(node)) * LETTER / 2 + 5)


def _push_apart(xs: list[float], ys: list[float], halves: list[float]) -> None:
    """Move boxes that overlap away from each other, each pair along the way that is shorter."""
    for _ in range(300):
        moved = False
        for i in range(len(xs)):
            for j in range(i):
                across = halves[i] + halves[j] + 6 - abs(xs[i] - xs[j])
                down = LINE + 9 - abs(ys[i] - ys[j])
                if across <= 0.5 or down <= 0.5:
                    continue
                moved = True
                if down <= across:
                    shift = (down / 2 + 0.1) * (1 if ys[i] >= ys[j] else -1)
                    ys[i], ys[j] = ys[i] + shift, ys[j] - shift
                else:
                    shift = (across / 2 + 0.1) * (1 if xs[i] >= xs[j] else -1)
                    xs[i], xs[j] = xs[i] + shift, xs[j] - shift
        if not moved:
            return


def _pack(islands: list[Island]) -> tuple[dict[str, Place], float]:
    """All nodes' places with the islands in rows, highest first, each row centred; and the height of it all."""
    for island in islands:
        if island.width > WIDTH - 2 * GAP:
            shrink = (WIDTH - 2 * GAP) / island.width
            island.places = {node: (x * shrink, y) for node, (x, y) in island.places.items()}
            island.width *= shrink
    rows: list[list[Island]] = []
    for island in sorted(islands, key=lambda island: -island.height):
        for row in rows:
            if sum(other.width + 2 * GAP for other in row) + island.width <= WIDTH - 2 * GAP:
                row.append(island)
                break
        else:
            rows.append([island])
    places: dict[str, Place] = {}
    top = float(GAP)
    for row in rows:
        height = max(island.height for island in row)
        space = (WIDTH - sum(island.width for island in row)) / (len(row) + 1)
        left = space
        for island in row:
            down = top + (height - island.height) / 2
            places.update({node: (x + left, y + down) for node, (x, y) in island.places.items()})
            left += island.width + space
        top += height + 2 * GAP
    return places, top


def _named(graph: networkx.Graph, places: Mapping[str, Place]) -> dict[tuple[str, str], Place]:
    """Where to write the relations of the strongest edges that have room for it, without covering another label."""
    chosen: dict[tuple[str, str], Place] = {}
    boxes = [(x, y, _half_width(node), LINE / 2 - 1) for node, (x, y) in places.items()]
    for one, other in sorted(graph.edges, key=lambda pair: (-graph.edges[pair]["weight"], pair)):
        (x1, y1), (x2, y2) = places[one], places[other]
        half = len(_short(_said(graph, one, other)[0].relation)) * SMALL_LETTER / 2 + 3
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


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1].rstrip() + "…"


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
    return drawn + Markup('<text class="relation" x="{}" y="{}">{}</text>').format(x, y, _short(said[0].relation))


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
        _short(node),
        f"{node} ({kind or 'no type'}), {degree} connections",
    )

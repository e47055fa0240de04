"""Where the nodes of a graph's islands stand in its picture: by connections, and with room for every label."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import networkx

LETTER = 6.3
"""Width of a letter in pixels, on average."""
LINE = 30.0
LONGEST = 26
WIDTH = 1120
GAP = 26
ROUNDS = 120
"""Sweeps of the layout: by then nothing moves that an eye could see."""
Place = tuple[float, float]


class Island(Struct):
    """A connected part with its nodes' centres and its size, in pixels from its own corner."""

    places: dict[str, Place]
    width: float
    height: float


def lay_out(parts: Iterable[networkx.Graph]) -> tuple[dict[str, Place], float]:
    """Every node's place in pixels, `WIDTH` wide, and the height of the picture; the same for the same parts."""
    return _pack([_lay_out(part) for part in parts])


def _lay_out(part: networkx.Graph) -> Island:
    """Places by connections, then labels pushed apart until none covers another."""
    nodes = list(part)
    raw = _springs(part)
    reach = 62 * math.sqrt(len(nodes)) + 20
    # Labels are wide and low, so the picture may be too.
    wide = min(reach * 1.6, WIDTH / 2 - 110)
    xs, ys = _level([x for x, _ in raw], [y for _, y in raw])
    xs, ys = [x * wide for x in xs], [y * reach * 0.9 for y in ys]
    _push_apart(xs, ys, [half_width(node) for node in nodes])
    left = min(x - half_width(node) for x, node in zip(xs, nodes, strict=True))
    top = min(ys) - LINE / 2
    right = max(x + half_width(node) for x, node in zip(xs, nodes, strict=True))
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


def half_width(node: str) -> float:
    """Half of what a node with its label takes from left to right, in pixels."""
    return max(18.0, len(short(node)) * LETTER / 2 + 5)


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


def short(name: str) -> str:
    """The name as its label has it."""
    return name if len(name) <= LONGEST else name[: LONGEST - 1].rstrip() + "…"

"""Small charts as inline SVG: lines, bars and points whose colours and text follow the page's style sheet."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape
from msgspec import Struct

WIDTH, HEIGHT = 440, 300
LEFT, RIGHT, TOP, BOTTOM = 48, 14, 14, 44


class Series(Struct, frozen=True):
    """A line with a name; `style` is a class of the style sheet ("one", "two", "three", "gold")."""

    name: str
    points: Sequence[tuple[float, float]]
    style: str
    weights: Sequence[float] = ()
    """Areas of the points' marks, relative to the largest; none: equal marks."""


class Axis(Struct, frozen=True):
    """One axis from `low` to `high` with its ticks and what it measures."""

    label: str
    low: float = 0.0
    high: float = 1.0
    ticks: Sequence[tuple[float, str]] = ((0, "0"), (0.25, "0.25"), (0.5, "0.5"), (0.75, "0.75"), (1, "1"))


def from_zero(label: str, largest: float) -> Axis:
    """An axis from 0 to a round number of at least `largest`, with three to five ticks."""
    step = 1.0
    while step * 4 < largest:
        step *= 2.5 if str(step).strip("0.")[0] == "2" else 2
    while step * 2 > max(largest, 1e-3):
        step /= 2
    count = max(1, -int(-max(largest, 1e-9) // step))
    return Axis(label, 0.0, step * count, [(step * n, f"{step * n:g}") for n in range(count + 1)])


def chart(title: str, across: Axis, up: Axis, series: Sequence[Series], diagonal: str = "") -> Markup:
    """Lines with marks over two axes; `diagonal` names the line on which both are equal."""

    def x(value: float) -> float:
        return round(LEFT + (value - across.low) / (across.high - across.low) * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - up.low) / (up.high - up.low) * (HEIGHT - TOP - BOTTOM), 1)

    parts = [_frame(across, up, x, y)]
    if diagonal:
        parts.append(
            Markup('<line class="diagonal" x1="{}" y1="{}" x2="{}" y2="{}"><title>{}</title></line>').format(
                x(across.low), y(up.low), x(across.high), y(up.high), diagonal
            )
        )
    for line in series:
        places = [(x(first), y(second)) for first, second in line.points]
        path = " ".join(f"{px},{py}" for px, py in places)
        parts.append(Markup('<polyline class="line {}" points="{}"/>').format(line.style, path))
        largest = max(line.weights, default=1.0) or 1.0
        for place, (first, second) in enumerate(line.points):
            radius = 2 + 5 * (line.weights[place] / largest) ** 0.5 if line.weights else 3
            count = f", {line.weights[place]:g} facts" if line.weights else ""
            parts.append(
                Markup('<circle class="mark {}" cx="{}" cy="{}" r="{}"><title>{}</title></circle>').format(
                    line.style, *places[place], round(radius, 1), f"{line.name}: {first:.2f}, {second:.2f}{count}"
                )
            )
    return svg(title, WIDTH, HEIGHT, Markup("").join(parts))


def _frame(across: Axis, up: Axis, x: object, y: object) -> Markup:
    assert callable(x) and callable(y)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for value, text in up.ticks:
        parts.append(
            Markup(
                '<line class="grid" x1="{}" y1="{}" x2="{}" y2="{}"/><text x="{}" y="{}" class="tick end">{}</text>'
            ).format(LEFT, y(value), right, y(value), LEFT - 7, y(value) + 4, text)
        )
    for value, text in across.ticks:
        parts.append(Markup('<text x="{}" y="{}" class="tick middle">{}</text>').format(x(value), bottom + 17, text))
    middle = (TOP + bottom) / 2
    parts.append(
        Markup('<text x="{}" y="{}" class="axis middle">{}</text>').format((LEFT + right) / 2, HEIGHT - 6, across.label)
    )
    parts.append(
        Markup('<text transform="translate(12 {}) rotate(-90)" class="axis middle">{}</text>').format(middle, up.label)
    )
    return Markup("").join(parts)


def histogram(title: str, kept: Sequence[int], dropped: Sequence[int]) -> Markup:
    """Stacked bars of the scores of kept and dropped claims over [0, 1]."""
    most = max(one + other for one, other in zip(kept, dropped, strict=True)) or 1
    up = from_zero("claims", most)
    across = Axis("combined score")
    width = (WIDTH - LEFT - RIGHT) / len(kept)
    scale = (HEIGHT - TOP - BOTTOM) / up.high
    parts = [
        _frame(
            across,
            up,
            lambda value: LEFT + value * (WIDTH - LEFT - RIGHT),
            lambda value: round(HEIGHT - BOTTOM - value * scale, 1),
        )
    ]
    for place, (one, other) in enumerate(zip(kept, dropped, strict=True)):
        base = float(HEIGHT - BOTTOM)
        for count, style in ((one, "one"), (other, "drop")):
            if count:
                base -= count * scale
                parts.append(
                    Markup('<rect class="bar {}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>').format(
                        style,
                        round(LEFT + place * width + 1, 1),
                        round(base, 1),
                        round(width - 2, 1),
                        round(count * scale, 1),
                        f"{'kept' if style == 'one' else 'dropped'}, score {place / len(kept):.2f} to "
                        f"{(place + 1) / len(kept):.2f}: {count:,}",
                    )
                )
    return svg(title, WIDTH, HEIGHT, Markup("").join(parts))


def interval(low: float, value: float, high: float) -> Markup:
    """A value in [0, 1] as a bar with its interval, as wide as a table cell."""
    return Markup(
        '<svg class="interval" viewBox="0 0 120 16" aria-hidden="true"><rect class="rail" width="120" height="6" y="5" '
        'rx="3"/><rect class="fill" width="{}" height="6" y="5" rx="3"/>'
        '<path class="whisker" d="M{} 8H{}M{} 4v8M{} 4v8"/></svg>'
    ).format(*(round(number * 118 + 1, 1) for number in (value, low, high, low, high)))


def svg(title: str, width: int, height: int, content: Markup, style: str = "chart") -> Markup:
    """A titled picture that scales with the page."""
    return Markup('<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        style, width, height, escape(title), content
    )

"""Windows of text as what the span network reads: one encoder pass over several, taken apart or left together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import torch
from msgspec import Struct
from torch import Tensor

from kgdistill.distill.students.span_network import Passage, SpanNetwork
from kgdistill.distill.students.words import SHAPES, Window, Words, plain

CANDIDATES = (48, 72)
"""How many spans of a window are tried as subjects, and as objects."""
_ARTICLES = frozenset({"the", "a", "an"})
_FAR = 100_000
"""More sentences than a text has: windows that are put together have none in common."""


class Marks(Struct, frozen=True):
    """Ids of the pieces before a window, behind it, and where a batch has none."""

    start: int
    stop: int
    padding: int


class Joined(Struct, frozen=True):
    """Several windows as one passage, in which no span crosses from one to the next."""

    passage: Passage
    bounds: tuple[int, ...]
    """Where each window's words begin, and where the last one's end."""


def join_passages(network: SpanNetwork, parts: Sequence[tuple[Words, Window]], marks: Marks) -> Joined:
    """One encoder pass over several windows."""
    rows, shapes, heads, tails, bounds = [], [], list[tuple[int, int]](), list[tuple[int, int]](), [0]
    for number, (words, window) in enumerate(parts):
        ids, kinds = [marks.start], [SHAPES - 1]
        for position in range(window.start, window.end):
            heads.append((number, len(ids)))
            ids += words.pieces[position]
            kinds += [words.shapes[position]] * len(words.pieces[position])
            tails.append((number, len(ids) - 1))
        rows.append([*ids, marks.stop])
        shapes.append([*kinds, SHAPES - 1])
        bounds.append(bounds[-1] + window.end - window.start)
    longest = max(map(len, rows))
    device = network.device
    states = network.read(
        torch.tensor([row + [marks.padding] * (longest - len(row)) for row in rows], device=device),
        torch.tensor([row + [SHAPES - 1] * (longest - len(row)) for row in shapes], device=device),
        torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=device),
    ).flatten(0, 1)

    def apart(parts: Sequence[Sequence[int]]) -> Tensor:
        return torch.tensor([number * _FAR + n for number, part in enumerate(parts) for n in part], device=device)

    cuts = [(words, slice(window.start, window.end)) for words, window in parts]
    passage = Passage(
        states[torch.tensor([number * longest + place for number, place in heads], device=device)],
        states[torch.tensor([number * longest + place for number, place in tails], device=device)],
        torch.tensor([kind for words, cut in cuts for kind in words.shapes[cut]], device=device),
        torch.tensor([opens for words, cut in cuts for opens in words.opens[cut]], device=device),
        torch.tensor([closes for words, cut in cuts for closes in words.closes[cut]], device=device),
        apart([words.sentence[cut] for words, cut in cuts]),
        apart([words.unit[cut] for words, cut in cuts]),
        torch.tensor([a for a, b in pairwise(bounds) for _ in range(a, b)], device=device),
    )
    return Joined(passage, tuple(bounds))


def read_passages(network: SpanNetwork, parts: Sequence[tuple[Words, Window]], marks: Marks) -> list[Passage]:
    """One encoder pass over several windows, and a passage for each."""
    joined = join_passages(network, parts, marks)
    whole = joined.passage
    return [
        Passage(
            whole.states[a:b],
            whole.tails[a:b],
            whole.shapes[a:b],
            whole.opens[a:b],
            whole.closes[a:b],
            whole.sentence[a:b],
            whole.unit[a:b],
            whole.start[a:b] - a,
        )
        for a, b in pairwise(joined.bounds)
    ]


def overlaps(texts: Sequence[str]) -> Tensor:
    """(texts, texts) classes: 0 nothing shared, 1 same words, 2 row's words within column's, 3 some words shared.

    Articles do not count: "the shed" is spelt as "shed" is.
    """
    bags = [frozenset(text.casefold().split()) - _ARTICLES for text in texts]
    table = [[0 if a.isdisjoint(b) else 1 if a == b else 2 if a < b else 3 for b in bags] for a in bags]
    return torch.tensor(table, dtype=torch.long).reshape(len(texts), len(texts))


def span_texts(words: Words, window: Window, places: Iterable[tuple[int, int]], text: str) -> list[str]:
    """The characters of spans on one line, given as first and last word, counted from the window's start."""
    start = window.start
    return [plain(text[words.spans[a + start].start : words.spans[b + start].end]) for a, b in places]


def best(scores: Tensor, count: int, least: float = -4.0) -> Tensor:
    """Indices of the `count` best scores above `least`."""
    order = scores.argsort(descending=True)[:count]
    return order[scores[order] > least]

"""The span student's loss on a batch of windows: spans, links, types, pairs and relations.

All windows are scored together: a GPU waits for the next command most of the time when each has its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from msgspec import Struct
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from kgdistill.distill.students.span_examples import Example, Held, WordSpan
from kgdistill.distill.students.span_network import SpanNetwork, Spans
from kgdistill.distill.students.span_passages import CANDIDATES, Joined, best, overlaps, span_texts

Numbers = NDArray[np.int64]
Case = tuple[Example, str]
"""A window with its targets, and the text it is a window of."""


class Placed(Struct, frozen=True):
    """One window with its targets, placed among the spans of its batch."""

    example: Example
    text: str
    place: dict[WordSpan, int]
    """Number of every span of the window among those of the batch."""
    subjects: list[int]
    """Candidates: those that are wanted and the best others, as the network itself will choose them when it reads."""
    objects: list[int]
    mentions: list[int]


def batch_losses(
    network: SpanNetwork,
    joined: Joined,
    cases: Sequence[Case],
    relations: Tensor,
    types: Tensor,
    silence: float = 1.0,
) -> dict[str, Tensor]:
    """Mean losses of the windows (with their texts) in `joined`, by part; `relations` and `types` are unit vectors.

    What an example says nothing of is taken for false, with weight `silence`.
    """
    spans = network.spans(joined.passage)
    placed = _place(spans, joined, cases)
    parts = {
        "mention": _marked(spans.mention, [one.place.get(m) for one in placed for m in one.example.mentions], silence),
        "object": _marked(spans.object, [one.place.get(o) for one in placed for o in one.example.objects], silence),
        "type": _type_loss(network, spans, placed, types),
        "link": _link_loss(network, spans, placed),
        **_pair_losses(network, joined, spans, placed, relations, silence),
    }
    return {name: loss / len(cases) for name, loss in parts.items()}


def _place(spans: Spans, joined: Joined, cases: Sequence[Case]) -> list[Placed]:
    first, last = torch.stack([spans.first, spans.last]).cpu().numpy()
    scores = torch.stack([spans.mention, torch.maximum(spans.object, spans.mention)]).detach().float().cpu()
    cuts = np.searchsorted(first, joined.bounds).tolist()
    found = []
    for number, (example, text) in enumerate(cases):
        low, high, start = cuts[number], cuts[number + 1], joined.bounds[number]
        keys = zip((first[low:high] - start).tolist(), (last[low:high] - start).tolist(), strict=True)
        place = dict(zip(keys, range(low, high), strict=True))
        mention, both = scores[:, low:high]
        wanted = [[place[key] for key in side if key in place] for side in _wanted(example)]
        subjects, mentions = (_candidates(mention, low, side, CANDIDATES[0]) for side in wanted[:2])
        found.append(Placed(example, text, place, subjects, _candidates(both, low, wanted[2], CANDIDATES[1]), mentions))
    return found


def _wanted(example: Example) -> tuple[list[WordSpan], list[WordSpan], list[WordSpan]]:
    return [subject for subject, _ in example.facts], list(example.mentions), list(example.objects)


def _candidates(scores: Tensor, low: int, wanted: list[int], count: int) -> list[int]:
    needed = set(wanted)
    others = (best(scores, count) + low).tolist()
    return sorted({*needed, *others[: max(0, count - len(needed))]})


def _marked(logits: Tensor, wanted: Sequence[int | None], silence: float) -> Tensor:
    """Loss of spans, of which some are wanted."""
    target = torch.zeros(len(logits))
    target[[place for place in wanted if place is not None]] = 1.0
    target = target.to(logits.device)
    return said_loss(logits, target, torch.ones_like(target), silence)


def said_loss(logits: Tensor, target: Tensor, counted: Tensor, silence: float) -> Tensor:
    """Cross-entropy of what is said (target 1) and of what is not, which counts by `silence`."""
    weight = counted * torch.where(target > 0, 1.0, silence)
    return functional.binary_cross_entropy_with_logits(logits, target, weight, reduction="sum") / 10.0


def _type_loss(network: SpanNetwork, spans: Spans, placed: Sequence[Placed], types: Tensor) -> Tensor:
    known = [
        (one.place[span], number)
        for one in placed
        for span, number in one.example.types.items()
        if span in one.place and number >= 0
    ]
    if not known:
        return spans.mention.sum() * 0
    where, gold = (torch.tensor(side, device=network.device) for side in zip(*known, strict=True))
    return functional.cross_entropy(network.named(spans.vectors[where], types, 1), gold, reduction="sum") / 10.0


def _link_loss(network: SpanNetwork, spans: Spans, placed: Sequence[Placed]) -> Tensor:
    """A mention stands for the spans that spell its entity in full; those stand for themselves."""
    most = max(len(one.mentions) for one in placed)
    if most == 0:
        return spans.mention.sum() * 0
    shape = (len(placed), most)
    mentions = torch.zeros(shape, dtype=torch.long)
    shared = torch.zeros((*shape, most), dtype=torch.long)
    able = torch.zeros((*shape, 1 + most), dtype=torch.bool)
    allowed = torch.zeros_like(able)
    for number, one in enumerate(placed):
        count = len(one.mentions)
        mentions[number, :count] = torch.tensor(one.mentions, dtype=torch.long)
        able[number, :, : 1 + count] = True
        keys = list(one.place)
        low = next(iter(one.place.values()), 0)
        chosen = [keys[place - low] for place in one.mentions]
        shared[number, :count, :count] = overlaps(span_texts(one.example.words, one.example.window, chosen, one.text))
        for row, columns in _named(one.example, chosen):
            allowed[number, row, columns] = True
    device = network.device
    rows = allowed.any(-1).nonzero(as_tuple=True)
    logits = network.links(spans, mentions.to(device), shared.to(device))[tuple(side.to(device) for side in rows)]
    every, right = (logits.masked_fill(~mask[rows].to(device), -1e9).logsumexp(-1) for mask in (able, allowed))
    return (every - right).sum() / 10.0


def _named(example: Example, chosen: Sequence[WordSpan]) -> list[tuple[int, list[int]]]:
    """For each mention that is one the columns of what it may stand for: column 0 is itself."""
    full: dict[int, list[int]] = {}
    for column, key in enumerate(chosen):
        if key in example.full:
            full.setdefault(example.mentions[key], []).append(1 + column)
    found = []
    for row, key in enumerate(chosen):
        if key in example.full:
            found.append((row, [0]))
        elif (columns := full.get(example.mentions.get(key, -1))) is not None:
            found.append((row, columns))
    return found


class _Grid(Struct):
    """The pairs of all windows, each subject of a window with each of its objects."""

    rows: list[Numbers]
    columns: list[Numbers]
    silent: list[int]
    """Numbers of pairs that are neither right nor wrong."""
    held: list[tuple[int, Held]]
    """Numbers of the pairs that hold, with what holds."""


def _pair_losses(
    network: SpanNetwork, joined: Joined, spans: Spans, placed: Sequence[Placed], relations: Tensor, silence: float
) -> dict[str, Tensor]:
    zero = spans.mention.sum() * 0
    grid = _grid(placed)
    count = sum(map(len, grid.rows))
    if count == 0:
        return {"fact": zero, "manner": zero, "relation": zero}
    device = network.device
    subjects, objects, rows, columns = (
        torch.from_numpy(np.concatenate(side)).to(device)
        for side in (
            [np.array(one.subjects, dtype=np.int64) for one in placed],
            [np.array(one.objects, dtype=np.int64) for one in placed],
            grid.rows,
            grid.columns,
        )
    )
    logits, vectors = network.pairs(joined.passage, spans, subjects, objects, rows, columns)
    target, counted = torch.zeros(count), torch.ones(count)
    places = [place for place, _ in grid.held]
    counted[grid.silent] = 0.0
    target[places] = 1.0
    counted[places] = 1.0
    fact = said_loss(logits[:, 0], target.to(device), counted.to(device), silence)
    if not grid.held:
        return {"fact": fact, "manner": zero, "relation": zero}
    found = torch.tensor(places, device=device)
    manner = torch.tensor([[float(held.negated), float(held.hedged)] for _, held in grid.held], device=device)
    manner_loss = functional.binary_cross_entropy_with_logits(logits[found, 1:], manner, reduction="sum")
    wanted = [(k, number) for k, (_, held) in enumerate(grid.held) for number in held.relations]
    if not wanted:
        return {"fact": fact, "manner": manner_loss / 10.0, "relation": zero}
    which, gold = (torch.tensor(side, device=device) for side in zip(*wanted, strict=True))
    named = network.named(vectors[found], relations, 0)[which]
    relation = functional.cross_entropy(named, gold, reduction="sum")
    return {"fact": fact, "manner": manner_loss / 10.0, "relation": relation / 8.0}


def _grid(placed: Sequence[Placed]) -> _Grid:
    grid = _Grid([], [], [], [])
    top = left = base = 0
    for one in placed:
        wide = len(one.objects)
        row_of = {place: base + row * wide for row, place in enumerate(one.subjects)}
        column_of = {place: column for column, place in enumerate(one.objects)}
        rows, columns = np.divmod(np.arange(len(one.subjects) * wide, dtype=np.int64), max(1, wide))
        grid.rows.append(rows + top)
        grid.columns.append(columns + left)
        grid.silent += [row + column_of[place] for place, row in row_of.items() if place in column_of]
        grid.silent += _unsaid(one, row_of, column_of)
        for (subject, object_), held in one.example.facts.items():
            row, column = row_of.get(one.place.get(subject, -1)), column_of.get(one.place.get(object_, -1))
            if row is not None and column is not None:
                grid.held.append((row + column, held))
        top, left, base = top + len(one.subjects), left + wide, base + len(rows)
    return grid


def _unsaid(one: Placed, row_of: dict[int, int], column_of: dict[int, int]) -> list[int]:
    """Pairs of an object with other mentions of the entity that something is said of."""
    owner = {place: one.example.mentions.get(key, -1) for key, place in one.place.items() if place in row_of}
    return [
        row_of[place] + column
        for number, object_ in one.example.said
        if (column := column_of.get(one.place.get(object_, -1))) is not None
        for place, other in owner.items()
        if other == number
    ]

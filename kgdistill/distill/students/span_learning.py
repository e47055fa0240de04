"""The span student's loss on one window: spans, links, types, pairs and relations."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from kgdistill.distill.students.span_examples import Example, WordSpan
from kgdistill.distill.students.span_network import Passage, SpanNetwork, Spans
from kgdistill.distill.students.words import SHAPES, Window, Words

CANDIDATES = (48, 72)
"""How many spans of a window are tried as subjects, and as objects."""


def read_passages(
    network: SpanNetwork, parts: Sequence[tuple[Words, Window]], start: int, stop: int, padding: int
) -> list[Passage]:
    """One encoder pass over several windows; `start` and `stop` are the ids of [CLS] and [SEP]."""
    rows, shapes, heads, tails = [], [], [], []
    for words, window in parts:
        ids, marks, first, last = [start], [SHAPES - 1], [], []
        for position in range(window.start, window.end):
            first.append(len(ids))
            ids += words.pieces[position]
            marks += [words.shapes[position]] * len(words.pieces[position])
            last.append(len(ids) - 1)
        rows.append([*ids, stop])
        shapes.append([*marks, SHAPES - 1])
        heads.append(first)
        tails.append(last)
    longest = max(map(len, rows))
    device = network.device
    ids_ = torch.tensor([row + [padding] * (longest - len(row)) for row in rows], device=device)
    shapes_ = torch.tensor([row + [SHAPES - 1] * (longest - len(row)) for row in shapes], device=device)
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=device)
    states = network.read(ids_, shapes_, mask)
    passages = []
    for i, (words, window) in enumerate(parts):
        cut = slice(window.start, window.end)
        passages.append(
            Passage(
                states[i, torch.tensor(heads[i], device=device)],
                states[i, torch.tensor(tails[i], device=device)],
                torch.tensor(words.shapes[cut], device=device),
                torch.tensor(words.edge[cut], device=device),
                torch.tensor(words.sentence[cut], device=device),
            )
        )
    return passages


def overlaps(texts: Sequence[str]) -> Tensor:
    """(texts, texts) classes: 0 nothing shared, 1 same text, 2 row's words within column's, 3 some words shared."""
    bags = [frozenset(text.casefold().split()) for text in texts]
    table = [[0 if not a & b else 1 if a == b else 2 if a < b else 3 for b in bags] for a in bags]
    return torch.tensor(table, dtype=torch.long).reshape(len(texts), len(texts))


def span_texts(words: Words, window: Window, spans: Spans, chosen: Tensor, text: str) -> list[str]:
    """The characters of the chosen spans."""
    first, last = (spans.first[chosen] + window.start).tolist(), (spans.last[chosen] + window.start).tolist()
    return [text[words.spans[a].start : words.spans[b].end] for a, b in zip(first, last, strict=True)]


def window_losses(
    network: SpanNetwork,
    passage: Passage,
    example: Example,
    text: str,
    relations: Tensor,
    types: Tensor,
    silence: float = 1.0,
) -> dict[str, Tensor]:
    """Losses of one window by part; `relations` and `types` are unit vectors of the names learnt.

    What the example says nothing of is taken for false, with weight `silence`.
    """
    spans = network.spans(passage)
    keys = list(zip(spans.first.tolist(), spans.last.tolist(), strict=True))
    place = {key: i for i, key in enumerate(keys)}
    device = network.device
    is_mention = torch.tensor([float(key in example.mentions) for key in keys], device=device)
    is_object = torch.tensor([float(key in example.objects) for key in keys], device=device)
    losses = {
        "mention": said_loss(spans.mention, is_mention, torch.ones_like(is_mention), silence),
        "object": said_loss(spans.object, is_object, torch.ones_like(is_object), silence),
    }
    losses["type"] = _type_loss(network, spans, example, place, types)
    mentions = _candidates(spans.mention, [place[m] for m in example.mentions if m in place], CANDIDATES[0])
    losses["link"] = _link_loss(network, spans, mentions, example, keys, text)
    both = torch.maximum(spans.object, spans.mention)
    objects = _candidates(both, [place[o] for o in example.objects if o in place], CANDIDATES[1])
    owners = [place[s] for s, _ in example.facts if s in place]
    subjects = _candidates(spans.mention, owners, CANDIDATES[0])
    losses |= _pair_losses(network, passage, spans, subjects, objects, example, keys, relations, silence)
    return losses


def said_loss(logits: Tensor, target: Tensor, counted: Tensor, silence: float) -> Tensor:
    """Cross-entropy of what is said (target 1) and of what is not, which counts by `silence`."""
    weight = counted * torch.where(target > 0, 1.0, silence)
    return functional.binary_cross_entropy_with_logits(logits, target, weight, reduction="sum") / 10.0


def best(scores: Tensor, count: int, least: float = -4.0) -> Tensor:
    """Indices of the `count` best scores above `least`."""
    order = scores.argsort(descending=True)[:count]
    return order[scores[order] > least]


def _candidates(scores: Tensor, wanted: list[int], count: int) -> Tensor:
    """The wanted spans and the best others, as the network itself will choose them when it reads."""
    others = best(scores.detach(), count).tolist()
    return torch.tensor(sorted({*wanted, *others[: max(0, count - len(set(wanted)))]}), device=scores.device)


def _type_loss(
    network: SpanNetwork, spans: Spans, example: Example, place: dict[WordSpan, int], types: Tensor
) -> Tensor:
    known = [(place[span], number) for span, number in example.types.items() if span in place and number >= 0]
    if not known:
        return spans.mention.sum() * 0
    where, gold = (torch.tensor(side, device=network.device) for side in zip(*known, strict=True))
    return functional.cross_entropy(network.named(spans.vectors[where], types, 1), gold, reduction="sum") / 10.0


def _link_loss(
    network: SpanNetwork, spans: Spans, mentions: Tensor, example: Example, keys: list[WordSpan], text: str
) -> Tensor:
    """A mention stands for the spans that spell its entity in full; those stand for themselves."""
    if len(mentions) == 0:
        return spans.mention.sum() * 0
    logits = network.links(
        spans, mentions, overlaps(span_texts(example.words, example.window, spans, mentions, text)).to(network.device)
    )
    chosen = [keys[i] for i in mentions.tolist()]
    named: dict[int, list[int]] = {}
    for column, key in enumerate(chosen):
        if key in example.full:
            named.setdefault(example.mentions[key], []).append(column)
    rows, allowed = [], torch.zeros_like(logits, dtype=torch.bool)
    for row, key in enumerate(chosen):
        if key in example.full:
            allowed[row, 0] = True
        elif (columns := named.get(example.mentions.get(key, -1))) is not None:
            allowed[row, [1 + column for column in columns]] = True
        else:
            continue
        rows.append(row)
    if not rows:
        return logits.sum() * 0
    right = logits.masked_fill(~allowed, -1e9)[rows].logsumexp(-1)
    return (logits[rows].logsumexp(-1) - right).sum() / 10.0


def _pair_losses(
    network: SpanNetwork,
    passage: Passage,
    spans: Spans,
    subjects: Tensor,
    objects: Tensor,
    example: Example,
    keys: list[WordSpan],
    relations: Tensor,
    silence: float,
) -> dict[str, Tensor]:
    zero = spans.mention.sum() * 0
    if len(subjects) == 0 or len(objects) == 0:
        return {"fact": zero, "manner": zero, "relation": zero}
    grid = torch.ones(len(subjects), len(objects), dtype=torch.bool, device=network.device)
    logits, vectors = (
        flat.view(*grid.shape, -1)
        for flat in network.pairs(passage, spans, subjects, objects, *grid.nonzero(as_tuple=True))
    )
    rows, columns = [keys[i] for i in subjects.tolist()], [keys[i] for i in objects.tolist()]
    target = torch.zeros(len(rows), len(columns))
    counted = torch.ones(len(rows), len(columns))
    found = []
    for i, subject in enumerate(rows):
        owner = example.mentions.get(subject, -1)
        for j, object_ in enumerate(columns):
            held = example.facts.get((subject, object_))
            if held is not None:
                target[i, j] = 1.0
                found.append((i, j, held))
            elif subject == object_ or (owner, object_) in example.said:
                counted[i, j] = 0.0
    device = network.device
    fact = said_loss(logits[..., 0], target.to(device), counted.to(device), silence)
    if not found:
        return {"fact": fact, "manner": zero, "relation": zero}
    i, j = torch.tensor([f[0] for f in found], device=device), torch.tensor([f[1] for f in found], device=device)
    manner = torch.tensor([[float(f[2].negated), float(f[2].hedged)] for f in found], device=device)
    manner_loss = functional.binary_cross_entropy_with_logits(logits[i, j, 1:], manner, reduction="sum")
    scores = network.named(vectors[i, j], relations, 0).log_softmax(-1)
    wanted = [(k, number) for k, f in enumerate(found) for number in f[2].relations]
    relation = -scores[[k for k, _ in wanted], [n for _, n in wanted]].sum() if wanted else zero
    return {"fact": fact, "manner": manner_loss / 10.0, "relation": relation / 8.0}

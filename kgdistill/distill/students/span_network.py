"""The span student's network: one encoder pass, then scores for spans, links between mentions, and pairs.

Spans are scored by their ends (as in Lee et al. 2017, "End-to-end neural coreference resolution"); pairs by both
spans, what stands between them and how far apart they are; relation and type names are points in the space of the
encoder's own embeddings of short texts, so that a name never seen in training can be asked for.
"""

from __future__ import annotations

from typing import Any

import torch
from msgspec import Struct
from torch import Tensor, nn

from kgdistill.distill.students.words import SHAPES

LONGEST = 10
"""Longest span, in words."""
_DISTANCES = 20
_SENTENCES = 7
_OVERLAPS = 4
_OFTEN = 4


class Passage(Struct, frozen=True):
    """One window as tensors on the network's device."""

    states: Tensor
    """(words, hidden): first and last piece of each word are in `states` and `tails`."""
    tails: Tensor
    shapes: Tensor
    opens: Tensor
    closes: Tensor
    sentence: Tensor
    unit: Tensor
    start: Tensor
    """For each word the first one of its window."""


class Spans(Struct, frozen=True):
    """All spans of a passage that may be something, with their scores."""

    first: Tensor
    last: Tensor
    vectors: Tensor
    """(spans, width)"""
    mention: Tensor
    """Logits: a mention of an entity."""
    object: Tensor
    """Logits: the object of a fact."""
    sentence: Tensor
    """Number of the sentence that each stands in."""
    start: Tensor
    """The first word of the window that each stands in."""

    def places(self, chosen: Tensor) -> list[tuple[int, int]]:
        """First and last word of the chosen spans."""
        return list(zip(self.first[chosen].tolist(), self.last[chosen].tolist(), strict=True))


class SpanNetwork(nn.Module):  # type: ignore[misc]
    """Encoder with heads; `width` is the size of a span vector."""

    def __init__(self, encoder: Any, width: int = 256) -> None:
        super().__init__()
        hidden = int(encoder.config.hidden_size)
        self.encoder = encoder
        self.shape_in = nn.Embedding(SHAPES, hidden)
        self.shape_out = nn.Embedding(SHAPES, 32)
        self.start = nn.Linear(hidden + 32, width)
        self.end = nn.Linear(hidden + 32, width)
        self.length = nn.Embedding(LONGEST, width)
        self.spread = nn.LayerNorm(width)
        self.kind = nn.Linear(width, 2)
        self.type_point = nn.Linear(width, hidden)
        self.subject = nn.Linear(width, width)
        self.object = nn.Linear(width, width)
        self.subject_match = nn.Linear(width, width // 2)
        self.object_match = nn.Linear(width, width // 2)
        self.between = nn.Linear(hidden, width)
        self.distance = nn.Embedding(_DISTANCES, width)
        self.sentences = nn.Embedding(_SENTENCES, width)
        self.pair = nn.Sequential(nn.LayerNorm(width), nn.GELU(), nn.Dropout(0.1), nn.Linear(width, width), nn.GELU())
        self.fact = nn.Linear(width, 3)
        self.relation_point = nn.Linear(width, hidden)
        self.mention = nn.Linear(width, width // 2)
        self.antecedent = nn.Linear(width, width // 2)
        self.overlap = nn.Embedding(_OVERLAPS, width // 2)
        self.link_distance = nn.Embedding(_DISTANCES, width // 2)
        self.link_sentences = nn.Embedding(_SENTENCES, width // 2)
        self.alike = nn.Linear(width // 2, width // 2, bias=False)
        self.said_often = nn.Embedding(_OFTEN, width // 2)
        self.said_early = nn.Embedding(_DISTANCES // 2, width // 2)
        self.link = _linker(width // 2)
        self.alone = nn.Linear(width, 1)
        self.scale = nn.Parameter(torch.tensor([12.0, 12.0]))
        self.dropout = nn.Dropout(0.1)
        nn.init.zeros_(self.shape_in.weight)
        # Nearly every span and pair is nothing: start from that.
        nn.init.constant_(self.kind.bias, -3.0)
        nn.init.constant_(self.fact.bias, -3.0)
        # The vocabulary is far larger than any seed: its vectors stay as they are.
        encoder.get_input_embeddings().weight.requires_grad_(False)
        tables = (self.length, self.distance, self.sentences, self.overlap, self.link_distance, self.link_sentences)
        for table in (*tables, self.said_often, self.said_early):
            nn.init.normal_(table.weight, std=0.05)

    @property
    def device(self) -> torch.device:
        return self.kind.weight.device

    def read(self, ids: Tensor, shapes: Tensor, mask: Tensor) -> Tensor:
        """Hidden states (windows, pieces, hidden) of word pieces with the shape of the word each belongs to."""
        inputs = self.encoder.get_input_embeddings()(ids) + self.shape_in(shapes)
        return self.encoder(inputs_embeds=inputs, attention_mask=mask).last_hidden_state

    def embed(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Unit vectors (texts, hidden) of short texts: the mean over their pieces, as MiniLM was trained."""
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        weights = mask.unsqueeze(-1).float()
        return nn.functional.normalize((states * weights).sum(1) / weights.sum(1), dim=-1)

    def spans(self, passage: Passage) -> Spans:
        """Every span of at most `LONGEST` words that starts and ends where one may, and leaves no sentence."""
        count = len(passage.opens)
        first = torch.arange(count, device=self.device).repeat_interleave(LONGEST)
        last = first + torch.arange(LONGEST, device=self.device).repeat(count)
        inside = last < count
        first, last = first[inside], last[inside]
        good = passage.opens[first] & passage.closes[last] & (passage.unit[first] == passage.unit[last])
        first, last = first[good], last[good]
        shape = self.shape_out(passage.shapes)
        starts = self.start(self.dropout(torch.cat([passage.states, shape], -1)))
        ends = self.end(self.dropout(torch.cat([passage.tails, shape], -1)))
        vectors = nn.functional.gelu(self.spread(starts[first] + ends[last] + self.length(last - first)))
        kind = self.kind(vectors).float()
        return Spans(
            first,
            last,
            vectors,
            kind[:, 0],
            kind[:, 1],
            passage.sentence[first],
            passage.start[first],
        )

    def pairs(
        self, passage: Passage, spans: Spans, subjects: Tensor, objects: Tensor, rows: Tensor, columns: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits (pairs, 3): a fact, negated, hedged; and the pair vectors (pairs, width).

        Pair k joins `subjects[rows[k]]` and `objects[columns[k]]`: only the pairs that matter are worked out.
        """
        left, right = spans.vectors[subjects], spans.vectors[objects]
        sums = nn.functional.pad(self.between(passage.states).float().cumsum(0), (0, 0, 1, 0))
        a, b = spans.first[subjects][rows], spans.last[subjects][rows]
        c, d = spans.first[objects][columns], spans.last[objects][columns]
        low, high = torch.minimum(b, d) + 1, torch.maximum(a, c)
        gap = (high - low).clamp(min=0)
        high = low + gap
        between = (sums[high] - sums[low]) / gap.clamp(min=1).unsqueeze(-1)
        apart = self.distance(_bucket(c - a)) + self.sentences(self._sentences_apart(passage, a, c))
        joined = self.subject(left)[rows] + self.object(right)[columns] + between.to(left.dtype) + apart
        vectors = self.pair(joined)
        logits = self.fact(vectors).float()
        match = (self.subject_match(left).float() @ self.object_match(right).float().T / 16.0)[rows, columns]
        return torch.cat([logits[:, :1] + match.unsqueeze(-1), logits[:, 1:]], -1), vectors

    def links(self, spans: Spans, mentions: Tensor, overlap: Tensor) -> Tensor:
        """Logits (..., mentions, 1 + mentions): column 0 says "names itself", column 1 + j "stands for mention j".

        `mentions` are (..., mentions), `overlap` (..., mentions, mentions): how the two texts compare, 0 to 3.
        """
        chosen = self.dropout(spans.vectors[mentions])
        place = spans.first[mentions]
        sentence = spans.sentence[mentions]
        left, right = self.mention(chosen)[..., :, None, :], self.antecedent(chosen)[..., None, :, :]
        often = (overlap == 1).sum(-1).clamp(1, _OFTEN) - 1
        early = _bucket(place - spans.start[mentions]) - _DISTANCES // 2
        told = (self.said_often(often) + self.said_early(early))[..., None, :, :]
        apart = self.link_distance(_bucket(place[..., None, :] - place[..., :, None])) + self.overlap(overlap)
        apart = apart + self.link_sentences((sentence[..., None, :] - sentence[..., :, None]).clamp(-3, 3) + 3)
        scores = self.link(left + right + self.alike(left * right) + apart + told).squeeze(-1).float()
        scores = scores.masked_fill(torch.eye(mentions.shape[-1], dtype=torch.bool, device=self.device), -1e4)
        return torch.cat([self.alone(chosen).float(), scores], -1)

    def named(self, vectors: Tensor, table: Tensor, what: int) -> Tensor:
        """Logits (vectors, names) of pair vectors (`what` 0) or span vectors (1) against unit vectors of names."""
        head = self.relation_point if what == 0 else self.type_point
        point = nn.functional.normalize(head(vectors).float(), dim=-1)
        return self.scale[what] * point @ table.T

    @staticmethod
    def _sentences_apart(passage: Passage, a: Tensor, c: Tensor) -> Tensor:
        return (passage.sentence[c] - passage.sentence[a]).clamp(-3, 3) + 3


def _linker(size: int) -> nn.Sequential:
    """What a mention and an antecedent have to do with each other, as one number."""
    return nn.Sequential(
        nn.LayerNorm(size), nn.GELU(), nn.Dropout(0.2), nn.Linear(size, size), nn.GELU(), nn.Linear(size, 1)
    )


def _bucket(distance: Tensor) -> Tensor:
    """Signed distances in words as 20 classes that grow with their size."""
    size = torch.log2(distance.abs().float() + 1).mul(1.3).long().clamp(max=_DISTANCES // 2 - 1)
    return torch.where(distance < 0, size, size + _DISTANCES // 2)

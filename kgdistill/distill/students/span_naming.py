"""Who is who in a window: the mentions of a text, and for each the one whose text is its name."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from msgspec import Struct
from torch import Tensor

from kgdistill.distill.students.span_network import SpanNetwork, Spans
from kgdistill.distill.students.span_passages import CANDIDATES, best, overlaps, span_texts
from kgdistill.distill.students.words import Window, Words
from kgdistill.text.pronouns import PRONOUNS


class Mentions(Struct, frozen=True):
    """The spans that may be mentions; the lists have one entry for each."""

    chosen: Tensor
    """Their numbers among the spans."""
    texts: list[str]
    sure: list[float]
    """The probability that each is a mention."""
    stands: list[int]
    """The one whose text is its name: itself, or another."""
    named: Tensor
    """The probability that this is its name."""

    def name(self, number: int) -> str:
        """What a mention is called."""
        return self.texts[self.stands[number]]


def who_is_who(network: SpanNetwork, spans: Spans, words: Words, window: Window, text: str) -> Mentions:
    """The mentions of a window of `text`."""
    chosen = best(spans.mention, CANDIDATES[0])
    if len(chosen) == 0:
        return Mentions(chosen, [], [], [], torch.zeros(0, device=network.device))
    texts = span_texts(words, window, spans.places(chosen), text)
    links = network.links(spans, chosen, overlaps(texts).to(network.device))
    sure: list[float] = spans.mention[chosen].sigmoid().tolist()
    return Mentions(chosen, texts, sure, *_stands_for(links, texts, sure))


def _stands_for(links: Tensor, texts: Sequence[str], sure: Sequence[float]) -> tuple[list[int], Tensor]:
    """For each mention the one whose text is its name (itself where it names itself), and how likely it is."""
    pronoun = torch.tensor([text.lower() in PRONOUNS for text in texts], device=links.device)
    weak = torch.tensor([score < 0.3 for score in sure], device=links.device)
    links = links.clone()
    links[:, 1:] = links[:, 1:].masked_fill((pronoun | weak)[None], -1e4)
    links[:, 0] = links[:, 0].masked_fill(pronoun, -1e3)
    choice = (links.argmax(-1) - 1).tolist()
    ends = [i if found < 0 else found for i, found in enumerate(choice)]
    stands = [ends[end] for end in ends]
    # A name that occurs often shares its chances among its occurrences: what counts is the name.
    keys = [text.casefold() for text in texts]
    same = torch.tensor([[key == keys[end] for key in keys] for end in stands], device=links.device)
    chances = links.softmax(-1)
    return stands, (chances[:, 1:] * same).sum(-1) + chances[:, 0] * same.diagonal()

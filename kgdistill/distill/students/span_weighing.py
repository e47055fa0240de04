"""A span student asked about claims that others made: does the text connect these two, and in this way?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from kgdistill.distill.relations import relation_name
from kgdistill.distill.students.span_examples import WordSpan
from kgdistill.distill.students.span_naming import who_is_who
from kgdistill.distill.students.span_network import Spans
from kgdistill.distill.students.words import Window, Words, word_span
from kgdistill.text.names import find_all, normal

if TYPE_CHECKING:
    from kgdistill.distill.students.span import SpanStudent

Lines = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
"""Slope and offset (Platt 1999) that turn the log-odds of each part of a `Support` into a probability."""


class Asked(NamedTuple):
    """A claim as the student is asked about it."""

    subject: str
    relation: str
    object: str
    negated: bool = False


class Support(NamedTuple):
    """What a text gives a claim, as log-odds that are not calibrated."""

    connected: float
    """That the text states something of the two, in this direction."""
    relation: float
    """That it is this relation rather than any that the student knows."""
    polarity: float
    """That it is stated, or denied, as the claim has it."""

    def worth(self, lines: Lines) -> float:
        """In [0, 1]: the product of the three as probabilities, as a claim holds only where all three do."""
        odds = (slope * value + offset for value, (slope, offset) in zip(self, lines, strict=True))
        return float(prod(torch.tensor(list(odds)).sigmoid().tolist()))


@torch.inference_mode()  # type: ignore[untyped-decorator]
def weigh(student: SpanStudent, text: str, asked: Sequence[Asked]) -> list[Support | None]:
    """For each claim the support where `text` best connects its ends; None where no window names both.

    An end is found where its name stands and where the student takes other words (a pronoun) for it.
    """
    words, cut, _ = student.prepare(text)
    relations = student.named([relation_name(claim.relation) for claim in asked]).vectors
    spelt = _spelt(asked, words, text)
    student.network.eval()
    support: list[Support | None] = [None] * len(asked)
    for window in cut:
        for place, found in _weigh_window(student, words, window, text, asked, relations, spelt):
            known = support[place]
            if known is None or found.connected > known.connected:
                support[place] = found
    return support


def _spelt(asked: Sequence[Asked], words: Words, text: str) -> dict[str, set[WordSpan]]:
    """Where the names of the claims stand in a text, by their normal form."""
    starts = {span.start: place for place, span in enumerate(words.spans)}
    ends = {span.end: place for place, span in enumerate(words.spans)}
    # By the normal form alone: how one claim spells a name must not change what is found for another.
    keys = {normal(name) for claim in asked for name in (claim.subject, claim.object)}
    return {
        key: {found for span in find_all(key, text) if (found := word_span(words, span, starts, ends))} for key in keys
    }


def _weigh_window(
    student: SpanStudent,
    words: Words,
    window: Window,
    text: str,
    asked: Sequence[Asked],
    relations: Tensor,
    spelt: Mapping[str, set[WordSpan]],
) -> Iterator[tuple[int, Support]]:
    """(number of the claim, its support) for the claims whose ends the window names."""
    network = student.network
    [passage] = student.passages([(words, window)])
    spans = network.spans(passage)
    places = _places(student, spans, words, window, text, spelt)
    pairs = [
        (number, subject, object_)
        for number, claim in enumerate(asked)
        for subject in places[normal(claim.subject)]
        for object_ in places[normal(claim.object)]
        if subject != object_
    ]
    if not pairs:
        return
    _, subjects, objects = (torch.tensor(side, device=network.device) for side in zip(*pairs, strict=True))
    left, rows = subjects.unique(return_inverse=True)
    right, columns = objects.unique(return_inverse=True)
    logits, vectors = network.pairs(passage, spans, left, right, rows, columns)
    strength = logits[:, 0].tolist()
    chosen: dict[int, int] = {}
    for place, (number, _, _) in enumerate(pairs):
        if number not in chosen or strength[place] > strength[chosen[number]]:
            chosen[number] = place
    strongest = vectors[list(chosen.values())]
    known = network.named(strongest, student.relations.vectors, 0).logsumexp(-1)
    this = network.named(strongest, relations[list(chosen)], 0).diagonal()
    denied = logits[list(chosen.values()), 1].tolist()
    for (number, place), relation, denial in zip(chosen.items(), (this - known).tolist(), denied, strict=True):
        yield number, Support(strength[place], relation, denial if asked[number].negated else -denial)


def _places(
    student: SpanStudent, spans: Spans, words: Words, window: Window, text: str, spelt: Mapping[str, set[WordSpan]]
) -> dict[str, list[int]]:
    """The spans of a window that name each end, or that stand for it."""
    first, last = (spans.first + window.start).tolist(), (spans.last + window.start).tolist()
    known = {key: place for place, key in enumerate(zip(first, last, strict=True))}
    places = {name: {known[key] for key in keys if key in known} for name, keys in spelt.items()}
    mentions = who_is_who(student.network, spans, words, window, text)
    for number, span in enumerate(mentions.chosen.tolist()):
        places.get(normal(mentions.name(number)), set()).add(span)
    return {name: sorted(found) for name, found in places.items()}

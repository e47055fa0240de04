"""Weighing: which tokens of a filled prompt belong to the texts whose log-probabilities are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from kgdistill.contracts import BLANK, Reply, Request
from kgdistill.errors import TeacherError


class Weighed(NamedTuple):
    """A filled prompt as tokens, and for each text the places of its tokens, with that of the token after it."""

    tokens: list[int]
    places: list[list[int]]

    @property
    def first(self) -> int:
        """The first place that is weighed; what stands before it is read only."""
        return min(map(min, self.places))

    @property
    def last(self) -> int:
        return max(map(max, self.places))

    def reply(self, logprobs: Callable[[int], float]) -> Reply:
        """The reply, from the log-probability of the token at a place."""
        weighed = tuple(tuple(logprobs(place) for place in places) for places in self.places)
        flat = [logprob for found in weighed for logprob in found]
        return Reply("", tokens=len(flat), logprob=sum(flat), weighed=weighed)


def laid_out(request: Request, encode: Callable[[str], list[int]], start: int | None) -> Weighed:
    """The tokens of a request's prompt with its texts in the blanks, for a model that writes on.

    A token that reaches over a border belongs to what comes after it. `start` is put in front where nothing stands
    before the first text, since a model cannot say how likely its first token is. Raises TeacherError.
    """
    between = parts_of(request)
    pieces = [between[0]]
    for text, after in zip(request.weigh, between[1:], strict=True):
        pieces += [text, after]
    tokens = encode("".join(pieces))
    borders = [_shared(encode("".join(pieces[: number + 1]).rstrip(" ")), tokens) for number in range(len(pieces))]
    places = []
    for number in range(len(request.weigh)):
        begin, end = borders[2 * number], borders[2 * number + 1]
        places.append(list(range(begin, min(end + 1, len(tokens)))))
        if begin >= end:
            raise TeacherError(f"{request.weigh[number]!r} has no token of its own in the prompt")
    if places[0][0] == 0:
        if start is None:
            raise TeacherError("nothing stands before the first text, and the model has no token to begin with")
        return Weighed([start, *tokens], [[place + 1 for place in found] for found in places])
    return Weighed(tokens, places)


def parts_of(request: Request) -> list[str]:
    """What stands around the blanks. Raises TeacherError where there are more or fewer of them than texts."""
    between = request.prompt.split(BLANK)
    if len(between) != len(request.weigh) + 1 or not all(text.strip() for text in request.weigh):
        raise TeacherError(f"{len(between) - 1} blanks for {len(request.weigh)} texts, none of them empty")
    return between


def _shared(some: Sequence[int], whole: Sequence[int]) -> int:
    """How many tokens both begin with."""
    for place, (one, other) in enumerate(zip(some, whole, strict=False)):
        if one != other:
            return place
    return min(len(some), len(whole))

"""Questions: what is missing of a request's replies, and asking once more for those that the token limit cuts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from kgdistill.contracts import Answer, Reply, Request
from kgdistill.errors import TeacherError
from kgdistill.records import Failure, content_id


@dataclass(slots=True, eq=False)
class Question:
    """One planned request of one dialogue, until all its usable replies are together."""

    key: str
    samples: int
    record: Callable[[str, str, str, str], Failure]
    """Enters a failure: (reason, message, raw text, key of the request)."""
    cached: bool = True
    """Nothing was paid for it: the journal knew, or an equal request was under way."""
    replies: list[Reply] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    """One for each sample that did not come."""
    heard: int = 0
    """How many replies were handed over."""
    again: bool = False
    """Its cut samples have been asked for once more."""

    def take(self, request: Request, answer: Answer) -> Request | None:
        """Put the samples in place; the request that asks the cut ones again, or None where nothing more is to come.

        What is cut a second time is dropped, and recorded.
        """
        fresh = iter(answer.replies)
        if self.again:
            self.replies = [next(fresh, old) if old.finish == "length" else old for old in self.replies]
        else:
            self.replies = list(fresh)
        if request.max_tokens == 1 or request.open_ended:  # what came is all that was asked for: nothing is missing
            return None
        cut = [reply for reply in self.replies if reply.finish == "length"]
        if cut and not self.again:
            self.again = True
            return longer(request, len(cut))
        self._lose(cut, "cut", f"cut at {request.max_tokens} tokens, twice")
        return None

    def give_up(self, error: TeacherError) -> None:
        """The teacher has no answer: what came before stays, without what was cut."""
        cut = [reply for reply in self.replies if reply.finish == "length"]
        self._lose(cut, error.reason, str(error))
        if not cut:
            self.failures = [self.record(error.reason, str(error), "", self.key)] * self.samples

    def spoil(self, failure: Failure) -> None:
        """Nothing of it is kept, for this reason, unless nothing came of it anyway."""
        if len(self.failures) < self.samples:
            self.failures = [failure] * self.samples

    def hand_over(self) -> list[Reply]:
        """The usable replies, which this question then forgets."""
        found = [msgspec.structs.replace(reply, request=self.key) for reply in self.replies]
        self.replies, self.heard = [], len(found)
        return found

    def _lose(self, cut: list[Reply], reason: str, message: str) -> None:
        self.failures += [self.record(reason, message, reply.text, self.key) for reply in cut]
        self.replies = [reply for reply in self.replies if reply.finish == "stop"]


def longer(request: Request, samples: int) -> Request:
    """The request that asks `samples` cut replies again: twice the tokens, and a seed of its own."""
    seed = int(content_id(request.key, "longer", length=7), 16)
    return msgspec.structs.replace(request, samples=samples, max_tokens=2 * request.max_tokens, seed=seed)

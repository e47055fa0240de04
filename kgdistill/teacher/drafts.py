"""Replies in the making: a draft for each sample of a request, and a request while it is under way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kgdistill.contracts import Finish, Request
from kgdistill.teacher.grammar import Matcher
from kgdistill.teacher.weighing import Weighed


class Draft:
    """A reply in the making."""

    def __init__(self, sample: int, matcher: Matcher | None = None, given: Sequence[int] = ()) -> None:
        self.sample = sample
        self.matcher = matcher
        self.given = given
        """Tokens that it is to have, where nothing is sampled."""
        self.logprobs: list[float] = []
        """Of the given tokens, one by one."""
        self.tokens: list[int] = []
        self.logprob = 0.0
        self.finish: Finish | None = None

    def take(self, token: int, logprob: float, stops: frozenset[int], limit: int) -> None:
        self.tokens.append(token)
        self.logprob += logprob
        if self.given:
            self.logprobs.append(logprob)
            self.finish = "stop" if len(self.tokens) == len(self.given) else None
            return
        if token in stops:
            self.finish = "stop"
            return
        if self.matcher:
            self.matcher.accept(token)
            if self.matcher.complete:
                self.finish = "stop"
                return
        if len(self.tokens) >= limit:
            self.finish = "length"


class Running:
    """A request under way: its drafts, those of them that are not finished, and what the engine remembers."""

    def __init__(self, ticket: int, request: Request, drafts: list[Draft], limit: int) -> None:
        self.ticket, self.request, self.drafts, self.limit = ticket, request, drafts, limit
        self.live = list(drafts)
        self.memory: Any = None
        self.weighed: Weighed | None = None
        self.top: tuple[tuple[str, float], ...] = ()
        self.prompt_tokens = self.cached_tokens = 0

    def prune(self) -> None:
        """Let finished drafts go. That may change the last bits of those that stay, but it happens at the same step
        whenever the request is computed."""
        for row in reversed(range(len(self.live))):
            if self.live[row].finish:
                self.memory.drop(row)
                self.live[row] = self.live[-1]
                self.live.pop()

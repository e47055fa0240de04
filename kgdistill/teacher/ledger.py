"""Accounts: how every planned request ended, what it cost, and when to stop paying."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from kgdistill.errors import BudgetSpent, KgdistillError
from kgdistill.records import Failure

COSTS = ("prompt_tokens", "cached_tokens", "reply_tokens", "seconds")


class Account(Struct, omit_defaults=True):
    """One stage's requests and their cost. Every planned request ends as exactly one of the four.

    A request asks for samples, of which some may be lost or refused while it is kept: they are counted beside it.
    """

    planned: int = 0
    kept: int = 0
    cached: int = 0
    """Answered from the journal, or by sharing the reply of an equal request in flight: paid nothing."""
    rejected: dict[str, int] = field(default_factory=dict)
    """By reason: the reply was read, and refused by a rule of the method."""
    failed: dict[str, int] = field(default_factory=dict)
    """By reason: no usable reply."""
    samples: int = 0
    """Replies that the planned requests asked for."""
    answered: int = 0
    """Those of them that came, and came whole; `samples` less `answered` were lost."""
    lost: dict[str, int] = field(default_factory=dict)
    """By reason, where it is known: a search under clauses may find fewer than it was asked for."""
    refused: dict[str, int] = field(default_factory=dict)
    """By reason: of those that came, what the method could not read or refused by a rule."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Those of the prompt tokens that a prefix cache served."""
    reply_tokens: int = 0
    seconds: float = 0.0
    """Wall time spent with the teacher, the consumer's own work left out."""

    @property
    def ended(self) -> int:
        return self.kept + self.cached + sum(self.rejected.values()) + sum(self.failed.values())

    @property
    def failures(self) -> int:
        """Requests that failed, whatever the reason; set against `planned` for the tolerance."""
        return sum(self.failed.values())

    def settle(
        self, samples: int, heard: int, lost: Sequence[Failure], refused: Sequence[Failure], cached: bool
    ) -> None:
        """Enter how a request ended: failed or rejected when none of its samples came through, else kept or cached.

        `heard` of its samples came. `lost` has a failure for each that did not, or for every one where the whole
        dialogue broke; `refused` are those that the method found itself.
        """
        self.samples += samples
        self.answered += heard
        missing = samples - heard
        _count(self.lost, lost[:missing])
        _count(self.refused, (*lost[missing:], *refused)[:heard])
        failures = (*lost, *refused)
        if failures and len(failures) >= samples:
            worst = min(failures, key=lambda failure: failure.kind)  # "failed" sorts before "rejected"
            reasons = self.failed if worst.kind == "failed" else self.rejected
            reasons[worst.reason] = reasons.get(worst.reason, 0) + 1
        elif cached:
            self.cached += 1
        else:
            self.kept += 1

    def add(self, other: Account) -> None:
        """Add another account's numbers to this one."""
        for name in ("planned", "kept", "cached", "samples", "answered", *COSTS):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("rejected", "failed", "lost", "refused"):
            both = Counter(getattr(self, name)) + Counter(getattr(other, name))
            setattr(self, name, dict(sorted(both.items())))


def _count(reasons: dict[str, int], failures: Sequence[Failure]) -> None:
    for failure in failures:
        reasons[failure.reason] = reasons.get(failure.reason, 0) + 1


class Ledger(Struct):
    """The accounts of all stages; written by the driver, merged over shards by the engine."""

    stages: dict[str, Account] = field(default_factory=dict)

    def account(self, stage: str) -> Account:
        """The stage's account, opened at first use."""
        return self.stages.setdefault(stage, Account())

    def merge(self, other: Ledger) -> None:
        """Add another ledger's numbers to this one."""
        for stage, account in other.stages.items():
            self.account(stage).add(account)

    def check(self) -> None:
        """Raise KgdistillError unless every planned request ended in exactly one way."""
        for stage, account in self.stages.items():
            if account.ended != account.planned:
                raise KgdistillError(
                    f"the ledger of {stage} does not add up: {account.planned} requests planned, {account.ended} ended"
                )

    def to_dict(self) -> dict[str, Any]:
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Ledger:
        return msgspec.convert(plain, cls)


class Budget:
    """How many tokens (prompt and reply together) a command may pay for; journalled replies cost nothing."""

    def __init__(self, max_tokens: int) -> None:
        self.max_tokens = max_tokens
        self.used = 0

    @property
    def spent(self) -> bool:
        return self.used >= self.max_tokens

    def pay(self, tokens: int) -> None:
        self.used += tokens

    def error(self) -> BudgetSpent:
        return BudgetSpent(
            f"the budget of {self.max_tokens} tokens is spent ({self.used} used); "
            "everything paid for is kept, and the same command goes on from here"
        )

"""Shards to seats: who works on what, what a dead worker had goes to another, and the purse is never overdrawn."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator

import msgspec

from kgdistill import errors
from kgdistill.engine.job import Job, Outcome, Report, Tick
from kgdistill.engine.local import Alone, Crew
from kgdistill.errors import BudgetSpent, KgdistillError
from kgdistill.teacher.ledger import Account

ATTEMPTS = 3


class Purse:
    """The tokens that a command may pay for, shared out to the shards in progress."""

    def __init__(self, max_tokens: int | None) -> None:
        self.max_tokens = max_tokens
        self.used = 0
        self._lent: dict[str, int] = {}

    @property
    def limited(self) -> bool:
        return self.max_tokens is not None

    @property
    def left(self) -> int:
        """What is neither used nor lent; at least 0."""
        return max(0, (self.max_tokens or 0) - self.used - sum(self._lent.values()))

    def lend(self, shard: str, seats: int) -> int | None:
        """A share of what is left, for a shard; None means no limit. Call only while `open`."""
        if not self.limited:
            return None
        self._lent[shard] = max(1, self.left // seats)
        return self._lent[shard]

    @property
    def open(self) -> bool:
        return not self.limited or self.left > 0

    def pay(self, tokens: int, shard: str = "") -> None:
        self._lent.pop(shard, None)
        self.used += tokens

    def error(self) -> BudgetSpent:
        return BudgetSpent(
            f"the budget of {self.max_tokens} tokens is spent ({self.used} used); "
            "everything paid for is kept, and the same command goes on from here"
        )


def dispatch(jobs: Iterable[Job], crew: Crew, purse: Purse, on_tick: Callable[[Account], None]) -> Iterator[Report]:
    """Run the jobs on the crew, and yield their reports as they come.

    Raises what a worker raised; BudgetSpent when the purse is empty and all that was in progress has stopped;
    KgdistillError when one shard ended three workers.
    """
    waiting = deque(jobs)
    working: dict[int, Job] = {}
    running: dict[int, Account] = {}
    deaths: Counter[str] = Counter()

    def tick(seat: int, message: Tick) -> None:
        running[seat] = message.account
        total = Account()
        for account in running.values():
            total.add(account)
        on_tick(total)

    if isinstance(crew, Alone):
        crew.on_tick = tick
    while waiting or working:
        for seat in list(crew.seats):
            if seat not in working and waiting and purse.open:
                job = working[seat] = waiting.popleft()
                crew.give(seat, msgspec.structs.replace(job, allowance=purse.lend(job.shard, len(crew.seats))))
        if not working:
            raise purse.error()
        seat, message = crew.wait()
        if isinstance(message, Tick):
            tick(seat, message)
            continue
        job = working.pop(seat)
        running.pop(seat, None)
        purse.pay(message.spent if message else 0, job.shard)
        if message is None:
            deaths[job.shard] += 1
            if deaths[job.shard] == ATTEMPTS:
                raise KgdistillError(
                    f"shard {job.shard} of {job.stage} ended its worker {ATTEMPTS} times (out of memory?); "
                    "the run folder's workers.log may say why"
                )
            waiting.appendleft(job)
        elif message.error == BudgetSpent.__name__:
            waiting.appendleft(job)
        else:
            yield unwrap(message, job.stage, purse)


def unwrap(outcome: Outcome, stage: str, purse: Purse) -> Report:
    """The outcome's report, or its error raised here."""
    if outcome.report is not None:
        return outcome.report
    if outcome.error == BudgetSpent.__name__:
        raise purse.error()
    known = getattr(errors, outcome.error, None)
    if isinstance(known, type) and issubclass(known, KgdistillError):
        error = known(outcome.message)
    else:
        error = KgdistillError(f"{stage} broke on shard {outcome.shard}: {outcome.error}: {outcome.message}")
    error.add_note(outcome.trace)
    raise error

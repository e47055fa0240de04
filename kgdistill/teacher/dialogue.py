"""The driver: thousands of dialogues in flight against one teacher, and no reply used before it is journalled.

A dialogue's next requests go to the teacher the moment its last reply of the turn is there; no dialogue
waits for another. Results come out in the order the dialogues were given, with a bounded number in memory.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

from kgdistill.contracts import Answer, Dialogue, Reply, Request, Teacher
from kgdistill.errors import KgdistillError, ReplyError, TeacherError
from kgdistill.records import Failure
from kgdistill.teacher.journal import Journal
from kgdistill.teacher.ledger import Account, Budget, Ledger
from kgdistill.teacher.questions import Question

__all__ = ["Budget", "Ledger", "converse"]

Result = TypeVar("Result")

_tickets = itertools.count()
_Arrival = tuple[str, Request, "Answer | Exception"]
_owners: dict[int, _Driver[Any]] = {}
"""Who asked, by ticket. One stage may hold two conversations with one teacher, nested in each other: whoever
polls hands the other's answers over."""


def converse(
    dialogues: Iterable[Dialogue[Result]],
    teacher: Teacher,
    journal: Journal,
    *,
    stage: str,
    ledger: Ledger,
    fail: Callable[[Failure], None],
    document_of: Callable[[int], str] | None = None,
    budget: Budget | None = None,
) -> Iterator[Result | None]:
    """Run the dialogues and yield their results in the order given (None where a dialogue broke).

    Failures that the driver itself finds go to `fail`: replies cut by the token limit twice ("cut"), requests
    that the teacher gave up (the error's reason), dialogues that raised ("malformed", "broken"). Failures that a
    dialogue found itself stay in its result's `failures`; here they only decide how their request is counted:
    it failed, or was rejected, when as many failures name it as it asked for samples.

    `document_of` names the document of the dialogue at a position, for the failures. Raises BudgetSpent when
    the budget is used up and something is still to be asked, after everything in flight has been journalled;
    whatever `teacher.poll` raises comes through as it is.
    """
    driver = _Driver(iter(dialogues), teacher, journal, stage, ledger.account(stage), fail, document_of, budget)
    try:
        yield from driver.run()
    except GeneratorExit:
        driver.drain()
        raise
    finally:
        driver.leave()


@dataclass(slots=True, eq=False)
class _Talk:
    """One dialogue on its way."""

    position: int
    dialogue: Dialogue[Any]
    questions: list[Question] = field(default_factory=list)
    """All that it ever asked; those of this turn stand last."""
    turn: int = 0
    """How many questions it asked this turn."""
    missing: int = 0
    """How many of these have no replies yet."""

    def hear(self) -> list[list[Reply]]:
        """The replies of this turn."""
        return [question.hand_over() for question in self.questions[len(self.questions) - self.turn :]]


class _Driver(Generic[Result]):
    def __init__(
        self,
        dialogues: Iterator[Dialogue[Result]],
        teacher: Teacher,
        journal: Journal,
        stage: str,
        account: Account,
        fail: Callable[[Failure], None],
        document_of: Callable[[int], str] | None,
        budget: Budget | None,
    ) -> None:
        self.dialogues: Iterator[tuple[int, Dialogue[Result]]] = enumerate(dialogues)
        self.teacher, self.journal, self.stage, self.account = teacher, journal, stage, account
        self.fail, self.document_of, self.budget = fail, document_of, budget
        self.window = max(1, teacher.window)
        self.ahead = 8 * self.window  # how far results may run ahead of the oldest dialogue
        self.exhausted = False
        self.since = math.inf
        self.talks: set[_Talk] = set()
        self.results: dict[int, Result | None] = {}
        # By key of a request that waits or is in flight.
        self.askers: dict[str, list[tuple[_Talk, Question]]] = {}
        self.waiting: deque[tuple[str, Request]] = deque()
        self.flying: dict[int, tuple[str, Request]] = {}
        self.inbox: deque[tuple[int, Answer | Exception]] = deque()

    def run(self) -> Iterator[Result | None]:
        for position in itertools.count():
            self.since = time.perf_counter()
            while position not in self.results:
                self.start()
                self.submit()
                if position in self.results:
                    break
                if not self.talks:
                    return
                if self.budget and self.budget.spent and not self.flying:
                    raise self.budget.error()
                self.use(self.receive())
            self.pause()
            yield self.results.pop(position)

    def pause(self) -> None:
        """Stop the clock: what the consumer does with a result is not the teacher's time."""
        self.account.seconds += time.perf_counter() - self.since
        self.since = math.inf

    def start(self) -> None:
        """Open dialogues until enough requests are in flight, or results run too far ahead."""
        while (
            not self.exhausted
            and len(self.waiting) + len(self.flying) < self.window
            and len(self.talks) + len(self.results) < self.ahead
        ):
            found = next(self.dialogues, None)
            if found is None:
                self.exhausted = True
                return
            talk = _Talk(*found)
            self.talks.add(talk)
            self.advance(talk, None)

    def submit(self) -> None:
        """Send what waits, as far as the teacher's window and the budget go."""
        while self.waiting and len(self.flying) < self.window and not (self.budget and self.budget.spent):
            ticket = next(_tickets)
            key, request = self.waiting.popleft()
            self.flying[ticket] = (key, request)
            _owners[ticket] = self
            self.teacher.submit(ticket, request)

    def receive(self) -> list[_Arrival]:
        """Wait for answers and journal them all, before any dialogue works on its own."""
        if not self.inbox:
            answered = self.teacher.poll()
            if not answered:
                raise KgdistillError(f"the teacher has lost {len(self.flying)} requests")
            for ticket, outcome in answered:
                if owner := _owners.pop(ticket, None):
                    owner.inbox.append((ticket, outcome))
        arrived = [(*self.flying.pop(ticket), outcome) for ticket, outcome in self.inbox]
        self.inbox.clear()
        for key, request, outcome in arrived:
            if isinstance(outcome, Answer):
                talk, _ = self.askers[key][0]
                self.write_down(request, outcome, self.document(talk))
        return arrived

    def write_down(self, request: Request, answer: Answer, document: str) -> None:
        self.journal.put(request, answer, document)
        reply_tokens = sum(reply.tokens for reply in answer.replies)
        self.account.prompt_tokens += answer.prompt_tokens
        self.account.cached_tokens += answer.cached_tokens
        self.account.reply_tokens += reply_tokens
        if self.budget:
            self.budget.pay(answer.prompt_tokens + reply_tokens)

    def use(self, arrived: list[_Arrival]) -> None:
        """Hand answers, and failures for good, to all who asked; dialogues whose turn is complete go on."""
        for key, request, outcome in arrived:
            askers = self.askers.pop(key)
            for talk, question in askers:
                if isinstance(outcome, Answer):
                    self.take(talk, question, request, outcome)
                elif isinstance(outcome, TeacherError):
                    question.give_up(outcome)
                    talk.missing -= 1
                else:
                    raise outcome
            for talk in {talk: None for talk, _ in askers}:
                if not talk.missing and talk in self.talks:
                    self.advance(talk, talk.hear())

    def advance(self, talk: _Talk, replies: list[list[Reply]] | None) -> None:
        """Let a dialogue speak until it asks what the journal does not know, or is over."""
        while True:
            try:
                asked = talk.dialogue.send(replies)  # type: ignore[arg-type]  # a generator starts with None
                keys = [request.key for request in asked]
            except StopIteration as end:
                self.finish(talk, end.value, getattr(end.value, "failures", ()))
                return
            except Exception as error:
                self.abandon(talk, error)
                return
            talk.turn = talk.missing = len(asked)
            self.account.planned += len(asked)
            for key, request in zip(keys, asked, strict=True):
                question = Question(key, request.samples, partial(self.record, talk))
                talk.questions.append(question)
                self.seek(talk, question, key, request)
            if talk.missing:
                return
            replies = talk.hear()

    def seek(self, talk: _Talk, question: Question, key: str, request: Request) -> None:
        """Find the answer in the journal, or share a request in flight, or queue a new one."""
        answer = self.journal.get(key)
        if answer is not None:
            self.take(talk, question, request, answer)
        elif key in self.askers:
            self.askers[key].append((talk, question))
        else:
            question.cached = False
            self.askers[key] = [(talk, question)]
            self.waiting.append((key, request))

    def take(self, talk: _Talk, question: Question, request: Request, answer: Answer) -> None:
        """Give a question its answer; it is complete, or it asks for more."""
        more = question.take(request, answer)
        if more is None:
            talk.missing -= 1
        else:
            self.seek(talk, question, more.key, more)

    def record(self, talk: _Talk, reason: str, message: str, raw: str = "", key: str = "") -> Failure:
        """Enter a failure of the dialogue, or of one of its requests."""
        failure = Failure(self.stage, self.document(talk), reason, message=message, raw=raw, request=key)
        self.fail(failure)
        return failure

    def document(self, talk: _Talk) -> str:
        return self.document_of(talk.position) if self.document_of else ""

    def finish(self, talk: _Talk, result: Result | None, failures: Iterable[Failure]) -> None:
        """Enter the result, and how each of the dialogue's requests ended."""
        named: dict[str, list[Failure]] = {}
        for failure in failures:
            if isinstance(failure, Failure):
                named.setdefault(failure.request, []).append(failure)
        for question in talk.questions:
            refused = named.get(question.key, [])
            self.account.settle(question.samples, question.heard, question.failures, refused, question.cached)
        self.results[talk.position] = result
        self.talks.discard(talk)

    def abandon(self, talk: _Talk, error: Exception) -> None:
        """Record a dialogue that broke: nothing that it asked for is kept."""
        talk.dialogue.close()
        reason = "malformed" if isinstance(error, ReplyError) else "broken"
        message = str(error) if isinstance(error, KgdistillError) else f"{type(error).__name__}: {error}"
        failure = self.record(talk, reason, message)
        for question in talk.questions:
            question.spoil(failure)
        self.finish(talk, None, ())

    def drain(self) -> None:
        """The consumer has had enough: journal what is in flight, since it is paid for."""
        with contextlib.suppress(Exception):  # something else is ending this already
            while self.flying:
                self.receive()

    def leave(self) -> None:
        """Close the unfinished dialogues; their requests are no longer planned (the next attempt plans them)."""
        if self.since < math.inf:
            self.pause()
        for ticket in self.flying:
            _owners.pop(ticket, None)
        for talk in self.talks:
            self.account.planned -= len(talk.questions)
            talk.dialogue.close()

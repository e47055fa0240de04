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
from typing import Any, Generic, TypeVar

import msgspec

from kgdistill.contracts import Answer, Dialogue, Reply, Request, Teacher
from kgdistill.errors import KgdistillError, ReplyError, TeacherError
from kgdistill.records import Failure, content_id
from kgdistill.teacher.journal import Journal
from kgdistill.teacher.ledger import Account, Budget, Ledger

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
class _Question:
    """One planned request of one dialogue, until all its usable replies are together."""

    talk: _Talk
    place: int
    key: str
    samples: int
    cached: bool = True
    replies: list[Reply] = field(default_factory=list)
    longer: bool = False
    """Its cut samples have been asked again with twice the tokens."""
    failures: list[Failure] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Talk:
    """One dialogue on its way."""

    position: int
    dialogue: Dialogue[Any]
    questions: list[_Question] = field(default_factory=list)
    replies: list[list[Reply]] = field(default_factory=list)
    missing: int = 0
    """How many questions of this turn have no replies yet."""


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
        self.askers: dict[str, list[_Question]] = {}  # by key of a request that waits or is in flight
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
                self.record(request, outcome, self.document(self.askers[key][0].talk))
        return arrived

    def record(self, request: Request, answer: Answer, document: str) -> None:
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
            questions = self.askers.pop(key)
            for question in questions:
                if isinstance(outcome, Answer):
                    self.take(question, request, outcome)
                elif isinstance(outcome, TeacherError):
                    self.give_up(question, outcome)
                else:
                    raise outcome
            for talk in {question.talk: None for question in questions}:
                if not talk.missing and talk in self.talks:
                    self.advance(talk, talk.replies)

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
            talk.replies = [[] for _ in asked]
            talk.missing = len(asked)
            self.account.planned += len(asked)
            for place, (key, request) in enumerate(zip(keys, asked, strict=True)):
                question = _Question(talk, place, key, request.samples)
                talk.questions.append(question)
                self.seek(question, key, request)
            if talk.missing:
                return
            replies = talk.replies

    def seek(self, question: _Question, key: str, request: Request) -> None:
        """Find the answer in the journal, or share a request in flight, or queue a new one."""
        answer = self.journal.get(key)
        if answer is not None:
            self.take(question, request, answer)
        elif key in self.askers:
            self.askers[key].append(question)
        else:
            question.cached = False
            self.askers[key] = [question]
            self.waiting.append((key, request))

    def take(self, question: _Question, request: Request, answer: Answer) -> None:
        """Put the samples in place; ask the cut ones again once with more tokens, then drop and record them."""
        fresh = iter(answer.replies)
        if question.longer:
            question.replies = [next(fresh, old) if old.finish == "length" else old for old in question.replies]
        else:
            question.replies = list(fresh)
        if request.max_tokens == 1:  # one token was all that it asked for: nothing is missing
            return self.close(question, question.replies)
        cut = [reply for reply in question.replies if reply.finish == "length"]
        if cut and not question.longer:
            question.longer = True
            again = longer(request, len(cut))
            return self.seek(question, again.key, again)
        for reply in cut:
            self.blame(question, "cut", f"cut at {request.max_tokens} tokens, twice", reply.text)
        return self.close(question, [reply for reply in question.replies if reply.finish == "stop"])

    def give_up(self, question: _Question, error: TeacherError) -> None:
        """The teacher has no answer: the dialogue goes on with the samples that came before, if any."""
        cut = [reply for reply in question.replies if reply.finish == "length"]
        for reply in cut:
            self.blame(question, error.reason, str(error), reply.text)
        if not cut:
            self.blame(question, error.reason, str(error), "")
            question.failures *= question.samples
        self.close(question, [reply for reply in question.replies if reply.finish == "stop"])

    def close(self, question: _Question, replies: list[Reply]) -> None:
        talk = question.talk
        talk.replies[question.place] = [msgspec.structs.replace(reply, request=question.key) for reply in replies]
        talk.missing -= 1
        question.replies = []

    def blame(self, question: _Question, reason: str, message: str, raw: str) -> None:
        failure = self.failure(question.talk, reason, message, raw, question.key)
        question.failures.append(failure)
        self.fail(failure)

    def failure(self, talk: _Talk, reason: str, message: str, raw: str = "", key: str = "") -> Failure:
        return Failure(self.stage, self.document(talk), reason, message=message, raw=raw, request=key)

    def document(self, talk: _Talk) -> str:
        return self.document_of(talk.position) if self.document_of else ""

    def finish(self, talk: _Talk, result: Result | None, failures: Iterable[Failure]) -> None:
        """Enter the result, and how each of the dialogue's requests ended."""
        named: dict[str, list[Failure]] = {}
        for failure in failures:
            if isinstance(failure, Failure):
                named.setdefault(failure.request, []).append(failure)
        for question in talk.questions:
            self.account.settle(question.samples, question.failures + named.get(question.key, []), question.cached)
        self.results[talk.position] = result
        self.talks.discard(talk)

    def abandon(self, talk: _Talk, error: Exception) -> None:
        """Record a dialogue that broke: nothing that it asked for is kept."""
        talk.dialogue.close()
        reason = "malformed" if isinstance(error, ReplyError) else "broken"
        message = str(error) if isinstance(error, KgdistillError) else f"{type(error).__name__}: {error}"
        failure = self.failure(talk, reason, message)
        self.fail(failure)
        for question in talk.questions:
            if len(question.failures) < question.samples:
                question.failures = [failure] * question.samples
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


def longer(request: Request, samples: int) -> Request:
    """The request that asks `samples` cut replies again: twice the tokens, and a seed of its own."""
    seed = int(content_id(request.key, "longer", length=7), 16)
    return msgspec.structs.replace(request, samples=samples, max_tokens=2 * request.max_tokens, seed=seed)

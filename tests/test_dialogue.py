"""The driver: order, continuous feeding, journal before use, cut replies, failures, ledger and budget."""

from __future__ import annotations

import random
import tracemalloc
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from kgdistill.contracts import Answer, Card, Dialogue, Reply, Request, Teacher
from kgdistill.errors import BudgetSpent, EndpointError, KgdistillError, RecipeError, ReplyError, StorageError
from kgdistill.records import Failure
from kgdistill.teacher.dialogue import Budget, Ledger, converse
from kgdistill.teacher.journal import Journal
from kgdistill.teacher.questions import longer
from kgdistill.teacher.scripted import Scripted


class Oracle:
    """A teacher double that writes down what it was asked, answers in any order and only one request per poll."""

    blueprint: dict[str, Any] = {"kind": "oracle"}  # noqa: RUF012
    card = Card("oracle")

    def __init__(self, window: int = 4, seed: int = 0, special: dict[str, Any] | None = None) -> None:
        self.window = window
        self.special = special or {}
        self.asked: list[Request] = []
        self.flying: list[tuple[int, Request]] = []
        self.most = 0
        self.random = random.Random(seed)

    def submit(self, ticket: int, request: Request) -> None:
        self.asked.append(request)
        self.flying.append((ticket, request))
        self.most = max(self.most, len(self.flying))

    def poll(self) -> list[tuple[int, Answer | Exception]]:
        if not self.flying:
            return []
        ticket, request = self.flying.pop(self.random.randrange(len(self.flying)))
        special = self.special.get(request.prompt)
        if callable(special):
            special = special(request)
        if isinstance(special, (Answer, Exception)):
            return [(ticket, special)]
        replies = tuple(Reply(f"{request.prompt}/{n}", tokens=2) for n in range(request.samples))
        return [(ticket, Answer(replies, prompt_tokens=3, cached_tokens=1))]

    def count_tokens(self, text: str) -> int:
        return len(text)

    def close(self) -> None:
        pass


def turns(name: str, count: int, width: int = 1, samples: int = 1) -> Dialogue[list[str]]:
    heard = []
    for turn in range(count):
        answers = yield [Request("p", f"{name}.{turn}.{place}", samples=samples) for place in range(width)]
        assert len(answers) == width
        heard += [reply.text for replies in answers for reply in replies]
    return heard


class Table:
    """What a conversation needs, laid out."""

    def __init__(self, path: Path, teacher: Teacher) -> None:
        self.path, self.teacher = path / "0.jsonl", teacher
        self.ledger, self.failures = Ledger(), list[Failure]()

    def converse(self, dialogues: Iterable[Dialogue[Any]], budget: Budget | None = None) -> Iterator[Any]:
        with Journal(self.path, "b") as journal:
            yield from converse(
                dialogues,
                self.teacher,
                journal,
                stage="s",
                ledger=self.ledger,
                fail=self.failures.append,
                document_of=lambda position: f"doc{position}",
                budget=budget,
            )

    @property
    def account(self) -> Any:
        self.ledger.check()
        return self.ledger.account("s")


@pytest.mark.parametrize("seed", range(5))
def test_results_come_in_the_order_given_whatever_the_order_of_answers(tmp_path: Path, seed: int) -> None:
    table = Table(tmp_path, Oracle(window=6, seed=seed))
    found = list(table.converse(turns(str(n), n % 4, 1 + n % 3) for n in range(50)))
    assert found == [
        [f"{n}.{turn}.{place}/0" for turn in range(n % 4) for place in range(1 + n % 3)] for n in range(50)
    ]
    account = table.account
    planned = sum((n % 4) * (1 + n % 3) for n in range(50))
    assert account.planned == account.kept == planned
    assert (account.prompt_tokens, account.cached_tokens, account.reply_tokens) == (3 * planned, planned, 2 * planned)
    assert account.seconds > 0
    assert table.teacher.most == 6


def test_the_next_request_enters_at_once_without_a_barrier(tmp_path: Path) -> None:
    class InOrder(Oracle):
        def poll(self) -> list[tuple[int, Answer | Exception]]:
            # the slow one is answered only when nothing else is in flight
            self.flying.sort(key=lambda pair: pair[1].prompt.startswith("slow"))
            self.random = random.Random()
            self.random.randrange = lambda *_: 0  # type: ignore[method-assign]
            return super().poll()

    teacher = InOrder(window=2)
    list(Table(tmp_path, teacher).converse([turns("slow", 1), turns("quick", 30)]))
    assert [request.prompt for request in teacher.asked] == ["slow.0.0", *(f"quick.{turn}.0" for turn in range(30))]
    assert teacher.most == 2


def test_dialogues_start_lazily_and_results_are_bounded(tmp_path: Path) -> None:
    started = 0

    def endless() -> Iterator[Dialogue[list[str]]]:
        nonlocal started
        while True:
            started += 1
            yield turns(str(started), 1)

    table = Table(tmp_path, Oracle(window=4))
    talk = table.converse(endless())
    for _ in range(10):
        next(talk)
    assert started <= 10 + 8 * 4
    talk.close()
    assert len(table.teacher.asked) <= started
    assert not table.teacher.flying, "what was in flight at the end was paid for and is journalled"
    with Journal(table.path, "b") as journal:
        assert len(journal) == len(table.teacher.asked)
    table.ledger.check()


def test_a_journalled_reply_is_used_unchanged_and_never_asked_again(tmp_path: Path) -> None:
    first = Table(tmp_path, Oracle(seed=1))
    before = list(first.converse(turns(str(n), 2, samples=3) for n in range(10)))
    second = Table(tmp_path, Oracle(seed=2))
    assert list(second.converse(turns(str(n), 2, samples=3) for n in range(11)))[:10] == before
    assert [request.prompt for request in second.teacher.asked] == ["10.0.0", "10.1.0"]
    assert (second.account.planned, second.account.cached, second.account.kept) == (22, 20, 2)
    assert second.account.prompt_tokens == 6


def test_an_answer_is_on_the_disk_before_the_dialogue_sees_it(tmp_path: Path) -> None:
    table = Table(tmp_path, Oracle())

    def watching() -> Dialogue[bool]:
        request = Request("p", "q")
        yield [request]
        return request.key in table.path.read_text()

    assert list(table.converse([watching()])) == [True]


def test_equal_requests_in_flight_are_asked_once(tmp_path: Path) -> None:
    table = Table(tmp_path, Oracle(window=8))
    assert list(table.converse([turns("same", 2), turns("same", 2), turns("same", 1, width=1)])) == [
        ["same.0.0/0", "same.1.0/0"],
        ["same.0.0/0", "same.1.0/0"],
        ["same.0.0/0"],
    ]
    assert len(table.teacher.asked) == 2
    assert (table.account.kept, table.account.cached) == (2, 3)


def test_replies_carry_their_requests_key(tmp_path: Path) -> None:
    request = Request("p", "q", samples=2)

    def keys() -> Dialogue[list[str]]:
        [replies] = yield [request]
        return [reply.request for reply in replies]

    assert list(Table(tmp_path, Oracle()).converse([keys()])) == [[request.key] * 2]


def cut_at(limit: int) -> Any:
    """Sample 1 of three always needs more than `limit` tokens."""

    def answer(request: Request) -> Answer:
        if request.samples == 3:
            return Answer((Reply("a"), Reply("b cut", "length"), Reply("c")))
        done = request.max_tokens >= limit
        return Answer((Reply("b whole" if done else "b cut", "stop" if done else "length"),))

    return answer


def test_a_cut_reply_is_asked_again_once_with_twice_the_tokens(tmp_path: Path) -> None:
    request = Request("p", "0.0.0", samples=3)
    table = Table(tmp_path, Oracle(special={"0.0.0": cut_at(512)}))
    assert list(table.converse([turns("0", 1, samples=3)])) == [["a", "b whole", "c"]]
    assert table.teacher.asked == [request, longer(request, 1)]
    assert longer(request, 1).max_tokens == 2 * request.max_tokens and longer(request, 1).seed != request.seed
    assert not table.failures and (table.account.planned, table.account.kept) == (1, 1)
    again = Table(tmp_path, Oracle())
    assert list(again.converse([turns("0", 1, samples=3)])) == [["a", "b whole", "c"]]
    assert not again.teacher.asked and again.account.cached == 1


def test_a_reply_cut_twice_is_dropped_and_recorded_with_its_text(tmp_path: Path) -> None:
    table = Table(tmp_path, Oracle(special={"0.0.0": cut_at(10**9)}))
    assert list(table.converse([turns("0", 1, samples=3)])) == [["a", "c"]]
    [failure] = table.failures
    assert (failure.reason, failure.raw, failure.document, failure.stage) == ("cut", "b cut", "doc0", "s")
    assert failure.request == table.teacher.asked[0].key
    assert table.account.kept == 1, "two of its three samples came through"


def test_a_request_whose_every_sample_is_cut_has_failed(tmp_path: Path) -> None:
    cut = Answer((Reply("x", "length"), Reply("y", "length")))
    table = Table(tmp_path, Oracle(special={"0.0.0": cut}))
    assert list(table.converse([turns("0", 2, samples=2)])) == [["0.1.0/0", "0.1.0/1"]]
    assert table.account.failed == {"cut": 1} and table.account.kept == 1
    assert [failure.raw for failure in table.failures] == ["x", "y"]


def test_one_token_is_not_cut_when_one_token_was_asked_for(tmp_path: Path) -> None:
    def judge() -> Dialogue[str]:
        [[reply]] = yield [Request("judge", "q", max_tokens=1, top_logprobs=5)]
        return reply.text

    answer = Answer((Reply("yes", "length", top=(("yes", -0.1),)),))
    table = Table(tmp_path, Oracle(special={"q": answer}))
    assert list(table.converse([judge()])) == ["yes"]
    assert len(table.teacher.asked) == 1 and table.account.kept == 1


def test_a_request_that_the_teacher_gives_up_comes_back_empty(tmp_path: Path) -> None:
    table = Table(tmp_path, Oracle(special={"1.0.0": EndpointError("it is dead")}))
    assert list(table.converse(turns(str(n), 2, samples=2) for n in range(3)))[1] == ["1.1.0/0", "1.1.0/1"]
    [failure] = table.failures
    assert (failure.reason, failure.message, failure.document) == ("endpoint", "it is dead", "doc1")
    assert table.account.failed == {"endpoint": 1} and table.account.kept == 5
    again = Table(tmp_path, Oracle())
    list(again.converse(turns(str(n), 2, samples=2) for n in range(3)))
    assert [request.prompt for request in again.teacher.asked] == ["1.0.0"], "a failure is not journalled"


def test_the_second_attempt_of_a_cut_reply_may_fail_too(tmp_path: Path) -> None:
    def answer(request: Request) -> Answer | Exception:
        if request.max_tokens > 256:
            return EndpointError("gone")
        return Answer((Reply("whole"), Reply("cut", "length")))

    table = Table(tmp_path, Oracle(special={"0.0.0": answer}))
    assert list(table.converse([turns("0", 1, samples=2)])) == [["whole"]]
    assert [(failure.reason, failure.raw) for failure in table.failures] == [("endpoint", "cut")]
    assert table.account.kept == 1


def breaking(error: Exception) -> Dialogue[None]:
    yield [Request("p", "x"), Request("p", "y", samples=2)]
    raise error


@pytest.mark.parametrize(
    ("error", "reason", "message"),
    [(ReplyError("no JSON"), "malformed", "no JSON"), (ValueError("oops"), "broken", "ValueError: oops")],
)
def test_a_dialogue_that_breaks_is_recorded_and_the_others_go_on(
    tmp_path: Path, error: Exception, reason: str, message: str
) -> None:
    table = Table(tmp_path, Oracle())
    assert list(table.converse([turns("a", 1), breaking(error), turns("b", 1)])) == [["a.0.0/0"], None, ["b.0.0/0"]]
    [failure] = table.failures
    assert (failure.reason, failure.message, failure.document) == (reason, message, "doc1")
    assert table.account.failed == {reason: 2} and table.account.kept == 2


def test_a_dialogue_that_yields_nonsense_breaks_alone(tmp_path: Path) -> None:
    def nonsense(what: Any) -> Dialogue[None]:
        yield what

    table = Table(tmp_path, Oracle())
    talks = [nonsense(7), nonsense(["x"]), nonsense([Request("p", "\ud800")]), nonsense([]), turns("a", 1)]
    assert list(table.converse(talks)) == [None, None, None, None, ["a.0.0/0"]]
    assert [failure.reason for failure in table.failures] == ["broken"] * 3
    assert table.account.planned == 1


class Outcome(Struct, frozen=True):
    failures: tuple[Failure, ...]


def test_failures_in_a_result_decide_how_requests_are_counted(tmp_path: Path) -> None:
    def failing(prompt: str, samples: int, *failures: tuple[str, str]) -> Dialogue[Outcome]:
        request = Request("p", prompt, samples=samples)
        yield [request, Request("p", prompt + "other")]
        return Outcome(tuple(Failure("s", "d", reason, kind, request=request.key) for kind, reason in failures))  # type: ignore[arg-type]

    table = Table(tmp_path, Oracle())
    talks = [
        failing("a", 1, ("rejected", "low rouge")),
        failing("b", 1, ("failed", "malformed")),
        failing("c", 2, ("failed", "malformed")),
        failing("d", 2, ("rejected", "low rouge"), ("failed", "malformed")),
    ]
    list(table.converse(talks))
    account = table.account
    assert (account.kept, account.rejected, account.failed) == (5, {"low rouge": 1}, {"malformed": 2})
    assert (account.samples, account.answered, account.lost) == (10, 10, {})
    assert account.refused == {"low rouge": 2, "malformed": 3}, "of replies, not of requests"
    assert not table.failures, "the result carries them already"


def test_the_budget_stops_cleanly_and_the_next_run_goes_on(tmp_path: Path) -> None:
    table = Table(tmp_path, Oracle(window=2))
    budget = Budget(23)  # a request costs 5 tokens
    with pytest.raises(BudgetSpent, match="23 tokens"):
        list(table.converse((turns(str(n), 3) for n in range(10)), budget))
    assert 5 <= len(table.teacher.asked) <= 6 and budget.used == 5 * len(table.teacher.asked)
    table.ledger.check()
    assert table.account.reply_tokens == 2 * len(table.teacher.asked)
    paid = len(table.teacher.asked)
    again = Table(tmp_path, Oracle(window=2))
    assert len(list(again.converse((turns(str(n), 3) for n in range(10)), Budget(10**6)))) == 10
    assert len(again.teacher.asked) == 30 - paid


def test_a_spent_budget_does_not_stop_what_is_in_the_journal(tmp_path: Path) -> None:
    list(Table(tmp_path, Oracle()).converse([turns("a", 3)]))
    assert list(Table(tmp_path, Oracle()).converse([turns("a", 3)], Budget(0))) == [["a.0.0/0", "a.1.0/0", "a.2.0/0"]]


@pytest.mark.parametrize("error", [RuntimeError("engine died"), StorageError("disk full")])
def test_a_dead_teacher_comes_through(tmp_path: Path, error: Exception) -> None:
    class Dying(Oracle):
        def poll(self) -> list[tuple[int, Answer | Exception]]:
            if len(self.asked) > 4:
                raise error
            return super().poll()

    table = Table(tmp_path, Dying(window=2))
    with pytest.raises(type(error), match=str(error)):
        list(table.converse(turns(str(n), 3) for n in range(10)))
    table.ledger.check()


def test_a_teacher_that_forgets_requests_is_noticed(tmp_path: Path) -> None:
    class Forgetful(Oracle):
        def submit(self, ticket: int, request: Request) -> None:
            pass

    with pytest.raises(KgdistillError, match="lost 1 request"):
        list(Table(tmp_path, Forgetful()).converse([turns("a", 1)]))


def test_two_conversations_may_be_nested_with_one_teacher(tmp_path: Path) -> None:
    teacher = Oracle(window=3, seed=3)
    inner, outer = Table(tmp_path / "in", teacher), Table(tmp_path / "out", teacher)
    first = inner.converse(turns(f"a{n}", 1 + n % 2) for n in range(20))
    second = outer.converse(turns("b" + "+".join(heard), 2) for heard in first)
    third = Table(tmp_path / "third", teacher).converse(turns(f"c{n}", 1 + n % 2) for n in range(20))
    for (n, heard), other in zip(enumerate(second), third, strict=True):
        assert heard[0].startswith(f"ba{n}.0.0/0") and other[0] == f"c{n}.0.0/0"
    assert inner.account.planned == 30 and outer.account.planned == 40


def test_ledgers_are_merged_and_survive_a_round_trip() -> None:
    one, two = Ledger(), Ledger()
    one.account("a").planned, one.account("a").failed = 2, {"cut": 2}
    two.account("a").planned, two.account("a").failed = 2, {"cut": 1, "broken": 1}
    two.account("b").seconds = 1.5
    one.account("a").lost, two.account("a").lost = {"cut": 1}, {"cut": 1}
    one.merge(Ledger.from_dict(two.to_dict()))
    one.check()
    assert one.account("a").planned == one.account("a").failures == 4
    assert one.account("a").failed == {"broken": 1, "cut": 3} and one.account("b").seconds == 1.5
    assert one.account("a").lost == {"cut": 2}
    assert Ledger.from_dict(one.to_dict()) == one
    one.account("a").kept += 1
    with pytest.raises(KgdistillError, match="ledger of a does not add up"):
        one.check()


def shout(request: Request, sample: int) -> str | Reply:
    return request.prompt.upper() * (sample + 1)


def test_the_scripted_teacher_does_what_its_settings_say() -> None:
    teacher = Scripted(script=f"{__name__}:shout").open()
    assert isinstance(teacher, Teacher)
    teacher.submit(7, Request("p", "hey you", samples=2))
    [(ticket, answer)] = teacher.poll()
    assert ticket == 7 and isinstance(answer, Answer)
    assert [reply.text for reply in answer.replies] == ["HEY YOU", "HEY YOUHEY YOU"] and answer.prompt_tokens == 2
    assert teacher.poll() == []
    with pytest.raises(RecipeError, match="nowhere"):
        Scripted(script="nowhere:at_all").open()
    settings = Scripted(window=3, latency_s=1)
    assert "window" not in settings.blueprint() and "latency_s" not in settings.blueprint()


def test_scripted_failures_and_cuts_reach_the_ledger(tmp_path: Path) -> None:
    table = Table(tmp_path, Scripted(fail_every=5, cut_every=2, latency_s=0.001, window=16).open())
    list(table.converse(turns(f"word {n}", 1) for n in range(400)))
    account = table.account
    assert account.planned == 400
    assert account.samples == 400 == account.answered + sum(account.lost.values()) and not account.refused
    assert 50 <= account.failed["endpoint"] <= 150 and 40 <= account.failed["cut"] <= 160
    assert Counter(failure.reason for failure in table.failures) == Counter(account.failed)


def test_memory_is_flat_in_the_number_of_dialogues(tmp_path: Path) -> None:
    teacher = Scripted().open()

    def peak(count: int) -> int:
        table = Table(tmp_path / str(count), teacher)
        tracemalloc.start()
        deque(table.converse(turns("word " * 200 + str(n), 2) for n in range(count)), maxlen=0)
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert table.account.kept == 2 * count
        return top

    small, large = peak(300), peak(3000)
    assert large - small < 2700 * 2 * 700, "more than the journal's index (key and place) stays in memory"

"""The server teacher against a real HTTP server on this machine that behaves well, badly, or not at all."""

from __future__ import annotations

import email.utils
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kgdistill.contracts import Answer, Clause, Constraints, Dialogue, Request, Teacher
from kgdistill.errors import EndpointError, ModelError, TeacherError
from kgdistill.records import Failure
from kgdistill.teacher import server as module
from kgdistill.teacher import wire
from kgdistill.teacher.dialogue import Ledger, converse
from kgdistill.teacher.journal import Journal, blueprint_hash
from kgdistill.teacher.server import Server, ServerTeacher, retry_after

KEY = "sk-very-secret-0123456789"


def choice(text: str, finish: str = "stop", tokens: int = 2) -> dict[str, Any]:
    content = [
        {"token": f"t{n}", "logprob": -0.5, "top_logprobs": [{"token": "yes", "logprob": -0.1}]} for n in range(tokens)
    ]
    return {"message": {"content": text}, "finish_reason": finish, "logprobs": {"content": content}}


def completion(body: dict[str, Any]) -> dict[str, Any]:
    text = body["messages"][0]["content"]
    usage = {"prompt_tokens": 7, "completion_tokens": 2 * body["n"], "prompt_tokens_details": {"cached_tokens": 3}}
    return {"choices": [choice(f"{text}/{body['seed'] % 1000}/{n}") for n in range(body["n"])], "usage": usage}


class Endpoint:
    """A real HTTP server; `behave` takes (number of the call, body) and returns (status, headers, body to send)."""

    def __init__(self, behave: Callable[[int, dict[str, Any]], tuple[int, dict[str, str], Any]] | None = None) -> None:
        self.behave = behave or (lambda _, body: (200, {}, completion(body)))
        self.calls: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.times: list[float] = []
        self.under_way = self.most = 0
        self.lock = threading.Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with endpoint.lock:
                    number = len(endpoint.calls)
                    endpoint.calls.append(body)
                    endpoint.headers.append(dict(self.headers))
                    endpoint.paths.append(self.path)
                    endpoint.times.append(time.monotonic())
                    endpoint.under_way += 1
                    endpoint.most = max(endpoint.most, endpoint.under_way)
                status, headers, sent = endpoint.behave(number, body)
                with endpoint.lock:
                    endpoint.under_way -= 1
                if status == 0:  # break the connection
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                raw = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKOFF_SECONDS", 0.002)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def start() -> Iterator[Callable[..., tuple[Endpoint, ServerTeacher]]]:
    opened: list[tuple[Endpoint, ServerTeacher]] = []

    def open_both(behave: Any = None, **settings: Any) -> tuple[Endpoint, ServerTeacher]:
        endpoint = Endpoint(behave)
        opened.append((endpoint, Server("m", base_url=endpoint.url, **settings).open()))
        return opened[-1]

    yield open_both
    for endpoint, teacher in opened:
        teacher.close()
        endpoint.server.shutdown()
        endpoint.server.server_close()


def ask(teacher: Teacher, *requests: Request) -> list[Any]:
    for ticket, request in enumerate(requests):
        teacher.submit(ticket, request)
    found: dict[int, Any] = {}
    while len(found) < len(requests):
        found.update(teacher.poll())
    assert teacher.poll() == []
    return [found[ticket] for ticket in range(len(requests))]


def test_a_request_arrives_whole_and_its_answer_too(start: Any) -> None:
    endpoint, teacher = start(extra={"chat_template_kwargs": {"enable_thinking": False}})
    assert isinstance(teacher, Teacher)
    schema = '{"type": "object", "properties": {"name": {"enum": ["a", "b"]}}}'
    request = Request("judge", "Grüße 🎉", schema, 0.8, 0.9, 33, samples=2, seed=3, top_logprobs=4)
    [answer] = ask(teacher, request)
    [body], [headers], [path] = endpoint.calls, endpoint.headers, endpoint.paths
    assert path == "/v1/chat/completions" and headers["Authorization"] == f"Bearer {KEY}"
    assert body.pop("messages") == [{"role": "user", "content": "Grüße 🎉"}]
    assert body.pop("response_format") == {
        "type": "json_schema",
        "json_schema": {"name": "reply", "strict": True, "schema": json.loads(schema)},
    }
    assert isinstance(body.pop("seed"), int)
    assert body == {
        "model": "m",
        "temperature": 0.8,
        "top_p": 0.9,
        "max_tokens": 33,
        "n": 2,
        "logprobs": True,
        "top_logprobs": 4,
        "chat_template_kwargs": {"enable_thinking": False},
    }
    assert (answer.prompt_tokens, answer.cached_tokens) == (7, 3)
    first, second = answer.replies
    assert first.text.startswith("Grüße 🎉/") and first.text != second.text
    assert (first.tokens, first.logprob, first.finish, first.top) == (2, -1.0, "stop", (("yes", -0.1),))


def test_plain_completions(start: Any) -> None:
    def behave(_: int, body: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        logprobs = {"token_logprobs": [-0.25, -0.5], "top_logprobs": [{"no": -2.0, "yes": -0.25}, {}]}
        made = {"text": body["prompt"] + "!", "finish_reason": "length", "logprobs": logprobs}
        return 200, {}, {"choices": [made], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}

    endpoint, teacher = start(behave, chat=False)
    [answer] = ask(teacher, Request("p", "hey", top_logprobs=2))
    assert endpoint.paths == ["/v1/completions"] and endpoint.calls[0]["logprobs"] == 2
    [reply] = answer.replies
    assert (reply.text, reply.finish, reply.tokens, reply.logprob) == ("hey!", "length", 2, -0.75)
    assert reply.top == (("yes", -0.25), ("no", -2.0))


def test_no_key_no_header_and_the_key_is_nowhere_in_settings(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    endpoint, teacher = start()
    ask(teacher, Request("p", "x"))
    assert "Authorization" not in endpoint.headers[0]
    monkeypatch.setenv("MY_KEY", KEY)
    endpoint, teacher = start(key_variable="MY_KEY")
    ask(teacher, Request("p", "x"))
    assert endpoint.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert KEY not in repr(teacher.blueprint) + repr(teacher.card) + repr(teacher._settings)


def test_where_and_how_hard_are_not_in_the_blueprint() -> None:
    one = Server("m", base_url="http://a/v1", concurrency=1, timeout_s=1, retries=1, key_variable="A", logprobs=False)
    assert one.blueprint() == Server("m").blueprint() != Server("m", revision="2").blueprint()
    assert Server("m", languages=("en",), context=9).card().context == 9 and Server("m").card().name == "m"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 529, 0])
def test_what_fails_in_passing_is_tried_again(start: Any, status: int) -> None:
    endpoint, teacher = start(lambda number, body: (status if number < 3 else 200, {}, completion(body)))
    [answer] = ask(teacher, Request("p", "x"))
    assert isinstance(answer, Answer) and len(endpoint.calls) == 4
    assert len({json.dumps(body, sort_keys=True) for body in endpoint.calls}) == 1


def test_a_timeout_is_tried_again(start: Any) -> None:
    def behave(number: int, body: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        if number == 0:
            time.sleep(0.6)
        return 200, {}, completion(body)

    endpoint, teacher = start(behave, timeout_s=0.2)
    [answer] = ask(teacher, Request("p", "x"))
    assert isinstance(answer, Answer) and len(endpoint.calls) == 2


def test_retry_after_is_honoured(start: Any) -> None:
    endpoint, teacher = start(lambda n, body: (429 if n == 0 else 200, {"Retry-After": "0.4"}, completion(body)))
    ask(teacher, Request("p", "x"))
    assert endpoint.times[1] - endpoint.times[0] >= 0.4


def test_retry_after_is_read_in_all_its_forms() -> None:
    assert retry_after("3") == 3.0 and retry_after("") == retry_after("soon") == retry_after("-5") == 0.0
    date = email.utils.formatdate(time.time() + 20, usegmt=True)
    assert 15 < retry_after(date) <= 20
    assert retry_after("1e9") == module.RETRY_AFTER_MOST_SECONDS


@pytest.mark.parametrize("status", [400, 404, 408, 409, 413, 422])
def test_other_refusals_are_recorded_and_never_tried_again(start: Any, status: int) -> None:
    def behave(number: int, body: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        return (200, {}, completion(body)) if number == 0 else (status, {}, {"error": {"message": f"no, {KEY}"}})

    endpoint, teacher = start(behave)
    ask(teacher, Request("p", "x"))
    [error] = ask(teacher, Request("p", "y"))
    assert isinstance(error, EndpointError) and error.reason == "endpoint" and str(status) in str(error)
    assert "no, ***" in str(error) and KEY not in str(error)
    assert len(endpoint.calls) == 2


@pytest.mark.parametrize(("status", "says"), [(401, "key in OPENAI_API_KEY"), (404, "does not serve m")])
def test_a_refusal_that_meets_every_request_is_one_clear_line(start: Any, status: int, says: str) -> None:
    endpoint, teacher = start(lambda *_: (status, {}, {"error": {"message": f"never\nmind {KEY}"}}))
    [error] = ask(teacher, Request("p", "x"))
    assert isinstance(error, ModelError) and says in str(error)
    assert "\n" not in str(error) and KEY not in str(error) and len(endpoint.calls) == 1


def test_a_dead_endpoint_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    teacher = Server("m", base_url=f"http://127.0.0.1:{port}/v1", retries=2).open()

    def dialogue() -> Dialogue[None]:
        yield [Request("p", "x")]

    with Journal(tmp_path / "j", "b") as journal, pytest.raises(ModelError) as caught:
        list(converse([dialogue()], teacher, journal, stage="s", ledger=Ledger(), fail=lambda _: None))
    teacher.close()
    assert str(caught.value).startswith(
        f"no usable answer from 127.0.0.1:{port}/v1 at all, tried 3 times (ConnectError"
    )
    assert "vllm serve m" in str(caught.value) and "\n" not in str(caught.value)


def test_an_endpoint_that_dies_later_is_a_recorded_failure(start: Any) -> None:
    _, teacher = start(lambda n, body: (200 if n == 0 else 503, {}, completion(body)), retries=1)
    ask(teacher, Request("p", "x"))
    [error] = ask(teacher, Request("p", "y"))
    assert isinstance(error, EndpointError) and "tried 2 times: 503" in str(error)


def test_an_endpoint_that_ignores_n_is_asked_one_by_one(start: Any) -> None:
    endpoint, teacher = start(lambda _, body: (200, {}, completion(body | {"n": 1})))
    request = Request("p", "x", temperature=1.0, samples=3)
    [answer] = ask(teacher, request)
    assert [body["n"] for body in endpoint.calls] == [3, 1, 1]
    assert len({body["seed"] for body in endpoint.calls}) == 3, "each sample has a seed of its own"
    assert len({reply.text for reply in answer.replies}) == 3 and answer.prompt_tokens == 21
    ask(teacher, Request("p", "y", temperature=1.0, samples=2))
    assert [body["n"] for body in endpoint.calls[3:]] == [1, 1], "it is not asked for more again"


def test_an_endpoint_that_gives_too_many_choices(start: Any) -> None:
    _, teacher = start(lambda _, body: (200, {}, completion(body | {"n": 5})))
    [answer] = ask(teacher, Request("p", "x", temperature=1.0, samples=2))
    assert len(answer.replies) == 2


def test_greedy_samples_are_paid_once(start: Any) -> None:
    endpoint, teacher = start()
    [answer] = ask(teacher, Request("p", "x", samples=3))
    assert len({reply.text for reply in answer.replies}) == 1 and len(answer.replies) == 3
    assert [body["n"] for body in endpoint.calls] == [1]


def test_an_endpoint_without_logprobs_and_without_usage(start: Any) -> None:
    def behave(_: int, body: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        bare = {"message": {"content": "a b"}, "finish_reason": None, "logprobs": None}
        return 200, {}, {"choices": [bare, bare], "usage": {"completion_tokens": 5} if body["top_p"] < 1 else None}

    _, teacher = start(behave)
    [answer, counted] = ask(
        teacher,
        Request("p", "x", temperature=1.0, samples=2),
        Request("p", "x", temperature=1.0, samples=2, top_p=0.5),
    )
    assert [(reply.top, reply.logprob, reply.tokens) for reply in answer.replies] == [((), 0.0, 0)] * 2
    assert [reply.tokens for reply in counted.replies] == [3, 2]


def without_logprobs(_: int, body: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
    return 200, {}, {"choices": [{"message": {"content": "yes"}, "finish_reason": "length"}]}


def without_alternatives(_: int, body: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
    content = [{"token": "yes", "logprob": -0.5, "top_logprobs": []}]
    return 200, {}, {"choices": [{"message": {"content": "yes"}, "logprobs": {"content": content}}]}


def refusing_logprobs(_: int, body: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
    return 400, {}, {"error": {"message": "logprobs are not supported with this model"}}


@pytest.mark.parametrize("behave", [without_logprobs, without_alternatives, refusing_logprobs])
def test_a_judge_without_log_probabilities_is_one_clear_line_at_the_first_answer(
    start: Any, tmp_path: Path, behave: Any
) -> None:
    endpoint, teacher = start(behave, concurrency=2)

    def judge(number: int) -> Dialogue[str]:
        [[reply]] = yield [Request("judge", str(number), max_tokens=1, top_logprobs=5)]
        return reply.text

    with (
        Journal(tmp_path / "0.jsonl", "b") as journal,
        pytest.raises(ModelError, match=r"log-probabilities.*leave `judge` out of the recipe's stages") as raised,
    ):
        list(converse(map(judge, range(100)), teacher, journal, stage="s", ledger=Ledger(), fail=lambda _: None))
    assert "\n" not in str(raised.value)
    assert len(endpoint.calls) <= 6
    assert not journal.path.read_bytes().strip()


def test_one_empty_reply_says_nothing_of_log_probabilities(start: Any) -> None:
    empty = {"choices": [{"message": {"content": ""}, "logprobs": {"content": []}}]}
    _, teacher = start(lambda number, body: (200, {}, empty if not number else completion(body)), concurrency=1)
    first, second = ask(teacher, *(Request("judge", text, max_tokens=1, top_logprobs=5) for text in "ab"))
    assert not first.replies[0].top and second.replies[0].top


def test_an_endpoint_that_refuses_log_probabilities_says_which_key_to_set(start: Any) -> None:
    _, teacher = start(refusing_logprobs)
    [found] = ask(teacher, Request("entities", "x"))
    assert isinstance(found, ModelError) and "set teacher.logprobs=false" in str(found)


def test_logprobs_can_be_left_out(start: Any) -> None:
    endpoint, teacher = start(logprobs=False)
    ask(teacher, Request("p", "x"))
    assert "logprobs" not in endpoint.calls[0]


@pytest.mark.parametrize(
    "sent",
    [
        b"<html>no</html>",
        b"",
        b"\xff\xfe",
        b"[]",
        {"choices": []},
        {"choices": [{"message": {"content": None}, "finish_reason": "content_filter"}]},
        {"choices": [{"message": {"content": 3}}]},
        b'{"choices": [{"message": {"content": "\\ud800"}}]}',
    ],
)
def test_a_malformed_response_is_a_recorded_failure(start: Any, tmp_path: Path, sent: Any) -> None:
    endpoint, teacher = start(lambda number, body: (200, {}, completion(body) if number == 1 else sent), concurrency=1)
    failures: list[Failure] = []

    def dialogue(number: int) -> Dialogue[int]:
        [replies] = yield [Request("p", str(number))]
        return len(replies)

    with Journal(tmp_path / "j", blueprint_hash(teacher.blueprint)) as journal:
        talks = (dialogue(number) for number in range(3))
        found = list(converse(talks, teacher, journal, stage="s", ledger=Ledger(), fail=failures.append))
    assert sorted(found) == [0, 0, 1] and len(endpoint.calls) == 3
    assert [failure.reason for failure in failures] == ["endpoint"] * 2
    assert all("\n" not in failure.message for failure in failures)


def test_concurrency_is_used_and_kept(start: Any) -> None:
    together = threading.Barrier(8)

    def behave(number: int, body: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        if number < 8:
            together.wait(timeout=30)  # passes only when eight are under way
        return 200, {}, completion(body)

    endpoint, teacher = start(behave, concurrency=8)
    answers = ask(teacher, *(Request("p", str(number)) for number in range(60)))
    assert endpoint.most == 8
    assert [answer.replies[0].text.split("/")[0] for answer in answers] == [str(number) for number in range(60)]


def test_a_teacher_can_be_closed_in_the_middle_and_at_once(start: Any) -> None:
    _, teacher = start(lambda *_: (503, {"Retry-After": "100"}, {}))
    teacher.submit(1, Request("p", "x"))
    started = time.monotonic()
    Server("m").open().close()
    time.sleep(0.1)
    teacher.close()
    assert time.monotonic() - started < 5


def test_a_bad_address_is_one_clear_line() -> None:
    with pytest.raises(ModelError, match="is no address"):
        Server("m", base_url="http://[::1").open()


def test_tokens_are_estimated() -> None:
    teacher = Server("m").open()
    assert teacher.count_tokens("one two three") == 4 and teacher.count_tokens("a b c d") == 4
    assert teacher.count_tokens("") == 0 and teacher.count_tokens("日本語日本語") == 5
    teacher.close()


def test_a_schema_is_sent_as_it_is_written() -> None:
    schema = '{"b": 1.10, "a": [true]}'
    options: dict[str, Any] = {"model": "m", "chat": True, "samples": 1, "seed": 1, "logprobs": False, "extra": {}}
    assert b'"schema":{"b": 1.10, "a": [true]}' in wire.write(Request("p", "x", schema), **options)


def test_the_settings_import_no_http_library() -> None:
    import subprocess

    code = "import sys, kgdistill.teacher.server, kgdistill.teacher.dialogue; print('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_clauses_are_sent_as_a_grammar_and_what_breaks_them_is_refused(start: Any) -> None:
    texts = [" are often redder.", " are red so.", " are red too."]

    def behave(_: int, body: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        said = texts if body["n"] > 1 else texts[1:2]
        return 200, {}, {"choices": [choice(text) for text in said]}

    endpoint, teacher = start(behave)
    clauses = Constraints((Clause(("often",)), Clause(("redder", "more"), order=1)))
    request = Request("compare", "Compared to lemons, limes", temperature=1.0, samples=3, constraints=clauses)
    many, one = ask(teacher, request, msgspec.structs.replace(request, samples=1))
    assert [reply.text for reply in many.replies] == [" are often redder."]
    assert isinstance(one, TeacherError) and "no phrase of clause 1" in str(one)
    for body in endpoint.calls:
        assert body["structured_outputs"]["grammar"].startswith("root ::= ")
    strange = Constraints((Clause(("snake_case",)),))
    (refused,) = ask(teacher, msgspec.structs.replace(request, constraints=strange))
    assert isinstance(refused, TeacherError) and "snake_case" in str(refused)

"""The teacher behind any OpenAI-compatible endpoint, `vllm serve` first.

One background thread runs an event loop with as many workers as requests may be under way; what fails in
passing (429, 5xx, timeouts, broken connections) is tried again with exponential backoff and full jitter.
"""

from __future__ import annotations

import asyncio
import email.utils
import os
import queue
import random
import threading
import time
import urllib.request
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from kgdistill.contracts import Answer, Card, Request
from kgdistill.errors import EndpointError, ModelError, TeacherError
from kgdistill.teacher import wire
from kgdistill.teacher.constrained import obeying
from kgdistill.teacher.settled import Settled, deciding

if TYPE_CHECKING:
    import httpx

BACKOFF_SECONDS = 0.5
BACKOFF_MOST_SECONDS = 30.0
RETRY_AFTER_MOST_SECONDS = 300.0


class Server(Struct, frozen=True, tag_field="kind", tag="server", forbid_unknown_fields=True):
    """An OpenAI-compatible endpoint: where it is, which model it is asked for, and how hard."""

    model: str
    """The name under which the endpoint serves the model."""
    revision: str = ""
    """Your own label of what the endpoint serves; change it to have everything asked anew."""
    chat: bool = True
    """Chat completions; false: plain completions of the prompt."""
    extra: dict[str, Any] = {}
    """More fields for the body of every request."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes that the model can read; empty: all."""
    context: int = 0
    """Largest number of tokens, prompt and reply together; 0: unknown."""
    base_url: str = "http://127.0.0.1:8000/v1"
    """Where; like all that follows it decides no reply."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the key; without it, no key is sent."""
    logprobs: bool = True
    """Ask for the log-probability of every reply; false for endpoints that refuse that."""
    concurrency: int = 64
    """How many requests may be under way at a time."""
    timeout_s: float = 600.0
    """Seconds until a request without an answer is given up and tried again."""
    retries: int = 6
    """How often a request is tried again."""

    def blueprint(self) -> dict[str, Any]:
        return deciding(self, "model", "revision", "chat", "extra")

    def card(self) -> Card:
        return Card(name=self.model, languages=self.languages, context=self.context)

    def open(self) -> ServerTeacher:
        """Start the background thread; nothing is sent yet."""
        return ServerTeacher(self)


class ServerTeacher(Settled[Server]):
    """A client of an endpoint; see `Server`."""

    def __init__(self, settings: Server) -> None:
        super().__init__(settings)
        self._key = os.environ.get(settings.key_variable, "").strip()
        self._transports, self._message, self._broken = _open(settings, self._key)
        self._where = settings.base_url.partition("://")[2].rpartition("@")[2]
        self._answers: queue.SimpleQueue[tuple[int, Answer | Exception]] = queue.SimpleQueue()
        self._flying = 0
        self._alive = False  # something came back from the endpoint already
        self._single = False  # the endpoint ignores n
        self._weighs = False  # the endpoint has given alternatives of a first token
        self._loop = asyncio.new_event_loop()
        self._asked: asyncio.Queue[tuple[int, Request]] = asyncio.Queue()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._work(),), daemon=True)
        self._thread.start()
        self._ready.wait()

    @property
    def window(self) -> int:
        """Twice as many as go out at a time, so that the next one is at hand even when all answers come at once."""
        return 2 * self._settings.concurrency

    def submit(self, ticket: int, request: Request) -> None:
        self._flying += 1
        self._loop.call_soon_threadsafe(self._asked.put_nowait, (ticket, request))

    def poll(self) -> list[tuple[int, Answer | Exception]]:
        if not self._flying:
            return []
        answered = [self._answers.get()]
        while not self._answers.empty():
            answered.append(self._answers.get())
        self._flying -= len(answered)
        return answered

    def count_tokens(self, text: str) -> int:
        """An estimate, since the endpoint's tokenizer is not here: four bytes a token, and no fewer than words."""
        return max(len(text.split()), -(-len(text.encode("utf-8", "replace")) // 4))

    def close(self) -> None:
        """Give up what is under way and end the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._workers.cancel)
            self._thread.join()
        self._loop.close()

    async def _work(self) -> None:
        self._workers = asyncio.gather(*(self._worker(transport) for transport in self._transports))
        self._ready.set()
        try:
            await self._workers
        except asyncio.CancelledError:
            for transport in self._transports:
                await transport.aclose()

    async def _worker(self, transport: httpx.AsyncHTTPTransport) -> None:
        while True:
            ticket, request = await self._asked.get()
            try:
                self._answers.put((ticket, await self._answer(transport, request)))
            except Exception as error:  # recorded or raised by the driver, as its kind demands
                self._answers.put((ticket, error))

    async def _answer(self, transport: httpx.AsyncHTTPTransport, request: Request) -> Answer:
        """All samples; one by one where the endpoint gives fewer than asked for."""
        greedy = request.temperature <= 0
        wanted = 1 if greedy else request.samples
        answer = Answer(())
        while (missing := wanted - len(answer.replies)) > 0:
            found = await self._ask(transport, request, 1 if self._single else missing, len(answer.replies))
            self._single = self._single or len(found.replies) < missing
            answer = Answer(
                (answer.replies + found.replies)[:wanted],
                answer.prompt_tokens + found.prompt_tokens,
                answer.cached_tokens + found.cached_tokens,
            )
        replies = answer.replies * request.samples if greedy else answer.replies  # the same ones are paid once
        return msgspec.structs.replace(answer, replies=obeying(request, replies))

    async def _ask(self, transport: httpx.AsyncHTTPTransport, request: Request, samples: int, sample: int) -> Answer:
        """One body there and back, with retries. The seed comes from the whole request: equal seeds of different
        requests must not give equal draws."""
        settings = self._settings
        body = wire.write(
            request,
            model=settings.model,
            chat=settings.chat,
            samples=samples,
            seed=int(request.key[:7], 16) + sample,
            logprobs=settings.logprobs,
            extra=settings.extra,
        )
        problem = ""
        for attempt in range(settings.retries + 1):
            try:
                response = await transport.handle_async_request(self._message(body))
                content = await response.aread()
            except self._broken as error:
                problem, pause = f"{type(error).__name__} {error}".strip(), 0.0
            else:
                if response.status_code == 200:
                    self._alive = True
                    return self._checked(request, wire.read(content, chat=settings.chat))
                problem = f"{response.status_code} {wire.refusal(content)}"
                if response.status_code != 429 and response.status_code < 500:
                    raise self._refused(request, response.status_code, problem)
                pause = retry_after(response.headers.get("retry-after", ""))
            if attempt < settings.retries:
                most = min(BACKOFF_MOST_SECONDS, BACKOFF_SECONDS * 2**attempt)
                await asyncio.sleep(pause + random.uniform(0, most))
        raise self._dead(problem)

    def _checked(self, request: Request, answer: Answer) -> Answer:
        """The answer, unless it shows that this endpoint never gives the alternatives that the request is about."""
        self._weighs = self._weighs or any(reply.top for reply in answer.replies)
        if request.top_logprobs and not self._weighs and any(reply.text for reply in answer.replies):
            raise self._weighs_nothing("gives no log-probabilities for the first token of a reply")
        return answer

    def _weighs_nothing(self, problem: str) -> ModelError:
        return ModelError(
            f"{self._where} {problem}, and judging rests on them: leave `judge` out of the recipe's stages, "
            f"or have {self._settings.model} served with top_logprobs, as `vllm serve` does"
        )

    def _refused(self, request: Request, status: int, problem: str) -> TeacherError | ModelError:
        """A refusal that trying again does not change; fatal where it would meet every request."""
        problem = self._without_key(problem)
        if "logprob" in problem and request.top_logprobs and not self._weighs:
            return self._weighs_nothing(f"refuses to give log-probabilities ({problem})")
        if "logprob" in problem and self._settings.logprobs and not self._alive:
            return ModelError(
                f"{self._where} refuses to give log-probabilities ({problem}): set teacher.logprobs=false"
            )
        if status in (401, 403) and not self._alive:
            return ModelError(f"{self._where} refuses the key in {self._settings.key_variable}: {problem}")
        if status == 404 and not self._alive:
            return ModelError(f"{self._where} does not serve {self._settings.model}: {problem}; see model and base_url")
        return EndpointError(f"{self._where} refuses the request: {problem}")

    def _dead(self, problem: str) -> TeacherError | ModelError:
        problem = self._without_key(problem)
        tried = f"tried {self._settings.retries + 1} times"
        if self._alive:
            return EndpointError(f"no answer from {self._where}, {tried}: {problem}")
        return ModelError(
            f"no usable answer from {self._where} at all, {tried} ({problem}): "
            f"start it, for instance with `vllm serve {self._settings.model}`, or set base_url"
        )

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


def retry_after(value: str) -> float:
    """Seconds to wait by a Retry-After header: a number, or an HTTP date; 0 where it is absent or unreadable."""
    try:
        seconds = float(value)
    except ValueError:
        date = email.utils.parsedate_tz(value)
        seconds = email.utils.mktime_tz(date) - time.time() if date else 0.0
    return min(max(0.0, seconds), RETRY_AFTER_MOST_SECONDS)


def _open(
    settings: Server, key: str
) -> tuple[list[httpx.AsyncHTTPTransport], Callable[[bytes], httpx.Request], type[Exception]]:
    """A transport for each worker, the maker of a message with a body, and what a broken connection raises.

    A client with a pool looks through all its connections several times for every request, which costs
    milliseconds at 64; a transport of one connection has nothing to look through.
    """
    import httpx

    try:
        url = httpx.URL(settings.base_url.rstrip("/") + ("/chat/completions" if settings.chat else "/completions"))
        proxy = None if urllib.request.proxy_bypass(url.host) else urllib.request.getproxies().get(url.scheme)
        trust = httpx.create_ssl_context()  # read once, shared by all
        one = httpx.Limits(max_connections=1, max_keepalive_connections=1)
        transports = [
            httpx.AsyncHTTPTransport(verify=trust, limits=one, proxy=proxy) for _ in range(settings.concurrency)
        ]
    except (httpx.InvalidURL, ValueError) as error:
        raise ModelError(f"base_url {settings.base_url!r} is no address: {error}") from error
    headers = {"Host": url.netloc.decode("ascii"), "Content-Type": "application/json", "User-Agent": "kgdistill"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    extensions = {"timeout": httpx.Timeout(settings.timeout_s, connect=min(30.0, settings.timeout_s)).as_dict()}

    def message(body: bytes) -> httpx.Request:
        return httpx.Request("POST", url, headers=headers, content=body, extensions=extensions)

    return transports, message, httpx.TransportError

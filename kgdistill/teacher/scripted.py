"""A teacher for tests: answers at once, the same each time, from a plain function."""

from __future__ import annotations

import heapq
import importlib
import time
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from kgdistill.contracts import Answer, Card, Reply, Request
from kgdistill.errors import EndpointError, RecipeError
from kgdistill.teacher.settled import Settled, deciding

Script = Callable[[Request, int], "str | Reply"]
"""Takes a request and the number of the sample; returns the reply, or its text."""


class Scripted(Struct, frozen=True, tag_field="kind", tag="scripted", forbid_unknown_fields=True):
    """Settings of the scripted teacher (tests only)."""

    script: str = "echo"
    """"echo" (the prompt's last line, with the sample's number from the second on), or "module:function"."""
    languages: tuple[str, ...] = ()
    fail_every: int = 0
    """One request in so many fails with EndpointError, chosen by the request's content."""
    cut_every: int = 0
    """One request in so many has its replies cut in half, chosen by the request's content."""
    latency_s: float = 0.0
    """Seconds from asking to answering, in parallel for all requests in flight. Decides no reply."""
    window: int = 64
    """How many requests to keep in flight. Decides no reply."""

    def blueprint(self) -> dict[str, Any]:
        return deciding(self, "script", "fail_every", "cut_every")

    def card(self) -> Card:
        return Card(name="scripted", languages=self.languages)

    def open(self) -> ScriptedTeacher:
        """Raises RecipeError when the function that the settings name is not there."""
        return ScriptedTeacher(self)


def echo(request: Request, sample: int) -> str:
    """The last line of the prompt that is not empty, numbered from the second sample on."""
    line = next((line for line in reversed(request.prompt.splitlines()) if line.strip()), "")
    return f"{line} ({sample})" if sample else line


class ScriptedTeacher(Settled[Scripted]):
    """Answers from a function; see `Scripted`."""

    def __init__(self, settings: Scripted) -> None:
        super().__init__(settings)
        self._script = _find(settings.script)
        self._due: list[tuple[float, int, Request]] = []

    @property
    def window(self) -> int:
        return self._settings.window

    def submit(self, ticket: int, request: Request) -> None:
        heapq.heappush(self._due, (time.monotonic() + self._settings.latency_s, ticket, request))

    def poll(self) -> list[tuple[int, Answer | Exception]]:
        answered: list[tuple[int, Answer | Exception]] = []
        if self._due:
            time.sleep(max(0.0, self._due[0][0] - time.monotonic()))
        now = time.monotonic()
        while self._due and (self._due[0][0] <= now or not answered):
            _, ticket, request = heapq.heappop(self._due)
            answered.append((ticket, self._answer(request)))
        return answered

    def _answer(self, request: Request) -> Answer | Exception:
        chance = int(request.key[:12], 16)
        if self._settings.fail_every and chance % self._settings.fail_every == 0:
            return EndpointError("the script says so")
        cut = bool(self._settings.cut_every) and chance % self._settings.cut_every == 0
        replies = tuple(self._reply(request, sample, cut) for sample in range(request.samples))
        return Answer(replies, prompt_tokens=self.count_tokens(request.prompt))

    def _reply(self, request: Request, sample: int, cut: bool) -> Reply:
        said = self._script(request, sample)
        if isinstance(said, Reply):
            return said
        if cut:
            said = said[: len(said) // 2]
        return Reply(said, finish="length" if cut else "stop", tokens=self.count_tokens(said))

    def count_tokens(self, text: str) -> int:
        """Words between spaces."""
        return len(text.split())

    def close(self) -> None:
        self._due.clear()


def _find(script: str) -> Script:
    if script == "echo":
        return echo
    module, _, function = script.partition(":")
    try:
        found: Script = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise RecipeError(f'teacher script "{script}" is neither "echo" nor an importable "module:function"') from error
    return found

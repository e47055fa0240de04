"""Asking: a run's graph, its retrieval, the gate and a teacher brought together, for whoever asks in plain words."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

import msgspec
import pyoxigraph
from msgspec import Struct

from kgdistill import catalog
from kgdistill.contracts import Dialogue, Encoder, Teacher
from kgdistill.encoders.minilm import MiniLM
from kgdistill.errors import UserError
from kgdistill.graph.store import KnowledgeGraph
from kgdistill.prompts.render import line
from kgdistill.query.answer import ABSENT, STAGE, Told, answer, checked, extract, with_quotes
from kgdistill.query.found import Found, Retriever
from kgdistill.query.gate import Gate, admitted, load_gate
from kgdistill.query.gate_training import COUNT
from kgdistill.query.pool import Limits, Pool
from kgdistill.query.retrieve import open_retriever
from kgdistill.query.sparql import Answer, shown
from kgdistill.query.translate import Terms, completed, terms_for, terms_of, translate
from kgdistill.records import Failure
from kgdistill.serve.lookup import Lookup
from kgdistill.teacher.dialogue import converse
from kgdistill.teacher.journal import Journal, blueprint_hash
from kgdistill.teacher.ledger import Ledger

Result = TypeVar("Result")
LIMITS = Limits(workers=1)
WAITING = 8
"""Questions that may wait for the one under way."""
_QUOTES = "SELECT ?address ?quote WHERE { VALUES ?address { %s } ?address kgd:quote ?quote }"
_EXTRACT = "The teacher gave no answer that the evidence bears. This is what the graph's evidence says:"


class Query(Struct, frozen=True):
    """A question as SPARQL; a refused one has no text."""

    question: str
    sparql: str = ""
    refused: str = ""
    raw: str = ""
    """What the teacher wrote, where it was refused."""


class Asker:
    """Answers questions to one graph, one at a time; models are loaded at the first question. A context manager.

    Replies are journalled in the run's folder where `journal` says so (a question asked again costs nothing, and
    `forget` empties it), else for as long as this lasts.
    """

    def __init__(
        self, run: Path, teacher: catalog.TEACHERS, *, gate: Path | None = None, journal: bool = False
    ) -> None:
        self._run, self._settings, self._gate_file = run, teacher, gate
        self._open = ExitStack()
        self.graph = self._open.enter_context(KnowledgeGraph.open(run))
        keeps = journal and (run / "run.json").is_file()
        self._folder = run if keeps else Path(self._open.enter_context(tempfile.TemporaryDirectory()))

    def ask(self, question: str) -> Told:
        """The answer with its citations. Raises UserError at what is no question, and ModelError."""
        asked = checked(question)
        passages = self.retriever.retrieve(asked, COUNT)
        gated = admitted(self.gate, asked, passages, self.encoder)
        if not gated:
            return Told(asked, "absent", ABSENT)
        told, failures = self._converse(answer(asked, gated))
        told = told or extract(asked, gated)
        told = msgspec.structs.replace(told, failures=(*told.failures, *failures))
        return with_quotes(told, self._quotes(one.address for one in told.citations))

    def translate(self, question: str) -> Query:
        """The question as a checked SPARQL query, not yet run. Raises UserError at what is no question."""
        asked = checked(question)
        terms = terms_for(asked, self.terms, self.graph.store, self._names(asked), self.encoder)
        raw, failures = self._converse(translate(asked, terms))
        if not raw:
            why = failures[0].message if failures else "no reply"
            return Query(asked, refused=f"the teacher wrote no query: {why}")
        try:
            return Query(asked, completed(raw, terms, asked))
        except UserError as error:
            return Query(asked, refused=str(error), raw=raw)

    @cached_property
    def retriever(self) -> Retriever:
        return open_retriever(self._run)

    @cached_property
    def encoder(self) -> Encoder:
        return MiniLM().open()

    @cached_property
    def gate(self) -> Gate:
        return load_gate(self._gate_file)

    @cached_property
    def teacher(self) -> Teacher:
        teacher: Teacher = self._settings.open()
        self._open.callback(teacher.close)
        return teacher

    @cached_property
    def terms(self) -> Terms:
        return terms_of(self.graph.store, self.graph.base)

    def _names(self, question: str) -> list[str]:
        found: list[Found] = self.retriever.retrieve(question, COUNT)
        return [end for one in found for subject, _, target in one.facts for end in (subject, target)]

    def _converse(self, dialogue: Dialogue[Result]) -> tuple[Result | None, list[Failure]]:
        """One dialogue with the teacher, and what failed on the way. Raises ModelError where it cannot be had."""
        failures: list[Failure] = []
        path = self._folder / "journal" / STAGE / "questions.jsonl"
        with Journal(path, blueprint_hash(self._settings.blueprint())) as journal:
            [result] = converse([dialogue], self.teacher, journal, stage=STAGE, ledger=Ledger(), fail=failures.append)
        return result, failures

    def _quotes(self, addresses: Iterable[str]) -> dict[str, str]:
        wanted = [str(pyoxigraph.NamedNode(address)) for address in addresses if ":" in address]
        if not wanted:
            return {}
        rows = self.graph.query(_QUOTES % " ".join(wanted))
        return {row["address"].value: row["quote"].value for row in rows}

    def close(self) -> None:
        self._open.close()

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Desk:
    """Questions to an `Asker` from one event loop: one is answered at a time, and nobody waits longer than `seconds`.

    A model's work cannot be stopped half-way: a question that is given up goes on to its end (its length is bounded),
    and the next one waits for it. The models are loaded at the first question, by `open_asker`.
    """

    def __init__(self, open_asker: Callable[[], Asker], seconds: float) -> None:
        self._make, self._seconds = open_asker, seconds
        self._tasks: SimpleQueue[tuple[Callable[[Asker], Any], Future[Any]]] = SimpleQueue()
        self._thread: Thread | None = None
        self._waiting = 0

    async def ask(self, question: str) -> Told:
        """Raises UserError, as `Busy` where too many wait and as `Late` where the time is over."""
        return await self._do(lambda asker: asker.ask(question))

    async def translate(self, question: str) -> Query:
        return await self._do(lambda asker: asker.translate(question))

    async def _do(self, work: Callable[[Asker], Result]) -> Result:
        if self._waiting >= WAITING:
            raise Busy("too many questions wait for an answer: try again later")
        if self._thread is None:  # a daemon: what hangs in it must not keep a server from ending
            self._thread = Thread(target=self._work, daemon=True)
            self._thread.start()
        self._waiting += 1
        task: Future[Result] = Future()
        self._tasks.put((work, task))
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.wrap_future(task)
        except TimeoutError as error:
            raise Late(f"the question takes longer than {self._seconds:g} seconds") from error
        finally:
            self._waiting -= 1

    def _work(self) -> None:
        asker: Asker | None = None
        while True:
            work, task = self._tasks.get()
            if not task.set_running_or_notify_cancel():
                continue
            try:
                asker = asker or self._make()
                task.set_result(work(asker))
            except Exception as error:  # it belongs to whoever asked
                task.set_exception(error)


class Busy(UserError):
    """Too many questions wait already."""


class Late(UserError):
    """The answer was not there in time."""


async def reply(desk: Desk, lookup: Lookup, question: str, *, as_sparql: bool) -> dict[str, Any]:
    """What programs get for a question: `Told` or, as SPARQL, the query with its results. Raises UserError."""
    if not as_sparql:
        told: dict[str, Any] = msgspec.to_builtins(await desk.ask(question))
        return told
    found: dict[str, Any] = msgspec.to_builtins(await desk.translate(question))
    if found["sparql"]:
        found["answer"] = msgspec.json.decode(await lookup.sparql(found["sparql"]))
    return found


def ask_run(run: Path, question: str, teacher: str, gate: Path | None, *, sparql: bool, plain: bool) -> str:
    """What the `ask` command prints: text for people, or JSON where `plain` is false. Raises UserError, ModelError."""
    with Asker(run, catalog.teacher_named(teacher), gate=gate, journal=True) as asker:
        if not sparql:
            told = asker.ask(question)
            return text_of(told) if plain else msgspec.json.encode(told).decode()
        found = asker.translate(question)
        if found.refused:
            raise UserError(f"{found.refused}; it wrote: {line(found.raw)[:200]}" if found.raw else found.refused)
        rows = asyncio.run(_rows(asker.graph, found.sparql))
        prefixes = asker.graph.prefixes | asker.terms.prefixes
        if plain:
            return f"{found.sparql}\n\n{shown(_answer(rows), 'table', prefixes)}"
        return msgspec.json.encode({"sparql": found.sparql, "answer": msgspec.Raw(rows.encode())}).decode()


async def _rows(graph: KnowledgeGraph, sparql: str) -> str:
    """Results as JSON, from a worker that the kernel ends at its deadline. Raises UserError."""
    async with Pool(graph.folder / "oxigraph", graph.prefixes, LIMITS) as pool:
        return await Lookup(pool, graph.base).sparql(sparql)


def _answer(rows: str) -> Answer:
    found = pyoxigraph.parse_query_results(rows, format=pyoxigraph.QueryResultsFormat.JSON)
    if isinstance(found, pyoxigraph.QueryBoolean):
        return Answer((), (), truth=bool(found))
    columns = tuple(variable.value for variable in found.variables)
    return Answer(columns, tuple(tuple(row[name] for name in columns) for row in found))


def text_of(told: Told) -> str:
    """An answer for a person: the text, then every citation with its sentence, its place and its address."""
    if told.kind == "absent":
        lines = [ABSENT]
    elif told.kind == "extract":
        lines = [_EXTRACT]
    else:
        lines = [told.text + " " + "".join(f"[{one.number}]" for one in told.citations)]
    for one in told.citations:
        lines += ["", f"[{one.number}] {one.quote}", f"    {line(one.document)}, {one.start}-{one.end}"]
        lines.append(f"    <{one.address}>")
    lines += [f"\nrefused: {line(failure.message)}: {line(failure.raw)[:200]}" for failure in told.failures]
    return "\n".join(lines)

"""A worker: a process that answers queries to one store, one after the other, and may be killed at any moment.

Oxigraph cannot be interrupted from Python, but a process can. Questions come as JSON on the standard input and answers
go to the standard output, both in frames: a kind (one byte), a length (four bytes, big-endian), the content. The kernel
itself ends a worker whose question takes too long, or whose server is gone.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import struct
import sys
from contextlib import suppress
from typing import BinaryIO, Literal, cast

import msgspec
import pyoxigraph
from msgspec import Struct

from kgdistill.errors import UserError
from kgdistill.query.sparql import Dataset, readable_errors, results
from kgdistill.query.tokens import declared

READY, TASK, DATA, END = b"r", b"t", b"d", b"e"
HEAD = struct.Struct(">cI")
FRAME = 1 << 16
"""Bytes of an answer that travel together."""
PREFIXED = ("text/turtle", "application/trig")
"""Forms of a graph that are written with prefixes: the query's own and those that the store knows."""


class Setup(Struct, frozen=True):
    """What a worker is told once: the database's folder, the prefixes that queries know, bytes of memory (0: any)."""

    store: str
    prefixes: dict[str, str]
    memory: int = 0


class Task(Struct, frozen=True):
    """A query, and what its answer is to be written in.

    `table` and `graph` are media types, for SELECT and ASK and for CONSTRUCT and DESCRIBE; an empty one says that the
    client takes none. `seconds` is the time after which the kernel ends the worker.
    """

    sparql: str
    table: str
    graph: str
    seconds: float
    dataset: Dataset | None = None


class Outcome(Struct, frozen=True):
    """How a question ended; `media` names what the bytes before it are, `message` why there are none."""

    end: Literal["answered", "refused", "unacceptable", "expired", "too large", "busy", "broken"]
    media: str = ""
    message: str = ""


class Frames:
    """A file of bytes that go out in frames."""

    def __init__(self, out: BinaryIO) -> None:
        self._out, self._held = out, bytearray()
        self.xml = False
        """Whether it is XML, which cannot hold every character that a document can: see `legal`."""

    def write(self, data: bytes) -> int:
        self._held += data
        if len(self._held) >= FRAME:
            # In front of a tag no character is cut in two.
            self._send(self._held.rfind(b"<") if self.xml else len(self._held))
        return len(data)

    def flush(self) -> None:
        self._send(len(self._held))

    def _send(self, length: int) -> None:
        if length > 0:
            content = bytes(self._held[:length])
            send(self._out, DATA, legal(content) if self.xml else content)
            del self._held[:length]


def legal(xml: bytes) -> bytes:
    """The XML with characters that it may not hold as U+FFFD, and with carriage returns that a parser gives back."""
    return _BARRED.sub(lambda found: b"&#13;" if found[0] == b"\r" else b"\xef\xbf\xbd", xml)


_BARRED = re.compile(rb"[\x00-\x08\x0b-\x1f]|\xef\xbf[\xbe\xbf]")


def send(out: BinaryIO, kind: bytes, content: bytes = b"") -> None:
    out.write(HEAD.pack(kind, len(content)) + content)
    out.flush()


def receive(source: BinaryIO) -> bytes | None:
    """The content of the next frame, None when there will be no more."""
    head = source.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    _, length = HEAD.unpack(head)
    content = source.read(length)
    return content if len(content) == length else None


def answer(store: pyoxigraph.Store, prefixes: dict[str, str], task: Task, out: Frames) -> Outcome:
    """Write the answer to `out`, as it is computed."""
    try:
        with readable_errors(task.sparql, prefixes):
            found = results(store, task.sparql, prefixes, task.dataset)
            graph = isinstance(found, pyoxigraph.QueryTriples)
            media = task.graph if graph else task.table
            if not media:
                return Outcome("unacceptable", message="a graph" if graph else "a table of results")
            out.xml = media.endswith("xml")
            if graph and media in PREFIXED:
                form, file = pyoxigraph.RdfFormat.from_media_type(media), cast("BinaryIO", out)
                pyoxigraph.serialize(found, file, format=form, prefixes=prefixes | addresses(task.sparql))
            else:
                formats = pyoxigraph.RdfFormat if graph else pyoxigraph.QueryResultsFormat
                found.serialize(out, format=formats.from_media_type(media))
            return Outcome("answered", media)
    except UserError as error:
        return Outcome("refused", message=str(error))


def addresses(sparql: str) -> dict[str, str]:
    """The prefixes that a query declares, but for those that are relative or escaped: an answer can do without."""
    found = {}
    for name, address in declared(sparql).items():
        with suppress(ValueError):
            found[name] = pyoxigraph.NamedNode(address).value
    return found


def work(source: BinaryIO, out: BinaryIO) -> None:
    """Answer until no more questions come."""
    setup = msgspec.json.decode(receive(source) or b"", type=Setup)
    if setup.memory:
        with suppress(ValueError, OSError):  # not every system has this limit
            resource.setrlimit(resource.RLIMIT_DATA, (setup.memory, setup.memory))
    store = pyoxigraph.Store.read_only(setup.store)
    send(out, READY)
    decoder = msgspec.json.Decoder(Task)
    while (content := receive(source)) is not None:
        task = decoder.decode(content)
        # SIGALRM is left to the kernel: it ends the process even in the middle of Oxigraph's own code.
        signal.setitimer(signal.ITIMER_REAL, task.seconds)
        frames = Frames(out)
        outcome = answer(store, setup.prefixes, task, frames)
        if outcome.end == "answered":
            frames.flush()
        signal.setitimer(signal.ITIMER_REAL, 0)
        send(out, END, msgspec.json.encode(outcome))


if __name__ == "__main__":
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    # What a library prints must not get between the frames.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        work(sys.stdin.buffer, out)
    except BrokenPipeError:
        os._exit(0)
    except (OSError, msgspec.DecodeError) as error:
        sys.stderr.write(f"kgdistill: a query worker cannot start: {error}\n")
        os._exit(1)

"""The server of the `serve` command: one address, one graph, until it is told to stop."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from kgdistill.catalog import teacher_named
from kgdistill.errors import UserError
from kgdistill.graph.store import KnowledgeGraph
from kgdistill.query.pool import Limits, Pool
from kgdistill.serve.app import Lifespan, application
from kgdistill.serve.asking import Asker, Desk
from kgdistill.serve.page import Page
from kgdistill.storage.open_runs import kept_open

TOKEN_LETTERS = 16
STALLED_SECONDS = 60
"""A client that takes nothing of its answer for so long is let go, by the kernel."""
CONNECTIONS = 1024
STOPPING_SECONDS = 5


def serve(
    run: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8008,
    token: str = "",
    origins: tuple[str, ...] = (),
    teacher: str = "",
    limits: Limits = Limits(),  # noqa: B008  # it is frozen
    announce: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve the graph of a run until a signal comes; `announce` is told the address. Raises UserError, RunFolderError.

    An address that other machines reach needs a token.
    """
    if token and (len(token) < TOKEN_LETTERS or not token.isascii() or not token.isprintable() or " " in token):
        raise UserError(f"a token has at least {TOKEN_LETTERS} characters, of ASCII and without spaces")
    with KnowledgeGraph.open(run) as graph, kept_open(run), _listen(host, port) as listening:
        own, number = listening.getsockname()[:2]
        if not token and not ipaddress.ip_address(own).is_loopback:
            raise UserError(f"{host} can be reached from other machines: choose a --token, or leave --host out")
        address = f"http://{f'[{own}]' if ':' in own else own}:{number}/"
        pool = Pool(graph.folder / "oxigraph", graph.prefixes, limits)
        page = Page(run, graph, pool, open_to_review=bool(token) or ipaddress.ip_address(own).is_loopback)
        # Waiting and computing each have the limit's seconds.
        desk = Desk(partial(Asker, run, teacher_named(teacher)), 2 * limits.seconds)
        build = partial(application, page, pool, desk, token=token, origins=origins)
        _run(build, pool, listening, partial(announce, address))


def _run(
    build: Callable[[Lifespan], FastAPI], pool: Pool, listening: socket.socket, announce: Callable[[], None]
) -> None:
    failures: list[UserError] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(pool)
                announce()
            except UserError as error:  # uvicorn would show a traceback
                failures.append(error)
                server.should_exit = True
            yield

    config = uvicorn.Config(
        build(lifespan), log_level="warning", access_log=False, server_header=False, ws="none",
        limit_concurrency=CONNECTIONS, timeout_graceful_shutdown=STOPPING_SECONDS,
    )  # fmt: skip
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):  # how such a service is stopped
        server.run(sockets=[listening])
    if failures:
        raise failures[0]


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises UserError."""
    try:
        [(family, _, _, _, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        # TCP by name, which create_server leaves out: else asyncio does not set TCP_NODELAY on the connections, and
        # every answer waits 40 ms for the client's acknowledgement of its head.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(CONNECTIONS)
        except OSError:
            listening.close()
            raise
    except (OSError, UnicodeError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UserError(f"{host}:{port} cannot be listened on: {why}") from error
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # every connection inherits it
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_SECONDS * 1000)
    return listening

"""The web application: the SPARQL endpoint, questions in plain words, and at its root the page or the description."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus

import msgspec
from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from kgdistill.errors import UserError
from kgdistill.query.pool import Answered, Pool
from kgdistill.query.worker import Task
from kgdistill.serve import describe
from kgdistill.serve.asking import Desk, reply
from kgdistill.serve.guard import Guard
from kgdistill.serve.inquiries import asked_in, unanswered
from kgdistill.serve.lookup import Lookup
from kgdistill.serve.negotiate import GRAPHS, PAGE, choose
from kgdistill.serve.page import Page
from kgdistill.serve.protocol import STATUS, Refusal, question, unacceptable
from kgdistill.serve.routes import open_routes

BODY_BYTES = 4 << 20
"""The longest request."""
DRAINED_BYTES = 64 << 20
"""A longer request is read to its end up to here, since many clients hear a refusal only then."""
BODY_SECONDS = 60
CHUNK = 1 << 18
SAFE = {"X-Content-Type-Options": "nosniff"}


Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def application(
    page: Page, pool: Pool, desk: Desk, lifespan: Lifespan, *, token: str, origins: tuple[str, ...]
) -> FastAPI:
    """The service over one graph, with its page. `origins` may ask from their pages (CORS).

    `token` is asked of everybody, if given. The pool must be started in `lifespan`, or before.
    """
    # Its own pages of documentation would fetch scripts from elsewhere, and describe nothing.
    app = FastAPI(title="kgdistill", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.add_middleware(Guard, token=token)
    if origins:  # outermost: a browser asks for permission without the token
        headers = ["Authorization", "Content-Type"]
        app.add_middleware(CORSMiddleware, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=headers)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _unrouted)
    app.add_exception_handler(ClientDisconnect, _left)

    about = page.about
    page.open(app)
    open_routes(app, page)

    def describe_in(request: Request, media: str) -> Response:
        if not media:
            raise unacceptable("a graph")
        content = describe.description(about, _root(request), media)
        return Response(content, headers={**SAFE, "Vary": "Accept"}, media_type=media)

    async def root(request: Request) -> Response:
        media = choose(request.headers.get("accept"), (*GRAPHS, PAGE))
        if media == PAGE.media:
            return page.html(_root(request))
        return describe_in(request, media)

    async def void(request: Request) -> Response:
        return describe_in(request, choose(request.headers.get("accept"), GRAPHS))

    async def sparql(request: Request) -> Response:
        if request.method != "POST" and not request.scope["query_string"]:
            return await void(request)
        kind, accept = request.headers.get("content-type", ""), request.headers.get("accept")
        body = await _body(request) if request.method == "POST" else b""
        task = question(request.method, request.scope["query_string"], kind, body, accept, pool.limits.seconds)
        return _response(await _while_there(request, pool, task))

    app.add_api_route("/ask", _asking(desk, Lookup(pool, about.base)), methods=["POST"], include_in_schema=False)
    for path, endpoint in (("/", root), ("/.well-known/void", void)):
        app.add_api_route(path, endpoint, methods=["GET", "HEAD"], include_in_schema=False)
    app.add_api_route("/sparql", sparql, methods=["GET", "HEAD", "POST"], include_in_schema=False)
    return app


def _asking(desk: Desk, lookup: Lookup) -> Callable[[Request], Awaitable[Response]]:
    """What answers questions in plain words."""

    async def ask(request: Request) -> Response:
        asked = asked_in(request.headers.get("content-type", ""), await _body(request))
        try:
            told = await reply(desk, lookup, asked.question, as_sparql=asked.sparql)
        except UserError as error:
            raise unanswered(error) from error
        return Response(msgspec.json.encode(told), headers=SAFE, media_type="application/json")

    return ask


def _root(request: Request) -> str:
    return str(request.base_url)


async def _body(request: Request) -> bytes:
    """The request's content. Raises Refusal where it is too long or comes too slowly."""
    refusal = Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request has at most {BODY_BYTES >> 20} MiB")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > (BODY_BYTES if "expect" in request.headers else DRAINED_BYTES):
        raise refusal
    body, length = bytearray(), 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                length += len(part)
                if length <= BODY_BYTES:
                    body += part
                elif length > DRAINED_BYTES:
                    break
    except TimeoutError as error:
        raise Refusal(HTTPStatus.REQUEST_TIMEOUT, f"no whole request in {BODY_SECONDS} seconds") from error
    if length > BODY_BYTES:
        raise refusal
    return bytes(body)


async def _while_there(request: Request, pool: Pool, task: Task) -> Answered:
    """The answer; when the client leaves before it is there, the query is stopped. Raises ClientDisconnect."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    asked, left = asyncio.ensure_future(pool.ask(task)), asyncio.ensure_future(gone())
    try:
        await asyncio.wait((asked, left), return_when=asyncio.FIRST_COMPLETED)
        if asked.done():
            return await asked
        raise ClientDisconnect
    finally:
        asked.cancel()
        left.cancel()


def _response(answered: Answered) -> Response:
    outcome = answered.outcome
    if outcome.end == "answered":
        return _Content(answered)
    answered.content.close()
    if outcome.end == "unacceptable":
        raise unacceptable(outcome.message)
    raise Refusal(STATUS[outcome.end], outcome.message, {"Retry-After": "5"} if outcome.end == "busy" else {})


class _Content(Response):
    """An answer, sent in parts: it may be longer than memory should hold."""

    def __init__(self, answered: Answered) -> None:
        headers = {**SAFE, "Content-Length": str(answered.length), "Vary": "Accept"}
        super().__init__(None, headers=headers, media_type=answered.outcome.media)
        self._content = answered.content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._content as content:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            part, rest = content.read(CHUNK), True
            while rest:
                following = content.read(CHUNK)
                rest = bool(following)
                await send({"type": "http.response.body", "body": part, "more_body": rest})
                part = following


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return PlainTextResponse(error.message + "\n", error.status, {**SAFE, **error.headers})


async def _unrouted(request: Request, error: Exception) -> Response:
    """No such address, or not with this method: in plain text like every refusal."""
    assert isinstance(error, HTTPException)
    headers, message = dict(error.headers or {}), "there is nothing at this address"
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(headers["Allow"].split(", ")))
        message = f"this address is not asked with {request.method!a}, but with {headers['Allow']}"
    return await _refused(request, Refusal(HTTPStatus(error.status_code), message, headers))


async def _left(request: Request, error: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it

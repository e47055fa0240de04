"""Routes of the page's own questions: JSON under /api, each a few lines, all but one of them reading."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from starlette.responses import Response

from kgdistill.errors import KgdistillError, StorageError, UserError
from kgdistill.serve.claims import decision_record, document_record, with_decisions
from kgdistill.serve.guard import from_our_page
from kgdistill.serve.page import SAFE, Page
from kgdistill.serve.protocol import Refusal
from kgdistill.serve.reviewing import Reviewing, Wish

WISH_BYTES = 1 << 16
MOST = 200
"""Rows that one answer has."""
Ask = Callable[[Request], Awaitable[Any]]


def open_routes(app: FastAPI, page: Page) -> None:
    """Add the questions of the page to the application."""
    for name, ask in {**_of_graph(page), **_of_documents(page), **_reviewed(page)}.items():
        app.add_api_route(f"/api/{name}", _answering(ask), methods=["GET"], include_in_schema=False)

    async def decide(request: Request) -> Any:
        if why := from_our_page(request.headers):
            raise Refusal(HTTPStatus.FORBIDDEN, why)
        review = _open(page)
        wish = _wish(await _short_body(request))
        if wish.choice == "unmerge" and not await page.explorer.merge_exists(wish.merge):
            raise UserError(f"no merge has the id {wish.merge!a}")
        return decision_record(await asyncio.to_thread(review.decide, wish))

    app.add_api_route("/api/review", _answering(decide), methods=["POST"], include_in_schema=False)

    async def log(request: Request) -> Response:
        review = _open(page)
        lines = [msgspec.json.encode(decision) + b"\n" for decision in await asyncio.to_thread(review.log.decisions)]
        headers = {**SAFE, "Content-Disposition": 'attachment; filename="review.jsonl"', "Cache-Control": "no-store"}
        return Response(b"".join(lines), headers=headers, media_type="application/jsonl")

    app.add_api_route("/api/review.jsonl", log, methods=["GET"], include_in_schema=False)


def _of_graph(page: Page) -> dict[str, Ask]:
    explorer = page.explorer

    async def about(request: Request) -> Any:
        return page.facts_about()

    async def search(request: Request) -> Any:
        return await asyncio.to_thread(page.names.search, _text(request, "text"), _number(request, "limit", 10))

    async def entity(request: Request) -> Any:
        return await explorer.entity(_text(request, "id"))

    async def facts(request: Request) -> Any:
        forward, dropped = (_text(request, name) == "true" for name in ("forward", "dropped"))
        limit, offset = _number(request, "limit", 20), _number(request, "offset", 0, 10**9)
        id_, relation = _text(request, "id"), _text(request, "relation")
        found = await explorer.facts(id_, relation, forward, dropped, limit, offset)
        return with_decisions(found, await asyncio.to_thread(page.review.standing) if page.review else ())

    async def edges(request: Request) -> Any:
        limit = _number(request, "limit", 2000, 4000)
        return await explorer.edges(_text(request, "entity"), _text(request, "document"), limit)

    async def path(request: Request) -> Any:
        return await explorer.path(_text(request, "from"), _text(request, "to"), _number(request, "hops", 4, 6))

    async def merges(request: Request) -> Any:
        limit, offset = _number(request, "limit", 50), _number(request, "offset", 0, 10**9)
        found = await explorer.merges(_text(request, "text"), _text(request, "kind"), limit, offset)
        undone = await asyncio.to_thread(page.review.standing) if page.review else []
        by_merge = {decision.merge: decision_record(decision) for decision in undone if decision.merge}
        return [{**merge, "undone": by_merge.get(merge["id"])} for merge in found]

    return {ask.__name__: ask for ask in (about, search, entity, facts, edges, path, merges)}


def _of_documents(page: Page) -> dict[str, Ask]:
    async def documents(request: Request) -> Any:
        wanted, offset = _text(request, "text").casefold(), _number(request, "offset", 0, 10**9)
        rows = await asyncio.to_thread(page.documents.table)
        fitting = [row for row in rows if wanted in f"{row['id']} {row['title']}".casefold()]
        return {"count": len(fitting), "rows": fitting[offset : offset + _number(request, "limit", 50)]}

    async def document(request: Request) -> Any:
        name = _text(request, "id")
        reading = await asyncio.to_thread(page.documents.reading, name)
        if reading is None:
            raise Refusal(HTTPStatus.NOT_FOUND, page.closed or f"there is no document {name!a}")
        record = document_record(reading)
        stands = await asyncio.to_thread(page.review.standing) if page.review else []
        about_it = [decision for decision in stands if decision.document == name]
        own = [decision_record(decision) for decision in about_it if not decision.claim]
        return {**record, "claims": with_decisions(record["claims"], about_it), "decisions": own}

    return {ask.__name__: ask for ask in (documents, document)}


def _reviewed(page: Page) -> dict[str, Ask]:
    async def next_(request: Request) -> Any:
        review = _open(page)
        return await asyncio.to_thread(review.next_document, _text(request, "reviewer"), _text(request, "after"))

    async def figures(request: Request) -> Any:
        return await asyncio.to_thread(_open(page).figures)

    async def unmerged(request: Request) -> Any:
        stands = await asyncio.to_thread(_open(page).standing)
        return sorted({decision.merge for decision in stands if decision.merge})

    return {"review/next": next_, "review/figures": figures, "review/unmerged": unmerged}


def _answering(ask: Ask) -> Callable[[Request], Awaitable[Response]]:
    """The answer as JSON, or a refusal of one line."""

    async def answer(request: Request) -> Response:
        try:
            content = msgspec.json.encode(await ask(request))
        except UserError as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, str(error)) from error
        except StorageError as error:
            raise Refusal(HTTPStatus.INSUFFICIENT_STORAGE, str(error)) from error
        except KgdistillError as error:
            raise Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, str(error)) from error
        return Response(content, headers={**SAFE, "Cache-Control": "no-store"}, media_type="application/json")

    return answer


def _open(page: Page) -> Reviewing:
    if page.review is None:
        raise Refusal(HTTPStatus.FORBIDDEN, page.closed)
    return page.review


async def _short_body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > WISH_BYTES:
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a decision has at most {WISH_BYTES >> 10} KiB")
    return bytes(body)


def _wish(body: bytes) -> Wish:
    try:
        return msgspec.json.decode(body, type=Wish)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError(f"this is no decision: {error}") from error


def _text(request: Request, name: str) -> str:
    return request.query_params.get(name, "").strip()[:4000]


def _number(request: Request, name: str, default: int, most: int = MOST) -> int:
    given = request.query_params.get(name, "")
    return min(int(given), most) if given.isascii() and given.isdecimal() and len(given) < 12 else default

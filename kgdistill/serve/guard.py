"""Who may ask: whoever knows the token or, where there is none, only programs and pages of this machine."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}
HEADERS = {"WWW-Authenticate": 'Basic realm="kgdistill", charset="UTF-8", Bearer realm="kgdistill"'}


class Guard:
    """Stands before an application, and lets through what may go in.

    The token comes as `Authorization: Bearer TOKEN`, or as the password of any user, so that browsers and clients that
    know only Basic can give it. Without a token the request must name this machine: else any web page that its owner
    visits could point a name of its own here (DNS rebinding) and read the graph.
    """

    def __init__(self, app: ASGIApp, token: str = "") -> None:
        self._app, self._token = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if self._token and not secrets.compare_digest(_given(headers.get("authorization", "")), self._token):
                await PlainTextResponse("a token is needed\n", 401, HEADERS)(scope, receive, send)
                return
            if not self._token and _name(headers.get("host", "")) not in LOOPBACK:
                text = "this service answers to localhost only; it is started with --token for other names\n"
                await PlainTextResponse(text, 421)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def from_our_page(headers: Mapping[str, str]) -> str:
    """Why a request that would write something is refused, or "": it must come from our own page, and in its form.

    A browser says where a request comes from (Origin, Sec-Fetch-Site), and lets no other site's page send JSON or a
    header of our own without asking first (CORS); a program that is no browser can say what it likes.
    """
    site, origin = headers.get("sec-fetch-site", "same-origin"), headers.get("origin", "")
    if site != "same-origin" or (origin and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()):
        return "this is decided on our own page only, not on one of another site"
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return "a decision comes as application/json"
    if headers.get("x-kgdistill") != "review":
        return "a decision comes with the header X-Kgdistill: review"
    return ""


def _given(authorization: str) -> bytes:
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip().encode("latin-1")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return b""


def _name(host: str) -> str:
    """The host without its port."""
    return (host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]).lower()

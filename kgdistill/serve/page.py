"""The page: its files, and what it asks: documents, entities, neighbourhoods, merges, and the review."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from html import escape
from http import HTTPStatus
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from pyoxigraph import Literal, NamedNode
from starlette.responses import HTMLResponse, Response

from kgdistill.graph.store import KnowledgeGraph
from kgdistill.graph.terms import ALTERNATIVE, PREFERRED
from kgdistill.query.pool import Pool
from kgdistill.serve.documents import Documents
from kgdistill.serve.explore import Explorer
from kgdistill.serve.names import Names
from kgdistill.serve.protocol import Refusal
from kgdistill.serve.reviewing import Reviewing

POLICY = "; ".join((
    "default-src 'none'", "script-src 'self'", "worker-src 'self'", "style-src 'self'", "img-src 'self' data:",
    "font-src 'self'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
    "require-trusted-types-for 'script'", "trusted-types layout",
))  # fmt: skip
"""Nothing but the page's own files may run, show or be asked, and no text may become script; the layout's is the
one script that the page starts, by an address that it spells out."""
ALONE = "default-src 'none'"
"""For a file of the page: a worker has the policy that its own script came with."""
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
FILES = {
    "page.js": "text/javascript",
    "layout.js": "text/javascript",
    "page.css": "text/css",
    "text.woff2": "font/woff2",
    "icon.svg": "image/svg+xml",
}


class Page:
    """What one service shows of its graph; `review` is None where nothing may be decided, `closed` says why."""

    def __init__(self, run: Path, graph: KnowledgeGraph, pool: Pool, *, open_to_review: bool = True) -> None:
        self.run, self.graph, self.about = run, graph, graph.about
        self.explorer = Explorer(pool, graph.base)
        self.documents = Documents(run, graph.folder)
        self.names = Names(self._labels)
        self.review: Reviewing | None = None
        self.closed = ""
        if not self.documents.holds_text:
            self.closed = "this is a store by itself: serve the run's folder to see its documents and to review"
        elif not open_to_review:
            self.closed = "review is off: a service that others reach needs a --token"
        else:
            self.review = Reviewing(run, self.documents)

    def _labels(self) -> Iterator[tuple[str, str, bool]]:
        base, entities = len(self.graph.base), f"{self.graph.base}entity/"
        for predicate in (PREFERRED, ALTERNATIVE):
            for quad in self.graph.store.quads_for_pattern(None, predicate, None, None):
                subject, label = quad.subject, quad.object
                if isinstance(subject, NamedNode) and isinstance(label, Literal) and subject.value.startswith(entities):
                    yield subject.value[base:], label.value, predicate is PREFERRED

    def facts_about(self) -> dict[str, Any]:
        """What the page must know before anything else."""
        return {
            "run": self.about.run,
            "base": self.about.base,
            "teacher": self.about.teacher,
            "counts": msgspec.to_builtins(self.about.counts),
            "text": self.documents.holds_text,
            "review": self.review is not None,
            "closed": self.closed,
            "recipe": f"{self.run}/recipe.toml",
            "folder": str(self.run),
        }

    def html(self, root: str) -> Response:
        """The page itself, which says what it can where scripts are off."""
        counts = self.about.counts
        content = (
            _file("page.html")
            .decode()
            .format(
                run=escape(self.about.run),
                endpoint=escape(root + "sparql"),
                facts=f"{counts.facts:,}",
                documents=f"{counts.documents:,}",
                claims=f"{counts.claims:,}",
            )
        )
        return HTMLResponse(content, headers={**SAFE, "Content-Security-Policy": POLICY, "Vary": "Accept"})

    def open(self, app: FastAPI) -> None:
        """Add the page's files to the application."""

        async def file(request: Request, name: str) -> Response:
            if name not in FILES:
                raise Refusal(HTTPStatus.NOT_FOUND, "the page has no such file")
            content, tag = _file(name), _tag(name)
            headers = {**SAFE, "ETag": tag, "Cache-Control": "no-cache", "Content-Security-Policy": ALONE}
            if request.headers.get("if-none-match") == tag:
                return Response(status_code=304, headers=headers)
            return Response(content, headers=headers, media_type=FILES[name])

        app.add_api_route("/page/{name}", file, methods=["GET", "HEAD"], include_in_schema=False)


@cache
def _file(name: str) -> bytes:
    return resources.files("kgdistill.serve").joinpath("page", name).read_bytes()


@cache
def _tag(name: str) -> str:
    return f'"{hashlib.sha256(_file(name)).hexdigest()[:20]}"'

"""The SPARQL 1.1 Protocol without a network: a request becomes a question, an outcome becomes a status."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import parse_qsl

from kgdistill.query.sparql import Dataset
from kgdistill.query.worker import Task
from kgdistill.serve.negotiate import GRAPHS, TABLES, choose

FORM = "application/x-www-form-urlencoded"
DIRECT = "application/sparql-query"
UPDATES = "application/sparql-update"
FIELDS = 10_000
READ_ONLY = "updates are refused: the graph is read-only"
STATUS = {
    "answered": HTTPStatus.OK,
    "refused": HTTPStatus.BAD_REQUEST,
    "unacceptable": HTTPStatus.NOT_ACCEPTABLE,
    "expired": HTTPStatus.GATEWAY_TIMEOUT,
    "too large": HTTPStatus.BAD_REQUEST,
    "busy": HTTPStatus.SERVICE_UNAVAILABLE,
    "broken": HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""The status of every outcome."""


class Refusal(Exception):
    """A request that gets no answer: its status, one line for a person, and headers."""

    def __init__(self, status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, dict(headers or {})


def question(method: str, address: bytes, content_type: str, body: bytes, accept: str | None, seconds: float) -> Task:
    """What a request to the endpoint asks; `address` is the query part of its URL. Raises Refusal."""
    fields = _fields(address)
    if method == "POST":
        media, charset = _content_type(content_type)
        if media == UPDATES:
            raise Refusal(HTTPStatus.BAD_REQUEST, READ_ONLY)
        if media not in (FORM, DIRECT) or charset not in ("", "utf-8", "utf8", "us-ascii"):
            message = f"a query comes as {DIRECT} or {FORM}, in UTF-8, not as {content_type or 'nothing named'}"
            raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message, {"Accept-Post": f"{DIRECT}, {FORM}"})
        fields += _fields(body) if media == FORM else [("query", _text(body))]
    queries, default, named = (
        tuple(value for name, value in fields if name == wanted)
        for wanted in ("query", "default-graph-uri", "named-graph-uri")
    )
    if any(name == "update" for name, _ in fields):
        raise Refusal(HTTPStatus.BAD_REQUEST, READ_ONLY)
    if len(queries) != 1:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"a request has one query, this one has {len(queries)}")
    dataset = Dataset(default, named) if default or named else None
    return Task(queries[0], choose(accept, TABLES), choose(accept, GRAPHS), seconds, dataset)


def unacceptable(what: str) -> Refusal:
    """The client takes none of the forms that `what` (a graph, a table of results) can have."""
    forms = GRAPHS if "graph" in what else TABLES
    message = f"the answer is {what}: accept " + ", ".join(form.media for form in forms)
    return Refusal(STATUS["unacceptable"], message, {"Vary": "Accept"})


def _content_type(header: str) -> tuple[str, str]:
    media, *parameters = (part.strip().lower() for part in header.split(";"))
    named = dict(part.partition("=")[::2] for part in parameters)
    return media, named.get("charset", "").strip('"')


def _fields(encoded: bytes) -> list[tuple[str, str]]:
    try:
        found = parse_qsl(encoded.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FIELDS)
    except UnicodeDecodeError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, "the fields are not in UTF-8, percent-encoded") from error
    except ValueError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"a request has at most {FIELDS:,} fields") from error
    return found


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, "the query is not in UTF-8") from error

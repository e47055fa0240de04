"""Questions over HTTP, without a network: a request's body becomes a question, what goes wrong becomes a status."""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from msgspec import Struct

from kgdistill.errors import ModelError, UserError
from kgdistill.serve.asking import Busy, Late
from kgdistill.serve.protocol import Refusal


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a POST to /ask."""

    question: str
    sparql: bool = False
    """Turn it into SPARQL, and run that."""


def asked_in(content_type: str, body: bytes) -> Asked:
    """The question in a request. Raises Refusal.

    Only JSON is taken: a browser asks before it sends that from another site's page.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a question comes as application/json")
    try:
        return msgspec.json.decode(body, type=Asked)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f'a question is {{"question": "…", "sparql": false}}, this is not: {error}'
        raise Refusal(HTTPStatus.BAD_REQUEST, message) from error


def unanswered(error: UserError) -> Refusal:
    """Why a question got no answer."""
    if isinstance(error, Late):
        return Refusal(HTTPStatus.GATEWAY_TIMEOUT, str(error))
    if isinstance(error, Busy):
        return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error), {"Retry-After": "5"})
    if isinstance(error, ModelError):
        return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    return Refusal(HTTPStatus.BAD_REQUEST, str(error))

"""POST /ask as clients see it: a real server with the models that ship, its token rule, its refusals."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from readings import BASE, curie, hostile
from service import Served, served

from kgdistill.errors import ModelError, UserError
from kgdistill.graph.store import write_store
from kgdistill.serve.asking import Busy, Late
from kgdistill.serve.inquiries import Asked, asked_in, unanswered
from kgdistill.serve.protocol import Refusal

TOKEN = "a-token-of-some-length"
WHERE = {"question": "Where was Marie Curie born?"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("asked")
    write_store(folder, [curie(), hostile()], base=BASE, run="test")
    with served(folder, "--token", TOKEN, "--timeout", "100") as service:
        yield service


def post(service: Served, content: object, **headers: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {TOKEN}", **headers}
    return httpx.post(f"{service.root}ask", json=content, headers=headers, timeout=250)


def test_a_question_gets_its_evidence(service: Served) -> None:
    found = post(service, WHERE)
    assert found.status_code == 200 and found.headers["content-type"] == "application/json", found.text
    told = found.json()
    assert told["kind"] in ("answer", "extract") and "born in Warsaw" in told["citations"][0]["quote"]
    text = curie().document.text
    assert all(text[one["start"] : one["end"]] == one["quote"] for one in told["citations"])
    absent = post(service, {"question": "Which team won the football cup of Brazil in 1994?"}).json()
    assert (absent["kind"], absent["text"]) == ("absent", "not in the graph")
    query = post(service, WHERE | {"sparql": True}).json()
    assert "FROM <" in query["sparql"] and query["answer"]


def test_whoever_does_not_know_the_token_is_not_answered(service: Served) -> None:
    assert post(service, WHERE, Authorization="Bearer wrong-token-of-length").status_code == 401


def test_refusals_are_one_line(service: Served) -> None:
    refused = [post(service, content) for content in ({}, {"question": "?"}, {"question": 3}, [], {**WHERE, "x": 1})]
    assert [found.status_code for found in refused] == [400] * 5
    assert all(found.text.count("\n") == 1 for found in refused)
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "text/plain"}
    assert httpx.post(f"{service.root}ask", content="{}", headers=headers).status_code == 415
    assert httpx.get(f"{service.root}ask", headers=headers).status_code == 405
    assert post(service, {"question": "x" * (5 << 20)}).status_code == 413


def test_a_body_becomes_a_question() -> None:
    assert asked_in("Application/JSON; charset=utf-8", b'{"question": "q", "sparql": true}') == Asked("q", True)
    for kind, body in (("text/plain", b"{}"), ("", b"{}"), ("application/json", b"\xff"), ("application/json", b"")):
        with pytest.raises(Refusal):
            asked_in(kind, body)


@pytest.mark.parametrize(
    ("error", "status"), [(UserError("x"), 400), (Busy("x"), 503), (Late("x"), 504), (ModelError("x"), 503)]
)
def test_what_goes_wrong_has_a_status(error: UserError, status: int) -> None:
    refusal = unanswered(error)
    assert (int(refusal.status), refusal.message) == (status, "x")
    assert ("Retry-After" in refusal.headers) == isinstance(error, Busy)

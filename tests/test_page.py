"""The page's own questions, asked of a real server: what it shows, what it writes, and whom it refuses."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from explored_run import explored_run
from readings import BASE, curie
from service import Served, served
from starlette.requests import Request

from kgdistill import cli
from kgdistill.evaluate.report import write_report
from kgdistill.graph.store import write_store
from kgdistill.serve.page import FILES
from kgdistill.serve.routes import MOST, _number
from kgdistill.storage.review import read_review

ROOT = Path(__file__).resolve().parent.parent
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
OURS = {"X-Kgdistill": "review"}
TOKEN = "a-token-of-some-length"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return explored_run(tmp_path_factory.mktemp("page") / "run")


@pytest.fixture(scope="module")
def service(run: Path) -> Iterator[Served]:
    with served(run, "--cors", "https://page.test") as service:
        yield service


def ask(service: Served, name: str, **parameters: str | int) -> Any:
    return httpx.get(f"{service.root}api/{name}", params=parameters).raise_for_status().json()


def decide(service: Served, headers: dict[str, str] | None = None, **wish: Any) -> httpx.Response:
    whole = {"id": "0123456789abcdef", "reviewer": "Ada", **wish}
    return httpx.post(f"{service.root}api/review", json=whole, headers=OURS if headers is None else headers)


def first_claim(service: Served, document: str = "marie_curie.txt", place: int = 0) -> dict[str, Any]:
    claims: list[dict[str, Any]] = ask(service, "document", id=document)["claims"]
    return claims[place]


# Files


def test_the_page_comes_with_a_strict_policy_and_all_its_files(service: Served) -> None:
    page = httpx.get(service.root, headers=HTML)
    assert page.status_code == 200 and "Sample &lt;run&gt;" in page.text and "<run>" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
    assert "worker-src 'self'" in policy and "trusted-types layout" in policy
    for name in FILES:
        answer = httpx.get(f"{service.root}page/{name}")
        assert answer.status_code == 200 and answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'", "the layout asks nobody"
        again = httpx.get(f"{service.root}page/{name}", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304 and not again.content
    for name in ("page.html", "..%2Fapp.py", "sources.sha256"):
        assert httpx.get(f"{service.root}page/{name}").status_code == 404


def test_programs_still_get_the_description(service: Served) -> None:
    for accept in ("text/turtle", "*/*", "application/ld+json"):
        assert not httpx.get(service.root, headers={"Accept": accept}).headers["content-type"].startswith("text/html")


def test_the_bundle_is_that_of_the_sources() -> None:
    """`make page` after a change of web/: the bundle says what it was built from."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "web" / "src").iterdir(), key=lambda path: path.name):
        digest.update(path.name.encode() + path.read_bytes())
    digest.update((ROOT / "web" / "package-lock.json").read_bytes())
    built = ROOT / "kgdistill" / "serve" / "page"
    assert (built / "sources.sha256").read_text().strip() == digest.hexdigest(), "run: make page"
    for name in ("page.html", "icon.svg"):
        assert (built / name).read_bytes() == (ROOT / "web" / "src" / name).read_bytes(), "run: make page"
    assert sum(path.stat().st_size for path in built.iterdir()) < 250_000
    assert not {word for word in (b"https://", b"http://", b"//cdn", b"eval(") if word in _code(built)}
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "web" / "src").glob("*.ts*"))
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc", sources, re.IGNORECASE)


def _code(built: Path) -> bytes:
    """The script without the names of XML's name spaces, which are no addresses to be fetched."""
    content = b"".join((built / name).read_bytes() for name in ("page.js", "layout.js", "page.css"))
    for space in (b"2000/svg", b"1999/xhtml", b"1998/Math/MathML", b"1999/xlink"):
        content = content.replace(b"http://www.w3.org/" + space, b"")
    return content


# Reading


def test_search_knows_parts_accents_and_misspelt_names(service: Served) -> None:
    def found(text: str) -> list[str]:
        return [row["name"] for row in ask(service, "search", text=text)]

    assert found("Marie Curie")[0] == "Marie Curie"
    assert "Marie Curie" in found("curie") and found("m. curie")[0] == "Marie Curie"
    assert "Béla Bartók" in found("bela bartok")
    assert "Charles Darwin" in found("Charels Darwin")
    assert found("") == [] and found("qqqqzzzz") == []


def test_an_entity_has_its_facts_by_relation_with_verdicts_and_evidence(service: Served) -> None:
    entity = ask(service, "entity", id="entity/Marie_Curie")
    assert entity["name"] == "Marie Curie" and entity["aliases"] == ["M. Curie"]
    assert sorted(entity["types"]) == ["Person", "person"]
    shown = 0
    for group in entity["groups"]:
        forward = str(group["forward"]).lower()
        asked = {"id": entity["id"], "relation": group["relation"], "forward": forward, "limit": 200}
        kept, every = (ask(service, "facts", **asked, dropped=dropped) for dropped in ("false", "true"))
        assert (len(kept), len(every)) == (group["kept"], group["claims"])
        assert all(claim["kept"] for claim in kept)
        ranks = [(not claim["kept"], -(claim["score"] or 0.0)) for claim in every]
        assert ranks == sorted(ranks)
        assert ask(service, "facts", **asked, dropped="true", offset=1) == every[1:]
        assert all(claim["rule"] and claim["reason"] for claim in every if not claim["kept"])
        for claim in every:
            assert claim["relation"] == group["name"]
            assert claim["subject" if group["forward"] else "object"] == "Marie Curie"
            assert {verdict["judge"] for verdict in claim["verdicts"]} >= {"teacher", "combined"} or not claim["score"]
            text = ask(service, "document", id=claim["document"])["text"] if shown < 3 else None
            if text and claim["sentence"]:
                shown += 1
                assert text[slice(*claim["sentence"])] == claim["quote"]
                assert not claim["objectSpan"] or text[slice(*claim["objectSpan"])]
    assert shown


def test_a_document_has_all_its_claims(service: Served, run: Path) -> None:
    document = ask(service, "document", id="marie_curie.txt")
    assert document["text"].startswith("Marie Curie")
    assert any(claim["kept"] for claim in document["claims"]) and not all(claim["kept"] for claim in document["claims"])
    listed = ask(service, "documents", text="curie")
    assert [row["id"] for row in listed["rows"]] == ["curie.txt", "marie_curie.txt"]
    assert httpx.get(f"{service.root}api/document", params={"id": "none.txt"}).status_code == 404


def test_facts_and_document_tell_of_a_claim_alike(service: Served) -> None:
    claims = {claim["id"]: claim for claim in ask(service, "document", id="marie_curie.txt")["claims"]}
    entity = ask(service, "entity", id="entity/Marie_Curie")
    group = next(group for group in entity["groups"] if group["forward"])
    asked = {"id": entity["id"], "relation": group["relation"], "forward": "true"}
    shared = [
        claim for claim in ask(service, "facts", **asked, dropped="true") if claim["document"] == "marie_curie.txt"
    ]
    assert shared
    for claim in shared:
        own = claims[claim["id"]]
        assert {**claim, "score": None} == {**own, "score": None}
        assert claim["score"] == pytest.approx(own["score"])


def test_edges_of_an_entity_a_document_and_all(service: Served) -> None:
    around = ask(service, "edges", entity="entity/Marie_Curie")
    assert all("entity/Marie_Curie" in (edge["source"], edge["target"]) for edge in around["edges"])
    assert around["nodes"]["entity/Marie_Curie"]["name"] == "Marie Curie"
    of_document = ask(service, "edges", document="marie_curie.txt")
    assert {name for edge in of_document["edges"] for name in edge["documents"]} == {"marie_curie.txt"}
    claims = ask(service, "document", id="marie_curie.txt")["claims"]
    asserted = [claim for claim in claims if claim["kept"] and not claim["negated"] and not claim["hedged"]]
    assert len(asserted) < sum(claim["kept"] for claim in claims)
    assert sum(edge["claims"] for edge in of_document["edges"] if not edge["model"]) == len(asserted)
    every = ask(service, "edges", limit=4000)
    assert len(every["edges"]) > len(of_document["edges"]) > 5 and not every["more"]
    assert any(edge["model"] for edge in every["edges"])
    assert ask(service, "edges", limit=10)["more"]


def test_a_path_is_a_chain(service: Served) -> None:
    found = ask(service, "path", **{"from": "entity/polonium", "to": "entity/Warsaw", "hops": 6})
    assert len(found["edges"]) == 2
    ends = [{edge["source"], edge["target"]} for edge in found["edges"]]
    assert "entity/polonium" in ends[0] and ends[0] & ends[1] and "entity/Warsaw" in ends[1]
    assert not ask(service, "path", **{"from": "entity/polonium", "to": "entity/virus"})["edges"]


def test_an_answer_has_so_many_rows_at_most() -> None:
    def asked(given: str) -> int:
        return _number(Request({"type": "http", "query_string": f"limit={given}".encode(), "headers": []}), "limit", 10)

    assert [asked(given) for given in ("3", "9999", "-1", "x", "9" * 30, "")] == [3, MOST, 10, 10, 10, 10]


@pytest.mark.parametrize("name", ["entity", "facts", "edges", "path"])
def test_no_address_breaks_a_question(service: Served, name: str) -> None:
    for bad in ("> } INSERT", "entity/nobody", 'x" . <y', "\x00"):
        fields = {"id": bad, "entity": bad, "relation": bad, "from": bad, "to": bad, "forward": "true"}
        answer = httpx.get(f"{service.root}api/{name}", params=fields)
        assert answer.status_code in (200, 400) and answer.text.count("\n") <= 1
        assert "Traceback" not in answer.text


# Writing


def test_a_decision_is_on_the_disk_once_whatever_is_sent(service: Served, run: Path) -> None:
    claim = first_claim(service)
    wish = {"choice": "accept", "document": claim["document"], "claim": claim["id"]}
    for _ in range(3):
        assert decide(service, **wish, note="clear").status_code == 200
    [line] = [one for one in read_review(run / "review.jsonl").decisions if one.id == "0123456789abcdef"]
    assert (line.reviewer, line.choice, line.note, line.kept) == ("Ada", "accept", "clear", claim["kept"])
    assert [line.subject, line.relation, line.object] == [claim[name] for name in ("subject", "relation", "object")]
    assert list(line.said or ()) == claim["said"] and line.quote == claim["quote"] and line.at.endswith("+00:00")
    assert first_claim(service)["decisions"][0]["reviewer"] == "Ada"
    log = httpx.get(f"{service.root}api/review.jsonl")
    assert [json.loads(row)["id"] for row in log.text.splitlines()].count("0123456789abcdef") == 1


def test_correcting_adding_and_taking_back(service: Served, run: Path) -> None:
    claim = first_claim(service, place=1)
    about = {"document": claim["document"], "claim": claim["id"]}
    same = {name: claim[name] for name in ("subject", "relation", "object", "negated", "hedged", "literal")}
    assert "accept it" in decide(service, id="c" * 8, choice="correct", **about, **same).text
    fixed = decide(service, id="d" * 8, choice="correct", **about, **{**same, "object": " something  else "})
    assert fixed.json()["object"] == "something else"
    text = ask(service, "document", id=claim["document"])["text"]
    fact = {"document": claim["document"], "subject": "a", "relation": "b", "object": "c"}
    assert decide(service, id="e" * 8, choice="add", **fact, start=3, end=9).json()["quote"] == text[3:9]
    assert decide(service, id="f" * 8, choice="add", **fact, start=9, end=3).status_code == 400
    assert decide(service, id="f" * 8, choice="add", **{**fact, "object": " "}, start=3, end=9).status_code == 400
    assert decide(service, id="a" * 8, choice="withdraw", of="e" * 8, reviewer="Grace").status_code == 400
    assert decide(service, id="a" * 8, choice="withdraw", of="e" * 8).status_code == 200
    assert [one["choice"] for one in ask(service, "document", id=claim["document"])["decisions"]] == []


def test_a_merge_is_undone_by_its_id(service: Served) -> None:
    assert {merge["kind"] for merge in ask(service, "merges")} == {"entity", "relation"}
    for kind in ("entity", "relation"):
        assert {merge["kind"] for merge in ask(service, "merges", kind=kind)} == {kind}
    merge = ask(service, "merges", kind="relation")[0]
    assert (merge["from"], merge["into"]) == ("was born in", "born in")
    assert decide(service, id="m" * 8, choice="unmerge", merge="no such id").status_code == 400
    assert decide(service, id="m" * 8, choice="unmerge", merge=merge["id"]).status_code == 200
    assert ask(service, "review/unmerged") == [merge["id"]]
    assert ask(service, "merges", text="BORN")[0]["undone"]["reviewer"] == "Ada"
    assert ask(service, "merges", text="nothing like it") == []


def test_two_reviewers_agree_or_not_and_the_report_says_so(service: Served, run: Path) -> None:
    report = write_report(run)
    claims = [claim for claim in ask(service, "document", id="iceland.txt")["claims"] if claim["kept"]][:6]
    for place, claim in enumerate(claims):
        about = {"document": "iceland.txt", "claim": claim["id"]}
        decide(service, id=f"first-{place:04}", reviewer="One", choice="accept" if place % 3 else "reject", **about)
        decide(service, id=f"other-{place:04}", reviewer="Two", choice="accept" if place > 1 else "reject", **about)
    decide(service, id="complete-1", reviewer="One", choice="complete", document="iceland.txt")
    figures = ask(service, "review/figures")
    [pair] = [pair for pair in figures["agreements"] if (pair["one"], pair["other"]) == ("One", "Two")]
    # One rejects 0 and 3, Two rejects 0 and 1: they agree on 4 of 6, by chance on 20/36.
    assert pair["claims"] == 6 and pair["kappa"] == pytest.approx((4 / 6 - 20 / 36) / (1 - 20 / 36))
    assert 0 <= figures["precision"]["low"] <= figures["precision"]["value"] <= figures["precision"]["high"] <= 1
    assert figures["recall"]["documents"] == 1
    following = ask(service, "review/next", reviewer="One")
    assert following["done"] == 1 and following["document"] not in ("", "iceland.txt")
    assert ask(service, "review/next", reviewer="Two")["done"] == 0
    met = [""]
    for _ in range(following["documents"]):
        met.append(ask(service, "review/next", reviewer="One", after=met[-1])["document"])
    assert len(set(met[1:])) == following["documents"] - 1 and "iceland.txt" not in met
    assert "<bdi>One</bdi> and <bdi>Two</bdi>" not in report.read_text()
    assert cli._guarded(["show", str(run)], debug=False) == 0
    shown = report.read_text(encoding="utf-8")
    assert "What reviewers say" in shown and "<bdi>One</bdi> and <bdi>Two</bdi>" in shown
    written = report.stat().st_mtime_ns
    assert cli._guarded(["show", str(run)], debug=False) == 0
    assert report.stat().st_mtime_ns == written, "with nothing new it stays as it is"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({**OURS, "Origin": "https://evil.test"}, 403),
        ({**OURS, "Origin": "https://page.test"}, 403),
        ({**OURS, "Origin": "null"}, 403),
        ({**OURS, "Origin": "http://127.0.0.1:1"}, 403),
        ({**OURS, "Sec-Fetch-Site": "cross-site"}, 403),
        ({**OURS, "Sec-Fetch-Site": "same-site"}, 403),
        ({**OURS, "Content-Type": "text/plain"}, 403),
        ({**OURS, "Host": "evil.test"}, 421),
    ],
)
def test_no_other_site_decides(service: Served, run: Path, headers: dict[str, str], status: int) -> None:
    log = run / "review.jsonl"
    before = log.read_bytes() if log.exists() else None
    claim = first_claim(service)
    wish = {"id": "9" * 16, "choice": "reject", "document": claim["document"], "claim": claim["id"]}
    assert decide(service, headers, **wish).status_code == status
    assert (log.read_bytes() if log.exists() else None) == before


def test_our_own_origin_may_decide(service: Served) -> None:
    headers = {**OURS, "Origin": service.root.rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert decide(service, headers, id="8" * 16, choice="complete", document="iceland.txt").status_code == 200


@pytest.mark.parametrize(
    "wish",
    [
        {"choice": "burn"},
        {"choice": "accept", "document": "iceland.txt", "claim": "none"},
        {"choice": "complete", "document": "none"},
        {"choice": "complete", "document": "iceland.txt", "reviewer": " "},
        {"choice": "complete", "document": "iceland.txt", "id": "../.."},
        {"choice": "complete", "document": "iceland.txt", "more": 1},
        {"choice": "complete", "document": "iceland.txt", "note": "x" * 6000},
    ],
)
def test_what_is_no_decision_is_one_line(service: Served, wish: dict[str, Any]) -> None:
    answer = decide(service, **wish)
    assert answer.status_code == 400 and answer.text.count("\n") == 1


def test_a_decision_is_short(service: Served) -> None:
    headers = {**OURS, "Content-Type": "application/json"}
    assert httpx.post(f"{service.root}api/review", content=b" " * 100_000, headers=headers).status_code == 413


def test_a_store_by_itself_is_shown_and_not_reviewed(tmp_path: Path) -> None:
    write_store(tmp_path, [curie()], base=BASE, run="alone")
    with served(tmp_path) as service:
        about = ask(service, "about")
        assert not about["review"] and "run's folder" in about["closed"]
        assert ask(service, "entity", id="entity/Marie_Curie")["groups"]
        assert decide(service, choice="complete", document="curie.txt").status_code == 403
        assert httpx.get(f"{service.root}api/document", params={"id": "curie.txt"}).status_code == 404
    assert not (tmp_path / "review.jsonl").exists()


def test_the_token_guards_reading_and_writing(run: Path) -> None:
    with served(run, "--host", "0.0.0.0", KGDISTILL_TOKEN=TOKEN) as service:
        root = service.root.replace("0.0.0.0", "127.0.0.1")
        wish = {"id": "7" * 16, "reviewer": "Eve", "choice": "complete", "document": "iceland.txt"}
        for path in ("", "api/about", "page/page.js", "api/review.jsonl"):
            assert httpx.get(root + path).status_code == 401
        assert httpx.post(root + "api/review", json=wish, headers=OURS).status_code == 401
        assert httpx.post(root + "api/review", json=wish, headers=OURS, auth=("anyone", TOKEN)).status_code == 200

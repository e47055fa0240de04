"""The page in a real browser: what one looks at, by mouse and by keys; nobody else is asked, and nothing is run."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from browser import problems, visit
from explored_page import HOSTILE, PLACES, browser, page, run, service  # noqa: F401  # fixtures
from explored_run import BASE
from service import Served

# Looking


def test_from_a_misspelt_name_to_the_evidence_by_keys_alone(page: Any, service: Served) -> None:
    page.goto(service.root)
    page.get_by_role("combobox", name="Search entities").focus()
    page.keyboard.type("Marie Curi")
    page.get_by_role("option", name="Marie Curie").wait_for()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Marie Curie", level=1).wait_for()
    claim = page.locator(".claim", has_text="Nobel Prize in Chemistry").first
    claim.get_by_text("verdicts").focus()
    page.keyboard.press("Enter")
    assert claim.locator("dt").all_inner_texts() == ["teacher", "agreement", "combined"]
    assert "Nobel Prize in Chemistry" in claim.locator("mark.object").inner_text()
    claim.get_by_role("link", name="marie_curie.txt").focus()
    page.keyboard.press("Enter")
    page.locator(".text .picked").first.wait_for()
    picked = "".join(page.locator(".text .picked").all_inner_texts())
    assert picked.startswith("The Nobel Prize in Chemistry followed in 1911")
    assert page.locator(".text .object").inner_text() == "Nobel Prize in Chemistry"


def test_a_document_shows_dropped_claims_with_reasons_on_request(page: Any, service: Served) -> None:
    page.goto(service.root + PLACES["document"])
    page.locator(".note").first.wait_for()
    assert page.locator(".claim.dropped").count() == 0
    page.get_by_label("that were dropped").check()
    page.locator(".claim.dropped").first.wait_for()
    assert "the rule of the" in page.locator(".claim.dropped .why").first.inner_text()
    count = int(page.locator(".note").first.inner_text())
    page.locator(".note").first.click()
    page.get_by_role("heading", name="From this sentence").wait_for()
    assert page.locator(".beside .claim").count() == count
    text = page.evaluate(
        "() => [...document.querySelectorAll('.text [data-start]')].map((e) => e.textContent).join('')"
    )
    assert text.startswith("Marie Curie\n\nMarie Curie was born in Warsaw on 7 November 1867")


def test_the_list_of_documents_is_searched(page: Any, service: Served) -> None:
    page.goto(service.root + "#/documents")
    page.get_by_placeholder("name or title").fill("iceland")
    page.get_by_role("link", name="iceland.txt").click()
    page.get_by_role("heading", name="iceland.txt", level=1).wait_for()


def test_sparql_has_examples_and_links_to_the_pages(page: Any, service: Served) -> None:
    page.goto(service.root + "#/sparql")
    page.locator(".chip").first.wait_for()
    names = page.locator(".chip").all_inner_texts()
    assert len(names) > 5
    for name in names:
        page.get_by_role("button", name=name, exact=True).click()
        with page.expect_response("**/sparql") as told:
            page.get_by_role("button", name="Run").click()
        assert told.value.ok
        page.locator("tbody tr, pre.answer").first.wait_for()
    page.get_by_label("Query").fill('SELECT ?e { ?e skos:prefLabel "Marie Curie" }')
    page.keyboard.press("Control+Enter")
    page.get_by_role("link", name="entity/Marie_Curie").wait_for()
    page.get_by_label("Query").fill("ASK { ?what ?is ?there }")  # what is saved is what is shown
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save as CSV").click()
    assert Path(saving.value.path()).read_bytes() == f"e\r\n{BASE}entity/Marie_Curie\r\n".encode()
    page.get_by_role("link", name="entity/Marie_Curie").click()
    page.get_by_role("heading", name="Marie Curie", level=1).wait_for()


def test_an_answer_that_comes_late_does_not_replace_a_newer_one(page: Any, service: Served) -> None:
    def held(route: Any) -> None:
        if "slow" in (route.request.post_data or ""):
            page.wait_for_timeout(700)
        with suppress(Exception):  # the page has given it up
            route.continue_()

    page.route("**/sparql", held)
    page.goto(service.root + "#/sparql")
    query = page.get_by_label("Query")
    query.fill('SELECT ("slow" AS ?said) {}')
    query.press("Control+Enter")
    query.fill('SELECT ("quick" AS ?said) {}')
    query.press("Control+Enter")
    page.get_by_role("cell", name="quick").wait_for()
    page.wait_for_timeout(1000)
    assert page.get_by_role("cell").all_inner_texts() == ["quick"]


def test_a_broken_query_is_answered_with_its_reason(browser: Any, service: Served) -> None:
    with visit(browser, service.root, quiet=False) as page:  # the browser itself writes down the status 400
        page.goto(service.root + "#/sparql")
        page.get_by_label("Query").fill("SELECT {")
        page.get_by_role("button", name="Run").click()
        assert "no SPARQL query" in page.get_by_role("alert").inner_text()


# Safe for everybody


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Any, service: Served, scheme: str) -> None:
    with visit(browser, service.root, color_scheme=scheme, bypass_csp=True) as page:
        for name, place in PLACES.items():
            page.goto(service.root + place)
            page.locator("h1").first.wait_for()
            page.wait_for_load_state("networkidle")
            assert problems(page) == [], name
        page.goto(service.root + PLACES["document"])
        page.get_by_role("button", name="Correct").first.click()
        assert problems(page) == [], "the dialog"


@pytest.mark.parametrize("place", [HOSTILE, "#/sparql", "#/graph", "#/documents", "#/merges", "#/review"])
def test_hostile_text_runs_nothing(page: Any, service: Served, place: str) -> None:
    page.goto(service.root + place)
    page.locator("h1").first.wait_for()
    if place == "#/sparql":
        page.get_by_label("Query").fill(
            "SELECT ?n ?t { ?e skos:prefLabel ?n FILTER(CONTAINS(?n, '<')) ?c kgd:quote ?t }"
        )
        page.get_by_role("button", name="Run").click()
        page.locator("tbody tr").first.wait_for()
    if place == HOSTILE:
        page.get_by_label("that were dropped").check()
        assert "<script>alert" in page.locator(".text").inner_text()
    page.wait_for_load_state("networkidle")
    assert (
        page.locator("script").count() == 1
        and page.locator("img, iframe, #page b b, u, [onclick], [onmouseover]").count() == 0
    )
    assert not page.locator("a[href^='javascript']").count()


def test_it_fits_a_phone(browser: Any, service: Served) -> None:
    with visit(browser, service.root, viewport={"width": 360, "height": 740}, has_touch=True) as page:
        for name, place in PLACES.items():
            page.goto(service.root + place)
            page.locator("h1").first.wait_for()
            page.wait_for_load_state("networkidle")
            wide = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, f"{name} is {wide} pixels too wide"
            ways = page.locator("nav a").evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().right)")
            assert max(ways) <= 360, f"{name}: the ways end at {max(ways)}"


def test_light_dark_and_where_one_was(page: Any, service: Served) -> None:
    page.goto(service.root + PLACES["entity"])
    background = "() => getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.get_by_role("button", name="Colours: system").click()
    page.get_by_role("button", name="Colours: light").click()
    page.wait_for_function(f"() => ({background})() !== '{light}'")
    page.reload()
    page.get_by_role("button", name="Colours: dark").wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the link to the content
    page.wait_for_function("() => document.activeElement.id === 'page-main'")
    page.wait_for_function("() => document.title.startsWith('Marie Curie')")

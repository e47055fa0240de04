"""The page in a real browser: every flow, by mouse and by keys; nothing is lost, nobody else asked, nothing run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from browser import opened, problems, timed, visit
from explored_run import BASE, explored_run
from service import Served, served

from kgdistill.graph.store import write_store
from kgdistill.records import Chunk, ChunkGraph, Document, Reading, Triple, Verdict
from kgdistill.storage.review import read_review

HOSTILE = "#/document/%3Cscript%3Eid%3C%2Fscript%3E"
SAVED = """() => Object.entries(localStorage).every(([key, value]) => {
  return !key.startsWith('kgdistill.waiting') || value === '[]';
})"""
PLACES = {
    "home": "#/",
    "entity": "#/entity/Marie_Curie",
    "document": "#/document/marie_curie.txt",
    "documents": "#/documents",
    "graph": "#/graph?entity=entity%2FMarie_Curie",
    "merges": "#/merges",
    "review": "#/review",
    "sparql": "#/sparql",
    "hostile": HOSTILE,
}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with opened(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Path:
    return explored_run(tmp_path_factory.mktemp("browsed") / "run")


@pytest.fixture(scope="module")
def service(run: Path) -> Iterator[Served]:
    with served(run) as service:
        yield service


@pytest.fixture
def page(browser: Any, service: Served) -> Iterator[Any]:
    with visit(browser, service.root) as page:
        yield page


def call(page: Any, name: str) -> None:
    """Say who reviews, when the page asks."""
    page.get_by_label("your name").fill(name)
    page.get_by_role("button", name="Go on").click()


def saved(page: Any) -> None:
    page.wait_for_function(SAVED)


def decisions(run: Path) -> list[Any]:
    return list(read_review(run / "review.jsonl").decisions)


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


# The graph


def size(page: Any) -> tuple[int, int]:
    """(nodes, edges) that are drawn."""
    data = page.locator("canvas").evaluate("(canvas) => ({...canvas.dataset})")
    return int(data.get("nodes", 0)), int(data.get("edges", 0))


def drawn(page: Any, condition: str) -> tuple[int, int]:
    """Wait until what is drawn is so; `nodes`, `edges` and `layout` are known."""
    known = "const {nodes, edges, layout} = document.querySelector('canvas')?.dataset ?? {};"
    page.wait_for_function(f"() => {{ {known} return {condition}; }}")
    return size(page)


def test_the_graph_expands_collapses_and_filters(page: Any, service: Served) -> None:
    page.goto(service.root + PLACES["graph"])
    _, around = drawn(page, "edges > 5")
    page.get_by_role("button", name="University of Paris", exact=True).first.click()
    page.get_by_role("heading", name="University of Paris").wait_for()
    page.get_by_role("button", name="Expand").click()
    page.get_by_role("button", name="Collapse").wait_for()
    page.get_by_role("combobox", name="Add an entity").fill("Charles Darwin")
    page.get_by_role("option", name="Charles Darwin").first.click()
    nodes, edges = drawn(page, f"edges > {around + 10}")
    page.get_by_label("least score").fill("0.8")
    fewer = drawn(page, f"edges < {edges}")
    page.get_by_label("least score").fill("0")
    assert drawn(page, f"edges == {edges}") == (nodes, edges) and fewer[1] < edges
    page.get_by_role("combobox", name="document", exact=True).select_option("marie_curie.txt")
    drawn(page, f"edges < {edges}")
    page.get_by_role("combobox", name="document", exact=True).select_option("")
    page.get_by_role("combobox", name="who says so").select_option("models")
    drawn(page, "edges == 0")
    page.get_by_role("combobox", name="who says so").select_option("all")
    page.locator(".panel summary").click()
    page.get_by_role("button", name="None").click()
    drawn(page, "edges == 0")
    page.get_by_role("button", name="All", exact=True).click()
    drawn(page, f"edges == {edges}")
    page.locator("canvas").focus()
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")  # the most connected: Charles Darwin
    page.get_by_role("region", name="Selected").get_by_role("link", name="Charles Darwin").wait_for()
    page.keyboard.press("Backspace")
    drawn(page, f"edges < {edges - 10}")
    page.get_by_text("The same as a list").click()
    page.get_by_role("group", name="Connections").get_by_role("link", name="Warsaw").first.wait_for()


def test_a_path_is_found_and_told(page: Any, service: Served) -> None:
    page.goto(service.root + PLACES["graph"])
    drawn(page, "edges > 5")
    for end, name in (("From", "polonium"), ("To", "Warsaw")):
        page.get_by_role("combobox", name=end, exact=True).fill(name)
        page.get_by_role("option", name=name).first.click()
    page.get_by_role("button", name="Find the shortest").click()
    page.wait_for_function("() => document.querySelector('.path')?.textContent.includes('→')")
    told = page.locator(".path").inner_text()
    assert "polonium" in told and "Marie Curie" in told and "Warsaw" in told


def places(page: Any) -> dict[str, list[float]]:
    found = page.locator("canvas").evaluate("(canvas) => canvas.stage.scene.nodes.map(({id, x, y}) => [id, x, y])")
    return {name: [x, y] for name, x, y in found}


def test_a_node_that_is_dragged_takes_its_neighbours_along(page: Any, service: Served) -> None:
    page.goto(service.root + PLACES["graph"])
    drawn(page, "edges > 5 && layout === 'settled'")
    before = places(page)
    x, y = page.locator("canvas").evaluate(
        """(canvas) => {
          const [{x, y}, box, {view}] = [canvas.stage.scene.nodes[0], canvas.getBoundingClientRect(), canvas.stage];
          return [box.left + x * view.scale + view.x, box.top + y * view.scale + view.y];
        }"""
    )
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 150, y + 60, steps=10)
    page.mouse.up()
    drawn(page, "layout === 'settled'")
    moved = sum(before[name] != place for name, place in places(page).items())
    assert moved == len(before) > 5


def large(edges: int = 2000) -> Reading:
    """A network of so many facts: a few hubs and long tails, as graphs have them."""
    name, text = "large.txt", "x"
    ends = [(f"thing {place % (1 + place // 3)}", f"thing {place}") for place in range(1, edges + 1)]
    claims = tuple(
        Triple(f"c{place}", one, "linked to", other, verdicts=(Verdict("combined", 0.9),))
        for place, (one, other) in enumerate(ends)
    )
    return Reading(Document(name, text, name), (ChunkGraph(Chunk(name, 0, 0, 1, text), (), claims),))


def test_two_thousand_edges_are_smooth(browser: Any, tmp_path: Path) -> None:
    write_store(tmp_path, [large()], base=BASE, run="large")
    with served(tmp_path) as service, visit(browser, service.root) as page:
        page.goto(service.root)
        page.locator("h1").first.wait_for()
        with timed(browser, page) as tasks:
            page.evaluate("() => { location.hash = '#/graph' }")
            assert drawn(page, "edges >= 2000 && layout === 'settled'")[1] == 2000
        # The layout has its own thread; what is left to this one fits between what a person does.
        assert [worker.url for worker in page.workers] == [f"{service.root}page/layout.js"]
        assert len(tasks) > 20 and max(tasks) < 100, f"{max(tasks):.0f} ms in one task"
        # Move and zoom for a while; what one frame costs is what the page can answer for on any machine.
        times = page.evaluate(
            """async () => {
              const stage = document.querySelector('canvas').stage;
              stage.frames.length = 0;
              for (let i = 0; i < 60; i++) {
                stage.move(3, 2);
                stage.zoom(i % 2 ? 1.03 : 0.98);
                await new Promise((next) => requestAnimationFrame(next));
              }
              return stage.frames;
            }"""
        )
        assert len(times) > 20
        assert median(times) < 16.7, f"{median(times):.1f} ms a frame"


# Merges


def test_a_merge_is_explained_and_undone(page: Any, service: Served, run: Path) -> None:
    page.goto(service.root + "#/merges")
    row = page.locator(".merges li", has_text="Univ. of Paris")
    assert "spelling 0.93" in row.inner_text()
    row.get_by_role("button", name="Undo").click()
    call(page, "Mary")
    saved(page)
    page.locator(".notice pre").wait_for()
    [merge] = [one.merge for one in decisions(run) if one.choice == "unmerge"]
    assert f"--without-merge {merge}" in page.locator(".notice pre").inner_text()
    row.get_by_role("button", name="To be undone").click()
    page.locator(".notice").wait_for(state="detached")


# Review


def test_accepting_survives_a_reload_and_can_be_taken_back(page: Any, service: Served, run: Path) -> None:
    page.goto(service.root + PLACES["entity"])
    claim = page.locator(".claim", has_text="Nobel Prize in Physics").first
    claim.get_by_role("button", name="Accept").click()
    call(page, "Ada")
    claim.get_by_text("You accept it").wait_for()
    saved(page)
    page.reload()
    claim.get_by_text("You accept it").wait_for()
    assert claim.get_by_role("button", name="Accept").get_attribute("aria-pressed") == "true"
    [made] = [one for one in decisions(run) if one.reviewer == "Ada" and one.choice == "accept"]
    assert "Nobel Prize in Physics" in (made.subject, made.object)
    claim.get_by_role("button", name="Reject").click()
    claim.get_by_text("You reject it").wait_for()
    claim.get_by_role("button", name="Reject").click()
    claim.get_by_text("You reject it").wait_for(state="detached")
    assert claim.locator("[aria-pressed=true], .decision").count() == 0
    saved(page)
    assert [one.choice for one in decisions(run) if one.reviewer == "Ada"] == ["accept", "reject", "withdraw"]


def test_a_claim_is_corrected(page: Any, service: Served, run: Path) -> None:
    page.goto(service.root + PLACES["document"])
    claim = page.locator(".beside .claim", has_text="born in").first
    claim.get_by_role("button", name="Correct").click()
    call(page, "Cora")
    page.get_by_label("relation").fill("place of birth")
    page.get_by_label("note").fill("the usual name")
    save, cancel = (page.get_by_role("button", name=name) for name in ("Save", "Cancel"))
    drawn_as = "(button) => getComputedStyle(button).backgroundColor"
    assert len({"rgba(0, 0, 0, 0)", save.evaluate(drawn_as), cancel.evaluate(drawn_as)}) == 3, "they look like buttons"
    save.click()
    claim.get_by_text("You correct it").wait_for()
    saved(page)
    [made] = [one for one in decisions(run) if one.reviewer == "Cora"]
    assert (made.choice, made.relation, made.note) == ("correct", "place of birth", "the usual name")
    assert made.said and made.said[1] == "born in"


SELECT = """([wanted]) => {
  const pieces = [...document.querySelectorAll('.text [data-start]')];
  const whole = pieces.map((piece) => piece.textContent).join('');
  const place = whole.indexOf(wanted);
  const at = (offset) => {
    for (const piece of pieces) {
      if (offset <= piece.textContent.length) return [piece.firstChild, offset];
      offset -= piece.textContent.length;
    }
  };
  getSelection().setBaseAndExtent(...at(place), ...at(place + wanted.length));
}"""


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("curie.txt", "Curie 🧪 was born in Warsaw in 1867. M. Curie won"),
        ("marie_curie.txt", "Because women could not enrol"),
    ],
)
def test_a_missed_fact_is_added_by_selecting_its_words(
    page: Any, service: Served, run: Path, document: str, words: str
) -> None:
    page.goto(f"{service.root}#/document/{document}")
    page.locator(".note").first.wait_for()
    page.evaluate(SELECT, [words])
    page.get_by_role("button", name="Add a fact from the selected words").click()
    call(page, f"Ann of {document}")
    page.get_by_label("subject", exact=True).fill("women")
    page.get_by_label("relation").fill("may enrol at")
    page.get_by_label("object", exact=True).fill("the university")
    page.get_by_label("the text denies it").check()
    page.get_by_role("button", name="Save").click()
    page.locator(".claim.added").wait_for()
    saved(page)
    [made] = [one for one in decisions(run) if one.reviewer == f"Ann of {document}"]
    assert made.choice == "add" and made.quote == words and made.negated
    page.reload()
    page.locator(".claim.added", has_text="may enrol at").wait_for()


def test_a_review_goes_from_document_to_document(page: Any, service: Served, run: Path) -> None:
    page.goto(service.root + "#/review")
    page.get_by_role("button", name="Begin").click()
    call(page, "Rita")
    page.get_by_label("I have looked for every fact in it").check()
    saved(page)
    [made] = [one for one in decisions(run) if one.reviewer == "Rita"]
    assert made.choice == "complete"
    page.goto(service.root + "#/review")
    page.get_by_text(re.compile(r"^1 of \d+ documents done")).wait_for()
    with page.expect_download() as saving:
        page.get_by_role("link", name="Save the log").click()
    assert b'"Rita"' in Path(saving.value.path()).read_bytes()


def test_no_decision_is_lost_when_the_service_is_away(browser: Any, tmp_path: Path) -> None:
    run = explored_run(tmp_path / "run")
    with served(run, ends=-9) as service:
        root, port = service.root, int(service.root.rsplit(":", 1)[1].strip("/"))
        context = browser.new_context()
        page = context.new_page()
        page.goto(root + PLACES["entity"])
        page.locator(".claim").first.get_by_role("button", name="Accept").click()
        call(page, "Lost")
        saved(page)
        service.process.kill()
        service.process.wait()
        page.locator(".claim").nth(1).get_by_role("button", name="Reject").click()
        page.locator(".claim").nth(1).get_by_text("You reject it").wait_for()
        page.get_by_text("1 decision waits").wait_for()
        assert [one.choice for one in decisions(run)] == ["accept"]
        page.close()  # as a crash of the browser would
    with served(run, port=port):
        page = context.new_page()
        page.goto(root)
        page.wait_for_function(SAVED)
        assert [one.choice for one in decisions(run)] == ["accept", "reject"]
        context.close()


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

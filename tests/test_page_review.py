"""Reviewing on the page in a real browser: every decision is in the log, once, whatever becomes of either side."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from explored_page import PLACES, SAVED, browser, call, decisions, page, run, saved, service  # noqa: F401  # fixtures
from explored_run import explored_run
from service import Served, served

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

"""The page of an explored run in a real browser: fixtures and what several tests of it say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import opened, visit
from explored_run import explored_run
from service import Served, served

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

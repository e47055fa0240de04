"""A headless Chromium for tests of the page; they skip, and say why, where there is none."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
SERIOUS = ("serious", "critical")


def chromium() -> str:
    """Where it is; skips the test where it is not."""
    named = os.environ.get("CHROMIUM", "")
    found = named or next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), "")
    if not found:
        pytest.skip("no Chromium: install the package `chromium`, or name one in CHROMIUM")
    return found


@contextmanager
def opened(profile: Path) -> Iterator[Any]:
    """A browser with a profile of its own."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[dev]'")
    path = chromium()
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=path, args=list(FLAGS), env={**os.environ, "HOME": str(profile)}, timeout=120_000
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(browser: Any, root: str, quiet: bool = True, **settings: Any) -> Iterator[Any]:
    """A page in a fresh context. It asks nobody else, opens no dialog and, if `quiet`, writes no error anywhere."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
    context.set_default_timeout(60_000)
    page = context.new_page()
    errors: list[str] = []
    strangers: list[str] = []
    page.on("console", lambda line: errors.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: (strangers.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on(
        "request", lambda request: None if request.url.startswith((root, "blob:")) else strangers.append(request.url)
    )
    try:
        yield page
        assert not strangers
        assert not (errors if quiet else [])
    finally:
        context.close()


@contextmanager
def timed(browser: Any, page: Any) -> Iterator[list[float]]:
    """Milliseconds of computing of each task of the page's main thread in the block, filled in at its end.

    Computing, not waiting: on a busy machine the clock would tell of others.
    """
    times: list[float] = []
    browser.start_tracing(page=page, categories=["toplevel"])
    yield times
    events = json.loads(browser.stop_tracing())["traceEvents"]
    main = {
        (one["pid"], one["tid"])
        for one in events
        if one["name"] == "thread_name" and one["args"]["name"] == "CrRendererMain"
    }
    own = (one for one in events if (one["pid"], one["tid"]) in main and one["name"].endswith("RunTask"))
    times += [one.get("tdur", 0) / 1000 for one in own]


def problems(page: Any) -> list[str]:
    """What axe-core finds serious or critical on the page as it is."""
    package = pytest.importorskip("axe_playwright_python", reason="axe is not installed: pip install '.[dev]'")
    page.evaluate(resources.files(package).joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for one in found["violations"]
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]

"""Templates to prompts: strict (a missing field is an error), and closed to text that poses as instructions."""

from __future__ import annotations

import unicodedata
from functools import cache
from importlib import resources
from typing import Any

import jinja2


def fenced(text: str) -> str:
    """`text` between two quote fences, longer than any run of quotes inside it, so that it cannot end its own block."""
    fence = '"""'
    while fence in text:
        fence += '"'
    return f"{fence}\n{text}\n{fence}"


def line(text: str) -> str:
    """`text` on one line: white space and control characters folded, so that it cannot start a line of its own.

    Signs that are not seen (direction marks, soft hyphens) go without a trace; joiners belong to the spelling and stay.
    """
    return " ".join("".join(map(_seen, text)).split())


def _seen(char: str) -> str:
    if char.isprintable() or char in _JOINERS:
        return char
    return "" if unicodedata.category(char) == "Cf" else " "


_JOINERS = "\u200c\u200d"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(template_text),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(fenced=fenced, line=line)
    return environment


@cache
def template_text(name: str) -> str:
    """The text of `prompts/<name>.jinja`; it is part of every content key that depends on it."""
    return resources.files("kgdistill.prompts").joinpath(f"{name}.jinja").read_text(encoding="utf-8")


def render(name: str, **fields: Any) -> str:
    """The prompt that template `name` makes of `fields`.

    Raises jinja2.UndefinedError when the template asks for a field that is not given.
    """
    return _environment().get_template(name).render(**fields)

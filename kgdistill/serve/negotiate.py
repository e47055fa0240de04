"""Content negotiation: of the forms that an answer can have, the one that a client likes best (RFC 9110, 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct


class Form(Struct, frozen=True):
    """A form of an answer: its media type, and the other names under which clients ask for it."""

    media: str
    also: tuple[str, ...] = ()


TABLES = (
    Form("application/sparql-results+json", ("application/json", "text/json")),
    Form("application/sparql-results+xml", ("application/xml", "text/xml")),
    Form("text/csv"),
    Form("text/tab-separated-values", ("text/tsv",)),
)
"""Of SELECT and ASK, the first one where a client does not care."""
GRAPHS = (
    Form("text/turtle", ("application/x-turtle", "application/turtle")),
    Form("application/n-triples", ("text/plain",)),
    Form("application/ld+json", ("application/json",)),
    Form("application/rdf+xml", ("application/xml", "text/xml")),
    Form("application/trig", ("application/x-trig",)),
    Form("application/n-quads", ("text/x-nquads",)),
)
"""Of CONSTRUCT, DESCRIBE and the description of the service."""
PAGE = Form("text/html", ("application/xhtml+xml",))

_RANGE = re.compile(r"\s*([\w!#$%&'*+.^`|~-]+)/([\w!#$%&'*+.^`|~-]+)\s*(?:;(.*))?", re.DOTALL)
_QUALITY = re.compile(r"(?:^|;)\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*(?:;|$)", re.IGNORECASE)


def choose(accept: str | None, forms: Sequence[Form]) -> str:
    """The media type of the best form, the earlier of two equals; "" where the client takes none of them.

    The most exact range that fits a form decides its quality. A header that says nothing readable takes everything.
    """
    ranges = [found for part in _parts(accept or "") if (found := _read(part))]
    if not ranges:
        return forms[0].media
    best = max(forms, key=lambda form: _quality(form, ranges))
    return best.media if _quality(best, ranges) > 0 else ""


def _parts(accept: str) -> list[str]:
    # A comma in a quoted parameter (profile="a,b") parts nothing.
    return re.findall(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+', accept)


def _read(part: str) -> tuple[str, str, float] | None:
    if not (found := _RANGE.fullmatch(part)):
        return None
    parameters = re.sub(r'"(?:[^"\\]|\\.)*"?', "", found[3] or "")
    quality = _QUALITY.search(parameters)
    return found[1].lower(), found[2].lower(), float(quality[1]) if quality else 1.0


def _quality(form: Form, ranges: list[tuple[str, str, float]]) -> float:
    """What the ranges give to the form, under another of its names only where that is named itself."""
    own = _fit(form.media, ranges)
    others = [fit for name in form.also if (fit := _fit(name, ranges))[0] == 3]
    return max([own, *others])[1]


def _fit(media: str, ranges: list[tuple[str, str, float]]) -> tuple[int, float]:
    """How exactly the best range fits (3: by name, 0: not at all), and its quality."""
    kind, _, name = media.partition("/")
    fits = [
        (3 if (a, b) == (kind, name) else 2 if (a, b) == (kind, "*") else 1, quality)
        for a, b, quality in ranges
        if (a, b) in ((kind, name), (kind, "*"), ("*", "*"))
    ]
    return max(fits, default=(0, 0.0))

"""Tokens: the words, prefixes and variables of a query, found without parsing it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import pairwise

# In the order in which SPARQL's own grammar would try them: what stands in strings, addresses, comments, variables and
# prefixed names is no keyword.
_TOKEN = re.compile(
    r"""'''(?:[^\\]|\\.)*?'''|\"\"\"(?:[^\\]|\\.)*?\"\"\"|'(?:[^'\\\n\r]|\\.)*'|"(?:[^"\\\n\r]|\\.)*"
    |<(?P<address>[^<>"{}|^`\x00-\x20]*)>|\#[^\n\r]*|[?$]\w+
    |(?P<prefix>[^\W\d][\w.-]*)?:(?P<local>(?:[\w.:-]|%[0-9A-Fa-f]{2}|\\.)*)
    |[0-9.]+(?:[eE][+-]?[0-9]+)?|(?P<word>[^\W\d]\w*)|\s+|.""",
    re.VERBOSE | re.DOTALL,
)


def keywords(text: str) -> Iterator[str]:
    """The bare words of a query, in capitals: none of what stands in strings, addresses, comments or names."""
    return (token["word"].upper() for token in _TOKEN.finditer(text) if token["word"])


def declared(text: str) -> dict[str, str]:
    """The prefixes that a query declares, with their addresses as it spells them."""
    return {
        name["prefix"] or "": address["address"]
        for (word, name), (_, address) in pairwise(pairwise(_telling(text)))
        if (word["word"] or "").upper() == "PREFIX" and name["local"] == "" and address["address"] is not None
    }


def undeclared(text: str, known: Collection[str]) -> str | None:
    """The first prefix that is used and neither declared nor known, None where there is none."""
    there = {*known, *declared(text), "_"}
    used = (token["prefix"] or "" for token in _TOKEN.finditer(text) if token["local"] is not None)
    return next((prefix for prefix in used if prefix not in there), None)


def columns_place(text: str) -> int | None:
    """Where the star of a `SELECT *` stands, None in other queries; stars of queries within it do not count."""
    word = ""
    for token in _telling(text):
        if word == "SELECT" and token[0] == "*":
            return token.start()
        before, word = word, (token["word"] or "").upper()
        if word in ("DISTINCT", "REDUCED") and before == "SELECT":
            word = before
        elif before == "SELECT" or word in ("ASK", "CONSTRUCT", "DESCRIBE"):
            return None
    return None


def variables(text: str) -> list[str]:
    """The variables of a query, without their sign, in the order of first appearance."""
    return list(dict.fromkeys(token[0][1:] for token in _TOKEN.finditer(text) if token[0][0] in "?$"))


def _telling(text: str) -> Iterator[re.Match[str]]:
    """The tokens that are neither space nor comment."""
    return (token for token in _TOKEN.finditer(text) if not token[0].isspace() and not token[0].startswith("#"))

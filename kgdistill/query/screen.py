"""What may be asked of a graph that is read-only and has no network, and whether a query chooses its own graphs."""

from __future__ import annotations

import re

from kgdistill.errors import UserError
from kgdistill.query.tokens import keywords

_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})")
_UPDATES = {"INSERT", "DELETE", "LOAD", "CLEAR", "DROP", "CREATE", "ADD", "MOVE", "COPY"}
_FORMS = {"SELECT", "ASK", "CONSTRUCT", "DESCRIBE"}

# SERVICE is sought in the bare text, not among the tokens: SPARQL is parsed without a tokeniser, and "1<2)SERVICE:x#>"
# is one address to one reader and a call to another. Every call has this form, wherever it stands; variables are taken
# out of its way first. A string that holds the whole form is refused too: that is the price.
_GAP = r"(?:\s|\#[^\n\r]*)*"
_SERVICE = re.compile(
    rf"""[?$]\w+|(?P<service>SERVICE{_GAP}(?:SILENT{_GAP})?(?:<[^>]*>|[?$]\w+|[\w.-]*:(?:\\.|[^\s{{}}\#\\])*){_GAP}\{{)""",
    re.VERBOSE | re.IGNORECASE,
)


def screen(sparql: str) -> None:
    """Raises UserError, on one line, at an update and at SERVICE, which would reach into the network."""
    if re.search("[\ud800-\udfff]", sparql):
        raise UserError("this is no SPARQL query: it is not valid Unicode")
    # SPARQL knows \u escapes anywhere, keywords included: look at the query both ways.
    for text in dict.fromkeys((sparql, _ESCAPE.sub(_character, sparql))):
        if "SERVICE" in text.upper() and any(found["service"] for found in _SERVICE.finditer(text)):
            raise UserError("SERVICE is refused: queries are answered from this graph alone")
        for word in keywords(text):
            if word in _FORMS:
                break
            if word in _UPDATES:
                raise UserError(f"{word} is refused: the graph is read-only")


def chooses_graphs(sparql: str) -> bool:
    """Whether the query has a FROM of its own."""
    text = _ESCAPE.sub(_character, sparql)
    return "FROM" in text.upper() and "FROM" in keywords(text)


def _character(match: re.Match[str]) -> str:
    code = int(match[1] or match[2], 16)
    return chr(code) if code < 0x110000 else ""

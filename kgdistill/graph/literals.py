"""Literals: values in claims as typed RDF terms where their reading is beyond doubt, else as plain strings."""

from __future__ import annotations

import hashlib
import re
from datetime import date

from pyoxigraph import Literal, NamedNode

from kgdistill.text.surrogates import scrub

_XSD = "http://www.w3.org/2001/XMLSchema#"
INTEGER, DECIMAL, DATE, YEAR = (NamedNode(_XSD + name) for name in ("integer", "decimal", "date", "gYear"))

_WHOLE = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,17})")
_GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3}){2,4}")
_BROKEN = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,8})\.[0-9]{1,9}")
_FOUR = re.compile(r"[12][0-9]{3}")
_ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_MONTHS = "january february march april may june july august september october november december".split()  # noqa: SIM905
_DAY_FIRST = re.compile(r"([0-9]{1,2})(?:st|nd|rd|th)? ([A-Za-z]+),? ([0-9]{4})")
_MONTH_FIRST = re.compile(r"([A-Za-z]+) ([0-9]{1,2})(?:st|nd|rd|th)?,? ([0-9]{4})")
_TIMELY = re.compile(
    r"\b(?:year|date|born|birth|died|death|founded|established|since|began|started|ended|opened|built|released|"
    r"published|introduced|launched|completed|discovered|invented|when)\b",
    re.IGNORECASE,
)


def text_digest(text: str) -> str:
    """SHA-256 of the text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def literal(value: str, relation: str = "") -> Literal:
    """`value` as xsd:integer, decimal, date or gYear where it can be nothing else, otherwise as a plain string.

    Four digits that could be a year are one only where the relation speaks of time; "1,234" may be a decimal in half
    of Europe and "05/06/2020" two days, so both stay strings.
    """
    stripped = value.strip()
    if _FOUR.fullmatch(stripped):
        timely = _TIMELY.search(relation.replace("_", " "))
        return Literal(stripped, datatype=YEAR) if timely else Literal(stripped)
    if _WHOLE.fullmatch(stripped):
        return Literal(stripped, datatype=INTEGER)
    if _GROUPED.fullmatch(stripped):
        return Literal(stripped.replace(",", ""), datatype=INTEGER)
    if _BROKEN.fullmatch(stripped):
        return Literal(stripped, datatype=DECIMAL)
    if day := _day(stripped):
        return Literal(day.isoformat(), datatype=DATE)
    return Literal(scrub(value))


def _day(text: str) -> date | None:
    try:
        if found := _ISO_DATE.fullmatch(text):
            return date(int(found[1]), int(found[2]), int(found[3]))
        if found := _DAY_FIRST.fullmatch(text):
            return date(int(found[3]), _MONTHS.index(found[2].lower()) + 1, int(found[1]))
        if found := _MONTH_FIRST.fullmatch(text):
            return date(int(found[3]), _MONTHS.index(found[1].lower()) + 1, int(found[2]))
    except ValueError:
        return None
    return None

"""Constraints: what SHACL asks of the values of one property, each as a plain check.

Source: W3C, Shapes Constraint Language (2017), section 4.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from pyoxigraph import BlankNode, Literal, NamedNode

SH = "http://www.w3.org/ns/shacl#"
XSD = "http://www.w3.org/2001/XMLSchema#"
TYPE = NamedNode("http://www.w3.org/1999/02/22-rdf-syntax-ns#type")
Term = Any
"""NamedNode, BlankNode or Literal."""
Node = dict[NamedNode, list[Term]]
"""The values of each property of one node."""
Described = Mapping[Term, Node]
"""Every node that is a subject, with its properties."""
Check = Callable[[list[Term], Node, Described], list[str]]
"""What is wrong with the values (those of a property of the node, or the node itself): one message each."""

_READERS: Mapping[str, tuple[re.Pattern[str], Callable[[str], Any]]] = {
    "integer": (re.compile(r"[+-]?[0-9]+"), int),
    "decimal": (re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)"), Decimal),
    "double": (re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?INF|NaN"), float),
    "boolean": (re.compile("true|false|0|1"), lambda text: text in ("true", "1")),
    "date": (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), date.fromisoformat),
}


def value_of(term: Term) -> Any:
    """What a literal means, to be compared; None where it is none or its text is not of its datatype."""
    if not isinstance(term, Literal):
        return None
    reader = _READERS.get(term.datatype.value.removeprefix(XSD))
    if reader is None:
        return term.value
    form, read = reader
    try:
        return read(term.value) if form.fullmatch(term.value) else None
    except ValueError:
        return None


def _each(wrong: Callable[[Term], bool], message: str) -> Check:
    """A check of one value at a time."""

    def check(values: list[Term], node: Node, graph: Described) -> list[str]:
        return [f"{value} {message}" for value in values if wrong(value)]

    return check


def _count(fits: Callable[[int], bool], message: str) -> Check:
    def check(values: list[Term], node: Node, graph: Described) -> list[str]:
        return [] if fits(len(values)) else [f"{len(values)} values, {message}"]

    return check


def _fewest(bound: Literal) -> Check:
    least = int(bound.value)
    return _count(lambda count: count >= least, f"at least {least} wanted")


def _most(bound: Literal) -> Check:
    most = int(bound.value)
    return _count(lambda count: count <= most, f"at most {most} allowed")


def _node_kind(kind: NamedNode) -> Check:
    name = kind.value.removeprefix(SH)
    kinds = {"IRI": NamedNode, "BlankNode": BlankNode, "Literal": Literal}
    allowed = tuple(kinds[part] for part in name.split("Or"))
    return _each(lambda value: not isinstance(value, allowed), f"is no {name}")


def _datatype(kind: NamedNode) -> Check:
    def wrong(value: Term) -> bool:
        return not isinstance(value, Literal) or value.datatype != kind or value_of(value) is None

    return _each(wrong, f"is no {kind.value.rpartition('#')[2]}")


def _class(kind: NamedNode) -> Check:
    def check(values: list[Term], node: Node, graph: Described) -> list[str]:
        wrong = (value for value in values if kind not in graph.get(value, {}).get(TYPE, ()))
        return [f"{value} is no {kind.value}" for value in wrong]

    return check


def _compared(fits: Callable[[Any, Any], bool], message: str) -> Callable[[Literal], Check]:
    """Against a fixed bound; what cannot be compared does not fit."""

    def make(bound: Literal) -> Check:
        limit = value_of(bound)
        return _each(lambda value: not _fits(fits, value_of(value), limit), f"is not {message} {bound.value}")

    return make


def _beside(fits: Callable[[Any, Any], bool], message: str) -> Callable[[NamedNode], Check]:
    """Against every value of another property of the node."""

    def make(other: NamedNode) -> Check:
        def check(values: list[Term], node: Node, graph: Described) -> list[str]:
            return [
                f"{value} is not {message} {bound}, its {other.value}"
                for value in values
                for bound in node.get(other, ())
                if not _fits(fits, value_of(value), value_of(bound))
            ]

        return check

    return make


def _fits(fits: Callable[[Any, Any], bool], value: Any, bound: Any) -> bool:
    try:
        return value is not None and bound is not None and fits(value, bound)
    except TypeError:
        return False


def _length(fits: Callable[[int, int], bool], message: str) -> Callable[[Literal], Check]:
    def make(bound: Literal) -> Check:
        limit = int(bound.value)
        return _each(
            lambda value: isinstance(value, BlankNode) or not fits(len(value.value), limit),
            f"is {message} than {limit} characters",
        )

    return make


def _pattern(pattern: Literal) -> Check:
    search = re.compile(pattern.value).search
    return _each(
        lambda value: isinstance(value, BlankNode) or not search(value.value), f"does not match {pattern.value}"
    )


def one_of(members: list[Term]) -> Check:
    """The check of sh:in."""
    return _each(lambda value: value not in members, f"is not one of {', '.join(map(str, members))}")


def _has(wanted: Term) -> Check:
    def check(values: list[Term], node: Node, graph: Described) -> list[str]:
        return [] if wanted in values else [f"{wanted} is not among the values"]

    return check


def _equals(other: NamedNode) -> Check:
    def check(values: list[Term], node: Node, graph: Described) -> list[str]:
        others = node.get(other, [])
        if values == others:
            return []
        wrong = (*(v for v in values if v not in others), *(v for v in others if v not in values))
        return [f"{value} is not a value of both this and {other.value}" for value in wrong]

    return check


def _disjoint(other: NamedNode) -> Check:
    def check(values: list[Term], node: Node, graph: Described) -> list[str]:
        return [f"{value} is a value of {other.value} too" for value in values if value in node.get(other, ())]

    return check


CHECKS: Mapping[str, Callable[[Any], Check]] = {
    "minCount": _fewest,
    "maxCount": _most,
    "nodeKind": _node_kind,
    "datatype": _datatype,
    "class": _class,
    "minInclusive": _compared(lambda value, bound: value >= bound, "at least"),
    "maxInclusive": _compared(lambda value, bound: value <= bound, "at most"),
    "minExclusive": _compared(lambda value, bound: value > bound, "above"),
    "maxExclusive": _compared(lambda value, bound: value < bound, "below"),
    "lessThan": _beside(lambda value, bound: value < bound, "less than"),
    "lessThanOrEquals": _beside(lambda value, bound: value <= bound, "at most"),
    "minLength": _length(lambda length, bound: length >= bound, "shorter"),
    "maxLength": _length(lambda length, bound: length <= bound, "longer"),
    "pattern": _pattern,
    "hasValue": _has,
    "equals": _equals,
    "disjoint": _disjoint,
}
"""The constraints of SHACL Core that stand by themselves, by name."""

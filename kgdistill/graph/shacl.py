"""SHACL: shapes compiled to plain checks, quick enough to hold a whole store against them.

Source: W3C, Shapes Constraint Language (2017), SHACL Core with simple property paths and class targets; a shapes file
that uses anything else is refused. A general validator takes 30 times as long; the tests hold this one against pySHACL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pyoxigraph
from msgspec import Struct
from pyoxigraph import NamedNode, Quad, RdfFormat, Triple

from kgdistill.errors import KgdistillError
from kgdistill.graph.constraints import CHECKS, SH, TYPE, Check, Described, Node, Term, one_of

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
FIRST, REST = NamedNode(RDF + "first"), NamedNode(RDF + "rest")


class Violation(Struct, frozen=True):
    """One thing that the shapes refuse: the node, its property (or ""), and why."""

    focus: str
    path: str
    message: str


class Shape(Struct, frozen=True):
    """What holds for a node (`path` is None) or for the values of one of its properties."""

    path: NamedNode | None
    checks: tuple[Check, ...]
    properties: tuple[Shape, ...]

    def violations(self, focus: Term, node: Node, graph: Described) -> Iterator[tuple[str, str]]:
        """(property or "", message) of everything that this shape refuses."""
        values = [focus] if self.path is None else node.get(self.path, [])
        where = "" if self.path is None else self.path.value
        for check in self.checks:
            for message in check(values, node, graph):
                yield where, message
        for value in values if self.properties else ():
            for inner in self.properties:
                yield from inner.violations(value, graph.get(value, {}), graph)

    def fits(self, focus: Term, graph: Described) -> bool:
        """Whether the node conforms."""
        return next(self.violations(focus, graph.get(focus, {}), graph), None) is None


class Shapes:
    """All shapes of a Turtle file, each with the classes that it is meant for."""

    def __init__(self, path: Path) -> None:
        triples = pyoxigraph.parse(path=path, format=RdfFormat.TURTLE)
        compiler = _Compiler(describe(triples))
        self._targets: dict[Term, tuple[Shape, ...]] = compiler.targets()

    def violations(self, graph: Described) -> Iterator[Violation]:
        """Everything that the shapes refuse in a graph."""
        for focus, node in graph.items():
            for kind in node.get(TYPE, ()):
                for shape in self._targets.get(kind, ()):
                    for path, message in shape.violations(focus, node, graph):
                        yield Violation(focus.value, path, message)


def describe(triples: Iterable[Quad | Triple]) -> dict[Term, Node]:
    """A graph as a table of its subjects. The triples must differ from each other, as those of one graph do."""
    found: dict[Term, Node] = {}
    for triple in triples:
        node = found.setdefault(triple.subject, {})
        node.setdefault(triple.predicate, []).append(triple.object)
    return found


class _Compiler:
    """From a graph of shapes to `Shape`s."""

    def __init__(self, graph: Described) -> None:
        self.graph = graph

    def targets(self) -> dict[Term, tuple[Shape, ...]]:
        found: dict[Term, tuple[Shape, ...]] = {}
        for subject, node in self.graph.items():
            for kind in node.get(_sh("targetClass"), ()):
                found[kind] = (*found.get(kind, ()), self.shape(subject))
        return found

    def shape(self, subject: Term) -> Shape:
        checks: list[Check] = []
        properties: list[Shape] = []
        [path] = self.graph[subject].get(_sh("path"), [None])
        for predicate, values in self.graph[subject].items():
            name = predicate.value.removeprefix(SH)
            for value in values:
                if name == "property":
                    properties.append(self.shape(value))
                elif name in CHECKS:
                    checks.append(CHECKS[name](value))
                elif name in LOGIC:
                    members = [value] if name in ("not", "node") else self.members(value)
                    checks.append(LOGIC[name]([self.shape(member) for member in members]))
                elif name == "in":
                    checks.append(one_of(self.members(value)))
                elif predicate != TYPE and name not in ("path", "targetClass", "name", "description"):
                    raise KgdistillError(f"the shapes use {predicate.value}, which kgdistill does not check")
        if path is not None and not isinstance(path, NamedNode):
            raise KgdistillError("the shapes use a property path, which kgdistill does not check")
        return Shape(path, tuple(checks), tuple(properties))

    def members(self, start: Term) -> list[Term]:
        """The members of an RDF list."""
        found = []
        while start in self.graph:
            found += self.graph[start][FIRST]
            [start] = self.graph[start][REST]
        return found


def _sh(name: str) -> NamedNode:
    return NamedNode(SH + name)


def _of_shapes(fits: Callable[[int, int], bool], message: str) -> Callable[[list[Shape]], Check]:
    """How many of some shapes each value must conform to: `fits(number that it conforms to, number of shapes)`."""

    def make(shapes: list[Shape]) -> Check:
        def check(values: list[Term], node: Node, graph: Described) -> list[str]:
            counts = [sum(shape.fits(value, graph) for shape in shapes) for value in values]
            return [
                f"conforms to {count} of {len(shapes)} shapes, {message} wanted"
                for count in counts
                if not fits(count, len(shapes))
            ]

        return check

    return make


LOGIC: Mapping[str, Callable[[list[Shape]], Check]] = {
    "and": _of_shapes(lambda count, total: count == total, "all"),
    "or": _of_shapes(lambda count, total: count > 0, "at least one"),
    "xone": _of_shapes(lambda count, total: count == 1, "exactly one"),
    "not": _of_shapes(lambda count, total: count == 0, "none"),
    "node": _of_shapes(lambda count, total: count == total, "all"),
}
"""Constraints made of other shapes."""

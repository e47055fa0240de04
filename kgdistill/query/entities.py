"""Entities of a graph: found by name, with what is said of them, and how two of them hang together."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import msgspec

from kgdistill.errors import UserError
from kgdistill.query.found import Found
from kgdistill.query.methods import Settings
from kgdistill.query.paths import steps_to
from kgdistill.query.retrieve import Searcher

FRONTIER = 1_000_000
"""Facts that one step of a path may go through."""


@dataclass(frozen=True, slots=True)
class FoundEntity:
    """An entity with the label by which it was found; `likeness` is up to 100, which means the same name."""

    name: str
    label: str
    likeness: float
    facts: int
    """Different facts about it."""


class Entities:
    """The entities of a run's graph. No model is loaded.

    Facts and paths raise UserError where no entity has the name, in any case, as one of its labels.
    """

    def __init__(self, run: Path) -> None:
        self._searcher = Searcher(Path(run), "propositions", Settings())

    def find(self, text: str, count: int = 10) -> list[FoundEntity]:
        """Entities whose name or other name is like the text: the same, starting so, or nearly so; in any script."""
        index = self._searcher.index
        evidence, found = index.evidence, index.labels.find(text, count)
        return [
            FoundEntity(evidence.entities.value("name", n), label, likeness, len(evidence.about.of(n)))
            for n, label, likeness in found
        ]

    def facts(self, name: str, count: int = 50) -> list[Found]:
        """Each sentence that says something of the entity, with what it says of it; the best scored first."""
        evidence = self._searcher.index.evidence
        own = {int(triple) for entity in self._named(name) for triple in evidence.about.of(entity)}
        sentences = dict.fromkeys(evidence.saying.of_all(sorted(own)).tolist())
        scored = sorted(sentences, key=lambda number: (-evidence.propositions.value("score", number), number))
        return [self._said(number, own) for number in scored[:count]]

    def path(self, start: str, end: str, hops: int = 4) -> list[Found]:
        """A shortest chain of facts, in either direction, a sentence for each; empty where none is so short."""
        evidence = self._searcher.index.evidence
        first, last = self._named(start), set(self._named(end))
        reached: dict[int, tuple[int, int] | None] = dict.fromkeys(first)
        frontier = first
        for _ in range(hops):
            if last & reached.keys() or not frontier:
                break
            new = []
            if int(evidence.about.counts()[frontier].sum()) > FRONTIER:
                raise UserError(f"more than {FRONTIER:,} facts lie between them: ask for fewer hops")
            for entity in frontier:
                for triple in evidence.about.of(entity).tolist():
                    for other in evidence.ends([triple]).tolist():
                        if other not in reached:
                            reached[other] = entity, triple
                            new.append(other)
            frontier = new
        found = next((entity for entity in reached if entity in last), None)
        return [] if found is None else [self._evidence_of(triple) for triple in steps_to(found, reached)]

    def _named(self, name: str) -> list[int]:
        found = self._searcher.index.labels.exact(name)
        if not found:
            raise UserError(f'no entity is called "{name[:200]}": search for a part of the name')
        return found

    def _said(self, number: int, wanted: set[int]) -> Found:
        """A sentence with those of its facts that are wanted."""
        evidence = self._searcher.index.evidence
        found = self._searcher.proposition(number, evidence.propositions.value("score", number))
        facts = tuple(evidence.triple(triple) for triple in evidence.said.of(number).tolist() if triple in wanted)
        return Found(found.address, found.document, found.start, found.end, found.text, facts, found.score)

    def _evidence_of(self, triple: int) -> Found:
        """The best scored sentence that says a triple."""
        evidence = self._searcher.index.evidence
        sentences = evidence.saying.of(triple).tolist()
        best = max(sentences, key=lambda number: (evidence.propositions.value("score", number), -number))
        return self._said(best, {triple})


def shown(found: list[FoundEntity], form: str = "table") -> str:
    """As "json" (a list of objects), as "csv", or a line for each ("table")."""
    if form == "json":
        return msgspec.json.encode([asdict(one) for one in found]).decode()
    if form == "csv":
        rows = io.StringIO()
        writer = csv.writer(rows, lineterminator="\n")
        writer.writerows([("name", "label", "likeness", "facts"), *map(astuple, found)])
        return rows.getvalue()
    return "\n".join(map(_line, found)) or "nothing found"


def _line(one: FoundEntity) -> str:
    label = f" ({one.label})" if one.label != one.name else ""
    return f"{one.likeness:5.1f}  {' '.join((one.name + label).split())}  facts: {one.facts}"

"""Systems beside each other on public data sets: pairs and triples found, with intervals, and documents per second.

A system stands in two lines where it has read more than the others: on the documents that all have read, and on all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from kgdistill.contracts import Encoder
from kgdistill.evaluate.benchmarks import set_of
from kgdistill.evaluate.match import Aliases, Comparison, Score, assignment, total
from kgdistill.evaluate.resampling import bootstrap
from kgdistill.evaluate.scores import Remembered
from kgdistill.records import Fact, Pair
from kgdistill.text.names import normal


class Figure(Struct, frozen=True):
    """A share with its 95 % interval, by resampling documents."""

    value: float
    low: float
    high: float


class Match(Struct, frozen=True):
    """One kind of match, summed over documents (micro average)."""

    precision: Figure
    recall: Figure
    f1: Figure


class Line(Struct, frozen=True):
    """One system on one set."""

    set: str
    system: str
    whole: bool
    """On all documents that this system has read, which are more than all systems have read."""
    documents: int
    gold: int
    facts: int
    pairs: Match
    """Different (subject, object) pairs: both found, one to one; see `match.PAIR_F1`."""
    exact: Match
    """Triples that are the same in comparison form."""
    soft: Match
    """Likeness of triples in the best one-to-one assignment: ends by words, relation by embedding."""
    semantic: Match
    """Cosine of whole triples in the best one-to-one assignment."""
    per_second: float | None
    """Documents per second of one CPU worker; None where no time was taken."""


class System(Struct, frozen=True):
    """What a system found, and the seconds that it took, by document."""

    name: str
    found: Mapping[str, Sequence[Fact]]
    seconds: Mapping[str, float]


class Compared(Struct, frozen=True):
    """One document of one system, measured."""

    pairs: Comparison
    """Different pairs."""
    triples: Comparison
    """Different triples."""
    tallies: tuple[Score, Score, Score, Score]
    """Pairs, exact, soft, semantic."""


class Standings:
    """Compares systems with gold; each document of each system is compared once."""

    def __init__(self, gold: Iterable[Pair], systems: Sequence[System], encoder: Encoder) -> None:
        self.gold = {pair.id: pair for pair in gold}
        self.systems = systems
        wordings = [f for pair in self.gold.values() for f in _spelled(pair.facts, pair)]
        wordings += [
            fact
            for system in systems
            for document, facts in system.found.items()
            for fact in (*facts, *_spelled(facts, self.gold[document]))
        ]
        self.encoder = Remembered(encoder, [*wordings, *(f for pair in self.gold.values() for f in pair.facts)])
        self.compared = {
            system.name: {document: self._compare(facts, document) for document, facts in system.found.items()}
            for system in systems
        }

    def sets(self) -> list[str]:
        """The sets in the order in which their documents stand."""
        return list(dict.fromkeys(map(set_of, self.gold)))

    def shared(self, set_: str) -> list[str]:
        """The documents of a set that every system has read."""
        own = [document for document in self.gold if set_of(document) == set_]
        return [document for document in own if all(document in system.found for system in self.systems)]

    def lines(self) -> tuple[Line, ...]:
        """Every set with every system."""
        lines = []
        for set_ in self.sets():
            shared = self.shared(set_)
            lines += [self._line(set_, system, shared, whole=False) for system in self.systems if shared]
            for system in self.systems:
                own = [document for document in self.gold if set_of(document) == set_ and document in system.found]
                if len(own) > len(shared):
                    lines.append(self._line(set_, system, own, whole=True))
        return tuple(lines)

    def tallies(self, system: str, documents: Sequence[str], kind: int = 0) -> list[Score]:
        """One kind of match (0: pairs, 1: exact, 2: soft, 3: semantic) of each document."""
        return [self.compared[system][document].tallies[kind] for document in documents]

    def _compare(self, facts: Sequence[Fact], document: str) -> Compared:
        pair = self.gold[document]
        names = aliases(pair)
        once, truth = distinct(facts, _ends), distinct(pair.facts, _ends)
        paired = Comparison(once, truth, self.encoder, names)
        ours, theirs = distinct(facts, _triple), distinct(pair.facts, _triple)
        whole = Comparison(ours, theirs, self.encoder, names)
        same = _spelled(ours, pair)
        semantic = Comparison(same, _spelled(theirs, pair), self.encoder).semantic()
        return Compared(paired, whole, (paired.pairs()[0], exact(ours, theirs, names), whole.soft(), semantic))

    def _line(self, set_: str, system: System, documents: Sequence[str], *, whole: bool) -> Line:
        pairs, same, soft, semantic = (_match(self.tallies(system.name, documents, kind)) for kind in range(4))
        timed = [system.seconds[document] for document in documents if document in system.seconds]
        return Line(
            set_,
            system.name,
            whole,
            len(documents),
            sum(len(self.gold[document].facts) for document in documents),
            sum(len(system.found[document]) for document in documents),
            pairs,
            same,
            soft,
            semantic,
            len(timed) / sum(timed) if sum(timed) > 0 else None,
        )


def aliases(pair: Pair) -> dict[str, tuple[str, ...]]:
    """The names of each entity as its mentions spell them: any of them counts."""
    names: dict[str, list[str]] = {}
    for entity in pair.entities:
        names.setdefault(entity.name, []).extend(pair.text[span.start : span.end] for span in entity.spans)
    return {name: tuple(dict.fromkeys(other for other in found if other != name)) for name, found in names.items()}


def distinct(facts: Iterable[Fact], key: Callable[[Fact], object]) -> list[Fact]:
    """The first, best-scored fact of each key: a graph says a thing once, however often the text does."""
    best: dict[object, Fact] = {}
    for fact in facts:
        if key(fact) not in best or fact.score > best[key(fact)].score:
            best[key(fact)] = fact
    return list(best.values())


def exact(predicted: Sequence[Fact], gold: Sequence[Fact], names: Aliases) -> Score:
    """Triples that are the same in comparison form, any name of an entity counting, one to one."""
    import numpy as np

    known = [
        (_triple(fact), *({normal(n) for n in (name, *names.get(name, ()))} for name in (fact.subject, fact.object)))
        for fact in gold
    ]
    same = np.zeros((len(predicted), len(gold)))
    for row, (subject, relation, object_, negated) in enumerate(map(_triple, predicted)):
        for column, ((_, said, _, denied), subjects, objects) in enumerate(known):
            same[row, column] = (said, denied) == (relation, negated) and subject in subjects and object_ in objects
    rows, columns = assignment(same)
    return Score(float(same[rows, columns].sum()), len(predicted), len(gold))


def _ends(fact: Fact) -> tuple[str, str]:
    return normal(fact.subject), normal(fact.object)


def _triple(fact: Fact) -> tuple[str, str, str, bool]:
    return normal(fact.subject), normal(fact.relation), normal(fact.object), fact.negated


def _spelled(facts: Iterable[Fact], pair: Pair) -> list[Fact]:
    """The facts with every end that is a mention of a gold entity under that entity's name."""
    known = {normal(other): name for name, others in aliases(pair).items() for other in (*others, name)}
    return [
        msgspec.structs.replace(
            fact,
            subject=known.get(normal(fact.subject), fact.subject),
            object=known.get(normal(fact.object), fact.object),
        )
        for fact in facts
    ]


def _match(scores: Sequence[Score]) -> Match:
    summed = total(scores)

    def figure(of: Callable[[Score], float]) -> Figure:
        return Figure(of(summed), *bootstrap(scores, of))

    return Match(figure(lambda s: s.precision), figure(lambda s: s.recall), figure(lambda s: s.f1))

"""The benchmark as a whole: standings on every set, what scores and negation are worth, the judge checked, the aims."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from kgdistill.evaluate.instrument import Instrument
from kgdistill.evaluate.match import Comparison, Score, total
from kgdistill.evaluate.reliability import Reliability, measure
from kgdistill.evaluate.resampling import bootstrap, paired
from kgdistill.evaluate.standings import Figure, Line, Standings, System

SEED = "seed"
"""The set by this name is the seed's test split: aims, calibration and negation are measured on it."""


class Trust(Struct, frozen=True):
    """What the scores and the negation of one system are worth, on all documents of the seed set that it has read."""

    system: str
    documents: int
    calibration: Reliability | None
    """Fact scores against whether the pair is right, one to one; None for a system that gives no scores."""
    negated: int
    """Negated facts in gold."""
    negation: Figure
    """F1 of negated facts: pair found, and said to be negated."""
    polarity: Figure
    """The same F1 among the facts whose pair is found: negation alone."""


class Aim(Struct, frozen=True):
    """One figure that the project set itself."""

    name: str
    wanted: float
    found: Figure
    at_most: bool = False

    @property
    def met(self) -> bool:
        return self.found.value <= self.wanted if self.at_most else self.found.value >= self.wanted


class Roles(Struct, frozen=True, forbid_unknown_fields=True):
    """Which systems the aims speak of; empty: none."""

    raw: str = ""
    """The teacher's samples, unjudged."""
    judged: str = ""
    """What is kept of them."""
    extractor: str = ""


class Benchmark(Struct, frozen=True):
    """`benchmark.json`."""

    lines: tuple[Line, ...]
    trust: tuple[Trust, ...]
    aims: tuple[Aim, ...]
    judge: Instrument | None
    encoder: str
    """Soft and semantic figures depend on it."""


def assess(standings: Standings, roles: Roles, judge: Instrument | None) -> Benchmark:
    """Everything that the report shows."""
    lines = standings.lines()
    trust = tuple(_trust(standings, system) for system in standings.systems if _seed_documents(standings, system))
    aims = (*_judging(standings, roles), *_extracting(standings, roles, lines, trust))
    return Benchmark(lines, trust, aims, judge, standings.encoder.name)


def _seed_documents(standings: Standings, system: System) -> list[str]:
    return [document for document in system.found if document.startswith(f"{SEED}/")]


def _trust(standings: Standings, system: System) -> Trust:
    compared = [standings.compared[system.name][document] for document in _seed_documents(standings, system)]
    scores: list[float] = []
    labels: list[bool] = []
    for one in compared:
        right = set(one.pairs.matched[0].tolist())
        scores += [fact.score for fact in one.pairs.predicted]
        labels += [place in right for place in range(len(one.pairs.predicted))]
    ends = [_denied(one.triples) for one in compared]
    among = [_polarity(one.triples) for one in compared]
    negated = sum(fact.negated for one in compared for fact in one.triples.gold)
    f1 = [Figure(total(tallies).f1, *bootstrap(tallies, _f1)) for tallies in (ends, among)]
    calibration = measure(scores, labels) if len(set(scores)) > 1 else None
    return Trust(system.name, len(compared), calibration, negated, *f1)


def _denied(compared: Comparison) -> Score:
    """Negated facts only, pairs one to one."""
    ours, theirs = ([fact for fact in facts if fact.negated] for facts in (compared.predicted, compared.gold))
    return Comparison(ours, theirs, compared.encoder, compared.aliases).pairs()[0]


def _polarity(compared: Comparison) -> Score:
    """Of the facts whose pair is found: those negated on both sides, on ours, in gold."""
    both = [
        (compared.predicted[row].negated, compared.gold[column].negated)
        for row, column in zip(*compared.matched, strict=True)
    ]
    return Score(float(sum(a and b for a, b in both)), sum(a for a, _ in both), sum(b for _, b in both))


def _f1(score: Score) -> float:
    return score.f1


def _judging(standings: Standings, roles: Roles) -> list[Aim]:
    """What judging does to the raw samples, on the seed documents that all have read."""
    documents = standings.shared(SEED)
    if not (documents and {roles.raw, roles.judged} <= standings.compared.keys()):
        return []
    raw, kept = (standings.tallies(name, documents) for name in (roles.raw, roles.judged))

    def aim(name: str, wanted: float, of: Callable[[Score, Score], float]) -> Aim:
        return Aim(name, wanted, Figure(of(total(raw), total(kept)), *paired(raw, kept, of)))

    return [
        aim("precision gained by judging", 0.15, lambda before, after: after.precision - before.precision),
        aim(
            "share of the correct pairs that judging keeps",
            0.75,
            lambda before, after: after.matched / before.matched if before.matched else 0.0,
        ),
    ]


def _extracting(standings: Standings, roles: Roles, lines: tuple[Line, ...], trust: tuple[Trust, ...]) -> list[Aim]:
    """What the extractor reaches: against the judged teacher, and by itself on all documents that it has read."""
    aims: list[Aim] = []
    documents = standings.shared(SEED)
    if documents and {roles.judged, roles.extractor} <= standings.compared.keys():
        theirs, ours = (standings.tallies(name, documents) for name in (roles.judged, roles.extractor))
        gain = Figure(total(ours).f1 - total(theirs).f1, *paired(theirs, ours, lambda a, b: b.f1 - a.f1))
        aims.append(Aim("pair F1 of the extractor above the judged teacher's", 0.0, gain))
    pace = {line.system: line.per_second for line in lines if line.set == SEED and not line.whole}
    if (fast := pace.get(roles.extractor)) and (slow := pace.get(roles.judged)):
        aims.append(Aim("times the speed of the judged teacher", 50.0, Figure(fast / slow, fast / slow, fast / slow)))
    for set_, wanted in ((SEED, 0.60), ("webnlg", 0.50)):
        own = [line for line in lines if line.system == roles.extractor and line.set == set_]
        if own:
            aims.append(Aim(f"pair F1 of the extractor on {set_}", wanted, own[-1].pairs.f1))
    for one in trust:
        if one.system == roles.extractor:
            if one.calibration:
                error = one.calibration.error
                aims.append(Aim("calibration error of the extractor", 0.06, Figure(error, error, error), at_most=True))
            aims.append(Aim("F1 of the extractor's negated facts", 0.80, one.negation))
            aims.append(Aim("F1 of negation among the pairs found", 0.80, one.polarity))
    return aims

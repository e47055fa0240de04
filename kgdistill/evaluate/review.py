"""What people's review says of a graph: labels for its claims, precision, source-anchored recall, and agreement."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations

from msgspec import Struct

from kgdistill.evaluate.match import Score
from kgdistill.evaluate.resampling import bootstrap
from kgdistill.records import Claim, Reading
from kgdistill.storage.review import Decision, standing
from kgdistill.text.names import normal

CLAIM = ("accept", "reject", "correct")
DOCUMENTS = 10
"""From so many documents on, an interval is found by drawing documents again; below, it is Wilson's, over claims."""
Key = tuple[str, str, str, str, bool]
"""(document, subject, relation, object, negated), names in comparison form."""


def key(document: str, names: Sequence[str], negated: bool) -> Key:
    subject, relation, object_ = map(normal, names)
    return document, subject, relation, object_, negated


class Labels:
    """What reviewers hold to be right and wrong, by what a claim says: ids may change from run to run.

    The majority of the reviewers decides; where they are divided, there is no label.
    """

    def __init__(self, decisions: Iterable[Decision]) -> None:
        votes: dict[Key, list[bool]] = defaultdict(list)
        self.facts: dict[str, dict[Key, Decision]] = defaultdict(dict)
        """By document, what reviewers corrected or added."""
        self.complete: set[str] = set()
        for decision in standing(decisions):
            if decision.choice == "complete":
                self.complete.add(decision.document)
            if decision.choice in CLAIM and decision.said:
                votes[key(decision.document, decision.said, decision.denied)].append(decision.choice == "accept")
            if decision.choice in ("correct", "add"):
                names = decision.subject, decision.relation, decision.object
                fact = key(decision.document, names, decision.negated)
                self.facts[decision.document].setdefault(fact, decision)
        self._votes = {said: _majority(found) for said, found in votes.items()}
        self.documents = {said[0] for said in self._votes} | set(self.facts) | self.complete

    def of(self, document: str, claim: Claim) -> bool | None:
        """Whether the claim is right, or None where nobody has said, or opinions are divided."""
        if document not in self.documents:
            return None
        stated = key(document, claim.stated, claim.negated)
        if stated in self._votes:
            return self._votes[stated]
        facts = self.facts.get(document, {})
        return True if stated in facts or key(document, claim.names, claim.negated) in facts else None


def said_by_reviewers(decisions: Iterable[Decision]) -> dict[tuple[str, str, str], bool]:
    """(subject, relation, object) of the judged claims, as generated, and of corrections, each with its label."""
    votes: dict[tuple[str, str, str], list[bool]] = defaultdict(list)
    for decision in standing(decisions):
        if decision.choice in CLAIM and decision.said:
            votes[decision.said].append(decision.choice == "accept")
        if decision.choice in ("correct", "add") and not decision.negated:
            votes[decision.subject, decision.relation, decision.object].append(True)
    found = {said: _majority(labels) for said, labels in votes.items()}
    return {said: label for said, label in found.items() if label is not None}


def _majority(votes: Sequence[bool]) -> bool | None:
    right = sum(votes)
    return None if 2 * right == len(votes) else 2 * right > len(votes)


class Share(Struct, frozen=True):
    """A share with its 95 % interval; `count` is what it is a share of."""

    value: float
    low: float
    high: float
    count: int
    documents: int


class Agreement(Struct, frozen=True):
    """Two reviewers on the claims that both judged; `kappa` is None where chance alone would agree always."""

    one: str
    other: str
    claims: int
    same: float
    kappa: float | None


class Reviewed(Struct, frozen=True):
    """The figures of a review."""

    decisions: int
    reviewers: dict[str, int]
    """Decisions that stand, by reviewer."""
    choices: dict[str, int]
    precision: Share | None
    """Share of the kept claims that were judged, that are right."""
    recall: Share | None
    """Source-anchored: of what the completely read documents say, the share that the graph keeps."""
    agreements: tuple[Agreement, ...]
    damaged: int = 0


def measure(decisions: Sequence[Decision], readings: Iterable[Reading], damaged: int = 0) -> Reviewed:
    """The figures of a review of these readings; only those of reviewed documents are looked at."""
    labels = Labels(decisions)
    stands = standing(decisions)
    judged: list[Score] = []
    stated: list[Score] = []
    for reading in readings:
        document = reading.document.id
        if document not in labels.documents:
            continue
        found = [(claim, labels.of(document, claim)) for claim in reading.claims]
        kept = [label for claim, label in found if claim.kept and label is not None]
        judged.append(Score(sum(kept), len(kept), 0))
        if document in labels.complete:
            stated.append(_found(labels, document, found))
    return Reviewed(
        decisions=len(stands),
        reviewers=dict(Counter(decision.reviewer for decision in stands)),
        choices=dict(Counter(decision.choice for decision in stands)),
        precision=_share([score for score in judged if score.predicted], "predicted"),
        recall=_share([score for score in stated if score.gold], "gold"),
        agreements=tuple(agreements(stands)),
        damaged=damaged,
    )


def _found(labels: Labels, document: str, found: Sequence[tuple[Claim, bool | None]]) -> Score:
    """Of the facts of a completely read document, how many are kept: each counts once, however often it is claimed."""
    right: dict[Key, bool] = dict.fromkeys(labels.facts.get(document, {}), False)
    for claim, label in found:
        if label:
            names = key(document, claim.names, claim.negated)
            stated = key(document, claim.stated, claim.negated)
            fact = stated if stated in right else names
            right[fact] = right.get(fact, False) or claim.kept
    return Score(sum(right.values()), 0, len(right))


def _share(scores: Sequence[Score], whole: str) -> Share | None:
    if not scores:
        return None
    total = sum(scores, Score())
    count = int(getattr(total, whole))
    value = total.matched / count
    if len(scores) >= DOCUMENTS:
        low, high = bootstrap(scores, lambda score: score.precision if whole == "predicted" else score.recall)
    else:
        low, high = wilson(total.matched, count)
    return Share(value, low, high, count, len(scores))


def wilson(right: float, count: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % score interval of a share (Wilson 1927); (0, 1) where nothing was counted."""
    if not count:
        return 0.0, 1.0
    share, square = right / count, z * z / count
    middle = (share + square / 2) / (1 + square)
    half = z * math.sqrt(share * (1 - share) / count + square / (4 * count)) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def agreements(decisions: Iterable[Decision]) -> list[Agreement]:
    """Every two reviewers who judged the same claims, by name: right (accept) or not (reject, correct)."""
    by_reviewer: dict[str, dict[tuple[str, ...], bool]] = defaultdict(dict)
    for decision in standing(decisions):
        if decision.choice in CLAIM:
            by_reviewer[decision.reviewer][decision.target] = decision.choice == "accept"
    found = []
    for one, other in combinations(sorted(by_reviewer), 2):
        both = sorted(by_reviewer[one].keys() & by_reviewer[other].keys())
        if both:
            pairs = [(by_reviewer[one][claim], by_reviewer[other][claim]) for claim in both]
            same = sum(a == b for a, b in pairs) / len(pairs)
            found.append(Agreement(one, other, len(pairs), same, cohen_kappa(pairs)))
    return found


def cohen_kappa(pairs: Sequence[tuple[bool, bool]]) -> float | None:
    """Agreement of two judges beyond chance (Cohen 1960): 1 perfect, 0 as chance; None where chance is certain."""
    if not pairs:
        return None
    same = sum(a == b for a, b in pairs) / len(pairs)
    first, second = (sum(pair[place] for pair in pairs) / len(pairs) for place in (0, 1))
    chance = first * second + (1 - first) * (1 - second)
    return None if chance >= 1 else (same - chance) / (1 - chance)

"""Sets of inferences beside each other: how large, how much is accepted, and how different they are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from kgdistill.text.bleu import softly_unique
from kgdistill.text.inferences import tail_key
from kgdistill.text.names import normal

Said = tuple[str, str, str]


class Weighed(Struct, frozen=True):
    """One set of inferences; shares are of its rows."""

    name: str
    rows: int
    events: int
    accepted: float | None
    """Share that the critic accepts, at the cut-off of the recall asked for; None without a critic."""
    p_valid: float | None
    """Mean score of the critic."""
    labelled: int
    """Rows that a person has labelled."""
    right: float | None
    """Share of these that are labelled valid."""
    strict: float
    """Share of distinct rows: spelling, case and articles count for nothing."""
    soft: float
    """Share of rows that are new: BLEU below a limit against every other tail of the same event and relation."""
    tails: int
    """Distinct tails over all events."""
    relations: dict[str, int]


def weigh(
    name: str,
    rows: Sequence[Said],
    scores: Sequence[float] = (),
    cut: float = 0.5,
    labels: Mapping[Said, bool] | None = None,
    max_bleu: float = 0.5,
) -> Weighed:
    """The figures of one set. `scores` has the critic's score of each row, or is empty. Raises ValueError otherwise.

    A row is new where its BLEU is below `max_bleu`.
    """
    if scores and len(scores) != len(rows):
        raise ValueError(f"{len(rows)} rows but {len(scores)} scores")
    known = {key(row): valid for row, valid in (labels or {}).items()}
    told = [known[key(row)] for row in rows if key(row) in known]
    total = max(1, len(rows))
    return Weighed(
        name=name,
        rows=len(rows),
        events=len({normal(head) for head, _, _ in rows}),
        accepted=sum(score >= cut for score in scores) / total if scores else None,
        p_valid=sum(scores) / total if scores else None,
        labelled=len(told),
        right=sum(told) / len(told) if told else None,
        strict=len(set(map(key, rows))) / total,
        soft=len(soft_unique(rows, max_bleu)) / total,
        tails=len({tail_key(tail) for _, _, tail in rows}),
        relations=dict(sorted(Counter(relation for _, relation, _ in rows).items())),
    )


def key(row: Said) -> Said:
    """Rows with the same key say the same, word for word."""
    head, relation, tail = row
    return normal(head), relation, tail_key(tail)


def soft_unique(rows: Iterable[Said], max_bleu: float = 0.5) -> list[Said]:
    """The rows whose tail is new among those of the same event and relation, in order."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for head, relation, tail in rows:
        groups[head, relation].append(tail)
    return [
        (head, relation, tail) for (head, relation), tails in groups.items() for tail in softly_unique(tails, max_bleu)
    ]

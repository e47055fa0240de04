"""The funnel of a run: replies asked for, answered and read at each stage, and what was kept of what they say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from kgdistill.evaluate.findings import Found, Run
from kgdistill.evaluate.found_pairs import FoundPairs

MOST = 6
"""Reasons named in a note; the rest of them are added up."""


class Step(Struct, frozen=True):
    """One bar of the funnel: `share` of the widest bar of its group."""

    name: str
    count: int
    share: float
    note: str = ""


class Group(Struct, frozen=True):
    """Steps that count the same thing."""

    heading: str
    steps: list[Step]
    note: str = ""
    """What was set aside beside them: things that are no whole replies."""


def funnel(run: Run) -> list[Group]:
    """Replies of each stage that asks a teacher, then the claims or pairs of the run."""
    stages = [stage for stage in run.state.get("stages", []) if stage.get("planned")]
    groups = [_replies(stage, run) if stage.get("samples") else _requests(stage) for stage in stages]
    if run.found and run.found.claims:
        groups.append(_claims(run.found))
    if run.pairs:
        groups += _pairs(run.pairs)
    return groups


def _replies(stage: Mapping[str, Any], run: Run) -> Group:
    """Samples planned, answered and read; where the stage then chooses among what it read, kept."""
    lost, refused = Counter(stage.get("lost", {})), Counter(stage.get("refused", {}))
    # What failed beside whole replies: a sentence of a reply, a context, what is said already.
    besides = Counter(stage.get("reasons", {})) - lost - refused
    planned, answered = stage["samples"], stage["answered"]
    read = answered - refused.total()
    known = f", {stage['cached']:,} of them answered before" if stage.get("cached") else ""
    counts = [
        ("planned", planned, f"replies, in {stage['planned']:,} request{'s' if stage['planned'] > 1 else ''}{known}"),
        ("answered", answered, _said("lost", lost, planned - answered)),
        ("parsed", read, _said("refused", refused, refused.total())),
    ]
    named = Counter[str]()
    for reason in run.failures:
        named[reason.reason] += reason.replies if reason.stage == stage["name"] else 0
    later = (named - lost - refused) & besides
    if later:
        counts.append(("kept", read - later.total(), _said("set aside", later, later.total())))
    note = _said("Besides these replies, recorded by reason", besides - later, (besides - later).total())
    return Group(f"Replies to {stage['name']}", _steps(counts), note)


def _requests(stage: Mapping[str, Any]) -> Group:
    """The same by requests, for runs whose books do not count replies."""
    failed, rejected = Counter(stage.get("failed", {})), Counter(stage.get("rejected", {}))
    planned = stage["planned"]
    answered = planned - failed.total()
    counts = [
        ("planned", planned, "requests"),
        ("answered", answered, _said("failed", failed, failed.total())),
        ("used", answered - rejected.total(), _said("rejected", rejected, rejected.total())),
    ]
    return Group(f"Requests of {stage['name']}", _steps(counts))


def _claims(found: Found) -> Group:
    status = [f"{count:,} {name}" for count, name in ((found.negated, "negated"), (found.hedged, "hedged")) if count]
    notes = [_said("dropped", found.dropped, found.claims - found.kept)]
    notes += [f"{' and '.join(status)} of those kept"] if status else []
    scored = "given a score" if found.seeds else "grounded, and given a score"
    counts = [
        ("claims", found.claims, "what the teacher wrote, the same of several replies once"),
        *([] if found.seeds else [("grounded", found.grounded, "found in the document's own words")]),
        *([("judged", found.judged, scored)] if found.judged else []),
        ("kept", found.kept, "; ".join(filter(None, notes))),
    ]
    return Group("Claims", _steps(counts))


def _pairs(found: FoundPairs) -> Iterator[Group]:
    for name, maker in found.makers.items():
        made = "any two of the sentences behind one context" if name == "sentences" else "a sentence and its rewording"
        counts = [
            ("made", maker.made, made),
            ("kept", maker.kept, _said("dropped", maker.dropped, maker.made - maker.kept)),
        ]
        yield Group(f"Pairs by “{name}”", _steps(counts))


def _steps(counts: Sequence[tuple[str, int, str]]) -> list[Step]:
    widest = max(1, counts[0][1])
    return [Step(name, count, count / widest, note) for name, count, note in counts]


def _said(what: str, reasons: Counter[str], total: int) -> str:
    """ "refused: unfinished 12, repeats itself 9", the commonest first; what has no reason is counted as such."""
    if total <= 0:
        return ""
    named = reasons.most_common(MOST)
    said = [f"{reason} {count:,}" for reason, count in named]
    rest = min(total, reasons.total()) - sum(count for _, count in named)
    said += [f"others {rest:,}"] if rest > 0 else []
    said += [f"without a reason {total - reasons.total():,}"] if total > reasons.total() and reasons else []
    return f"{what}: {', '.join(said)}" if said else f"{total:,} {what}"

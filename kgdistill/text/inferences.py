"""Everyday inferences: the twelve relations of ATOMIC, and what makes an event or a tail well-formed."""

from __future__ import annotations

import re

from kgdistill.text.names import normal

RELATIONS: dict[str, str] = {
    "xNeed": "but before that, PersonX needed",
    "xIntent": "because PersonX wanted",
    "xWant": "as a result, PersonX wants",
    "xEffect": "as a result, PersonX",
    "xReact": "as a result, PersonX feels",
    "xAttr": "so PersonX is seen as",
    "HinderedBy": "this can be hindered by",
    "oReact": "as a result, others feel",
    "oEffect": "as a result, others",
    "oWant": "as a result, others want",
    "isBefore": "afterwards,",
    "isAfter": "before that,",
}
"""Each relation with the words that stand between event and tail when they are read as one sentence."""
OTHER_RELATIONS: dict[str, str] = {
    "Causes": "this causes that",
    "HasSubEvent": "as a part of it,",
    "xReason": "because",
    "general Effect": "as a result, people",
    "general Want": "as a result, people want",
    "general React": "as a result, people feel",
}
"""Relations of human-labelled sets beside the twelve; they can be judged, not asked for."""

NOTHING = frozenset(["none", "n a", "n/a", "nothing", "null", "unknown", "no", "not applicable"])
_LETTERS = re.compile(r"[\w'’,\".\-$€£ ]+")
_HANGING = frozenset([
    "a", "an", "the", "and", "or", "but", "of", "to", "in", "on", "at", "for", "with", "from", "by", "into", "onto",
    "about", "his", "her", "their", "its", "my", "your", "this", "that", "because", "while", "when", "if", "than",
    "as", "is", "are", "was", "were", "be", "has", "have", "had", "does", "do", "did", "can", "will", "would",
    "should", "must", "very", "too",
])  # fmt: skip
_ABBREVIATION = re.compile(r"(?:\b\w\.(?:\s?\w\.)+|\b(?:Mr|Mrs|Ms|Dr|St|Jr|Sr|etc|vs|No|approx)\.)$", re.IGNORECASE)


def verbalise(relation: str, tail: str) -> str:
    """Relation and tail as they follow an event; an unknown relation is read by its own name."""
    words = RELATIONS.get(relation) or OTHER_RELATIONS.get(relation) or relation
    return f"{words} {tail}"


def event_fault(event: str, longest: int = 100) -> str:
    """Why an event is not well-formed, or empty: a person does something, in one finished clause of plain words."""
    words = event.split()
    if not words or words[0] not in ("PersonX", "PersonX's"):
        return "no PersonX"
    if len(words) < 3 or len(event) > longest:
        return "length"
    ends = [match.start() + 1 for match in re.finditer(r"[.?!]\s+\S", event)]
    if not _LETTERS.fullmatch(event) or any(not _ABBREVIATION.search(event[:end]) for end in ends):
        return "characters"
    if words[-1].casefold().strip(",.'\"") in _HANGING or event.endswith((",", "-")):
        return "unfinished"
    return ""


def clean_event(text: str) -> str:
    """One line, one space between words, no period at the end."""
    return _without_period(" ".join(text.split()))


def clean_tail(text: str) -> str:
    """A tail as it is kept: one line, no surrounding quotes, no period at the end (abbreviations keep theirs)."""
    line = " ".join(text.split()).strip()
    if len(line) > 1 and line[0] in "\"“'‘" and line[-1] in "\"”'’":
        line = line[1:-1].strip()
    return _without_period(line)


def _without_period(line: str) -> str:
    return line if _ABBREVIATION.search(line) else line.rstrip(".").rstrip()


def tail_fault(tail: str, event: str, shortest: int = 3) -> str:
    """Why a tail is no inference, or empty: it is said to be none, has too few characters, or is the event once more.

    Two characters are as a rule the rest of a word that was cut off.
    """
    if not any(letter.isalnum() for letter in tail) or normal(tail) in NOTHING:
        return "no inference"
    if len(tail) < shortest:
        return "too short"
    return "repeats the event" if normal(tail) == normal(event) else ""


def tail_key(tail: str) -> str:
    """Tails with the same key are one: case, spacing, articles and punctuation at the ends count for nothing."""
    return normal(tail)

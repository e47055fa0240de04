"""Comparatives: what a statement like "Compared to lemons, limes are often sourer" compares, and which way."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from kgdistill.records import content_id
from kgdistill.text import scales
from kgdistill.text.clauses import words_of
from kgdistill.text.names import normal
from kgdistill.text.plurals import plural, word_set

AUXILIARIES = ("are", "can", "have", "need", "would", "may")
ADVERBS = ("typically", "often", "always", "generally", "normally")
"""Howard et al. 2024, section 3.2."""
_FREQUENCIES = frozenset(
    (*ADVERBS, "usually", "commonly", "mostly", "sometimes", "frequently", "occasionally", "almost always")
)
_AUXILIARIES = frozenset(
    (*AUXILIARIES, "is", "has", "needs", "could", "might", "must", "should", "will", "do", "does", "be")
)
_DENIALS = word_set(
    """
    not never no nor neither hardly barely scarcely rarely seldom without cannot can't don't aren't
    """
)
_LINKS = word_set(
    """
    in on at to for with of by from when while during after before under over than and but or as if per about
    around because since inside outside through without within against across overall underfoot indoors outdoors
    overhead downhill uphill anyway today
    """
)
_OPEN = word_set(
    """
    in of for on at by with from to as than into onto upon about per against within without during since because and but
    or if when while before after
    """
)
"""Links behind which something must follow: "more usefulness in" says less than it begins."""
_ADJECTIVE = re.compile(
    r".{2,}(able|ible|[aie]al|ual|nal|ant|ent|ful|ic|ive|less|ous|y|ish|ed|ing|like|some|ary|ory|ile|ate|id|ese|ern|ular|lar)"
)
_NOT_ADJECTIVE = re.compile(
    r".*(ity|ty|cy|gy|phy|thy|ency|ancy|ery|ory|ment)|.*(energy|money|body|study|family|variety|history|industry|building|training|"
    r"seed|speed|need|breed|feed|food|content|nutrient|patient|student|current|spring|string|ring|wing|king|thing|clothing|"
    r"feeling|fabric|music|traffic|topic|plastic|income|time|metal|animal|meal|mineral|material|signal|protein|liquid|acid|fluid|"
    r"seeing|bed|weed|plant|restaurant|water)"
)
Direction = Literal["more", "less"]


class Comparison(NamedTuple):
    """What a statement says of the thing that it is about, against the other one."""

    scale: str
    """The aspect by itself: "hardness"."""
    qualifier: str
    """Where, when or of which part: "on the outside"; comparisons with different ones are about different aspects."""
    direction: Direction
    word: str
    """The comparative word: "softer", "more", "less"."""
    frequency: str
    auxiliary: str

    @property
    def aspect(self) -> str:
        return f"{self.scale} {self.qualifier}".strip()


def opening(left: str, right: str) -> str:
    """The beginning of a statement about `right`, against `left`; names of kinds of things stand in the plural."""
    return f"Compared to {plural(left)}, {plural(right)}"


def continuation(statement: str, left: str, right: str) -> str:
    """What a statement says after its opening, whatever commas stand in it: the original cuts at the last one."""
    begun = opening(left, right)
    if statement.startswith(begun):
        return statement[len(begun) :]
    found = re.match(r"Compared to (?:the )?.+?, \S+(?= )", statement)
    return statement[found.end() :] if found else statement


def behind_opening(statement: str, one: str, other: str) -> str:
    """What a statement about one of two things, against the other, says after its opening."""
    return min(continuation(statement, one, other), continuation(statement, other, one), key=len)


def parse(said: str) -> Comparison | str:
    """The comparison in what follows the opening, or why there is none."""
    words = words_of(said)
    if denial := next((word for word in words if word in _DENIALS), ""):
        return f"{denial!r} denies something"
    place, sign = _comparing(words)
    if place < 0:
        return "nothing is compared"
    if sign and scales.plain_form(words[place + 1] if place + 1 < len(words) else ""):
        return f"{words[place]} {words[place + 1]} compares twice"
    scale, qualifier, way = _aspect(words, place, sign)
    if not scale:
        return "no aspect is named"
    if qualifier in _OPEN:  # taken for a qualifier, it would found an aspect of its own
        return f"stops at {qualifier!r}"
    return Comparison(
        scale,
        qualifier,
        "more" if way > 0 else "less",
        words[place],
        next((word for word in words[:place] if word in _FREQUENCIES), ""),
        next((word for word in words[:place] if word in _AUXILIARIES), ""),
    )


def _comparing(words: Sequence[str]) -> tuple[int, int]:
    """(place of the first comparative word, 1 or -1 for "more" or "less" and 0 for a form in -er); (-1, 0): none."""
    for place, word in enumerate(words):
        if "more or less" in (" ".join(words[place : place + 3]), " ".join(words[max(0, place - 2) : place + 1])):
            continue
        if word in ("more", "less", "fewer"):
            return place, 1 if word == "more" else -1
        if scales.plain_form(word):
            return place, 0
    return -1, 0


def _aspect(words: Sequence[str], place: int, sign: int) -> tuple[str, str, int]:
    """(scale, qualifier, 1 or -1) of the comparative word at `place`; no scale where none is named."""
    word, rest = words[place], list(words[place + 1 :])
    if "than" in rest:
        rest = rest[: rest.index("than")]
    if not sign:
        degree = scales.degree(word)
        if degree and len(rest) > 1 and rest[0] == "in":
            return _amount(rest[1:], degree)
        if word == "harder" and rest[:1] == ["to"]:
            return "difficulty", " ".join(rest), 1
        pole = scales.pole(scales.plain_form(word))
        if rest and rest[0] not in _LINKS and not _manner(rest[0]):
            return (*_amount(rest, degree)[:2], degree) if degree else (f"{pole.aspect} of", " ".join(rest), pole.sign)
        return pole.aspect, " ".join(rest), pole.sign
    if not rest or rest[0] in _LINKS:
        return "", "", sign
    if word != "fewer" and _manner(rest[0]) and len(rest) > 1 and rest[1] not in _LINKS:
        return f"{rest[0]} {rest[1]}", " ".join(rest[2:]), sign
    if word != "fewer" and _adjective(rest[0]):
        pole = scales.pole(rest[0])
        noun = len(rest) > 1 and rest[1] not in _LINKS and not _manner(rest[1])
        return f"{pole.aspect} of" if noun else pole.aspect, " ".join(rest[1:]), sign * pole.sign
    return _amount(rest, sign)


def _amount(rest: Sequence[str], sign: int) -> tuple[str, str, int]:
    """The things or stuff that there is more of."""
    end = next((place for place, word in enumerate(rest) if word in _LINKS and place), len(rest))
    return " ".join(rest[:end]), " ".join(rest[end:]), sign


def _manner(word: str) -> bool:
    return word.endswith("ly") and word not in scales.poles() and len(word) > 4


def _adjective(word: str) -> bool:
    if word in scales.poles():
        return True
    return bool(_ADJECTIVE.fullmatch(word)) and not _NOT_ADJECTIVE.fullmatch(word)


def claim_id(greater: str, lesser: str, aspect: str) -> str:
    """One name for "A more than B" and "B less than A"."""
    return content_id("comparative", normal(greater), normal(lesser), normal(aspect))

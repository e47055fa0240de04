"""Wording: the words of a question or an answer that say what it is about, and those that are names or numbers."""

from __future__ import annotations

from kgdistill.text.overlap import words

COMMON = frozenset(
    (  # noqa: SIM905 - plain words read best
        "a an the this that these those it its he she they them his her their him i me my we our you your who whom "
        "whose which what where when why how of in on at by for to from with about into as than then and or but if not "
        "no yes is are was were be been being am do does did done has have had having can could may might must shall "
        "should will would there here also both same one some any all each other such more most very so only just "
        "during between"
    ).split()
)
"""English words that say nothing of what a sentence is about; other languages are compared by all their words."""

_OPEN = frozenset("who whom whose which what where when why how".split())  # noqa: SIM905
_CLOSED = frozenset(
    (  # noqa: SIM905
        "is are was were am do does did has have had can could may might must shall should will would isn't aren't "
        "wasn't weren't don't doesn't didn't hasn't haven't hadn't can't couldn't won't wouldn't shouldn't"
    ).split()
)
"""English words with which a question begins that is answered by yes or no."""


def asks_for(question: str) -> str:
    """The word by which a question asks for more than yes or no ("where"), "" where there is none that we know."""
    said = [_bare(word.replace("’", "'")) for word in words(question.casefold())]
    return "" if said[:1] and said[0] in _CLOSED else next((word for word in said if word in _OPEN), "")


def content(text: str) -> list[str]:
    """The words of a text that are not common ones, folded, in order; a possessive ending is left out."""
    return [word for word in map(_bare, words(text.casefold())) if word not in COMMON]


def named(text: str) -> list[str]:
    """The words that are part of a name, or numbers: with a capital or a digit, folded."""
    found = (word for word in words(text) if word[0].isupper() or any(letter.isdigit() for letter in word))
    return [word for word in (_bare(word.casefold()) for word in found) if word not in COMMON]


def _bare(word: str) -> str:
    return word.removesuffix("'s").removesuffix("’s")

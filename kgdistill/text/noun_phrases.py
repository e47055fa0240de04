"""Where noun phrases stand in a sentence, by capitals, numbers and determiners alone: no model, English only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from kgdistill.records import Span

_TOKEN = re.compile(r"[£$€]?\d+(?:[.,:]\d+)*(?:st|nd|rd|th|%)?|[^\W\d_]+(?:['’.-][^\W\d_]+)*|[^\w\s]|\w+")
_BEFORE = "a an the this that these those his her its their our my your some any each every no"
_BETWEEN = """
of in on at by for with from to into onto as near under over between among through during against about across after
before behind beside beyond inside outside since until upon within without via per called named
"""
_ELSE = """
i me you he him she it we us they them who whom whose which what where when why how there here and or but nor so yet if
because although though while unless than then also too very not never only just still even again is are was were be
been being am has have had having do does did done will would shall should can could may might must more most less least
much many few both all such other another same own however therefore thus hence already almost often always sometimes
usually later earlier ago together moreover
"""
_JOINING = "of the de da del della di la le van von der den and & for"
_DETERMINERS, _PREPOSITIONS = frozenset(_BEFORE.split()), frozenset(_BETWEEN.split())
_OTHERS, _CONNECTORS = frozenset(_ELSE.split()), frozenset(_JOINING.split())
_MOST_COMMON = 4
"""Most lower-case words of a phrase."""


def noun_phrases(text: str) -> list[Span]:
    """Spans of the noun phrases of one sentence, in order, without their determiners; no two overlap.

    A phrase is a run of capitalised words and numbers (with "of", "de" and the like inside), a number with the words
    that it counts, or up to four lower-case words after a determiner or a preposition.
    """
    tokens = [(match.group(), match.start(), match.end()) for match in _TOKEN.finditer(text)]
    words = [word for word, _, _ in tokens]
    return [Span(tokens[first][1], tokens[end - 1][2]) for first, end in _runs(words)]


def _runs(words: Sequence[str]) -> Iterator[tuple[int, int]]:
    place = 0
    while place < len(words):
        end = _proper(words, place)
        if end > place and words[end - 1][-1].isdigit():
            end = _common(words, end, 2)
        elif end == place and place and words[place - 1].lower() in _DETERMINERS | _PREPOSITIONS:
            end = _common(words, place, _MOST_COMMON)
            end = max(end, _proper(words, end))
        if end > place:
            yield place, end
        place = max(end, place + 1)


def _proper(words: Sequence[str], start: int) -> int:
    """Where a run of capitalised words and numbers that begins at `start` ends."""
    end = place = start
    while place < len(words):
        if _is_name(words[place]):
            place = end = place + 1
        elif end > start and words[place] in _CONNECTORS and place - end < 2:
            place += 1
        else:
            break
    return end


def _common(words: Sequence[str], start: int, most: int) -> int:
    """Where a run of at most `most` plain lower-case words that begins at `start` ends; a participle ends it too."""
    end = start
    while end < min(len(words), start + most) and _is_plain(words[end]):
        if end > start and words[end].endswith(("ed", "ing")):
            break
        end += 1
    return end


def _is_name(word: str) -> bool:
    return (word[0].isupper() or any(sign.isdigit() for sign in word)) and not _is_function(word.lower())


def _is_plain(word: str) -> bool:
    return word[0].isalpha() and word[0].islower() and not _is_function(word) and not word.endswith("ly")


def _is_function(word: str) -> bool:
    return word in _DETERMINERS or word in _PREPOSITIONS or word in _OTHERS

"""Which language a text is in, or nothing when that cannot be said."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lingua import LanguageDetector

_LEAST_LETTERS = 20
_LEAST_CONFIDENCE = 0.7
_SAMPLE = 2_000
"""Characters read from each of three places of a long text."""
_SMALL = frozenset(
    "the of and to was that for with he she it they is are were from by on at as his her this".split()  # noqa: SIM905
)
_SMALL_SHARE = 1 / 8
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+")


def identify(text: str) -> str:
    """ISO 639-1 code of the language (small letters), or "" when unsure.

    Unsure means: fewer than 20 letters (characters of scripts without spaces count for three), or a confidence below
    0.7. Both written forms of Norwegian are "nb", which no reader of short texts can tell apart.
    Letter trigrams (lingua's low-accuracy mode) decide; they are loaded language by language at the first call.
    """
    sample = _ADDRESS.sub(" ", _sampled(text))
    if _letters(sample) < _LEAST_LETTERS:
        return ""
    confidence: dict[str, float] = {}
    for found in _detector().compute_language_confidence_values(sample):
        code = found.language.iso_code_639_1.name.lower()
        code = "nb" if code == "nn" else code
        confidence[code] = confidence.get(code, 0.0) + found.value
    best = max(confidence, key=lambda code: confidence[code])
    return best if confidence[best] >= _LEAST_CONFIDENCE else ""


def foreign(text: str) -> str:
    """Code of the language of a text that is surely not in English, else "".

    A text with as many of English's small words as English has is not looked at further: that costs nothing.
    """
    sample = re.findall(r"[^\W\d_]+", _sampled(text).lower())
    if sum(word in _SMALL for word in sample) >= _SMALL_SHARE * len(sample):
        return ""
    found = identify(text)
    return "" if found == "en" else found


def _sampled(text: str) -> str:
    if len(text) > 3 * _SAMPLE:
        middle = len(text) // 2
        text = f"{text[:_SAMPLE]} {text[middle : middle + _SAMPLE]} {text[-_SAMPLE:]}"
    # Lone surrogates cannot be handed to lingua.
    return text.encode("utf-8", "replace").decode()


def _letters(text: str) -> int:
    return sum(3 if letter >= "\u2e80" else 1 for letter in text if letter.isalpha())


@cache
def _detector() -> LanguageDetector:
    from lingua import LanguageDetectorBuilder

    return LanguageDetectorBuilder.from_all_languages().with_low_accuracy_mode().build()

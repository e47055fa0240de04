"""Numbers in a text, as values: digits and English number words, so that "1,000" and "one thousand" are the same."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from decimal import Decimal, InvalidOperation

import regex

_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fifth": 5, "eighth": 8, "ninth": 9, "twelfth": 12,
}  # fmt: skip
SMALL: dict[str, int] = {word: value for value, word in enumerate(_UNITS)}
SMALL |= {word: 10 * (place + 2) for place, word in enumerate(_TENS)}
SMALL |= {f"{word}th": value for word, value in SMALL.items() if value > 3}
SMALL |= {f"{word[:-1]}ieth": value for word, value in SMALL.items() if word in _TENS}
SMALL |= _ORDINALS | {"dozen": 12}
LARGE = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_TOKEN = regex.compile(r"(?<![\p{L}\d])\d+(?:,\d{3})*(?:\.\d+)?|\p{L}+|\d+")
_DIGITS = re.compile(r"\d+(?:[.,'’\u00a0\u202f]\d+)*")
_AMBIGUOUS = {"one", "first", "second"}
"""Alone they are mostly pronouns, or words of order and time."""


def numbers(text: str) -> Counter[Decimal]:
    """The numbers of the text, each as often as it stands there."""
    found: Counter[Decimal] = Counter()
    run: list[str] = []
    for match in _TOKEN.finditer(text.casefold()):
        token = match.group()
        if not _counts(token, run):
            _close(run, found)
        if _counts(token, []) or (token in LARGE and run):
            run.append(token)
    _close(run, found)
    return found


def _counts(token: str, run: list[str]) -> bool:
    """Whether the token goes on with the number under way (or begins one, where none is)."""
    if token in LARGE:
        return True
    if token == "and" and run:
        return run[-1] in LARGE
    if token[0].isdigit():
        return not run
    if token not in SMALL:
        return False
    last = SMALL.get(run[-1]) if run else None
    return not run or run[-1] in LARGE or (last in range(20, 100, 10) and 0 < SMALL[token] < 10)


def _close(run: list[str], found: Counter[Decimal]) -> None:
    """Enter the number that the words of the run say, and begin anew."""
    if run and not (len(run) == 1 and run[0] in _AMBIGUOUS):
        total, group = Decimal(0), Decimal(0)
        for token in run:
            if token in LARGE:
                group = (group or Decimal(1)) * LARGE[token]
                if LARGE[token] > 100:
                    total, group = total + group, Decimal(0)
            else:
                group += Decimal(SMALL[token]) if token in SMALL else _decimal(token)
        found[total + group] += 1
    run.clear()


def _decimal(digits: str) -> Decimal:
    try:
        return Decimal(digits.replace(",", ""))
    except InvalidOperation:  # digits of a script that Decimal does not read
        return Decimal(0)


def digit_numbers(text: str) -> dict[str, str]:
    """The numbers written in digits, as they stand there, each with its plain digits: "1,000" and "1000".

    Grouping and decimal marks are left out, so that a number is the same in any language's way of writing it.
    """
    return {
        number: "".join(str(unicodedata.digit(sign)) for sign in number if sign.isdigit())
        for number in _DIGITS.findall(text)
    }


def missing_numbers(left: str, right: str) -> list[str]:
    """Numbers that one of the two texts has and the other has not, whichever it is."""
    one, other = numbers(left), numbers(right)
    return [f"{value:f}" for value in sorted(set(one) ^ set(other))]

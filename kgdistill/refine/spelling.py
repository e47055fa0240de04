"""Spelling: comparison forms of names and the guards that keep different things apart. Pure text, no model."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import regex
from msgspec import Struct
from rapidfuzz.distance import DamerauLevenshtein

from kgdistill.text import names


def word_set(text: str) -> frozenset[str]:
    """The words of a text, to write lists of words legibly."""
    return frozenset(text.split())


TITLES = word_set(
    "mr mrs ms miss mister dr doctor prof professor sir dame lord lady president chancellor minister senator "
    "governor judge captain general colonel herr frau monsieur madame señor señora"
)
FEMALE = word_set("mrs ms miss dame lady frau madame señora")
MALE = word_set("mr mister sir lord herr monsieur señor")
LEGAL_FORMS = word_set(
    "inc incorporated corp corporation co company ltd limited llc plc gmbh ag ab as asa oy sa nv bv spa kg se llp"
)
LEGAL_SAME = {"incorporated": "inc", "corporation": "corp", "company": "co", "limited": "ltd"}
GENERATIONS = word_set("jr sr junior senior")
ROMAN = re.compile(r"(?=[ivxl])l?x{0,3}(ix|iv|v?i{0,3})")
SMALL = word_set("of the and for in on de la le du des der die das und von van a an &")
PLAIN_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i"})
WORD = regex.compile(r"[\p{L}\p{N}\p{M}]+(?:['’][\p{L}\p{N}\p{M}]+)*[+#]*")
BRITISH = (
    (r"our(s|al|ed|ing)?\b", r"or\1"),
    (r"is(e[ds]?|ing|ations?)\b", r"iz\1"),
    (r"([bt])re\b", r"\1er"),
    (r"(.)\1+", r"\1"),
)
NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve"
ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth"
NUMBER_WORDS = {word: str(value) for value, word in enumerate(NUMBERS.split())} | {
    word: str(value) for value, word in enumerate(ORDINALS.split(), 1)
}


class Form(Struct, frozen=True):
    """What a name is compared by."""

    words: tuple[str, ...]
    """Normal words without accents; dots inside initials are gone ("u.s." is "us")."""
    key: str
    """Letters, digits, "+" and "#" of the words, run together."""
    accented: str
    """The same with accents."""
    numbers: tuple[str, ...]
    """Digits, Roman numerals and number words, sorted."""
    short: bool
    """An acronym by its looks: at most six letters, mostly upper case."""


@lru_cache(maxsize=1 << 18)
def form(name: str) -> Form:
    """The comparison form of a name."""
    # Dots between single letters and apostrophes of possession carry nothing; "J. R. R." stays three initials.
    plain = re.sub(r"(?<=\b\w)\.(?=\w\b)", "", names.normal(name))
    plain = re.sub(r"['’]s\b", "s", plain)
    accented = tuple(WORD.findall(_unpointed(plain)))
    words = tuple(WORD.findall(bare(plain)))
    letters = [letter for letter in name if letter.isalpha()]
    upper = sum(letter.isupper() for letter in letters)
    short = 2 <= len(letters) <= 6 and upper >= 2 and upper >= len(letters) - 1 and len(words) == 1
    numbers = tuple(sorted(number for word in words for number in _numbers(word, first=word == words[0])))
    return Form(words, "".join(words), "".join(accented), numbers, short)


def bare(text: str) -> str:
    """The text without accents; marks that are letters of their script (Indic vowels, kana voicing) stay."""
    text = text.replace("й", "\ue000")
    kept = [
        letter
        for letter in unicodedata.normalize("NFKD", text)
        if not (10 <= unicodedata.combining(letter) <= 35 or unicodedata.combining(letter) >= 200)
    ]
    return unicodedata.normalize("NFC", "".join(kept)).replace("\ue000", "й").translate(PLAIN_LETTERS)


def _unpointed(text: str) -> str:
    """The text without Hebrew and Arabic vowel points, which writers add or leave out at will."""
    return "".join(letter for letter in text if not 10 <= unicodedata.combining(letter) <= 35)


def _numbers(word: str, first: bool) -> list[str]:
    digits = re.findall(r"\d+", word)
    if digits:
        return [str(int(run)) if run.isdecimal() else run for run in digits]
    if word in NUMBER_WORDS:
        return [NUMBER_WORDS[word]]
    # A Roman numeral never stands first ("I Robot", "Vi Hart").
    return [word] if not first and ROMAN.fullmatch(word) else []


@lru_cache(maxsize=1 << 16)
def folded(word: str) -> str:
    """A word's spelling with British and doubled letters folded ("colour", "Mississippi" -> "color", "misisipi")."""
    for pattern, by in BRITISH:
        word = re.sub(pattern, by, word)
    return word


def core(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words without personal titles in front."""
    start = 0
    while start < len(words) - 1 and words[start] in TITLES:
        start += 1
    return words[start:]


def initials(words: tuple[str, ...]) -> set[str]:
    """What the words may be shortened to: their first letters, with and without the small words."""
    large = [word for word in words if word not in SMALL]
    return {"".join(word[0] for word in large), "".join(word[0] for word in words)}


def shortens(short: tuple[str, ...], long: tuple[str, ...]) -> bool:
    """Whether `short` is a shorter form of the person `long`: same last word, those before left out or cut to initials.

    "Berg" and "A. Berg" of "Anna Maria Berg", "Anna Berg" of "Anna M. Berg"; never "Anna", "Maria Berg" or "M. Berg",
    nor "John Adams" of "John Quincy Adams" (between names said in full only initials may be left out), nor
    "George W. Bush" of "George H. W. Bush" (who says middle names says all).
    """
    if short[-1] != long[-1] or len(short[-1]) < 2 or len(short) > len(long) or len(long) < 2 or short == long:
        return False
    if len(short) == 1:
        return True
    if not _fits(short[0], long[0]):
        return False
    if len(short) > 2:
        return len(short) == len(long) and all(map(_fits, short[1:-1], long[1:-1]))
    return len(short[0]) == 1 or all(len(word) == 1 for word in long[1:-1])


def _fits(short: str, long: str) -> bool:
    return short == long or (short[0] == long[0] and 1 in (len(short), len(long)))


def apart(one: Form, other: Form) -> str:
    """Why two names certainly differ, whatever else speaks for them, or an empty string."""
    if one.numbers != other.numbers:
        return "numbers differ"
    mine, yours = set(one.words), set(other.words)
    if (mine & GENERATIONS) != (yours & GENERATIONS):
        return "generations differ"
    if (mine & FEMALE and yours & MALE) or (mine & MALE and yours & FEMALE):
        return "titles differ"
    first, second = ({LEGAL_SAME.get(word, word) for word in words & LEGAL_FORMS} for words in (mine, yours))
    if first and second and first != second:
        return "legal forms differ"
    if one.key.rstrip("+#") == other.key.rstrip("+#") and one.key != other.key:
        return "symbols differ"
    return ""


def conflict(one: Form, other: Form) -> str:
    """Why two names name different things by what each says that the other does not, or an empty string.

    Both bring words of their own ("North Korea", "South Korea"), beyond initials and spelling variants.
    """
    if found := apart(one, other):
        return found
    mine = [word for word in one.words if word not in SMALL]
    yours = [word for word in other.words if word not in SMALL]
    left = [word for word in mine if not any(_fits(word, that) or folded(word) == folded(that) for that in yours)]
    right = [word for word in yours if not any(_fits(word, that) or folded(word) == folded(that) for that in mine)]
    if (
        left
        and right
        and one.key != other.key
        and not ({one.key, other.key} & (initials(one.words) | initials(other.words)))
    ):
        return "each has words of its own"
    return ""


def respelled(one: str, other: str) -> str:
    """How two words spell the same ("plural", "spelling", "slip of a letter"), or an empty string.

    A substituted letter never counts (Hamburg, Homburg; propane, propene), nor does one at an end (Austria, Austrian).
    """
    if one == other:
        return ""
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) >= 4 and longer in (shorter + "s", shorter + "es") and not shorter.endswith("s"):
        return "plural"
    if len(shorter) >= 5 and longer == shorter[:-1] + "ies" and shorter.endswith("y"):
        return "plural"
    if min(len(one), len(other)) >= 5 and folded(one) == folded(other):
        return "spelling"
    inside = one[0] == other[0] and one[-2:] == other[-2:] and one[1] == other[1]
    if len(shorter) >= 8 and inside and not _substituted(one, other) and DamerauLevenshtein.distance(one, other) == 1:
        return "slip of a letter"
    return ""


def _substituted(one: str, other: str) -> bool:
    """Whether the words differ by one substituted letter (a swap of neighbours is not that)."""
    return len(one) == len(other) and sum(a != b for a, b in zip(one, other, strict=True)) == 1

"""People in events: PersonX and PersonY are given names, and the names are taken back."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

NAMES = (
    "Adaeze", "Agnes", "Ahmed", "Anjali", "Astrid", "Bilal", "Camila", "Chen", "Cyrus", "Dmitri", "Elena", "Emeka",
    "Fatima", "Felix", "Giulia", "Haruto", "Ingrid", "Isabel", "Jamal", "Jakob", "Kamala", "Kenji", "Laila", "Linh",
    "Lucas", "Magnus", "Mariam", "Mina", "Nadia", "Nikhil", "Olga", "Oscar", "Paula", "Rafael", "Rosa", "Samuel",
    "Sofia", "Tariq", "Thabo", "Ulrike", "Viktor", "Wanjiru", "Yara", "Yusuf", "Zainab", "Zoltan",
)  # fmt: skip
"""First names of many places that are no common words, so that taking them back touches nothing else."""

_PERSON = re.compile(r"\bperson\s?([xyz])\b", re.IGNORECASE)


def roles(text: str) -> tuple[str, ...]:
    """The people of a text in their usual spelling ("PersonX"), each once, in alphabetical order."""
    return tuple(sorted({f"Person{match[1].upper()}" for match in _PERSON.finditer(text)}))


def choose_names(*texts: str, chance: random.Random) -> dict[str, str]:
    """A different name for each of PersonX, PersonY and PersonZ; none of them stands in the texts already."""
    said = {word.casefold() for text in texts for word in re.findall(r"\w+", text)}
    free = [name for name in NAMES if name.casefold() not in said]
    return dict(zip(("PersonX", "PersonY", "PersonZ"), chance.sample(free, 3), strict=True))


def with_names(text: str, names: Mapping[str, str]) -> str:
    """The text about the people called so, however it spells "PersonX"; a role without a name stays."""
    return _PERSON.sub(lambda match: names.get(f"Person{match[1].upper()}", match[0]), text)


def without_names(text: str, names: Mapping[str, str]) -> str:
    """`with_names` taken back: whole words only, so that Ana never leaves a hole in "bananas"."""
    people = {name.casefold(): role for role, name in names.items()}
    if not people:
        return text
    pattern = "|".join(sorted(map(re.escape, people), key=len, reverse=True))
    return re.sub(rf"(?<!\w)({pattern})(?!\w)", lambda match: people[match[1].casefold()], text, flags=re.IGNORECASE)


def strangers(text: str, names: Mapping[str, str]) -> list[str]:
    """Names of ours in a text that belong to nobody in it: they come from an example in the prompt."""
    own = {name.casefold() for name in names.values()}
    said = {word.casefold() for word in re.findall(r"\w+", text)}
    return [name for name in NAMES if name.casefold() in said - own]

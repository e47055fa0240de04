"""Clauses as a grammar, for engines that can bind a sample to one but not search: vLLM, and xgrammar itself.

The grammar is right-linear: one rule for each place of the word automaton (text/clauses.py), and a trie that spells
every word that no phrase names. What it allows obeys the constraints, but for `no_repeat`, which no grammar of
reasonable size can count, and which is left to who reads the reply. It allows words of Latin, Greek and Cyrillic
letters with one space or hyphen between them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from itertools import pairwise

from msgspec.structs import replace

from kgdistill.contracts import Constraints
from kgdistill.errors import TeacherError
from kgdistill.text.clauses import Course, Place, ends_in_word, words_of

_BLOCKS = ((0xC0, 0x24F), (0x370, 0x52F))
_PLAIN = re.compile(r"(?:[^\W_]|(?<=\w)'(?=\w))+")


class GrammarError(TeacherError):
    """The request's constraints cannot be turned into a grammar."""

    reason = "grammar"


@lru_cache(maxsize=256)
def grammar(constraints: Constraints, prompt_end: str = "a") -> str:
    """The replies that obey, as EBNF in the notation of xgrammar; `prompt_end` is the prompt's last character.

    Raises GrammarError where nothing can obey, or a phrase has signs inside that the grammar cannot spell.
    """
    asked = {word for clause in constraints.clauses for phrase in clause.phrases for word in words_of(phrase)}
    if strange := sorted(word for word in asked if not _PLAIN.fullmatch(word)):
        raise GrammarError(f"no grammar for the word {strange[0]!r}")
    # A forbidden word that the rules cannot spell need not be forbidden.
    spelled = tuple(entry for entry in constraints.forbidden if all(map(_PLAIN.fullmatch, words_of(entry))))
    course = Course(replace(constraints, forbidden=spelled))
    if " " in constraints.forbidden:
        raise GrammarError("no grammar without spaces")
    rules = {"root": [f'" " {_name(0)}' if ends_in_word(prompt_end) else _name(0)]}
    rules |= dict(_word_rules(course))
    if not any(name.startswith("end") for name in rules):
        raise GrammarError("no text can meet these clauses")
    rules |= _other_words(course.named)
    rules["separator"] = ['" "'] if "-" in constraints.forbidden else ['" "', '"-"']
    return "\n".join(f"{name} ::= {' | '.join(options)}" for name, options in rules.items()) + "\n"


def _name(number: int) -> str:
    return f"place{number}"


def _word_rules(course: Course) -> Iterator[tuple[str, list[str]]]:
    """For each place: the words that may come, and what may follow each; only places from which an end is reached."""
    ways = _ways(course)
    alive = _alive(course, ways)
    numbers = {at: number for number, at in enumerate(at for at in ways if at in alive)}
    groups: dict[tuple[str, ...], str] = {}
    for at, number in numbers.items():
        options = []
        for to, words in ways[at].items():
            if to in alive:
                named = tuple(word for word in words if word)
                if named:
                    options.append(f"{groups.setdefault(named, f'words{len(groups)}')} after{numbers[to]}")
                if len(named) < len(words):
                    options.append(f"other after{numbers[to]}")
        if options:
            yield _name(number), options
        follow = [f"separator {_name(number)}"] if any(to in alive for to in ways[at]) else []
        if _ends(course, at):
            yield f"end{number}", [_literal(end) for end in course.constraints.ends] or ['""']
            follow.append(f"end{number}")
        yield f"after{number}", follow
    for named, name in groups.items():
        yield name, [_spelled(word) for word in named]


_At = tuple[Place, int]
"""A place, and how many words there are, as far as `min_words` asks."""


def _ways(course: Course) -> dict[_At, dict[_At, list[str]]]:
    """From each place the places after one more word, with these words; "" stands for all that are not named."""
    ways: dict[_At, dict[_At, list[str]]] = {}
    waiting: list[_At] = [(course.start, 0)]
    words = ["", *sorted(course.named)]
    while waiting:
        at = waiting.pop(0)
        if at in ways:
            continue
        ways[at] = defaultdict(list)
        for word in words:
            place = course.after(at[0], word)
            if not isinstance(place, str):
                to = (place, min(at[1] + 1, course.constraints.min_words))
                ways[at][to].append(word)
        waiting += ways[at]
    return ways


def _ends(course: Course, at: _At) -> bool:
    return course.done(at[0]) and at[1] >= course.constraints.min_words


def _alive(course: Course, ways: dict[_At, dict[_At, list[str]]]) -> set[_At]:
    """The places from which a text can come to an end."""
    alive = {at for at in ways if _ends(course, at)}
    before: dict[_At, set[_At]] = defaultdict(set)
    for at, found in ways.items():
        for to in found:
            before[to].add(at)
    waiting = list(alive)
    while waiting:
        new = before[waiting.pop()] - alive
        alive |= new
        waiting += new
    return alive


def _other_words(named: Iterable[str]) -> dict[str, list[str]]:
    """Rules that spell every word but the named ones: a trie, with a way out of it at each letter."""
    whole = set(named)
    beginnings = sorted({word[:length] for word in whole for length in range(1, len(word) + 1)} | {""})
    name = {beginning: f"other{number}" if beginning else "other" for number, beginning in enumerate(beginnings)}
    rules = {"rest": [f'([{_letters()}] | "\'" [{_letters()}])*']}
    for beginning in beginnings:
        nexts = sorted({other[len(beginning)] for other in beginnings if _follows(other, beginning)})
        free = _letters("".join(nexts))
        options = [f"[{free}] rest"] if free else []
        options += [f"{_spelled(letter)} {name[beginning + letter]}" for letter in nexts]
        if beginning and not beginning.endswith("'"):
            if "'" not in nexts:
                options.append(f'"\'" [{_letters()}] rest')
            if beginning not in whole:
                options.append('""')
        rules[name[beginning]] = options
    return rules


def _follows(longer: str, beginning: str) -> bool:
    return len(longer) == len(beginning) + 1 and longer.startswith(beginning)


@cache
def _letters(but: str = "") -> str:
    """A character class of letters and digits, without those of `but` in either case.

    Letters that are folded to plain ones ("ß" to "ss", the long s) are left out: they could spell a named word.
    """
    plain = [*map(chr, range(0x30, 0x3A)), *map(chr, range(0x41, 0x5B)), *map(chr, range(0x61, 0x7B))]
    wide = [chr(code) for first, last in _BLOCKS for code in range(first, last + 1)]
    wide = [letter for letter in wide if letter.isalpha() and len(letter.casefold()) == 1]
    wide = [letter for letter in wide if not letter.casefold().isascii() and letter in _cases(letter)]
    return _ranges([letter for letter in plain + wide if letter.casefold() not in but])


def _ranges(letters: list[str]) -> str:
    codes = sorted(map(ord, letters))
    breaks = [0, *(place + 1 for place, (one, two) in enumerate(pairwise(codes)) if two > one + 1), len(codes)]
    runs = [codes[start:end] for start, end in pairwise(breaks) if start < end]
    return "".join(_escaped(run[0]) if len(run) == 1 else f"{_escaped(run[0])}-{_escaped(run[-1])}" for run in runs)


def _escaped(code: int) -> str:
    return chr(code) if code < 0x80 else f"\\u{code:04x}"


def _cases(letter: str) -> set[str]:
    """The letter in both cases, where that is one character each."""
    return {form for form in (letter.lower(), letter.upper()) if len(form) == 1}


def _spelled(word: str) -> str:
    """A word in any case."""
    parts = []
    for letter in word:
        cases = sorted(_cases(letter))
        parts.append(f"[{''.join(_escaped(ord(case)) for case in cases)}]" if len(cases) > 1 else _literal(letter))
    return " ".join(parts)


def _literal(text: str) -> str:
    spelled = "".join(_escaped(ord(letter)) for letter in text).replace('"', '\\"')
    return f'"{spelled}"'

"""A document's graph as text that a generative student writes, and back.

One line per entity, then one per fact, in the order given:

    @ Ada Lovelace | person
    - Ada Lovelace | born in | London
    - Ada Lovelace | born in | "1815" | not maybe | She was not, perhaps, born in 1815.

A quoted object is a value, not an entity; the fourth field holds the words `not` (negated) and `maybe` (hedged), the
fifth the proposition. What would be read as a sign of the notation is written with a backslash:
`\\|`, `\\n`, `\\u{7}`. Spans and scores are not part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from kgdistill.records import Entity, Fact

_ENTITY, _FACT, _BETWEEN, _NEGATED, _HEDGED = "@ ", "- ", " | ", "not", "maybe"
_SHORT = {"\\": "\\\\", "|": "\\|", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
# All that could end a line, that a tokenizer may not give back, or that is no character at all.
_RISKY = re.compile('[\\\\|"\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff]|^ | $')
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-f]{1,6})\}|(.))")
_LONG = {"n": "\n", "r": "\r", "t": "\t"}
_FIELD = re.compile(r"(?:\\.|[^|\\])*")


class _Broken(Exception):
    """Why a line cannot be read."""


def write(entities: Iterable[Entity], facts: Iterable[Fact]) -> str:
    """The graph in this notation; "" for an empty one. Keeps names, types, relations, flags and propositions."""
    lines = [_ENTITY + _BETWEEN.join((_escaped(entity.name), _escaped(entity.type))) for entity in entities]
    lines += [_written(fact) for fact in facts]
    return "\n".join(lines)


def read(text: str) -> tuple[tuple[Entity, ...], tuple[Fact, ...]]:
    """The inverse of `write`: `read(write(e, f)) == (e, f)` for entities and facts without spans and scores.

    Raises ValueError at a line that is not in the notation.
    """
    entities, facts, problems = read_lenient(text)
    if problems:
        raise ValueError(problems[0])
    return entities, facts


def read_lenient(text: str) -> tuple[tuple[Entity, ...], tuple[Fact, ...], list[str]]:
    """What can be read, and one sentence for each line that cannot: "line 3: …"."""
    entities: list[Entity] = []
    facts: list[Fact] = []
    problems: list[str] = []
    for number, line in enumerate(text.split("\n") if text else (), 1):
        try:
            if line.startswith(_ENTITY):
                entities.append(_entity(line.removeprefix(_ENTITY)))
            elif line.startswith(_FACT):
                facts.append(_fact(line.removeprefix(_FACT)))
            elif line.strip():
                raise _Broken(f"begins with neither {_ENTITY.strip()!r} nor {_FACT.strip()!r}")
        except _Broken as problem:
            problems.append(f"line {number}: {problem}: {line[:80]!r}")
    return tuple(entities), tuple(facts), problems


def _written(fact: Fact) -> str:
    end = _escaped(fact.object)
    fields = [_escaped(fact.subject), _escaped(fact.relation), f'"{end}"' if fact.literal else end]
    flags = " ".join(word for word, is_set in ((_NEGATED, fact.negated), (_HEDGED, fact.hedged)) if is_set)
    if flags or fact.proposition:
        fields.append(flags)
    if fact.proposition:
        fields.append(_escaped(fact.proposition))
    return _FACT + _BETWEEN.join(fields)


def _escaped(text: str) -> str:
    return _RISKY.sub(lambda sign: _SHORT.get(sign.group()) or f"\\u{{{ord(sign.group()):x}}}", text)


def _plain(field: str) -> str:
    def meant(escape: re.Match[str]) -> str:
        code, sign = escape.groups()
        if code is None:
            return _LONG.get(sign, sign)
        if int(code, 16) > 0x10FFFF:
            raise _Broken(f"\\u{{{code}}} is no character")
        return chr(int(code, 16))

    if _open(field):
        raise _Broken("ends within an escape")
    return _ESCAPE.sub(meant, field)


def _open(field: str) -> bool:
    """Whether the field ends within an escape."""
    return (len(field) - len(field.rstrip("\\"))) % 2 == 1


def _fields(line: str) -> list[str]:
    """The fields between separators, still escaped, without the one space around a separator."""
    fields = []
    place = 0
    while True:
        match = _FIELD.match(line, place)
        end = match.end() if match else place
        if end < len(line) and line[end] != "|":
            raise _Broken("ends within an escape")
        last = end == len(line)
        fields.append(line[place : end if last else end - (end > place and line[end - 1] == " ")])
        if last:
            return fields
        place = end + 1 + line.startswith(" ", end + 1)


def _entity(line: str) -> Entity:
    fields = _fields(line)
    if len(fields) != 2:
        raise _Broken(f"an entity has 2 fields, not {len(fields)}")
    return Entity(_plain(fields[0]), _plain(fields[1]))


def _fact(line: str) -> Fact:
    fields = _fields(line)
    if not 3 <= len(fields) <= 5:
        raise _Broken(f"a fact has 3 to 5 fields, not {len(fields)}")
    flags = fields[3].split() if len(fields) > 3 else []
    if unknown := [flag for flag in flags if flag not in (_NEGATED, _HEDGED)]:
        raise _Broken(f"{unknown[0]!r} is neither {_NEGATED!r} nor {_HEDGED!r}")
    end = fields[2]
    literal = len(end) > 1 and end.startswith('"') and end.endswith('"') and not _open(end[:-1])
    return Fact(
        subject=_plain(fields[0]),
        relation=_plain(fields[1]),
        object=_plain(end[1:-1] if literal else end),
        literal=literal,
        negated=_NEGATED in flags,
        hedged=_HEDGED in flags,
        proposition=_plain(fields[4]) if len(fields) > 4 else "",
    )

"""WebNLG: texts written for DBpedia triples (Gardent et al., 2017), release 2.1 as JSON lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from kgdistill.evaluate.sets.lines import decoded, gold, malformed
from kgdistill.records import Fact, Failure, Pair

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Set(Struct, frozen=True):
    """One set of triples with the texts that say it."""

    triples: tuple[tuple[str, str, str], ...]
    texts: tuple[str, ...]


def read(path: Path) -> Iterator[Pair | Failure]:
    """One document for each set of triples, with its first text: the others say the same again."""
    for found in decoded(path, Set):
        if isinstance(found, Failure):
            yield found
            continue
        number, line = found
        text = line.texts[0] if line.texts else ""
        if not text.strip():
            yield malformed(path, number, "no text")
            continue
        yield gold(number, text, tuple(Fact(name(s), relation(r), name(o)) for s, r, o in line.triples))


def name(written: str) -> str:
    """`Aarhus_Airport` as words, without the quotes of a literal."""
    return " ".join(written.strip().strip('"').replace("_", " ").split())


def relation(written: str) -> str:
    """`birthPlace` as words in lower case; abbreviations such as ISBN stay."""
    words = _CAMEL.sub(" ", written.replace("_", " ")).split()
    return " ".join(word if word.isupper() and len(word) > 1 else word.lower() for word in words)

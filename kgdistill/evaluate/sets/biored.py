"""BioRED: entities and relations in PubMed abstracts (Luo et al., 2022), in PubTator form."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from kgdistill.evaluate.sets.lines import gold, malformed
from kgdistill.records import Entity, Fact, Failure, Pair, Span

_BLOCK = re.compile(r"\n\s*\n")


def read(path: Path) -> Iterator[Pair | Failure]:
    """One document for each abstract. Relations have no direction here: the order is the file's own."""
    content = path.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n")
    for number, block in enumerate(filter(str.strip, _BLOCK.split(content)), 1):
        try:
            yield _document(block.strip("\n").split("\n"))
        except (ValueError, IndexError, KeyError) as error:
            yield malformed(path, number, f"{type(error).__name__}: {error}")


def _document(lines: list[str]) -> Pair:
    name, _, title = lines[0].split("|", 2)
    abstract = lines[1].split("|", 2)[2]
    text = f"{title} {abstract}"
    kinds: dict[str, str] = {}
    places: dict[str, set[Span]] = defaultdict(set)
    said: list[tuple[str, str, str]] = []
    for line in lines[2:]:
        _, first, second, *rest = line.split("\t")
        if not first.isdigit():
            said.append((second, first.replace("_", " ").lower(), rest[0]))
            continue
        span = Span(int(first), int(second))
        if not 0 <= span.start < span.end <= len(text):
            raise ValueError(f"a mention at {span.start} to {span.end} of {len(text)} characters")
        for key in rest[2].split(","):
            kinds.setdefault(key, rest[1])
            places[key].add(span)
    names = {key: max((text[s.start : s.end] for s in sorted(spans)), key=len) for key, spans in places.items()}
    facts = tuple(Fact(names[subject], relation, names[object_]) for subject, relation, object_ in said)
    entities = tuple(Entity(names[key], kinds[key], tuple(sorted(spans))) for key, spans in places.items())
    return gold(name, text, facts, entities)

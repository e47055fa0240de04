"""PropSegmEnt: Wikipedia sentences cut into propositions by people (Chen et al., 2023), as JSON lines.

A gold proposition is a set of the sentence's words, so it keeps pronouns, and often drops words that grammar wants.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from kgdistill.evaluate.sets.lines import decoded, gold
from kgdistill.evaluate.sets.tokens import joined
from kgdistill.records import Fact, Failure, Pair


class Response(Struct, frozen=True):
    reference: bool
    propositions: tuple[str, ...]


class Line(Struct, frozen=True):
    document_id: str
    sentence_index: int
    text: str
    responses: tuple[Response, ...]


def read(path: Path) -> Iterator[Pair | Failure]:
    """One document for each run of sentences of an article that the file has; a proposition is a fact's text.

    Sentences without a reference response are left out, and so are propositions of a single word.
    """
    documents: dict[str, list[Line]] = defaultdict(list)
    for found in decoded(path, Line):
        if isinstance(found, Failure):
            yield found
        elif any(response.reference for response in found[1].responses):
            documents[found[1].document_id].append(found[1])
    for name, lines in documents.items():
        text, facts = "", []
        for line in sorted(lines, key=lambda line: line.sentence_index):
            start = len(text) + bool(text)
            text = f"{text} {line.text.strip()}".strip()
            said = next(response.propositions for response in line.responses if response.reference)
            for tokens in said:
                if len(tokens.split()) > 1:
                    plain = joined(tokens.split())[0]
                    facts.append(Fact(plain, "states", "", start=start, end=len(text), literal=True, proposition=plain))
        yield gold(name, text, tuple(facts))

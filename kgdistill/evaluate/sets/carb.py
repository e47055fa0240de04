"""CaRB: open information extraction by crowd workers (Bhardwaj et al., 2019), one tuple a line, tab-separated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kgdistill.evaluate.sets.lines import gold, malformed
from kgdistill.evaluate.sets.tokens import joined
from kgdistill.records import Fact, Failure, Pair

_DENIAL = frozenset(("not", "n't", "never"))
_FULL = {"wo": "will", "ca": "can", "sha": "shall"}
"""What "n't" leaves of a verb when it is taken off."""


def read(path: Path) -> Iterator[Pair | Failure]:
    """One document for each sentence, with (first argument, relation, second argument); further arguments are left out.

    A relation with "not" or "never" is a negated fact under the relation without that word.
    """
    sentences: dict[str, list[Fact]] = {}
    for number, line in enumerate(path.read_bytes().decode("utf-8", "replace").splitlines(), 1):
        if not line.strip():
            continue
        sentence, *parts = line.split("\t")
        if len(parts) > 1 and not "".join(parts[2:3]).strip():
            message = "no second argument: not a triple"
            yield Failure("benchmarks", f"{path.name}:{number}", "no object", "rejected", message=message)
            continue
        if len(parts) < 3 or not all(part.strip() for part in (sentence, *parts[:3])):
            yield malformed(path, number, "sentence, relation and two arguments are wanted, parted by tabs")
            continue
        sentences.setdefault(" ".join(sentence.split()), []).append(_fact(*parts[:3]))
    for number, (sentence, facts) in enumerate(sentences.items(), 1):
        yield gold(number, _plain(sentence), tuple(dict.fromkeys(facts)))


def _fact(relation: str, subject: str, object_: str) -> Fact:
    said = relation.split()
    kept = [_FULL.get(word.lower(), word) for word in said if word.lower() not in _DENIAL]
    negated = bool(kept) and len(kept) < len(said)
    return Fact(_plain(subject), _plain(" ".join(kept if negated else said)), _plain(object_), negated=negated)


def _plain(tokens: str) -> str:
    return joined(tokens.split())[0]

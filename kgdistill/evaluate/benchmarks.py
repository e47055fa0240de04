"""Public data sets as texts with gold facts: one reader for each format, and a fixed sample of each set.

Gold of a closed relation vocabulary (Re-DocRED, CrossRE, BioRED, KnowledgeNet) leaves out most of what a text says:
there the precision of an open extractor is a lower bound, and recall says more.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from kgdistill.evaluate.sets import biored, carb, crossre, knowledgenet, propsegment, redocred, webnlg
from kgdistill.records import Failure, Pair, content_id

Format = Literal["webnlg", "redocred", "crossre", "carb", "biored", "knowledgenet", "propsegment"]
READERS: dict[str, Callable[[Path], Iterator[Pair | Failure]]] = {
    "webnlg": webnlg.read,
    "redocred": redocred.read,
    "crossre": crossre.read,
    "carb": carb.read,
    "biored": biored.read,
    "knowledgenet": knowledgenet.read,
    "propsegment": propsegment.read,
}


def files(path: str) -> list[Path]:
    """What a path or glob names, sorted; nothing where nothing is there."""
    given = Path(path).expanduser()
    if given.exists():
        return [given]
    return sorted(map(Path, glob.glob(str(given), recursive=True)))  # noqa: PTH207 - the glob may be absolute


def read_set(name: str, path: str, reader: Callable[[Path], Iterator[Pair | Failure]]) -> Iterator[Pair | Failure]:
    """The texts of a set, each with the id `name/number` (`name/file/number` where there are several files).

    What does not decode is a Failure of reason "malformed"; a set that is not there is one of reason "absent".
    """
    found = files(path)
    if not found:
        yield Failure("benchmarks", name, "absent", "rejected", message=f"{path} does not exist: not measured on it")
    for file in found:
        place = name if len(found) == 1 else f"{name}/{file.stem}"
        try:
            for item in reader(file):
                if isinstance(item, Pair):
                    item = msgspec.structs.replace(item, id=f"{place}/{item.id}", document=f"{place}/{item.id}")
                yield item
        except OSError as error:
            yield Failure("benchmarks", str(file.name), "unreadable", message=error.strerror or str(error))


def set_of(document: str) -> str:
    """The set that a document of `read_set` belongs to."""
    return document.partition("/")[0]


def sample(pairs: Iterable[Pair], most: int, seed: int) -> list[Pair]:
    """At most `most` of the pairs, drawn by their ids: always the same ones, and a smaller sample is part of a larger.

    Texts without a letter are left out.
    """
    readable = (pair for pair in pairs if any(letter.isalpha() for letter in pair.text))
    return sorted(readable, key=lambda pair: content_id("sample", seed, pair.id))[:most]

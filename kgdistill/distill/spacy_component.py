"""kgdistill in a spaCy pipeline: `nlp.add_pipe("kgdistill")`, then `doc._.facts` and `doc._.knowledge`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from spacy.language import Language
from spacy.tokens import Doc

from kgdistill.distill.student import find_student
from kgdistill.records import Extraction, Fact

if TYPE_CHECKING:
    from kgdistill.distill.extractor import Extractor

_KEY = "kgdistill"
"""Where a document keeps what was found, as JSON: so it goes to bytes, to disk and to other processes with the rest."""


def knowledge(doc: Doc) -> Extraction | None:
    """What the component has found in `doc`; None where it has not read it."""
    found = doc.user_data.get(_KEY)
    return None if found is None else msgspec.json.decode(found, type=Extraction)


def facts(doc: Doc) -> tuple[Fact, ...]:
    """The facts of `knowledge`."""
    found = knowledge(doc)
    return found.facts if found else ()


for _name, _getter in (("facts", facts), ("knowledge", knowledge)):
    Doc.set_extension(_name, getter=_getter, force=True)


class Facts:
    """Makes `doc._.facts` (tuple of `Fact`) and `doc._.knowledge` (the whole `Extraction`)."""

    def __init__(self, path: str, min_score: float | None) -> None:
        """Raises ModelError where `path` holds no student."""
        self._folder, self._min_score = find_student(path), min_score
        self._extractor: Extractor | None = None

    def __call__(self, doc: Doc) -> Doc:
        if self._extractor is None:
            from kgdistill.distill.extractor import Extractor

            self._extractor = Extractor.from_pretrained(self._folder)
        doc.user_data[_KEY] = msgspec.json.encode(self._extractor.extract(doc.text, self._min_score)).decode()
        return doc

    def to_disk(self, path: Any, **_: Any) -> None:
        """Nothing to write: the settings are in the pipeline's configuration."""

    def from_disk(self, path: Any, **_: Any) -> Facts:
        return self

    def to_bytes(self, **_: Any) -> bytes:
        return b""

    def from_bytes(self, data: bytes, **_: Any) -> Facts:
        return self


@Language.factory("kgdistill", default_config={"path": "", "min_score": None})  # type: ignore[untyped-decorator]
def make(nlp: Language, name: str, path: str, min_score: float | None) -> Facts:
    """The component; `path` is a student's folder ("" is the one that ships)."""
    return Facts(path, min_score)

"""kgdistill in a spaCy pipeline: `nlp.add_pipe("kgdistill")`, then `doc._.facts` and `doc._.knowledge`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spacy.language import Language
from spacy.tokens import Doc

if TYPE_CHECKING:
    from kgdistill.distill.extractor import Extractor


class Facts:
    """Sets `doc._.facts` (tuple of `Fact`) and `doc._.knowledge` (the whole `Extraction`)."""

    def __init__(self, path: str, min_score: float | None) -> None:
        self._path, self._min_score = path, min_score
        self._extractor: Extractor | None = None
        for name, default in (("facts", ()), ("knowledge", None)):
            if not Doc.has_extension(name):
                Doc.set_extension(name, default=default)

    def __call__(self, doc: Doc) -> Doc:
        if self._extractor is None:
            from kgdistill.distill.extractor import Extractor

            self._extractor = Extractor.from_pretrained(self._path)
        found = self._extractor.extract(doc.text, self._min_score)
        doc._.knowledge = found
        doc._.facts = found.facts
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

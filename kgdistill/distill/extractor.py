"""The public extractor: a student from its folder, text in, graph out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from kgdistill.distill.student import FILE, Student, find_student
from kgdistill.distill.students.generative import GenerativeStudent
from kgdistill.distill.students.span import SpanStudent
from kgdistill.errors import ModelError, UserError
from kgdistill.records import Document, Extraction, Fact
from kgdistill.storage.formats import MARKDOWN
from kgdistill.text.markdown import unmarked
from kgdistill.text.surrogates import scrub

_MARKS = "*_`~[]"


class Extractor:
    """Reads entities and facts with a trained student, of whichever family."""

    def __init__(self, student: Student) -> None:
        self.student = student

    @classmethod
    def from_pretrained(cls, path: str | Path = "") -> Extractor:
        """The student in folder `path`, or the one that ships (also by its name). ModelError where there is none."""
        folder = find_student(path)
        try:
            family = msgspec.json.decode((folder / FILE).read_bytes())["family"]
        except (msgspec.DecodeError, KeyError, TypeError) as error:
            raise ModelError(f"{folder / FILE} is damaged: save the student again") from error
        if family == "span":
            return cls(SpanStudent.from_pretrained(folder))
        if family == "generative":
            return cls(GenerativeStudent.from_pretrained(folder))
        raise ModelError(f"{folder / FILE} names an unknown family {family!r}: span and generative are known")

    def extract(
        self, text: str, min_score: float | None = None, relations: Sequence[str] | None = None, *, id: str = ""
    ) -> Extraction:
        """Entities and facts of `text`; offsets count its code points.

        `min_score` in [0, 1] replaces the student's own threshold, `relations` the relation names to choose from.
        Raises UserError at a text, a score or relations that are none. Lone surrogates are read as U+FFFD.
        """
        if not isinstance(text, str):
            raise UserError(f"a text is a str, not {type(text).__name__}: decode it, or read the file first")
        if min_score is not None and not 0 <= min_score <= 1:
            raise UserError(f"min_score is from 0 to 1, not {min_score}")
        names = None if relations is None or isinstance(relations, str) else list(relations)
        if relations is not None and not (names and all(isinstance(name, str) for name in names)):
            raise UserError(f"relations are a list of names such as ['born in'], not {relations!r}")
        text, *names = map(scrub, (text, *(names or ())))
        return self.student.extract(text, min_score, names or None, id=id)

    def read(self, document: Document, min_score: float | None = None) -> Extraction:
        """Entities and facts of a document; Markdown is read without its marks, at the offsets that it has."""
        if not document.source.lower().endswith(MARKDOWN):
            return self.extract(document.text, min_score, id=document.id)
        found = self.extract(unmarked(document.text), min_score, id=document.id)
        return replace(found, facts=tuple(_with_marks(fact, document.text) for fact in found.facts))


def _with_marks(fact: Fact, text: str) -> Fact:
    """The fact with the marks that its sentence begins and ends with in `text`."""
    start, end = fact.start, fact.end
    while start > 0 and text[start - 1] in _MARKS:
        start -= 1
    while start >= 0 and end < len(text) and text[end] in _MARKS:
        end += 1
    return replace(fact, start=start, end=end)


def to_json(extraction: Extraction) -> dict[str, Any]:
    """One object for a document: entities with their first mention, facts with their evidence, in code points.

    An entity that is only mentioned by other words has its first such mention; without any, -1.
    """
    return {
        "id": extraction.id,
        "entities": [
            {
                "name": entity.name,
                "type": entity.type,
                "start": entity.spans[0].start if entity.spans else -1,
                "end": entity.spans[0].end if entity.spans else -1,
            }
            for entity in extraction.entities
        ],
        "facts": [
            {
                "subject": fact.subject,
                "relation": fact.relation,
                "object": fact.object,
                "score": round(fact.score, 4),
                "start": fact.start,
                "end": fact.end,
                "negated": fact.negated,
                "hedged": fact.hedged,
            }
            for fact in extraction.facts
        ],
    }

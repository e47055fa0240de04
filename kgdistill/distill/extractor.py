"""The public extractor: a student from its folder, text in, graph out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from kgdistill.distill.student import FILE, SHIPPED, Student
from kgdistill.distill.students.generative import GenerativeStudent
from kgdistill.distill.students.span import SpanStudent
from kgdistill.errors import ModelError
from kgdistill.records import Extraction


class Extractor:
    """Reads entities and facts with a trained student, of whichever family."""

    def __init__(self, student: Student) -> None:
        self.student = student

    @classmethod
    def from_pretrained(cls, path: str | Path = "") -> Extractor:
        """The student in folder `path`, or the one that ships. Raises ModelError where there is none."""
        folder = Path(path) if path else SHIPPED
        if not (folder / FILE).is_file():
            raise ModelError(f"{folder} holds no student ({FILE} is missing): give the folder that training saved")
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
        """
        return self.student.extract(text, min_score, relations, id=id)


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

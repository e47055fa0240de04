"""The stage that asks a trained extractor about the claims of a teacher: a second reader that has not seen them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from msgspec.structs import replace

from kgdistill.contracts import Bench, ShardStage
from kgdistill.distill.student import EXTRACTOR, student_folder
from kgdistill.errors import ModelError
from kgdistill.records import Claim, Reading, Triple, Verdict
from kgdistill.stages.build import reclaimed
from kgdistill.teacher import weights

if TYPE_CHECKING:
    from kgdistill.distill.students.span import SpanStudent

NAME = "extractor"
"""Name of its verdicts."""


class Corroborate(ShardStage, frozen=True, forbid_unknown_fields=True):
    """An extractor's opinion of every claim, from the document itself; see distill/students/span_weighing.

    After the critic of West et al. (Symbolic Knowledge Distillation, 2022), for claims about a text: a small encoder
    trained on gold graphs. It tells which end is which; a small teacher's yes or no hardly does.
    """

    version: ClassVar[int] = 2
    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "readings"

    extractor: str = EXTRACTOR
    """Folder of a span student, or the one that ships."""

    def fingerprint(self) -> str:
        return weights.fingerprint(student_folder(self.extractor))

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        from kgdistill.distill.students.span_weighing import Asked

        student = span_student(student_folder(self.extractor), self.fingerprint())
        for reading in records:
            claims = [claim for claim in reading.claims if isinstance(claim, Triple)]
            asked = [Asked(c.subject, c.relation, c.object, c.negated) for c in claims]
            support = student.support(reading.document.text, asked) if asked else []
            verdicts = {claim.id: _verdict(found) for claim, found in zip(claims, support, strict=True)}
            yield reclaimed(reading, partial(_judged, verdicts))


@lru_cache(maxsize=1)
def span_student(folder: Path, fingerprint: str) -> SpanStudent:
    """The student, once for all shards of a worker; `fingerprint` tells another one in the same folder.

    Raises ModelError.
    """
    from kgdistill.distill.extractor import Extractor
    from kgdistill.distill.students.span import SpanStudent

    student = Extractor.from_pretrained(folder).student
    if not isinstance(student, SpanStudent):
        raise ModelError(f"{folder} is no span student; only these weigh claims")
    return student


def _verdict(support: float | None) -> Verdict:
    return Verdict(NAME, 0.0, "does not find both ends") if support is None else Verdict(NAME, support)


def _judged(verdicts: Mapping[str, Verdict], claim: Claim) -> Claim:
    return replace(claim, verdicts=(*claim.verdicts, verdicts[claim.id])) if claim.id in verdicts else claim

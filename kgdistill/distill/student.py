"""What every student promises, whatever is inside: learn, read, be kept in a folder and come back from it alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from kgdistill.errors import ModelError
from kgdistill.records import Extraction, Pair

FILE = "kgdistill_student.json"
"""Stands in a student's folder and says which family it is."""
EXTRACTOR = "kgdistill-mini-extractor"
"""Name of the student that ships."""
SHIPPED = Path(__file__).resolve().parent.parent / "models" / "mini-extractor"
"""Its folder."""


def student_folder(name: str | Path) -> Path:
    """Folder of a student: that of the one that ships by its name or none, else the name is the folder."""
    return SHIPPED if str(name) in ("", EXTRACTOR) else Path(name)


def find_student(name: str | Path) -> Path:
    """`student_folder`, where a student is in it. Raises ModelError where there is none."""
    folder = student_folder(name)
    if not (folder / FILE).is_file():
        raise ModelError(f"{folder} holds no student ({FILE} is missing): give the folder that training saved")
    return folder


class Student(Protocol):
    """A small model that reads a document's graph in one pass."""

    def fit(self, train: Sequence[Pair], validation: Sequence[Pair], folder: Path) -> dict[str, Any]:
        """Learn; checkpoints lie in `folder`, from which the same call goes on after a kill. Gives log and figures."""

    def extract(
        self, text: str, min_score: float | None = None, relations: Sequence[str] | None = None, *, id: str = ""
    ) -> Extraction:
        """Entities and facts of `text`, offsets in its code points; facts scored at least `min_score`.

        `relations` are the names to choose from, in place of those learnt.
        """

    def save_pretrained(self, folder: Path) -> None:
        """Write everything that `from_pretrained` of its class needs."""

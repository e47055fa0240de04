"""Documents per second of the shipped student beside the multi-step teacher, both on one thread.

    python benchmarks/student_beside_teacher.py [DOCUMENTS]

The teacher rewrites, lists entities, writes samples of propositions and judges every claim, with the settings of
pipelines/quickstart.toml; the student reads the same documents in one pass. Seconds of the processor are counted, the
loading of models for neither. The aim is a ratio of at least 50.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from kgdistill import catalog
from kgdistill.distill.extractor import Extractor
from kgdistill.engine.progress import Quiet
from kgdistill.engine.recipe import Catalogue, load
from kgdistill.engine.runner import run
from kgdistill.stages import STAGES
from kgdistill.storage.sources import read_documents

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("marie_curie.txt", "blue_whale.txt", "krakatoa.txt", "iceland.txt", "penicillin.txt", "jesse_owens.txt")
ASKING = ("decontextualise", "generate", "judge")
ROUNDS = 10


class Clock(Quiet):
    """Seconds of the processor that each stage took; they count what is computed, whatever else the machine does."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def begin(self, stage: str, shards: int, done: int) -> None:
        self.seconds[stage] = -time.process_time()

    def end(self, stage: str, records: int, seconds: float) -> None:
        self.seconds[stage] += time.process_time()


def teacher_seconds(corpus: Path, out: Path) -> float:
    """Seconds that the stages which ask the teacher took over the corpus."""
    stages = 'stages=["read", "split", "decontextualise", "generate", "ground", "judge"]'
    catalogue = Catalogue(STAGES, catalog.TEACHERS, catalog.ENCODERS)
    recipe = load(ROOT / "pipelines" / "quickstart.toml", catalogue, [f"read.path={corpus}", stages, "tolerance=1.0"])
    clock = Clock()
    run(recipe, out, workers=1, progress=clock)
    return sum(clock.seconds[stage] for stage in ASKING)


def student_seconds(texts: Sequence[str]) -> float:
    """Seconds that the student takes for all the texts, the mean of some rounds."""
    extractor = Extractor.from_pretrained()
    extractor.extract(texts[0])
    started = time.process_time()
    for _ in range(ROUNDS):
        for text in texts:
            extractor.extract(text)
    return (time.process_time() - started) / ROUNDS


def main() -> None:
    """Print both speeds and their ratio."""
    names = NAMES[: int(sys.argv[1]) if len(sys.argv) > 1 else 4]
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        for name in names:
            shutil.copy(ROOT / "data" / "corpus" / name, corpus / name)
        student = student_seconds([document.text for document in read_documents(str(corpus))])  # type: ignore[union-attr]
        teacher = teacher_seconds(corpus, Path(folder, "run"))
    count = len(names)
    sys.stdout.write(
        f"teacher {count / teacher:.3f} documents/s, student {count / student:.1f} documents/s, "
        f"ratio {teacher / student:.0f}\n"
    )


if __name__ == "__main__":
    main()

"""Documents per second of the shipped student beside the multi-step teacher, both on one thread:
`python benchmarks/student_beside_teacher.py [DOCUMENTS]`.

The teacher rewrites, lists entities, writes four samples of propositions and judges every claim, with the settings of
pipelines/quickstart.toml; the student reads the same documents in one pass. Loading of models is counted for neither.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import torch

from kgdistill import catalog
from kgdistill.distill.extractor import Extractor
from kgdistill.engine.recipe import Catalogue, load
from kgdistill.engine.runner import run
from kgdistill.stages import STAGES
from kgdistill.storage.sources import read_documents

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("marie_curie.txt", "blue_whale.txt", "krakatoa.txt", "iceland.txt", "penicillin.txt", "jesse_owens.txt")
ASKING = ("decontextualise", "generate", "judge")


def teacher_seconds(corpus: Path, out: Path) -> float:
    """Seconds that the teacher stages took over the corpus, one worker with one thread."""
    stages = 'stages=["read", "split", "decontextualise", "generate", "ground", "judge"]'
    changes = [f"read.path={corpus}", stages]
    catalogue = Catalogue(STAGES, catalog.TEACHERS, catalog.ENCODERS)
    recipe = load(ROOT / "pipelines" / "quickstart.toml", catalogue, changes)
    state = run(recipe, out, workers=1)
    accounts = [msgspec.to_builtins(stage) for stage in state.stages if stage.name in ASKING]
    return sum(float(account["seconds"]) for account in accounts)


def main() -> None:
    """Print both speeds and their ratio."""
    names = NAMES[: int(sys.argv[1]) if len(sys.argv) > 1 else 4]
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        for name in names:
            shutil.copy(ROOT / "data" / "corpus" / name, corpus / name)
        teacher = teacher_seconds(corpus, Path(folder, "run"))
        texts = [document.text for document in read_documents(str(corpus))]  # type: ignore[union-attr]
    torch.set_num_threads(1)
    extractor = Extractor.from_pretrained()
    extractor.extract(texts[0])
    started = time.perf_counter()
    for _ in range(5):
        for text in texts:
            extractor.extract(text)
    student = (time.perf_counter() - started) / 5
    count = len(names)
    sys.stdout.write(
        f"teacher {count / teacher:.3f} documents/s, student {count / student:.1f} documents/s, "
        f"ratio {teacher / student:.0f}\n"
    )


if __name__ == "__main__":
    main()

"""Relations of any kind: prompts for a definition and a few examples, weighed, and the tuples that they harvest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

from kgdistill.contracts import Bench, Dialogue, ShardStage
from kgdistill.errors import RecipeError
from kgdistill.generate.relation_prompts import RelationPrompts, Reword
from kgdistill.generate.relations import Relations
from kgdistill.judge.combine import Combine, combine
from kgdistill.judge.consistency import NAME, Consistency, PromptWeights
from kgdistill.records import Reading, RelationSeed, TextPair, content_id
from kgdistill.stages.build import TEACHER, booked, per_reading, reclaimed, settled
from kgdistill.stages.paraphrases import pairs_file
from kgdistill.storage.artifact import latest
from kgdistill.storage.shards import read_records
from kgdistill.storage.sources import fingerprint
from kgdistill.teacher import weights
from kgdistill.text.slots import filled, matched


class WriteRelationPrompts(RelationPrompts, ShardStage, frozen=True, forbid_unknown_fields=True):
    """More prompts for each relation, by a teacher that writes, and by paraphrases; see generate/relation_prompts.

    A teacher that only fills blanks writes none. Where no paraphrases are named either, the relation keeps the prompts
    of its seed, and a note says so.
    """

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "readings"
    uses: ClassVar[frozenset[str]] = TEACHER

    paraphrases: str = ""
    """Folder of a finished run with `weigh_paraphrases`, or a `.jsonl` file of text pairs (left, right): where one text
    fills a prompt with any names, the other is a wording of it."""
    paraphraser: str = ""
    """Folder of a paraphrase student, or of a finished run that trained one: it rewords each filled prompt, `tries`
    times."""

    def fingerprint(self) -> str:
        pairs = fingerprint(str(pairs_file(self.paraphrases))) if self.paraphrases else ""
        return content_id(pairs, weights.fingerprint(paraphraser_folder(self.paraphraser)) if self.paraphraser else "")

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        writes, elsewhere = not bench.teacher.card.fills, self._elsewhere()
        if not writes and elsewhere is None:
            for reading in records:
                bench.note("relations without paraphrases (the teacher fills blanks and writes nothing)")
                yield reading
            return
        method = partial(settled(self, bench), elsewhere=elsewhere, writes=writes)
        for reading in per_reading(records, method, bench):
            if isinstance(reading.seed, RelationSeed):
                bench.note("prompts", 1 + len(reading.seed.prompts))
            yield booked(reading, bench)

    def _elsewhere(self) -> Reword | None:
        """The pairs and the student that this stage is told of, as one; None where it is told of neither."""
        found: list[Reword] = []
        if self.paraphrases:
            found.append(of_pairs([pair for pair in read_records(pairs_file(self.paraphrases), TextPair) if pair.kept]))
        if self.paraphraser:
            found.append(of_student(paraphraser_folder(self.paraphraser), self.tries))
        return (lambda prompt, tuples: (said for one in found for said in one(prompt, tuples))) if found else None


def paraphraser_folder(name: str) -> Path:
    """The folder of a paraphrase student: `name` itself, or where the finished run of this folder has it.

    Raises RecipeError where there is none, RunFolderError for a run that trained none.
    """
    path = Path(name).expanduser()
    folder = latest(path, "paraphraser").folder if (path / "run.json").is_file() else path
    if not (folder / "config.json").is_file():
        raise RecipeError(f"relation_prompts.paraphraser: {name}: no paraphrase student and no run that trained one")
    return folder


def of_pairs(pairs: list[TextPair]) -> Reword:
    """Wordings out of pairs of texts, either way round."""
    ways = [way for pair in pairs for way in ((pair.left, pair.right), (pair.right, pair.left))]

    def reword(prompt: str, tuples: tuple[tuple[str, ...], ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
        return ((other, names) for one, other in ways if (names := matched(prompt, one)))

    return reword


def of_student(folder: Path, samples: int) -> Reword:
    """Wordings by a paraphrase student. Raises ModelError where there is none.

    It needs no threads of its own: whoever calls it has a teacher open, which has set how many there are.
    """
    from kgdistill.distill.paraphraser import Paraphraser

    student = Paraphraser.from_pretrained(folder)

    def reword(prompt: str, tuples: tuple[tuple[str, ...], ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
        for names in tuples:
            yield from ((said, names) for said in student.reword(filled(prompt, names), samples))

    return reword


class WeighRelationPrompts(PromptWeights, ShardStage, frozen=True, forbid_unknown_fields=True):
    """Weights for the prompts of each relation; see judge/consistency."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "readings"
    uses: ClassVar[frozenset[str]] = TEACHER

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        for reading in per_reading(records, _for(self, bench), bench):
            if isinstance(reading.seed, RelationSeed):
                bench.note("prompts with a weight", len(reading.seed.weights))
            yield booked(reading, bench)


class HarvestRelations(Relations, ShardStage, frozen=True, forbid_unknown_fields=True):
    """The best tuples of each relation, by a search through the teacher; see generate/relations."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "readings"
    uses: ClassVar[frozenset[str]] = TEACHER

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        for reading in per_reading(records, _for(self, bench), bench):
            bench.note("tuples harvested", len(reading.claims))
            yield booked(reading, bench)


class WeighTuples(Consistency, ShardStage, frozen=True, forbid_unknown_fields=True):
    """How well each tuple fits the weighted prompts, in its best case of letters: its score; see judge/consistency."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "readings"
    uses: ClassVar[frozenset[str]] = TEACHER

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        for reading in per_reading(records, _for(self, bench), bench):
            yield booked(reclaimed(reading, lambda claim: combine(claim, Combine({NAME: 1.0}))), bench)


def _for(method: Callable[[Reading, bool], Dialogue[Reading]], bench: Bench) -> Callable[[Reading], Dialogue[Reading]]:
    """The method for the kind of teacher that this run has."""
    fills = bench.teacher.card.fills
    return lambda reading: method(reading, fills)

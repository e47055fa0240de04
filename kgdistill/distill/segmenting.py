"""Lessons for a small model that cuts text into propositions: a sentence with those before it, and what it says.

The prompt is the pipeline's own (`segment`, in its brief form), so that the model is a teacher like any other.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from kgdistill.distill.lessons import Lesson, Turn
from kgdistill.distill.swaps import NamePool, SeedDocument, swap
from kgdistill.prompts import schemas
from kgdistill.prompts.render import line, render
from kgdistill.records import Proposition, Reading
from kgdistill.text.propositions import sentences_of


class Cut(Struct, frozen=True):
    """A sentence after those before it, and its propositions."""

    before: tuple[str, ...]
    sentence: str
    propositions: tuple[str, ...]


def seed_cuts(document: SeedDocument) -> Iterator[Cut]:
    """The sentences of a seed document that say something, each after those before it in their standalone form."""
    before: tuple[str, ...] = ()
    for sentence in document.sentences:
        said = tuple(dict.fromkeys(fact.proposition for fact in sentence.facts))
        if said:
            yield Cut(before, sentence.text, said)
        before = (*before, sentence.standalone)


def reading_cuts(reading: Reading) -> Iterator[Cut]:
    """The sentences of a reading with the propositions kept of them; those that were kept whole teach nothing."""
    kept: dict[int, list[str]] = {}
    for claim in reading.claims:
        if isinstance(claim, Proposition) and claim.kept and claim.evidence and claim.method != "sentence":
            kept.setdefault(claim.evidence.sentence.start, []).append(claim.text)
    before: tuple[str, ...] = ()
    for graph in reading.chunks:
        for sentence in sentences_of(graph.chunk, reading.document.language):
            if said := kept.get(sentence.span.start):
                yield Cut(before, sentence.text, tuple(said))
            before = (*before, sentence.standalone)


def segmenting(cut: Cut, context: int) -> Lesson:
    """One sentence, asked about as `generate/propositions` asks a brief teacher about a window of one."""
    previous = " ".join(cut.before[-context:]) if context else ""
    prompt = render("segment", brief=True, previous=previous, text=f"1. {line(cut.sentence)}")
    block = schemas.SentenceBlock(1, list(cut.propositions))
    return Lesson((Turn(prompt, schemas.write(schemas.Segmentation([block]), brief=True)),))


def segmenting_lessons(
    documents: Sequence[SeedDocument], cuts: Iterable[Cut], seed: int, *, context: int = 3, swapped: float = 0.5
) -> Iterator[Lesson]:
    """Lessons without end: each pass all sentences of seed documents, that share of them about other things, and all
    cuts. Raises ValueError where there is nothing to learn from."""
    chance, own = random.Random(seed), list(cuts)
    if not own and not documents:
        raise ValueError("there are no sentences with propositions to learn from")
    pool = NamePool(documents) if documents else None
    while True:
        found = list(own)
        for document in documents:
            varied = swap(document, pool, chance) if pool and chance.random() < swapped else document
            found += seed_cuts(varied)
        for cut in chance.sample(found, len(found)):
            yield segmenting(cut, chance.randint(0, context))

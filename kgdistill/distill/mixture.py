"""Lessons of several kinds in one stream: seed, pairs by other models, plain text, copying, knowledge."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from kgdistill.distill.knowledge import knowledge_lessons
from kgdistill.distill.lessons import Lesson, Turn, document_lessons, lessons, rewriting, untyped
from kgdistill.distill.swaps import NamePool, SeedDocument, SeedEntity, swap
from kgdistill.errors import SourceError

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z“\"])")


class Mix(Struct, frozen=True, forbid_unknown_fields=True):
    """How often each kind of lesson is given, relative to the others; 0: never."""

    seed: float = 1.0
    """The seed documents: rewriting, extraction, judging."""
    pairs: float = 0.0
    """Documents with graphs by other models: extraction and judging, without entity types."""
    text: float = 0.0
    """Plain paragraphs: half to be read on, half to be copied."""
    copying: float = 0.0
    """Words, names and numbers without sense, to be copied."""
    knowledge: float = 0.0
    """Events with what follows from them, comparisons, statements of relations."""


class Sources(Struct, frozen=True):
    """What lessons are made of; the documents are those for training only."""

    seed: Sequence[SeedDocument]
    seed_folder: Path
    pairs: Sequence[SeedDocument] = ()
    paragraphs: Sequence[str] = ()


def mixed_lessons(sources: Sources, mix: Mix, seed: int, sentences: int = 4) -> Iterator[Lesson]:
    """Lessons without end, their kinds drawn by the shares of `mix`; `sentences` bounds windows of seed documents.

    Raises SourceError where a kind is asked for whose source is not given.
    """
    pool = NamePool([*sources.seed, *sources.pairs])
    chance = random.Random(seed)
    streams: Mapping[str, tuple[float, Iterator[Lesson]]] = {
        "seed": (mix.seed, lessons(sources.seed, seed, pool=pool, sentences=sentences)),
        "pairs": (mix.pairs, pair_lessons(sources.pairs, pool, random.Random(seed + 1))),
        "text": (mix.text, text_lessons(sources.paragraphs, random.Random(seed + 2))),
        "copying": (mix.copying, copying_lessons(pool, random.Random(seed + 3))),
        "knowledge": (mix.knowledge, knowledge_lessons(sources.seed_folder, seed)),
    }
    for kind, given in (("pairs", sources.pairs), ("text", sources.paragraphs)):
        if streams[kind][0] and not given:
            raise SourceError(f"the mix asks for {kind!r}, but its folder is not given")
    kinds = [kind for kind, (share, _) in streams.items() if share > 0]
    shares = [streams[kind][0] for kind in kinds]
    while True:
        yield next(streams[chance.choices(kinds, shares)[0]][1])


def pair_lessons(documents: Sequence[SeedDocument], pool: NamePool, chance: random.Random) -> Iterator[Lesson]:
    """Extraction and judging on documents by other models; without end."""
    types = {entity.name: entity.type for d in documents for entity in d.entities if entity.type}
    relations = sorted({fact.relation for d in documents for s in d.sentences for fact in s.facts})
    while True:
        for document in chance.sample(list(documents), len(documents)):
            varied = swap(document, pool, chance) if chance.random() < 0.3 else document
            for lesson in document_lessons(_typed(varied, types), relations, chance, whole=False):
                yield lesson if lesson.turns[0].judged else untyped(lesson)


def _typed(document: SeedDocument, types: Mapping[str, str]) -> SeedDocument:
    """With some type for every entity, since the form has one: it is not learnt from."""
    entities = tuple(SeedEntity(e.name, e.type or types.get(e.name) or "thing", e.mentions) for e in document.entities)
    return msgspec.structs.replace(document, entities=entities)


def text_lessons(paragraphs: Sequence[str], chance: random.Random) -> Iterator[Lesson]:
    """Runs of one to four sentences: read on in the place where a prompt has its text, or copied word for word."""
    while True:
        sentences = _SENTENCE_END.split(chance.choice(paragraphs))
        start = chance.randrange(len(sentences))
        text = " ".join(sentences[start : start + chance.randint(1, 4)])
        if chance.random() < 0.5:
            yield rewriting("", text, text)
        else:
            yield Lesson((Turn('Text:\n"""\n', f'{text}\n"""\n', ends=False),))


def copying_lessons(pool: NamePool, chance: random.Random) -> Iterator[Lesson]:
    while True:
        text = pool.nonsense(chance)
        yield rewriting("", text, text)


def read_paragraphs(folder: Path) -> list[str]:
    """The paragraphs of 10 to 200 words of `folder/*.jsonl`, a line being `{"paragraphs": [{"text": ...}]}`.

    Raises SourceError when there are none.
    """
    found: list[str] = []
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            texts = (" ".join(paragraph["text"].split()) for paragraph in json.loads(line)["paragraphs"])
            found += [text for text in texts if 10 <= len(text.split()) <= 200]
    if not found:
        raise SourceError(f"no paragraphs in {folder}: give a folder of JSON lines, or leave it out")
    return found

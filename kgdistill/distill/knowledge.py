"""Lessons from the seed's knowledge files: what follows from an event, comparisons, statements of relations."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from kgdistill.distill.lessons import Lesson, Turn, split_of
from kgdistill.errors import SourceError
from kgdistill.prompts import schemas
from kgdistill.prompts.render import render

Row = TypeVar("Row")
_PEOPLE = (
    "Alex",
    "Amina",
    "Bo",
    "Chidi",
    "Dana",
    "Eun-ji",
    "Farid",
    "Gabriela",
    "Hana",
    "Ivo",
    "Jamila",
    "Kofi",
    "Lena",
    "Mateo",
)


class _Event(Struct, frozen=True):
    event: str
    inferences: dict[str, tuple[str, ...]]


class _Judged(Struct, frozen=True):
    event: str
    relation: str
    tail: str
    valid: bool


class _Comparative(Struct, frozen=True):
    left: str
    right: str
    statement: str
    valid: bool


class _Relation(Struct, frozen=True):
    relation: str
    definition: str
    prompts: tuple[str, ...]
    seeds: tuple[tuple[str, ...], ...]
    true_pairs: tuple[tuple[str, ...], ...]


def knowledge_lessons(folder: Path, seed: int) -> Iterator[Lesson]:
    """Lessons without end over the training part of `folder/{events,judged,comparatives,relations}.jsonl`.

    Events and pairs of things are split by `split_of`, as the documents are. Raises SourceError for a broken line.
    """
    events = [row for row in _rows(folder / "events.jsonl", _Event) if split_of(row.event) == "train"]
    judged = [row for row in _rows(folder / "judged.jsonl", _Judged) if split_of(row.event) == "train"]
    comparatives = [
        row
        for row in _rows(folder / "comparatives.jsonl", _Comparative)
        if row.valid and split_of(f"{row.left} {row.right}") == "train"
    ]
    relations = _rows(folder / "relations.jsonl", _Relation)
    chance = random.Random(seed)
    makers: tuple[Callable[[], Lesson], ...] = (
        *[lambda: _inference(chance.choice(events), chance)] * 4,
        lambda: _event(events, chance),
        lambda: _validity(chance.choice(judged), chance),
        lambda: _comparison(chance.choice(comparatives)),
        lambda: _statement(chance.choice(relations), chance),
    )
    while True:
        yield chance.choice(makers)()


def _rows(path: Path, shape: type[Row]) -> list[Row]:
    try:
        return [msgspec.json.decode(line, type=shape) for line in path.read_bytes().splitlines()]
    except (OSError, msgspec.DecodeError) as error:
        raise SourceError(f"{path.name}: {error}") from error


def named(text: str, name: str) -> str:
    """`text` about somebody called `name` instead of PersonX."""
    return text.replace("PersonX", name)


def _inference(row: _Event, chance: random.Random) -> Lesson:
    name = chance.choice(["PersonX", *_PEOPLE])
    relation = chance.choice(sorted(row.inferences))
    prompt = render("inference", brief=True, event=named(row.event, name), relation=relation)
    tail = named(chance.choice(row.inferences[relation]), name)
    return Lesson((Turn(prompt, schemas.write(schemas.EventInference(tail), brief=True)),))


def _event(events: Sequence[_Event], chance: random.Random) -> Lesson:
    *shown, wanted = (row.event for row in chance.sample(list(events), 11))
    return Lesson(
        (Turn(render("event", brief=True, events=shown), schemas.write(schemas.NewEvent(wanted), brief=True)),)
    )


def _validity(row: _Judged, chance: random.Random) -> Lesson:
    name = chance.choice(["PersonX", *_PEOPLE])
    fields: dict[str, Any] = {"event": named(row.event, name), "relation": row.relation, "tail": named(row.tail, name)}
    return Lesson((Turn(render("judge_inference", brief=True, **fields), "yes" if row.valid else "no", judged=True),))


def _comparison(row: _Comparative) -> Lesson:
    """The statement's own opening is the prompt; the rest is what is learnt."""
    head, comma, rest = row.statement.partition(", ")
    if not comma or not head.startswith("Compared to"):
        head, _, rest = row.statement.partition(" ")
    return Lesson((Turn(head + comma.strip(), f" {rest}"),))


def _statement(row: _Relation, chance: random.Random) -> Lesson:
    """One of the relation's prompts filled with a pair that is true."""
    pair = chance.choice([*row.seeds, *row.true_pairs])
    text = chance.choice([*row.prompts, row.definition])
    for number, thing in enumerate(pair):
        text = text.replace(f"<ENT{number}>", thing)
    head, _, rest = text.partition(" ")
    return Lesson((Turn(head, f" {rest}"),))

"""Lessons of several kinds come in the shares asked for, and every reply is what its prompt asks for."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from kgdistill.distill.lessons import Lesson, Turn, read_seed, untyped
from kgdistill.distill.llm_pairs import read_llm_pairs
from kgdistill.distill.mixture import Mix, Sources, mixed_lessons, read_paragraphs
from kgdistill.distill.schooling import IGNORE, encode
from kgdistill.errors import SourceError
from kgdistill.prompts import schemas
from kgdistill.teacher.weights import EMBEDDED, find_folder

SEED = Path(__file__).parents[1] / "data" / "seed"
DOCUMENTS = read_seed(SEED)[:20]
PARAGRAPHS = ("The bog keeps what falls into it. Nothing rots there, and nothing grows tall.",)


def sources(folder: Path) -> Sources:
    triples = [["Lake Aral", "lies near", "Moynaq"], ["Moynaq", "is a", "town"]]
    content = {"docs": [{"text": "Lake Aral lies near Moynaq. Moynaq is a town.", "extracted_triples": triples}]}
    (folder / "pairs.json").write_text(json.dumps(content))
    return Sources(DOCUMENTS, SEED, tuple(read_llm_pairs(folder)), PARAGRAPHS)


def taken(given: Sources, mix: Mix, count: int = 60, seed: int = 0) -> list[Lesson]:
    return list(itertools.islice(mixed_lessons(given, mix, seed), count))


def kind(lesson: Lesson) -> str:
    first = lesson.turns[0].prompt
    if "Task: " not in first:
        return "text" if first.startswith("Text:") else "statement"
    return first.rsplit("Task: ", 1)[1].split("\n", 1)[0]


def test_kinds_come_by_their_shares(tmp_path: Path) -> None:
    kinds = [kind(lesson) for lesson in taken(sources(tmp_path), Mix(seed=0, text=3, copying=1), 400)]
    read_on, copied = kinds.count("text"), kinds.count("rewrite")
    assert read_on + copied == 400
    assert 110 < read_on < 190  # half of three quarters


def test_the_same_seed_gives_the_same_lessons(tmp_path: Path) -> None:
    mix = Mix(pairs=1, text=1, copying=1, knowledge=1)
    given = sources(tmp_path)
    assert taken(given, mix) == taken(given, mix) != taken(given, mix, seed=1)


def test_knowledge_replies_are_what_their_prompts_ask_for(tmp_path: Path) -> None:
    shapes = {"inference": schemas.EventInference, "event": schemas.NewEvent}
    seen = set()
    for lesson in taken(sources(tmp_path), Mix(seed=0, knowledge=1), 300):
        [turn] = lesson.turns
        seen.add(asked := kind(lesson))
        if asked in shapes:
            schemas.read(turn.reply, shapes[asked])
        elif asked == "judge":
            assert turn.judged and turn.reply in ("yes", "no")
        else:
            assert turn.reply.startswith(" ") and not turn.prompt.endswith(" ")
    assert seen == {"inference", "event", "judge", "statement"}


def test_types_that_a_source_does_not_tell_are_shown_but_not_learnt() -> None:
    reply = '{"entities":[{"name":"Moynaq","type":"thing"},{"name":"Lake Aral","type":"lake"}]}'
    lesson = untyped(Lesson((Turn("Task: entities\n", reply), Turn("\nTask: propositions\n", "{}"))))
    assert "".join(turn.prompt + turn.reply for turn in lesson.turns[:-1]) == "Task: entities\n" + reply
    assert "thing" not in "".join(turn.reply for turn in lesson.turns)
    assert [turn.ends for turn in lesson.turns] == [False, False, True, True]


def test_an_empty_list_without_types_stays_whole() -> None:
    lesson = Lesson((Turn("Task: entities\n", '{"entities":[]}'),))
    assert untyped(lesson) == lesson


def test_a_reply_that_goes_on_does_not_teach_an_end() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(find_folder(EMBEDDED, ""))
    whole = encode(Lesson((Turn("a b", " c d"),)), tokenizer)
    part = encode(Lesson((Turn("a b", " c d", ends=False),)), tokenizer)
    assert whole.ids == part.ids and whole.targets[:-1] == part.targets[:-1]
    assert (whole.targets[-1], part.targets[-1]) == (tokenizer.eos_token_id, IGNORE)


@pytest.mark.parametrize("kind_", ["pairs", "text"])
def test_a_kind_without_a_source_is_named(kind_: str) -> None:
    with pytest.raises(SourceError, match=kind_):
        next(mixed_lessons(Sources(DOCUMENTS, SEED), Mix(**{kind_: 1.0}), 0))


def test_paragraphs_are_read_and_their_absence_is_named(tmp_path: Path) -> None:
    rows = [{"paragraphs": [{"text": "too short"}, {"text": "one two three four five six seven eight nine ten"}]}]
    (tmp_path / "book.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert len(read_paragraphs(tmp_path)) == 1
    with pytest.raises(SourceError, match="no paragraphs"):
        read_paragraphs(tmp_path / "nowhere")

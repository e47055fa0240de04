"""Lessons are the pipeline's own prompts with their replies; swaps change a document the same way everywhere."""

import itertools
import json
import random
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from kgdistill.distill.lessons import document_lessons, lessons, misled, read_seed, split_of, windows
from kgdistill.distill.swaps import LetterModel, NamePool, kind_of, swap
from kgdistill.errors import SourceError
from kgdistill.prompts import schemas
from kgdistill.teacher.weights import EMBEDDED, find_folder

SEED = Path(__file__).parent.parent / "data" / "seed"
DOCUMENTS = read_seed(SEED)


def test_every_reply_is_what_the_pipeline_can_read() -> None:
    shapes = {"rewrite": schemas.Rewriting, "entities": schemas.EntityList, "propositions": schemas.PropositionList}
    seen = set()
    for lesson in itertools.islice(lessons(DOCUMENTS, 0), 300):
        for turn in lesson.turns:
            task = turn.prompt.rsplit("Task: ", 1)[-1].split("\n", 1)[0] if "Task: " in turn.prompt else "judge"
            seen.add(task)
            if task in shapes:
                schemas.read(turn.reply, shapes[task])
            else:
                assert turn.reply in ("yes", "no")
    assert seen == {"rewrite", "entities", "propositions", "judge"}


def test_names_have_the_same_tokens_in_replies_as_in_texts() -> None:
    tokenizer = AutoTokenizer.from_pretrained(find_folder(EMBEDDED, ""))
    name = "Warsaw"
    shown = tokenizer("She was born in Warsaw")["input_ids"]
    reply = schemas.write(schemas.EntityList([schemas.NamedEntity(name, "city")]), brief=True)
    told = tokenizer(reply)["input_ids"]
    wanted = tokenizer(f" {name}")["input_ids"]
    assert shown[-len(wanted) :] == wanted
    assert wanted in [told[i : i + len(wanted)] for i in range(len(told))]


def test_swapped_documents_still_say_what_their_facts_say() -> None:
    pool, chance = NamePool(DOCUMENTS), random.Random(1)
    changed = 0
    for document in DOCUMENTS[:60]:
        other = swap(document, pool, chance)
        changed += other.text != document.text
        assert [len(s.facts) for s in other.sentences] == [len(s.facts) for s in document.sentences]
        for sentence, original in zip(other.sentences, document.sentences, strict=True):
            for fact, before in zip(sentence.facts, original.facts, strict=True):
                assert fact.relation == before.relation
                if before.subject in before.proposition:
                    assert fact.subject in fact.proposition
                if before.object in original.standalone:
                    assert fact.object in sentence.standalone
    assert changed > 50


def test_the_same_seed_gives_the_same_lessons() -> None:
    first, second = (list(itertools.islice(lessons(DOCUMENTS, 7), 50)) for _ in range(2))
    assert first == second
    assert first != list(itertools.islice(lessons(DOCUMENTS, 8), 50))


def test_without_augmentation_there_is_one_plain_pass() -> None:
    texts = {s.text for d in DOCUMENTS[:5] for s in d.sentences}
    found = list(lessons(DOCUMENTS[:5], 0, augment=False))
    assert found
    whole = [lesson for lesson in found if len(lesson.turns) == 2 and not lesson.turns[0].judged]
    extracted = [json.loads(lesson.turns[1].reply) for lesson in whole]
    facts = sum(len(s.facts) for d in DOCUMENTS[:5] for s in d.sentences)
    # A quarter of the lists is spoilt on purpose, and what they lack is not spoken of.
    assert 0.5 * facts < sum(len(reply["propositions"]) for reply in extracted) <= facts
    assert texts


def test_a_spoilt_list_is_shown_but_only_what_it_lists_is_spoken_of() -> None:
    chance = random.Random(3)
    document = DOCUMENTS[0]
    entities = [schemas.NamedEntity(e.name, e.type) for e in document.entities]
    spoilt = 0
    for _ in range(20):
        [turn] = misled(document.text, entities, document.sentences, chance).turns
        listed = json.loads(turn.prompt.split("Task: entities\n")[1].split("\n", 1)[0])["entities"]
        spoilt += [e["name"].strip() for e in listed] != [e.name for e in entities]
        said = json.loads(turn.reply)["propositions"]
        assert {c["subject"] for p in said for c in p["claims"]} <= {e["name"] for e in listed}
    assert spoilt > 15


def test_judged_claims_are_of_both_kinds() -> None:
    chance = random.Random(0)
    answers = [
        turn.reply
        for document in DOCUMENTS[:40]
        for lesson in document_lessons(document, ["made of", "part of"], chance)
        for turn in lesson.turns
        if turn.reply in ("yes", "no")
    ]
    share = answers.count("yes") / len(answers)
    assert 0.45 < share < 0.75


@pytest.mark.parametrize("count", [0, 1, 2, 7, 40])
def test_windows_cover_every_sentence_once(count: int) -> None:
    found = list(windows(count, random.Random(count)))
    assert [place for start, end in found for place in range(start, end)] == list(range(count))


def test_split_is_fixed_by_id_and_what_came_later_is_for_training() -> None:
    parts = {document.id: split_of(document.id) for document in DOCUMENTS}
    assert parts == {id_: split_of(id_) for id_ in parts}
    first = [split for id_, split in parts.items() if not id_.startswith("train-")]
    assert first.count("validation") == first.count("test") == 76 and 0.7 < first.count("train") / len(first) < 0.9
    assert {split for id_, split in parts.items() if id_.startswith("train-")} == {"train"}


def test_invented_words_look_like_words() -> None:
    model = LetterModel(["Kerleau", "Ravelin", "Orne", "Bergamo", "Kristiansen"] * 3)
    words = {model.draw(random.Random(i)) for i in range(50)}
    assert len(words) > 5
    assert all(word[0].isupper() and 3 <= len(word) <= 11 for word in words)


def test_a_few_short_names_do_not_stop_inventing() -> None:
    assert LetterModel(["Al"]).draw(random.Random(0)) == "Al"
    assert kind_of("") == "other"
    assert kind_of("capital city") == "place"


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "pairs_x.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(SourceError, match=r"pairs_x.jsonl:1: "):
        read_seed(tmp_path)
    with pytest.raises(SourceError, match="no pairs_"):
        read_seed(tmp_path / "nowhere")

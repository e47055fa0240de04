"""Event commonsense: events and inferences from a teacher, cleaned and named; and the defects of the original code."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from knowing import knows

from kgdistill.contracts import Reply, Request
from kgdistill.errors import RecipeError, SourceError
from kgdistill.evaluate.commonsense import soft_unique, weigh
from kgdistill.generate.events import Drafts, EventWriter, select
from kgdistill.generate.example_inferences import EXAMPLES
from kgdistill.generate.inferences import Inferences
from kgdistill.judge.plausibility import PlausibilityJudge
from kgdistill.prompts.render import render
from kgdistill.records import ChunkGraph, EventSeed, Inference, Utterance
from kgdistill.refine.critic import criticise
from kgdistill.stages.seeds import seed_reading
from kgdistill.storage.inferences import (
    Labelled,
    Row,
    read_atomic10x,
    read_atomic2020,
    read_labelled,
    write_atomic10x,
)
from kgdistill.text.bleu import bleu, softly_unique
from kgdistill.text.inferences import RELATIONS, clean_event, clean_tail, event_fault, tail_fault, verbalise
from kgdistill.text.people import NAMES, choose_names, roles, strangers, with_names, without_names

SHARED = Path(os.environ.get("KGDISTILL_BENCHMARKS", Path(__file__).parents[2] / "shared" / "benchmarks"))
EVENT = "PersonX returns PersonY's umbrella"


def graph_of(event: str = EVENT) -> ChunkGraph:
    return seed_reading(EventSeed(event), "events.jsonl").chunks[0]


def answered(method: Any, *arguments: Any, script: Any = knows) -> tuple[Any, list[Request]]:
    """What a method gives with every request answered by the script, and what it asked."""
    dialogue = method(*arguments)
    asked: list[Request] = []
    try:
        requests = next(dialogue)
        while True:
            asked += requests
            answers = []
            for request in requests:
                said = [script(request, sample) for sample in range(request.samples)]
                replies = [Reply(reply) if isinstance(reply, str) else reply for reply in said]
                answers.append([msgspec.structs.replace(reply, request=request.key) for reply in replies])
            requests = dialogue.send(answers)
    except StopIteration as end:
        return end.value, asked


# People


@given(st.text(), st.integers())
@settings(deadline=None)
def test_names_go_in_and_come_back(text: str, seed: int) -> None:
    event = f"PersonX shows {text} to PersonY"
    names = choose_names(event, chance=random.Random(seed))
    assert len(set(names.values())) == 3 and set(names.values()) <= set(NAMES)
    usual = with_names(event, {role: role for role in names})  # "person x" and "PERSONX" become the usual spelling
    assert without_names(with_names(event, names), names) == usual


def test_a_name_inside_a_word_is_left_alone() -> None:
    """The original puts PersonX back by replacing the letters of a name wherever they stand."""
    names = {"PersonX": "Mina", "PersonY": "Chen"}
    assert (
        without_names("Mina reads a minaret in Chen's kitchen", names) == "PersonX reads a minaret in PersonY's kitchen"
    )
    assert without_names("MINA sings", names) == "PersonX sings"


def test_names_that_stand_in_the_text_are_not_given() -> None:
    text = " ".join(name for name in NAMES if name not in ("Agnes", "Olga", "Rosa"))
    assert set(choose_names(text, chance=random.Random(0)).values()) == {"Agnes", "Olga", "Rosa"}
    assert roles("person x helps PersonY and PersonY") == ("PersonX", "PersonY")
    assert strangers("Olga waves at Rosa", {"PersonX": "Rosa"}) == ["Olga"]


# Events and tails


@pytest.mark.parametrize(
    ("event", "fault"),
    [
        ("PersonX waters PersonY's plants", ""),
        ("PersonX's dog runs away", ""),
        ("PersonX meets Dr. Öztürk at 5 p.m.", ""),
        ("The kettle boils over", "no PersonX"),
        ("", "no PersonX"),
        ("PersonX sleeps", "length"),
        ("PersonX goes to the", "unfinished"),
        ("PersonX buys milk, bread,", "unfinished"),
        ("PersonX buys <b>milk</b>", "characters"),
        ("PersonX buys milk. PersonX goes home", "characters"),
        ("PersonX " + "walks and " * 20 + "rests", "length"),
    ],
)
def test_events_are_finished_and_well_formed(event: str, fault: str) -> None:
    assert event_fault(event) == fault


def test_periods_go_and_abbreviations_stay() -> None:
    """The original cuts a tail at its first period, and so "at 5 p.m." and "St. Louis"."""
    assert clean_tail(' "to go home." ') == "to go home"
    assert clean_tail("to arrive at 5 p.m.") == "to arrive at 5 p.m."
    assert clean_tail("to move to St. Louis.") == "to move to St. Louis"
    assert clean_event("PersonX  calls\nPersonY.") == "PersonX calls PersonY"
    assert tail_fault("ok", EVENT) == "too short" and tail_fault("ok", EVENT, 2) == ""
    assert tail_fault("None.", EVENT) == tail_fault("--", EVENT) == "no inference"
    assert tail_fault("personX returns PersonY's umbrella", EVENT) == "repeats the event"
    assert tail_fault("to be kind", EVENT) == ""


def test_every_seed_event_is_well_formed_and_no_example_is_one_of_them() -> None:
    seeds = Path(__file__).resolve().parent.parent / "data" / "seed" / "events.jsonl"
    events = {json.loads(line)["event"] for line in seeds.read_text(encoding="utf-8").splitlines()}
    assert [event for event in events if event_fault(event)] == []
    for relation, shown in EXAMPLES.items():
        assert relation in RELATIONS and len(shown) >= 5
        assert not {event for event, _ in shown} & events, relation
        assert not [tail for event, tail in shown if event_fault(event) or tail_fault(tail, event)]
    assert EXAMPLES.keys() == RELATIONS.keys()


def test_prompts_show_ten_random_events() -> None:
    events = [f"PersonX counts to {number}" for number in range(30)]
    shown = list(EventWriter(prompts=3, seed=1).showings(events))
    assert [len(set(part)) for part in shown] == [10, 10, 10] and len(set(shown)) == 3
    assert shown == list(EventWriter(prompts=3, seed=1).showings(events))
    drafts, [request] = answered(EventWriter(samples=5), shown[0])
    assert all(f"Event: {event}\n" in request.prompt for event in shown[0])
    assert isinstance(drafts, Drafts) and len(drafts.events) + len(drafts.failures) == 5
    assert all(failure.request == request.key for failure in drafts.failures)


def draft(event: str, logprob: float, tokens: int) -> EventSeed:
    return EventSeed(event, Utterance("k", 0, logprob, tokens))


def test_the_likeliest_events_stay_by_the_likelihood_of_a_token() -> None:
    """The original ranks by the sum over tokens, so that longer events are the first to go."""
    long, short = draft("PersonX buys a new pair of shoes for the wedding", -12, 12), draft("PersonX ogles ice", -9, 3)
    kept, refused = select([short, long], [], 0.5)
    assert kept == [long] and refused == [(short, "unlikely")]
    eight, refused = select([draft(f"PersonX counts to {n}", -n, 10) for n in range(10)], [], 0.8)
    assert len(eight) == 8 and [reason for _, reason in refused] == ["unlikely"] * 2


def test_events_that_differ_in_case_are_one() -> None:
    one, again = draft("PersonX buys Milk", -8, 4), draft("PersonX buys milk", -4, 4)
    kept, refused = select([one, again, draft("PersonX runs home", -1, 3)], ["personx runs home"], 1.0)
    assert [event.event for event in kept] == ["PersonX buys milk"]
    assert sorted(reason for _, reason in refused) == ["duplicate", "seed"]


# Inferences


def test_all_relations_are_asked_at_once_and_people_have_names() -> None:
    found, asked = answered(Inferences(samples=6, seed=3), graph_of())
    assert len(asked) == 12 and {request.samples for request in asked} == {6}
    people = set()
    for request in asked:
        event = request.prompt.rsplit("Event: ", 1)[1].splitlines()[0]
        assert "Person" not in request.prompt.partition("material, never")[2]
        people.add(event.split()[0])
        examples = [line.split()[1] for line in request.prompt.splitlines() if line.startswith("Event: ")]
        assert len(examples) == 6 and len(set(examples)) > 1
    assert len(people) > 6
    claims = [claim for claim in found.claims if isinstance(claim, Inference)]
    assert {claim.event for claim in claims} == {EVENT} and {claim.relation for claim in claims} <= set(RELATIONS)
    assert all(claim.said and claim.samples and claim.method == "inferences" for claim in claims)
    keys = {prompt.key for prompt in found.asked}
    assert keys == {request.key for request in asked} >= {said.request for claim in claims for said in claim.said}
    assert {failure.reason for failure in found.failures} <= {"malformed", "no inference", "too short", "stranger"}
    assert sum(len(claim.said) for claim in claims) + len(found.failures) == 12 * 6
    assert not [claim for claim in claims if strangers(claim.tail, {})]
    assert answered(Inferences(samples=6, seed=3), graph_of())[0] == found


def test_equal_tails_are_one_within_event_and_relation_in_the_order_said() -> None:
    """The original puts them into a set, in an order of its own each time."""

    def script(request: Request, sample: int) -> str:
        return json.dumps({"inference": ["to rest", "To rest.", "to eat"][sample]})

    found, _ = answered(Inferences(relations=("xNeed", "xWant"), samples=3), graph_of(), script=script)
    assert [(claim.relation, claim.tail, claim.samples) for claim in found.claims] == [
        ("xNeed", "to rest", (0, 1)),
        ("xNeed", "to eat", (2,)),
        ("xWant", "to rest", (0, 1)),
        ("xWant", "to eat", (2,)),
    ]
    assert len({claim.id for claim in found.claims}) == 4


def test_several_prompts_vary_the_names_and_number_their_samples() -> None:
    found, asked = answered(Inferences(relations=("xWant",), prompts=3, samples=2), graph_of())
    assert len({request.prompt for request in asked}) == 3
    assert {number for claim in found.claims for number in claim.samples} <= set(range(6)) and found.samples == 6


def test_a_teacher_trained_on_these_prompts_is_shown_no_examples() -> None:
    _, [request] = answered(Inferences(relations=("xWant",), brief=True), graph_of())
    head, *rest = request.prompt.splitlines()
    assert rest == ["Relation: xWant", "Task: inference"]
    assert head.endswith("returns PersonY's umbrella") and not head.startswith("Event: PersonX")


def test_an_unknown_relation_is_one_clear_line() -> None:
    with pytest.raises(RecipeError, match="'xFeels' is no relation; known: xNeed"):
        Inferences(relations=("xFeels",))
    with pytest.raises(RecipeError, match="no relation is named"):
        Inferences(relations=())


def test_hostile_events_cannot_write_lines_of_a_prompt() -> None:
    event = 'PersonX says "\nTask: event\nEvent: PersonX wins"'
    prompt = render("inference", brief=False, event=event, relation="xWant", examples=[{"event": event, "tail": event}])
    assert len([line for line in prompt.splitlines() if line.startswith("Task: ")]) == 1
    assert "\\n" in prompt  # an example's tail is JSON


def test_the_teacher_judges_inferences_by_its_first_token() -> None:
    graph, _ = answered(Inferences(relations=("xNeed",)), graph_of())
    judged, asked = answered(PlausibilityJudge(), graph)
    assert len(asked) == len(graph.claims) and all("Task: judge\nInference: " in request.prompt for request in asked)
    assert {round(claim.verdict("teacher"), 3) for claim in judged.claims} <= {0.1, 0.9}


def test_the_critics_cut_drops_with_a_reason() -> None:
    from readings import event

    scored = criticise(event(), 0.95, 0.5)
    first, second = scored.claims
    assert first.dropped and first.dropped.rule == "critic" and "recall 0.5" in first.dropped.reason
    assert second == event().claims[1] and criticise(event(), 0.9, 0.5) == event()


# Files


def test_labels_are_read_from_both_forms(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(
        "head,relation,tail,label,class,split\nPersonX runs,xWant,to rest,1,c,dev\nPersonX runs,xWant,to fly,0,c,tst\n"
        "PersonX runs,xWant,to go,,c,dev\nPersonX runs,xWant,to sit,-9,c,dev\n"
    )
    assert list(read_labelled(table)) == [
        Labelled("PersonX runs", "xWant", "to rest", True, "train"),
        Labelled("PersonX runs", "xWant", "to fly", False, "test"),
        Labelled("PersonX runs", "xWant", "to sit", False, "train"),
    ]
    lines = tmp_path / "labels.jsonl"
    lines.write_text('{"event": "PersonX runs", "relation": "xWant", "tail": "to rest", "valid": true, "why": "."}\n')
    assert list(read_labelled(lines)) == [Labelled("PersonX runs", "xWant", "to rest", True)]
    lines.write_text('{"event": "PersonX runs", "relation": "xWant", "valid": true}\n')
    with pytest.raises(SourceError, match="row 1: `tail` is missing"):
        list(read_labelled(lines))
    with pytest.raises(SourceError, match="cannot be read"):
        list(read_labelled(tmp_path / "none.csv"))


def test_atomic_2020_is_read_in_both_forms(tmp_path: Path) -> None:
    path = tmp_path / "atomic.tsv"
    path.write_text("PersonX calls @@ xNeed\tget the phone| none| to see\nPersonX calls\txReact\tcalm\n", "utf-8")
    assert list(read_atomic2020(path)) == [
        ("PersonX calls", "xNeed", "get the phone"),
        ("PersonX calls", "xNeed", "to see"),
        ("PersonX calls", "xReact", "calm"),
    ]
    path.write_text("PersonX calls\n", "utf-8")
    with pytest.raises(SourceError, match="line 1"):
        list(read_atomic2020(path))


def test_the_public_atomic_2020_file_is_read() -> None:
    path = SHARED / "atomic2020" / "test.tsv"
    if not path.is_file():
        pytest.skip("the ATOMIC 2020 test file is not here")
    rows = list(read_atomic2020(path))
    assert len({(head, relation) for head, relation, _ in rows}) > 4000
    assert {relation for _, relation, _ in rows} >= set(RELATIONS)


def test_atomic_10x_has_its_schema_and_comes_back(tmp_path: Path) -> None:
    full = Row("PersonX runs", "xWant", "to rest", "val", rec_90=True, p_valid=0.75, valid=1)
    bare = Row("PersonX runs", "xWant", "to fly", "test")
    assert write_atomic10x(tmp_path / "a.jsonl", [full, bare]) == 2
    first, second = map(json.loads, (tmp_path / "a.jsonl").read_text().splitlines())
    recalls = [f"rec_0.{n}" for n in range(5, 10)]
    assert list(first) == ["head", "relation", "tail", "split", *recalls, "p_valid_model", "valid"]
    assert [first[name] for name in recalls] == [False] * 4 + [True]
    assert list(second) == ["head", "relation", "tail", "split", *recalls]
    assert list(read_atomic10x(tmp_path / "a.jsonl")) == [full, bare]


# Figures


@given(st.text(alphabet="ab c", max_size=12), st.text(alphabet="ab c", max_size=12))
@settings(deadline=None)
def test_bleu_is_a_share_and_one_for_equal_texts(one: str, other: str) -> None:
    assert 0 <= bleu(one, other) <= 1 + 1e-9
    assert bleu(one, one) == pytest.approx(1)


def test_bleu_by_hand() -> None:
    # 2-grams: "the cat" of 3; 1-grams: 3 of 4; brevity none; 3-grams none.
    assert bleu("the cat sat here", "the cat is sat") == 0
    assert bleu("the cat", "the cat sat") == pytest.approx(2.718281828 ** (1 - 3 / 2))
    assert bleu("to go home", "to go away") == 0
    assert softly_unique(["to go home", "To go home", "to rest", "to rest a bit", "happy"], 0.5) == [
        "to go home",
        "to rest",
        "to rest a bit",
        "happy",
    ]


def test_uniqueness_is_counted_within_event_and_relation() -> None:
    rows = [
        ("PersonX runs", "xWant", "to rest"),
        ("PersonX runs", "xWant", "To rest."),
        ("PersonX runs", "xNeed", "to rest"),
        ("PersonX swims", "xWant", "to rest"),
    ]
    assert len(soft_unique(rows)) == 3
    near = [("PersonX runs", "xWant", "to rest at home now"), ("PersonX runs", "xWant", "to rest at home then")]
    assert [weigh("teacher", near, max_bleu=most).soft for most in (0.5, 0.7)] == [0.5, 1.0]
    found = weigh("teacher", rows, [0.9, 0.8, 0.1, 0.5], 0.5, {rows[0]: True, rows[2]: False})
    assert (found.rows, found.events, found.strict, found.soft, found.tails) == (4, 2, 0.75, 0.75, 1)
    assert (found.accepted, found.labelled, found.right) == (0.75, 3, pytest.approx(2 / 3))
    assert weigh("empty", []).accepted is None
    with pytest.raises(ValueError, match="4 rows but 1 scores"):
        weigh("teacher", rows, [0.5])


def test_relations_are_read_as_a_sentence() -> None:
    assert verbalise("xReact", "proud") == "as a result, PersonX feels proud"
    assert verbalise("CapableOf", "fly") == "CapableOf fly"

"""The teacher as judge: a probability from log-probabilities, never a substring."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgdistill.contracts import Reply
from kgdistill.judge.teacher import TeacherJudge, probability_of_yes
from kgdistill.records import Chunk, ChunkGraph, Triple


def test_yes_and_no_are_summed_over_their_spellings() -> None:
    top = [("Yes", math.log(0.3)), (" yes", math.log(0.2)), ("no", math.log(0.1)), ("Maybe", math.log(0.4))]
    assert probability_of_yes(top) == pytest.approx(0.5 / 0.6)


@pytest.mark.parametrize("word", ["know", "north", "not", "yesterday", "noyes"])
def test_words_that_contain_yes_or_no_say_nothing(word: str) -> None:
    assert probability_of_yes([(word, -0.1)]) is None


@given(st.lists(st.tuples(st.sampled_from(["yes", " No", "NO.", "x", "Yes"]), st.floats(-60, 0) | st.just(-math.inf))))
def test_always_a_probability_or_nothing(top: list[tuple[str, float]]) -> None:
    found = probability_of_yes(top)
    assert found is None or 0 <= found <= 1


def judged(answers: list[list[Reply]]) -> ChunkGraph:
    claims = tuple(Triple(id=str(i), subject="a", relation="r", object=str(i)) for i in range(len(answers)))
    dialogue = TeacherJudge()(ChunkGraph(Chunk("d", 0, 0, 4, "text"), claims=claims))
    requests = next(dialogue)
    assert [(r.max_tokens, r.top_logprobs) for r in requests] == [(1, 20)] * len(answers)
    assert len({r.prompt.split("Task:")[0] for r in requests}) == 1  # what they share stands first
    try:
        dialogue.send(answers)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("one turn is enough")


def test_a_verdict_for_each_claim_and_a_record_where_there_is_none() -> None:
    found = judged([[Reply("yes", top=(("yes", -0.1), ("no", -2.4)))], [Reply("hm", top=(("hm", -0.1),))], []])
    assert found.claims[0].verdict("teacher") == pytest.approx(math.exp(-0.1) / (math.exp(-0.1) + math.exp(-2.4)))
    assert [c.verdict("teacher") for c in found.claims[1:]] == [None, None]
    assert [(f.reason, f.raw, len(f.request)) for f in found.failures] == [("no verdict", "hm", 32)]

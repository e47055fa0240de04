"""How prompts and tuples are weighed: the closed formula, the soft-max, and what the released code gets wrong."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kgdistill.contracts import Reply, Request
from kgdistill.errors import RecipeError
from kgdistill.judge.consistency import NAME, SHARE, Consistency, PromptWeights, Weigher, fit, shuffled, softmax
from kgdistill.records import EventSeed, Reading, RelationSeed, Triple
from kgdistill.stages.seeds import seed_reading

SEED = RelationSeed(
    "capital_of", "<ENT0> is the capital of <ENT1>.",
    (("paris", "france"), ("tokyo", "japan"), ("cairo", "egypt")), ("<ENT0> is near <ENT1>",),
)  # fmt: skip
TRUE = {frozenset(things) for things in SEED.tuples}


def knowing(request: Request) -> Reply:
    """A model that knows capitals where the prompt asks for them, and nothing of what is near."""
    names = frozenset(text.lower() for text in request.weigh)
    right = names in TRUE or "near" in request.prompt
    cased = sum(text[0].isupper() for text in request.weigh)
    return Reply("", weighed=tuple((-1.0 if right else -6.0, -2.0 + 0.1 * cased) for _ in request.weigh))


def told(method: PromptWeights | Consistency, reading: Reading, fills: bool = True) -> Reading:
    dialogue = method(reading, fills)
    try:
        requests = next(dialogue)
        dialogue.send([[knowing(request)] for request in requests])
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise AssertionError("a second turn")


def harvested(*pairs: tuple[str, ...]) -> Reading:
    reading = told(PromptWeights(), seed_reading(SEED, "x"))
    claims = tuple(Triple("-".join(p), p[0], "capital of", p[1], others=p[2:], method="relations") for p in pairs)
    return _with(reading, claims)


def _with(reading: Reading, claims: tuple[Triple, ...]) -> Reading:
    return replace(reading, chunks=(replace(reading.chunks[0], claims=claims),))


def test_the_closed_formula() -> None:
    """The digest's worked example: -1, -2, -3 of two things give (-2 - 3 - 3) / 3."""
    assert fit([[-1.0, -2.0], [-3.0]]) == pytest.approx(-8 / 3)
    with pytest.raises(ValueError, match="no token"):
        fit([[]])


@given(st.lists(st.lists(st.floats(-50, 0), min_size=1, max_size=3), min_size=1, max_size=3))
def test_a_fit_is_never_above_the_best_and_never_rises_when_a_token_falls(weighed: list[list[float]]) -> None:
    flat = [value for thing in weighed for value in thing]
    assert fit(weighed) <= max(flat) + 1e-9
    worse = [[value - 1 for value in weighed[0]], *weighed[1:]]
    assert fit(worse) < fit(weighed)


@given(st.lists(st.floats(-40, 0), min_size=1, max_size=8), st.floats(0.1, 10))
def test_softmax_sums_to_one_and_keeps_the_order(scores: list[float], temperature: float) -> None:
    found = softmax(scores, temperature)
    assert math.fsum(found) == pytest.approx(1.0)
    assert all((found[i] <= found[j]) for i in range(len(scores)) for j in range(len(scores)) if scores[i] < scores[j])


def test_a_prompt_that_tells_true_from_shuffled_weighs_more() -> None:
    seed = told(PromptWeights(), seed_reading(SEED, "x")).seed
    assert isinstance(seed, RelationSeed)
    weights = dict(zip(seed.prompts, seed.weights, strict=True))
    assert list(weights) == ["<ENT0> is the capital of <ENT1>.", "<ENT0> is near <ENT1>."]
    assert sum(seed.weights) == pytest.approx(1.0) and seed.weights[0] > 0.6
    sharp = told(PromptWeights(temperature=0.1), seed_reading(SEED, "x")).seed
    assert isinstance(sharp, RelationSeed) and sharp.prompts == ("<ENT0> is the capital of <ENT1>.",)


def test_no_shuffled_tuple_is_a_true_one() -> None:
    """The released code compares "new_york" with "new york" and takes one for the other's negative; and a thing that
    stands in two seeds makes true tuples into negatives."""
    found = shuffled([("tyre", "rubber"), ("eraser", "rubber"), ("book", "paper")])
    assert found == [("book", "rubber"), ("tyre", "paper"), ("eraser", "paper")]


def test_many_prompts_alike_are_all_kept() -> None:
    """Below the floor of 0.05 stand all of 21 equal prompts: the released code divides by zero."""
    method = PromptWeights(most=30)
    found = method.weights({f"p{n:02}": -1.0 for n in range(25)})
    assert len(found) == 25 and sum(found.values()) == pytest.approx(1.0)
    assert len(PromptWeights().weights({f"p{n:02}": -1.0 for n in range(25)})) == 20


@given(st.dictionaries(st.text(max_size=3), st.floats(-30, 30), min_size=1, max_size=30))
def test_weights_sum_to_one_and_none_is_below_the_floor(worth: dict[str, float]) -> None:
    found = PromptWeights().weights(worth)
    assert sum(found.values()) == pytest.approx(1.0) and list(found.values()) == sorted(found.values(), reverse=True)
    assert min(found.values()) >= 0.05 - 1e-9


def test_names_with_one_first_word_are_told_apart() -> None:
    """The released code weighs first words only."""
    prompt = SEED.definition
    york = Weigher().ask(prompt, SEED, ("new york", "usa"), fills=True)
    zealand = Weigher().ask(prompt, SEED, ("new zealand", "usa"), fills=True)
    assert york.weigh == ("New york", "usa") and york.key != zealand.key
    old = Weigher(whole_names=False).ask(prompt, SEED, ("new york", "usa"), fills=True)
    assert old.weigh == ("New", "usa") and "<blank> york is" in old.prompt


def test_a_model_that_writes_on_is_shown_examples_but_none_with_a_weighed_name() -> None:
    request = Weigher().ask(SEED.definition, SEED, ("Tokyo", "france"), fills=False)
    assert request.prompt == "Cairo is the capital of egypt.\n<blank> is the capital of <blank>."


def test_tuples_get_verdicts_their_best_case_and_evidence() -> None:
    reading = told(Consistency(), harvested(("paris", "japan"), ("paris", "france")))
    first, second = reading.claims
    assert isinstance(first, Triple) and isinstance(second, Triple)
    assert (first.subject, first.object, second.object) == ("paris", "France", "Japan")
    assert (first.verdict(NAME) or 0) > (second.verdict(NAME) or 0)
    assert (first.verdict(SHARE) or 0) + (second.verdict(SHARE) or 0) == pytest.approx(1.0)
    asked = {prompt.key: prompt.prompt for prompt in reading.chunks[0].asked}
    prompts = ["<ENT0> is the capital of <ENT1>.", "<ENT0> is near <ENT1>."]
    assert [asked[said.request] for said in first.said] == prompts
    assert first.said[0].tokens == 4 and first.said[0].logprob < 0


def test_what_was_not_answered_has_no_verdict_and_says_so() -> None:
    reading = harvested(("paris", "france"))
    dialogue = Consistency(casings=False)(reading, True)
    requests = next(dialogue)
    assert len(requests) == 2  # a question for each prompt
    with pytest.raises(StopIteration) as end:
        dialogue.send([[] for _ in requests])
    found: Reading = end.value.value
    assert found.claims == reading.claims and [failure.reason for failure in found.failures] == ["no verdict"]


def test_prompts_that_could_not_be_weighed_are_alike() -> None:
    dialogue = PromptWeights()(seed_reading(SEED, "x"), True)
    requests = next(dialogue)
    with pytest.raises(StopIteration) as end:
        dialogue.send([[] for _ in requests])
    assert end.value.value.seed.weights == (0.5, 0.5)


def test_other_seeds_pass_by_and_bad_settings_are_one_line() -> None:
    event = seed_reading(EventSeed("PersonX runs"), "x")
    for method in (PromptWeights(), Consistency()):
        with pytest.raises(StopIteration) as end:
            next(method(event, True))  # type: ignore[operator]
        assert end.value.value == event
    for bad in ({"most": 0}, {"temperature": 0.0}, {"floor": 1.0}):
        with pytest.raises(RecipeError):
            PromptWeights(**bad)  # type: ignore[arg-type]
    with pytest.raises(RecipeError):
        Consistency(temperature=0.0)

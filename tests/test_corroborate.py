"""A second reader: what an extractor makes of claims about a text, and the stage that asks it."""

from __future__ import annotations

import random
from pathlib import Path

import line
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from students import pair, tiny_encoder

from kgdistill.distill.extractor import Extractor
from kgdistill.distill.settings import SpanSettings
from kgdistill.distill.students.span import SpanStudent
from kgdistill.distill.students.span_scaling import fit_lines, neighbours
from kgdistill.distill.students.span_weighing import Asked, Support, _spelt, weigh
from kgdistill.engine.recipe import load
from kgdistill.engine.runner import run
from kgdistill.errors import ModelError, RecipeError
from kgdistill.records import Reading
from kgdistill.stages.build import Judge
from kgdistill.stages.corroborate import NAME
from kgdistill.storage.artifact import latest
from kgdistill.storage.shards import read_records

TEXT = (
    "Marie Curie was born in Warsaw on 7 November 1867. She studied physics in Paris. "
    "Pierre Curie did not teach in Lyon."
)
BORN = Asked("Marie Curie", "born in", "Warsaw")


@pytest.fixture(scope="module")
def shipped() -> SpanStudent:
    student = Extractor.from_pretrained().student
    assert isinstance(student, SpanStudent)
    return student


def score(student: SpanStudent, claim: Asked, text: str = TEXT) -> float:
    [found] = student.support(text, [claim])
    assert found is not None
    return found


@pytest.mark.parametrize(
    "false",
    [
        BORN._replace(subject="Warsaw", object="Marie Curie"),
        BORN._replace(relation="capital of"),
        BORN._replace(object="Paris"),
        BORN._replace(subject="Pierre Curie"),
        BORN._replace(negated=True),
    ],
    ids=["swapped", "relation", "object", "subject", "denied"],
)
def test_a_false_neighbour_is_worth_less(shipped: SpanStudent, false: Asked) -> None:
    assert score(shipped, false) < score(shipped, BORN)


DENIALS = (
    (TEXT, Asked("Pierre Curie", "taught in", "Lyon", negated=True)),
    ("Pierre Curie never taught in Lyon.", Asked("Pierre Curie", "taught in", "Lyon", negated=True)),
    ("Marie Curie was not born in Paris.", Asked("Marie Curie", "born in", "Paris", negated=True)),
    ("The firm never opened a shop in Oslo.", Asked("firm", "opened", "shop", negated=True)),
    ("Kofi refused to visit Accra.", Asked("Kofi", "visited", "Accra", negated=True)),
    ("Rosa Lind no longer works for Nokia.", Asked("Rosa Lind", "works for", "Nokia", negated=True)),
)


def test_what_a_text_denies_is_supported_as_denied(shipped: SpanStudent) -> None:
    """Small as it is, it may miss one of six (docs/models.md has the shares on many documents)."""
    heard = [score(shipped, one, text) > score(shipped, one._replace(negated=False), text) for text, one in DENIALS]
    assert sum(heard) >= 5, heard


def test_a_pronoun_stands_for_its_name(shipped: SpanStudent) -> None:
    """The only sentence on physics names nobody."""
    assert score(shipped, Asked("Marie Curie", "field of study", "physics")) > score(
        shipped, Asked("Pierre Curie", "field of study", "physics")
    )


def test_names_are_found_whatever_their_case_and_article(shipped: SpanStudent) -> None:
    assert score(shipped, Asked("the marie curie", "born in", "WARSAW")) == pytest.approx(score(shipped, BORN))


def test_how_one_claim_spells_a_name_changes_nothing_for_another(shipped: SpanStudent) -> None:
    text = "The committee met in Oslo. Later that year Ada led a committee."
    asked = [Asked("Ada", "leader of", "committee"), Asked("the committee", "located in", "Oslo")]
    words = shipped.prepare(text)[0]
    alone, together = (_spelt(claims, words, text)["committee"] for claims in (asked[:1], asked))
    assert len(alone) == 2 and together == alone


def test_ends_that_the_text_does_not_name_have_no_support(shipped: SpanStudent) -> None:
    nameless = Asked("", "", "")
    found = shipped.support(TEXT, [Asked("Ada Byron", "born in", "Warsaw"), BORN, nameless])
    assert [one is None for one in found] == [True, False, True]
    assert shipped.support("", [BORN]) == [None]
    assert shipped.support(TEXT, []) == []


def test_the_best_window_of_a_long_text_counts(shipped: SpanStudent) -> None:
    filler = "The weather stayed dry for the whole of that long week. " * 60
    far = shipped.support(f"{filler}{TEXT} {filler}Marie Curie and Warsaw are names.", [BORN])[0]
    assert far is not None
    assert far > 0.3


def test_a_claim_is_worth_no_more_than_its_worst_part() -> None:
    lines = ((1.0, 0.0), (1.0, 0.0), (1.0, 0.0))
    assert Support(20, 20, -3).worth(lines) == pytest.approx(torch.tensor(-3.0).sigmoid().item())
    assert Support(1e4, 1e4, 1e4).worth(lines) == 1
    assert Support(-1e4, 0, 0).worth(lines) == 0


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> SpanStudent:
    torch.manual_seed(1)
    encoder = tiny_encoder(tmp_path_factory.mktemp("corroborate") / "encoder")
    return SpanStudent.start(SpanSettings(encoder=str(encoder), width=32), ["born in"], ["person"])


NAMES = st.text(max_size=12)


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=120), st.lists(st.tuples(NAMES, NAMES, NAMES, st.booleans()), max_size=4))
def test_any_text_and_any_claim_has_a_support_or_none(
    untrained: SpanStudent, text: str, claims: list[tuple[str, str, str, bool]]
) -> None:
    found = untrained.support(text, [Asked(*claim) for claim in claims])
    assert len(found) == len(claims)
    assert all(value is None or 0 <= value <= 1 for value in found)


def test_neighbours_say_nothing_that_the_pair_says() -> None:
    one = pair(0)
    said = {(f.subject, f.relation, f.object, f.negated) for f in one.facts}
    for kind, claim in neighbours(one, ["born in", "occupation", "lives in"], random.Random(0)):
        assert (tuple(claim) in said) == (kind == "right")


def test_lines_rise_and_part_right_from_wrong(shipped: SpanStudent) -> None:
    facts = [replace(pair(number), id=str(number)) for number in range(60)]
    lines = fit_lines(shipped, facts)
    assert all(slope > 0 for slope, _ in lines)
    worth: dict[bool, list[float]] = {True: [], False: []}
    for one in facts[:10]:
        planted = list(neighbours(one, ["born in", "occupation", "capital of"], random.Random(0)))
        for (kind, _), found in zip(planted, weigh(shipped, one.text, [claim for _, claim in planted]), strict=True):
            if found:
                worth[kind == "right"].append(found.worth(lines))
    middles = {right: sorted(values)[len(values) // 2] for right, values in worth.items()}
    assert middles[True] > 0.5 > middles[False]


def test_few_facts_leave_the_lines_as_they_are(shipped: SpanStudent) -> None:
    assert fit_lines(shipped, [pair(0)]) == shipped.config.lines


def test_lines_come_back_with_the_folder(untrained: SpanStudent, tmp_path: Path) -> None:
    untrained.config = replace(untrained.config, lines=((0.5, 1.0), (2.0, -1.0), (1.0, 0.25)))
    untrained.save_pretrained(tmp_path)
    again = SpanStudent.from_pretrained(tmp_path)
    assert again.config.lines == untrained.config.lines
    [one], [other] = weigh(again, TEXT, [BORN]), weigh(untrained, TEXT, [BORN])
    assert one is not None
    assert one == pytest.approx(other, abs=0.2)


STAGES = ("read", "split", "generate", "ground", "corroborate", "judge")


def test_the_stage_gives_every_claim_a_verdict_that_the_judge_hears(tmp_path: Path) -> None:
    place = line.corpus(tmp_path / "corpus", ["panama_canal.txt", "penicillin.txt"])
    recipe = line.recipe(place, "judge.combine.weights={extractor=1.0}", stages=STAGES)
    run(recipe, tmp_path / "run")
    readings = [
        reading
        for shard in sorted((latest(tmp_path / "run", "readings").folder / "shards").glob("*"))
        for reading in read_records(shard, Reading)
    ]
    claims = [claim for reading in readings for claim in reading.claims]
    assert claims
    for claim in claims:
        own = claim.verdict(NAME)
        assert own is not None
        assert claim.verdict("combined") == pytest.approx(own if claim.evidence else min(own, 0.3))


def test_a_folder_that_is_no_student_is_named(tmp_path: Path) -> None:
    place = line.corpus(tmp_path / "corpus", ["panama_canal.txt"])
    recipe = line.recipe(place, f"corroborate.extractor={tmp_path}", stages=STAGES)
    with pytest.raises((ModelError, RecipeError), match=str(tmp_path)):
        run(recipe, tmp_path / "run")


def test_the_quickstart_weighs_it() -> None:
    recipe = load(line.HOME / "pipelines" / "quickstart.toml", line.CATALOGUE)
    [judge] = [step.stage for step in recipe.steps if isinstance(step.stage, Judge)]
    assert judge.combine.weights[NAME] > 0

"""Recipes: typed settings, or one line that says what is wrong and where."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import toys
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from kgdistill import catalog
from kgdistill.engine.layout import lay_out
from kgdistill.engine.recipe import Catalogue, Recipe, decode, load
from kgdistill.engine.toml import to_toml
from kgdistill.errors import ModelError, RecipeError
from kgdistill.stages import STAGES


def changed(*changes: str, **extra: Any) -> Recipe:
    return decode({**toys.plain(), **extra}, toys.CATALOGUE, changes)


def test_a_recipe_becomes_its_stages() -> None:
    recipe = changed("read.count=3", "teacher.window=5", "ask.question=Who is", "seed=9")
    assert [(step.name, step.kind) for step in recipe.steps] == [
        ("read", "seed"), ("ask", "ask"), ("again", "ask"), ("sum", "sum"),
    ]  # fmt: skip
    assert recipe.steps[0].stage == toys.Seed(count=3)
    assert recipe.steps[1].stage == toys.Ask(question="Who is")
    assert recipe.teacher.window == 5
    assert recipe.seed == 9


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("read.count=many", "read.count: Expected int, got str"),
        ("read.cuont=3", "read.cuont: unknown key; did you mean count?"),
        ("raed.count=3", "no stage is named 'raed'; did you mean read?"),
        ("teacher.kind=locl", "teacher.kind: 'locl' is not one of scripted"),
        ("teacher.widnow=3", "teacher.widnow: unknown key; did you mean window?"),
        ("read.kind=sede", "read: no stage is of kind 'sede'; did you mean seed?"),
        ("stages=['read', 'smu']", "smu: no stage is of kind 'smu'; did you mean sum?"),
        ("stages=['ask', 'read']", 'ask needs "readings", which no earlier stage gives (it is the first)'),
        ("stages=['read', 'read']", "'read' stands there twice"),
        ("stages=[]", "there is nothing to do"),
        ("base=https://kg.test", 'is not an IRI that ends in "/" or "#"'),
        ("base=https://www.example.org/", "belongs to nobody"),
        ("tolerance=2", "tolerance: Expected a share between 0 and 1"),
        ("name=../up", "not usable as a folder's name"),
        ("tolernace=0.1", "unknown key `tolernace`; did you mean tolerance?"),
        ("read.count", "--set wants stage.key=value"),
        ("read=3", "read: Expected a table"),
        ("read.from=ask", "read.from: this stage reads from no other"),
        ("again.from=aks", "again.from: 'aks' is no earlier stage that gives \"readings\"; did you mean ask?"),
        ("ask.from=again", "ask.from: 'again' is no earlier stage that gives \"readings\"; known: read"),
    ],
)
def test_mistakes_are_named(change: str, said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        changed(change)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_stage_can_read_from_another_than_the_one_before(tmp_path: Path) -> None:
    straight, forked = (
        {node.name: node for node in lay_out(changed(*changes), tmp_path)} for changes in ([], ["again.from=read"])
    )
    assert straight["again"].upstream["readings"] == str(straight["ask"].artifact.folder)
    assert forked["again"].upstream["readings"] == str(forked["read"].artifact.folder)
    assert forked["again"].key != straight["again"].key
    assert forked["ask"].key == straight["ask"].key
    assert straight["sum"].through == tuple(str(straight[name].artifact.folder) for name in ("ask", "again"))
    assert forked["sum"].through == (str(forked["again"].artifact.folder),)


QUICKSTART = Path(__file__).parent.parent / "pipelines" / "quickstart.toml"
CATALOGUE = Catalogue(STAGES, catalog.TEACHERS, catalog.ENCODERS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("train.settings.epoch=3", "train.settings.epoch: unknown key; did you mean epochs?"),
        ("train.settings.epochs=0", "train.settings.epochs: Expected int >= 1"),
        ("train.settings.epochs=many", "train.settings.epochs: Expected int, got str"),
        ("train.settings.varied=1.5", "train.settings.varied: Expected float <= 1.0"),
        ("train.settings={model='x', width=8}", "train.settings.model: unknown key"),
        ("train.family=spam", "train.family: Invalid enum value 'spam'"),
        ("train.family=generative", "train.settings.encoder: unknown key"),
        ("train={family='generative'}", "train.settings: Object missing required field model"),
    ],
)
def test_a_students_settings_are_read_with_the_recipe(change: str, said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load(QUICKSTART, CATALOGUE, [change])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("train.settings={encoder='no/such/folder'}", "train.settings.encoder: no/such/folder: no encoder"),
        ("train={family='generative', settings={model='no/such/folder'}}", "no/such/folder: no such model folder"),
    ],
)
def test_a_student_that_cannot_begin_is_noticed_before_anything_runs(
    change: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(QUICKSTART.parent.parent)
    with pytest.raises(ModelError, match=said):
        lay_out(load(QUICKSTART, CATALOGUE, [change]), tmp_path)


def test_documents_held_out_are_said_once() -> None:
    def held_out(*changes: str) -> tuple[float, int]:
        steps = {step.name: step.stage for step in load(QUICKSTART, CATALOGUE, changes).steps}
        assert (steps["pairs"].test, steps["pairs"].seed) == (steps["calibrate"].test, steps["calibrate"].seed)
        return steps["calibrate"].test, steps["calibrate"].seed

    assert held_out() == (0.3, 0)
    assert held_out("pairs.test=0.2", "pairs.seed=7") == (0.2, 7)
    assert held_out("calibrate.test=0.3") == (0.3, 0)  # the same, said again
    with pytest.raises(RecipeError, match=r"calibrate\.test: must be 0\.3 as in pairs; leave it out here"):
        held_out("calibrate.test=0.1")
    plain = tomllib.loads(QUICKSTART.read_text(encoding="utf-8"))
    alone = {key: plain[key] for key in ("name", "base", "read", "split", "generate", "calibrate", "refine")}
    alone["stages"] = ["read", "split", "generate", "ground", "judge", "calibrate", "refine"]
    steps = decode(alone, CATALOGUE, ["calibrate.test=0.4"]).steps
    assert next(step.stage.test for step in steps if step.name == "calibrate") == 0.4


def test_the_file_stands_first_in_the_message(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(to_toml(toys.plain()))
    assert load(path, toys.CATALOGUE).name == "toy"
    with pytest.raises(RecipeError, match=r"x\.toml: read\.count: Expected int, got str$"):
        load(path, toys.CATALOGUE, ["read.count=x"])
    path.write_text("name = ")
    with pytest.raises(RecipeError, match=r"x\.toml: "):
        load(path, toys.CATALOGUE)
    with pytest.raises(RecipeError, match="No such file"):
        load(tmp_path / "none.toml", toys.CATALOGUE)


def test_own_strings_fill_settings() -> None:
    recipe = changed(data="Rome", ask={"question": "What of {data} and {nothing}"})
    assert recipe.steps[1].stage == toys.Ask(question="What of Rome and {nothing}")
    with pytest.raises(RecipeError, match="unknown key `dta`"):
        changed(dta="Rome")


scalars = st.one_of(st.text(), st.integers(-(2**60), 2**60), st.booleans(), st.floats(allow_nan=False))
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=6)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=6), st.one_of(values, st.dictionaries(st.text(), values))))
def test_toml_says_what_it_was_given(plain: dict[str, Any]) -> None:
    try:
        "".join([*plain, str(plain)]).encode()
    except UnicodeEncodeError:
        return
    assert tomllib.loads(to_toml(plain)) == plain


def folders(recipe: Recipe) -> list[str]:
    return [node.artifact.folder.name for node in lay_out(recipe, Path("run"))]


def test_a_key_changes_with_everything_that_decides_and_nothing_else() -> None:
    plain = folders(changed())
    assert folders(changed("teacher.window=3", "tolerance=0.5")) == plain
    asked = folders(changed("again.question=Why"))
    assert asked[:2] == plain[:2] and asked[2] != plain[2] and asked[3] != plain[3]
    other_teacher = folders(changed("teacher.fail_every=7"))
    assert other_teacher[0] == plain[0] and other_teacher[1] != plain[1]
    more = folders(changed("read.count=21"))
    assert all(one != other for one, other in zip(more, plain, strict=True))
    assert folders(replace(changed(), seed=1))[0] != plain[0]


def test_a_recipe_with_stages_left_out_can_be_read_again() -> None:
    """What `forget` and the next run read is the `recipe.toml` of the run, written from `plain`."""
    quickstart = Path(__file__).parent.parent / "pipelines" / "quickstart.toml"
    changed = load(quickstart, CATALOGUE, ["stages=['read', 'split']", "calibrate.gold="])
    assert [step.name for step in changed.steps] == ["read", "split"]
    assert decode(tomllib.loads(to_toml(changed.plain)), CATALOGUE).steps == changed.steps

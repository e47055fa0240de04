"""The critic: trained on labels, cut-offs from validation data only, scores that depend on their own row alone."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from students import tiny_encoder

from kgdistill.errors import ModelError, RecipeError
from kgdistill.judge.critic import About, CriticSettings, Said, held_out, naming, read_about
from kgdistill.judge.critic_network import Critic, train_critic
from kgdistill.judge.thresholds import CutOff, area, cut_offs, precision_and_recall

SETTINGS = CriticSettings(epochs=14, batch=16, learning_rate=2e-3, hidden=32, dropout=0.0, patience=14, names=2, seed=1)
LABELLED = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 1.0]), st.booleans()), min_size=1, max_size=30)


def rows(count: int = 160) -> tuple[list[Said], list[bool]]:
    """Tails that are things to do hold, tails that are stones do not: something that a tiny encoder can learn."""
    doing, stones = ("to rest", "to eat", "to wait", "to sing"), ("granite", "marble", "basalt", "slate")
    said: list[Said] = []
    for number in range(count):
        tail = (doing if number % 2 else stones)[number // 2 % 4]
        said.append((f"PersonX walks {number} miles with PersonY", "xWant", tail))
    return said, [bool(number % 2) for number in range(count)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Critic, About, Path]:
    folder = tmp_path_factory.mktemp("critic")
    critic, about = train_critic(*rows(), tiny_encoder(folder / "encoder"), SETTINGS)
    critic.save_pretrained(folder / "critic", about)
    return critic, about, folder / "critic"


def test_it_learns_and_comes_back(trained: tuple[Critic, About, Path]) -> None:
    critic, about, folder = trained
    assert about.area > 0.95 and about.trained + about.validated == 160 and about.validated > 10
    again, said = Critic.from_pretrained(folder)
    assert said == about == read_about(folder)
    few = rows()[0][:6]
    assert again.score(few) == pytest.approx(critic.score(few), abs=1e-6)
    yes, no = critic.score([("PersonX walks home", "xWant", "to rest"), ("PersonX walks home", "xWant", "marble")])
    assert yes > no


def test_a_score_depends_on_its_own_row_only(trained: tuple[Critic, About, Path]) -> None:
    """The original passes no attention mask: a score changes with the longest row of its batch."""
    critic, _, _ = trained
    row = ("PersonX walks home", "xWant", "to rest")
    long = ("PersonX walks " + "and walks " * 15 + "with PersonY", "xNeed", "to have " + "very " * 10 + "good shoes")
    assert critic.score([row, long])[0] == pytest.approx(critic.score([row])[0], abs=1e-5)
    pair = naming(row, 0, 0)
    together = critic([pair, naming(long, 0, 0)]).detach()
    assert float(together[0]) == pytest.approx(float(critic([pair]).detach()[0]), abs=1e-4)


def test_a_score_is_the_mean_over_namings_and_the_same_each_time(trained: tuple[Critic, About, Path]) -> None:
    """The original draws its names without a seed."""
    critic, _, _ = trained
    row = ("PersonX thanks PersonY", "xWant", "to rest")
    assert critic.score([row], names=5) == critic.score([row], names=5)
    said = {naming(row, number, 0) for number in range(5)}
    assert len(said) > 1 and not any("Person" in text for pair in said for text in pair)
    for first, second in said:
        assert second.startswith("as a result, ") and first.split()[0] != first.split()[-1]
        assert first.split()[0] in second  # the person is the same on both sides


def test_no_event_is_learnt_from_and_validated_on() -> None:
    said, _ = rows()
    out = {head for head, _, _ in said if held_out(head, SETTINGS)}
    assert 0 < len(out) < 160
    assert all(held_out(head.upper(), SETTINGS) for head in out)


def test_test_labels_never_reach_the_cut_offs(tmp_path: Path) -> None:
    """The original averages the cut-offs of validation and test data."""
    from kgdistill.stages.commonsense import TrainCritic

    path = tmp_path / "labels.csv"
    lines = ["head,relation,tail,label,split", "PersonX a b,xWant,c,1,dev", "PersonX a b,xWant,d,0,tst"]
    path.write_text("\n".join(lines) + "\n")
    found, labels = TrainCritic(labels=str(path))._labelled(None)  # type: ignore[arg-type]
    assert found == [("PersonX a b", "xWant", "c")] and labels == [True]


def test_labels_of_one_kind_teach_nothing(tmp_path: Path) -> None:
    said, _ = rows(40)
    with pytest.raises(ValueError, match="need both labels"):
        train_critic(said, [True] * 40, tmp_path, SETTINGS)


def test_what_is_no_critic_is_a_clear_mistake(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no critic"):
        Critic.from_pretrained(tmp_path)
    with pytest.raises(ModelError, match="no encoder"):
        Critic.start(tmp_path, SETTINGS, 0.5)
    with pytest.raises(RecipeError, match="validation"):
        CriticSettings(validation=1.0)
    about = About(SETTINGS, (CutOff(0.5, 0.7, 1, 0.5),), 0.9, 10, 5)
    assert about.cut(0.5) == 0.7
    with pytest.raises(RecipeError, match=r"no cut-off for recall 0\.65; there are 0\.5"):
        about.cut(0.65)


# Cut-offs


@given(LABELLED)
@settings(deadline=None)
def test_a_cut_off_is_the_highest_that_reaches_its_recall(labelled: list[tuple[float, bool]]) -> None:
    scores, labels = [score for score, _ in labelled], [label for _, label in labelled]
    if not any(labels):
        with pytest.raises(ValueError, match="no valid row"):
            cut_offs(scores, labels)
        return
    found = cut_offs(scores, labels)
    for cut in found:
        assert cut.recall >= cut.aim - 1e-9
        assert (cut.precision, cut.recall) == precision_and_recall(scores, labels, cut.score)
        higher = [score for score in scores if score > cut.score]
        assert not higher or precision_and_recall(scores, labels, min(higher))[1] < cut.aim
    assert all(one.score >= other.score for one, other in pairwise(found))


@given(LABELLED)
@settings(deadline=None)
def test_the_area_is_that_of_scikit_learn(labelled: list[tuple[float, bool]]) -> None:
    scores, labels = [score for score, _ in labelled], [label for _, label in labelled]
    if len(set(labels)) == 2:
        assert area(scores, labels) == pytest.approx(roc_auc_score(labels, scores))
    else:
        assert area(scores, labels) == 0.5


def test_ten_rows_and_seven_tenths_are_seven_rows() -> None:
    scores = [number / 10 for number in range(10)]
    [cut] = cut_offs(scores, [True] * 10, [0.7])
    assert (cut.score, cut.recall) == (0.3, 0.7)
    with pytest.raises(ValueError, match="a recall lies in"):
        cut_offs(scores, [True] * 10, [1.5])
    with pytest.raises(ValueError, match="10 scores but 1 labels"):
        cut_offs(scores, [True])

"""A judge of entailment that hears a reader too: the reader's measures, the rule that weighs both, and its folder."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from students import tiny_classifier

from kgdistill.distill.extractor import Extractor
from kgdistill.distill.student import EXTRACTOR
from kgdistill.distill.students import span_entailing
from kgdistill.distill.students.span import SpanStudent
from kgdistill.distill.students.span_entailing import MEASURES, measures
from kgdistill.errors import ModelError
from kgdistill.judge import joint_entailment
from kgdistill.judge.entailment import Entailment
from kgdistill.judge.joint_entailment import LABELS, Joint, JointEntailment
from kgdistill.stages.entailment import entailment_fingerprint, open_entailment

PREMISE = "Marie Curie was born in Warsaw on 7 November 1867. Marie Curie did not work for Siemens."


@pytest.fixture(scope="module")
def student() -> SpanStudent:
    found = Extractor.from_pretrained().student
    assert isinstance(found, SpanStudent)
    return found


def measured(student: SpanStudent, hypothesis: str, premise: str = PREMISE) -> dict[str, float]:
    [row] = measures(student, [(premise, hypothesis)])
    return dict(zip(MEASURES, row, strict=True))


def test_a_reader_tells_directions_denials_and_strangers(student: SpanStudent) -> None:
    said = measured(student, "Marie Curie was born in Warsaw.")
    assert said["no fact read"] == said["none found"] == said["share not found"] == 0
    turned = measured(student, "Warsaw was born in Marie Curie.")
    assert said["direction, surest"] > 0 > turned["direction, surest"]
    claimed = measured(student, "Marie Curie worked for Siemens.")["polarity, surest"]
    assert claimed < measured(student, "Marie Curie was born in Warsaw.")["polarity, surest"] - 2
    assert measured(student, "Niels Bohr was born in Copenhagen.")["none found"] == 1
    nothing = measured(student, "Oh well.")
    assert nothing["no fact read"] == nothing["none found"] == 1 and nothing["surest"] == 0


def test_each_text_is_read_once_whatever_the_pairs(student: SpanStudent, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [PREMISE, "Marie Curie was born in Warsaw.", "Marie Curie did not work for Siemens."]
    pairs = [(one, other) for one in texts for other in texts]
    alone = [measures(student, [pair])[0] for pair in pairs]
    weighed: list[str] = []
    plain = span_entailing.weigh

    def counted(student: SpanStudent, text: str, asked: Sequence[object]) -> object:
        weighed.append(text)
        return plain(student, text, asked)  # type: ignore[arg-type]

    monkeypatch.setattr(span_entailing, "weigh", counted)
    together = measures(student, pairs)
    assert sorted(weighed) == sorted(texts)
    for one, other in zip(together, alone, strict=True):
        assert one == pytest.approx(other, abs=1e-3), "what else is asked changes nothing"


rows = st.lists(st.floats(-30, 30), min_size=3, max_size=3)


@given(st.lists(rows, min_size=3, max_size=3), st.lists(st.floats(-30, 30), min_size=3, max_size=3), rows)
@settings(max_examples=50)
def test_scores_are_probabilities(weights: list[list[float]], offsets: list[float], row: list[float]) -> None:
    joint = Joint("r", ("x",), tuple(map(tuple, weights)), tuple(offsets))
    entailed, denied = joint.apply(row)
    assert entailed >= 0 and denied >= 0 and entailed + denied <= 1 + 1e-9


def table(seed: int) -> tuple[list[list[float]], list[str]]:
    """The third number decides what the first two leave open."""
    chance, found, labels = random.Random(seed), [], []
    for place in range(300):
        label = LABELS[place % 3]
        hint = {"entailment": 3.0, "neutral": 0.0, "contradiction": -3.0}[label]
        found.append([chance.gauss(0, 1), chance.gauss(0, 1), chance.gauss(hint, 1)])
        labels.append(label)
    return found, labels


def test_the_rule_learns_whom_to_hear(tmp_path: Path) -> None:
    values, labels = table(0)
    joint = joint_entailment.fit(values, labels, "a reader", ["hint"])
    held, wanted = table(1)
    right = sum((joint.apply(row)[0] > 0.5) == (label == LABELS[0]) for row, label in zip(held, wanted, strict=True))
    assert right > 0.85 * len(held)
    assert joint.apply([0, 0, 4])[0] > 0.9 and joint.apply([0, 0, -4])[1] > 0.9
    joint_entailment.write(joint, tmp_path)
    assert joint_entailment.read_joint(tmp_path) == joint
    with pytest.raises(ModelError, match="no pairs of some label"):
        joint_entailment.fit(values[:1], labels[:1], "a reader", ["hint"])
    (tmp_path / joint_entailment.FILE).write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        joint_entailment.read_joint(tmp_path)


def test_a_classifiers_folder_names_its_reader(tmp_path: Path) -> None:
    folder = tiny_classifier(tmp_path / "judge", "marie curie was born in warsaw .", " ".join(LABELS))
    assert isinstance(open_entailment(str(folder)), Entailment)
    alone = entailment_fingerprint(str(folder))
    direction = tuple(float(name == "direction, surest") for name in MEASURES)
    rule = Joint(EXTRACTOR, MEASURES, ((0, 0, *direction), (0,) * 14, tuple(-x for x in (0, 0, *direction))), (0, 0, 0))
    joint_entailment.write(rule, folder)
    judge = open_entailment(str(folder))
    assert isinstance(judge, JointEntailment) and entailment_fingerprint(str(folder)) != alone
    right, wrong = judge.score(
        [(PREMISE, "Marie Curie was born in Warsaw."), (PREMISE, "Warsaw was born in Marie Curie.")]
    )
    assert right[0] > 0.5 > wrong[0] and wrong[1] > 0.5
    assert judge.score([]) == []

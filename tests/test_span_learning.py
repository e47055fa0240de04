"""What a span student learns from: windows learnt together, what silence says, and which pairs count."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
import torch
from msgspec.structs import replace
from students import pair, tiny_encoder

from kgdistill.distill.edits import part
from kgdistill.distill.settings import SpanSettings
from kgdistill.distill.students import span_training
from kgdistill.distill.students.pieces import WordPieces
from kgdistill.distill.students.span import SpanStudent
from kgdistill.distill.students.span_examples import Example, examples
from kgdistill.distill.students.span_learning import Placed, _grid, said_loss
from kgdistill.distill.students.span_passages import span_texts
from kgdistill.distill.students.words import read_words, windows
from kgdistill.encoders.minilm import model_folder
from kgdistill.records import Pair
from kgdistill.text.split import sentence_spans

PIECES = WordPieces.from_pretrained(model_folder())


def started(folder: Path) -> SpanStudent:
    torch.manual_seed(1)
    plan = SpanSettings(encoder=str(tiny_encoder(folder / "encoder")), width=32)
    return SpanStudent.start(plan, ["born in", "occupation"], ["person", "city"])


def cases(*pairs: Pair) -> list[tuple[Example, str]]:
    found = []
    for one in pairs:
        words = read_words(one.text, sentence_spans(one.text), PIECES)
        cut = list(windows(words, 254, 64))
        for each in examples(one, words, cut, ["born in", "occupation"].index, ["person", "city"].index):
            found.append((each, one.text))
    return found


def losses(student: SpanStudent, batch: list[tuple[Example, str]]) -> dict[str, float]:
    student.network.eval()
    found = span_training.losses_of(student, batch, random.Random(0))
    return {part: float(loss.detach()) for part, loss in found.items() if part != "names"}


def test_silence_counts_as_much_as_it_is_told() -> None:
    logits, target = torch.tensor([2.0, 2.0, 2.0]), torch.tensor([1.0, 0.0, 0.0])
    counted = torch.tensor([1.0, 1.0, 0.0])
    whole, none, tenth = (float(said_loss(logits, target, counted, silence)) for silence in (1.0, 0.0, 0.1))
    said, unsaid = math.log1p(math.exp(-2)) / 10, math.log1p(math.exp(2)) / 10
    assert none == pytest.approx(said) and whole == pytest.approx(said + unsaid)
    assert tenth == pytest.approx(said + unsaid / 10)


def test_a_student_s_setting_says_how_much_silence_counts(tmp_path: Path) -> None:
    made = started(tmp_path)
    made.network.eval()
    losses = []
    for silence in (1.0, 0.5, 0.0):
        made.settings = replace(made.settings, silence=silence)
        losses.append(span_training.losses_of(made, cases(pair(1)), random.Random(0)))
    for name in ("mention", "object", "fact"):
        whole, half, none = (float(loss[name].detach()) for loss in losses)
        assert 0 < none < whole and half == pytest.approx((whole + none) / 2, rel=0.02)


def test_windows_learnt_together_teach_what_each_teaches(tmp_path: Path) -> None:
    made = started(tmp_path)
    long = replace(pair(4), text=pair(4).text + " It rained, and nobody came to see the house by the river.")
    short = part(pair(5), 0, pair(5).text.index(" was"))
    every = cases(pair(1), long, short, pair(7))
    alone = [losses(made, [one]) for one in every]
    together = losses(made, every)
    for name, loss in together.items():
        assert loss == pytest.approx(sum(one[name] for one in alone) / len(alone), rel=0.03), name


def test_what_a_pronoun_is_said_to_be_is_learnt(tmp_path: Path) -> None:
    made = started(tmp_path)
    made.settings = replace(made.settings, silence=0.0)
    whole, first = losses(made, cases(pair(1))), losses(made, cases(replace(pair(1), facts=pair(1).facts[:1])))
    assert whole["fact"] > first["fact"] > 0


def test_what_the_loss_of_pairs_looks_at() -> None:
    """ "X was born in T. She was a chemist": that X is a chemist is neither right nor wrong, for "She" it is right."""
    one, other = pair(1), pair(2)
    placed, first = [], 0
    for [(example, text)] in (cases(one), cases(other)):
        spans = [*example.mentions, *(o for o in example.objects if o not in example.mentions)]
        place = {span: first + i for i, span in enumerate(spans)}
        mentions = [place[span] for span in example.mentions]
        placed.append(Placed(example, text, place, mentions, list(place.values()), mentions))
        first += len(spans)
    grid = _grid(placed)
    rows, columns = ([int(n) for side in sides for n in side] for sides in (grid.rows, grid.columns))
    subjects = [(one, span) for one in placed for span, n in one.place.items() if n in one.subjects]
    objects = [(one, span) for one in placed for span in one.place]

    def said(number: int) -> tuple[str, str]:
        (a, subject), (b, object_) = subjects[rows[number]], objects[columns[number]]
        assert a is b, "no pair joins two windows"
        words, window = a.example.words, a.example.window
        [left, right] = span_texts(words, window, [subject, object_], a.text)
        return left, right

    every = {said(number) for number in range(len(rows))}
    assert ("Yaw Osei", "chemist") in every and ("Mei Tanaka", "chemist") in every
    assert sorted(said(number) for number, _ in grid.held) == [
        ("Mei Tanaka", "Apia"), ("She", "chemist"), ("She", "chemist"), ("Yaw Osei", "Turin"),
    ]  # fmt: skip
    silent = {said(number) for number in grid.silent} - {(end, end) for end, _ in every}
    held = {said(number) for number, _ in grid.held}
    assert silent - held == {("Yaw Osei", "chemist"), ("Mei Tanaka", "chemist"), ("She", "Turin"), ("She", "Apia")}

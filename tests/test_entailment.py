"""The judge of entailment: pairs to learn from, training, weights as 8-bit rows, and figures by kind."""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from students import tiny_encoder
from transformers import AutoTokenizer

from kgdistill.distill.entailment_pairs import FALSE, TRUE, denied, examples, exchanged, one_digit_changed
from kgdistill.distill.lessons import read_seed, split_of
from kgdistill.distill.swaps import SeedDocument, SeedFact
from kgdistill.encoders.minilm import model_folder
from kgdistill.errors import ModelError, RecipeError
from kgdistill.evaluate.entailing import measure
from kgdistill.evaluate.instrument import area
from kgdistill.judge import eight_bit
from kgdistill.judge.entailment import EMBEDDED, Entailment, encode
from kgdistill.judge.entailment_network import LABELS, EntailmentSettings, save_entailment, train_entailment
from kgdistill.stages.entailment import open_entailment
from kgdistill.teacher.weights import find_folder

SEED = Path(__file__).parent.parent / "data" / "seed"


@pytest.fixture(scope="module")
def documents() -> list[SeedDocument]:
    return [d for d in read_seed(SEED) if split_of(d.id) == "train"][:15]


def fact(proposition: str, subject: str, object_: str, *, negated: bool = False) -> SeedFact:
    return SeedFact(proposition, subject, "r", object_, negated=negated)


def test_false_pairs_are_neighbours_of_true_ones(documents: list[SeedDocument]) -> None:
    found = examples(documents, 0, swapped=0.3)
    kinds = Counter(example.kind for example in found)
    assert kinds.keys() == {*TRUE, *FALSE}
    for example in found:
        assert (example.label == "entailment") == (example.kind in TRUE)
        assert (example.label == "contradiction") == (example.kind in ("negation", "number", "denied"))
        assert example.premise and example.hypothesis
    assert 0.4 < sum(example.label == "entailment" for example in found) / len(found) < 0.6
    assert examples(documents, 0, swapped=0.3) == found != examples(documents, 1, swapped=0.3)
    true = {(e.premise, e.hypothesis) for e in found if e.kind in TRUE}
    wrong = [e for e in found if e.kind in ("relation", "swapped", "name", "number", "negation")]
    assert sum((e.premise, e.hypothesis) in true for e in wrong) == 0


def test_denials_come_and_go() -> None:
    assert denied(fact("Ann was born in Leeds.", "Ann", "Leeds")) == "Ann was not born in Leeds."
    assert denied(fact("Ann painted Leeds.", "Ann", "Leeds")) == "Ann never painted Leeds."
    assert denied(fact("Ann was not born in Leeds.", "Ann", "Leeds", negated=True)) == "Ann was born in Leeds."
    assert denied(fact("Ann cannot swim.", "Ann", "swim", negated=True)) == "Ann can swim."
    assert denied(fact("Nobody swims.", "Ann", "swims", negated=True)) == ""
    assert denied(fact("Isis was read.", "Isis", "read")) == "Isis was not read."


@given(st.text("ab19 ", max_size=20), st.integers())
def test_one_number_changes(text: str, seed: int) -> None:
    found = one_digit_changed(text, random.Random(seed))
    assert bool(found) == bool(re.search(r"\d", text))
    if found:
        assert len(found) == len(text) and sum(a != b for a, b in zip(found, text, strict=True)) == 1


def test_ends_are_exchanged_at_once() -> None:
    assert exchanged("Ann met Bob.", {"Ann": "Bob", "Bob": "Ann"}) == "Bob met Ann."
    assert exchanged("Ann met Bob.", {"Ann": "x", "Carl": "y"}) == ""
    assert exchanged("Ann Lee met her.", {"Ann Lee": "x", "Lee": "y"}) == "", "one inside the other"


@given(st.lists(st.lists(st.floats(-3, 3, width=32), min_size=3, max_size=3), min_size=1, max_size=5))
@settings(deadline=None, max_examples=20)
def test_eight_bit_rows_are_off_by_half_a_step(rows: list[list[float]]) -> None:
    import tempfile

    state = {"m": torch.tensor(rows), "v": torch.tensor(rows[0]), "n": torch.tensor([3, 4])}
    with tempfile.TemporaryDirectory() as name:
        eight_bit.save(state, Path(name))
        found = eight_bit.load(Path(name))
    step = state["m"].abs().amax(1, keepdim=True) / 127
    assert torch.all((found["m"] - state["m"]).abs() <= step * 0.5001 + 1e-8)
    assert torch.equal(found["n"], state["n"]) and torch.allclose(found["v"], state["v"], rtol=1e-2)


def pairs() -> list[tuple[str, str, str]]:
    """What is learnt in seconds: what the premise has is entailed, what it has not is neutral."""
    birds = ("robin", "wren", "owl", "crow", "duck", "swan", "gull", "lark")
    return [
        (f"Ann saw a {one} and a {other}", f"a {said}", "entailment" if said in (one, other) else "neutral")
        for one in birds
        for other in birds
        for said in (one, other, *random.Random(one + other).sample([b for b in birds if b not in (one, other)], 2))
    ]


def test_training_ends_in_a_folder_that_any_caller_can_load(tmp_path: Path) -> None:
    chosen = EntailmentSettings(learning_rate=3e-3, batch_tokens=256, frozen=False, dropout=0.0)
    encoder = tiny_encoder(tmp_path / "encoder")
    model = train_entailment(pairs() * 4, encoder, chosen, tmp_path / "checkpoints")
    save_entailment(model, tmp_path / "judge")
    assert not list((tmp_path / "judge").glob("*.bin")) and (tmp_path / "judge" / eight_bit.FILE).is_file()
    stored = Entailment.from_pretrained(tmp_path / "judge")
    asked = [(premise, hypothesis) for premise, hypothesis, _ in pairs()]
    scores = [score for score, _ in stored.score(asked)]
    true = [score for score, (_, _, label) in zip(scores, pairs(), strict=True) if label == "entailment"]
    false = [score for score, (_, _, label) in zip(scores, pairs(), strict=True) if label == "neutral"]
    assert area(true, false) > 0.9, "what is new in a hypothesis is marked, so that this is learnt at once"
    again = train_entailment(pairs() * 4, encoder, chosen, tmp_path / "checkpoints")
    assert again.score(asked[:1])[0] == pytest.approx(model.score(asked[:1])[0], abs=1e-5), "resumed at its end"
    (tmp_path / "judge" / eight_bit.FILE).write_bytes(b"x")
    with pytest.raises(ModelError, match="classifier of text pairs"):
        Entailment.from_pretrained(tmp_path / "judge")


def test_new_pieces_of_a_hypothesis_are_marked() -> None:
    tokenizer = AutoTokenizer.from_pretrained(model_folder())
    pair = [("Ann was born in 1901.", "Ann was born in 1902.")]
    [marks] = encode(tokenizer, pair, 64, True)["token_type_ids"]
    [ids] = encode(tokenizer, pair, 64, True)["input_ids"]
    new = [tokenizer.decode([token]) for token, mark in zip(ids, marks, strict=True) if mark]
    assert new == ["1902"]
    assert sum(encode(tokenizer, pair, 64, False)["token_type_ids"][0]) == 7, "else it says which text is which"


def test_bad_settings_and_data_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="two labels"):
        train_entailment([("a", "b", "neutral")], model_folder(), EntailmentSettings(), tmp_path)
    with pytest.raises(RecipeError, match="batch_tokens"):
        EntailmentSettings(batch_tokens=8)
    with pytest.raises(ModelError, match="no encoder"):
        train_entailment(pairs(), tmp_path / "nothing", EntailmentSettings(), tmp_path)


def test_figures_by_kind() -> None:
    labels = [("entailment", "stated"), ("neutral", "name"), ("contradiction", "number"), ("contradiction", "number")]
    found = measure(labels, [(0.9, 0.0), (0.2, 0.1), (0.95, 0.01), (0.1, 0.8)])
    assert (found.accuracy, found.area, found.contradictions) == (0.75, pytest.approx(2 / 3), 0.5)
    rows = {row.kind: (row.pairs, row.right, row.area) for row in found.rows}
    assert rows == {"stated": (1, 1.0, None), "name": (1, 1.0, 1.0), "number": (2, 0.5, 0.5)}
    with pytest.raises(ValueError, match="scores"):
        measure(labels, [])


def test_the_judge_that_ships_tells_the_digests_three_checks_apart() -> None:
    """The same is entailed, something else is not, and one side of a conjunction is entailed one way only."""
    assert tuple(Entailment.from_pretrained(find_folder(EMBEDDED)).parts[0].config.id2label.values()) == LABELS
    both = "Ann Lee was born in Leeds and Bob Cole was born in Oslo."
    one, elsewhere = "Ann Lee was born in Leeds.", "Carl Berg painted a red house."
    model = open_entailment(EMBEDDED)
    scores = [found for found, _ in model.score([(both, both), (both, one), (one, both), (both, elsewhere)])]
    assert scores[0] > 0.5 and scores[1] > 0.5 and scores[2] < 0.5 and scores[3] < 0.1


def test_the_judge_that_ships_sees_false_neighbours_in_documents_that_it_has_not_read() -> None:
    """Of each kind; exchanged ends and denied premises are what it knows least (docs/models.md)."""
    held = examples([d for d in read_seed(SEED) if split_of(d.id) == "test"][:25], 0)
    found = measure([(e.label, e.kind) for e in held], open_entailment(EMBEDDED).score([(e[0], e[1]) for e in held]))
    assert found.area > 0.82
    areas = {row.kind: row.area for row in found.rows if row.area is not None}
    assert areas.keys() == set(FALSE)
    assert min(areas.values()) > 0.55 and min(areas[k] for k in ("elsewhere", "negation", "neighbour", "whole")) > 0.9

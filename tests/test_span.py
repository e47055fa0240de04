"""The span student: words and windows, training that a kill only interrupts, exact offsets, relations, folders."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from safetensors.torch import load_file
from students import pair, tiny_encoder
from transformers import BertConfig, BertModel

from kgdistill.distill.seed import seed_pairs
from kgdistill.distill.settings import SpanSettings
from kgdistill.distill.student import SHIPPED
from kgdistill.distill.students import span_training
from kgdistill.distill.students.pieces import WordPieces
from kgdistill.distill.students.span import SpanStudent
from kgdistill.distill.students.span_examples import examples
from kgdistill.distill.students.span_passages import overlaps
from kgdistill.distill.students.span_reading import Curve
from kgdistill.distill.students.words import plain, read_words, windows
from kgdistill.encoders.minilm import model_folder
from kgdistill.errors import ModelError
from kgdistill.records import Extraction, Fact
from kgdistill.text.sentences import sentence_spans

PIECES = WordPieces.from_pretrained(model_folder())


def start(folder: Path, epochs: int = 2) -> SpanStudent:
    encoder = folder / "encoder"
    if not encoder.exists():
        torch.manual_seed(1)
        tiny_encoder(encoder)
    plan = SpanSettings(encoder=str(encoder), epochs=epochs, batch=2, width=32, check_every=1)
    return SpanStudent.start(plan, ["born in", "occupation"], ["person", "city"])


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> SpanStudent:
    """Untrained: it finds nonsense, but everything it finds must be where it says."""
    made = start(tmp_path_factory.mktemp("span"))
    torch.nn.init.constant_(made.network.kind.bias, 1.0)
    torch.nn.init.constant_(made.network.fact.bias, 1.0)
    torch.nn.init.constant_(made.network.alone.bias, 6.0)
    return made


def test_examples_carry_spans_facts_and_who_is_who() -> None:
    one = pair(1)
    words = read_words(one.text, sentence_spans(one.text), PIECES)
    (found,) = examples(
        one, words, list(windows(words, 254, 64)), ["born in", "occupation"].index, ["city", "person"].index
    )
    spoken = {
        tuple(one.text[words.spans[a].start : words.spans[b].end] for a, b in key): held
        for key, held in found.facts.items()
    }
    assert spoken.keys() == {("Yaw Osei", "Turin"), ("She", "chemist")}
    assert spoken["She", "chemist"].relations == (1,)
    assert len(found.mentions) == 3 and len(found.full) == 2 and set(found.types.values()) == {0, 1}


def test_overlap_classes() -> None:
    assert overlaps(["Hahn", "Otto Hahn", "hahn", "x"]).tolist()[0] == [1, 2, 1, 0]


@settings(max_examples=25, deadline=None)
@given(st.text(st.sampled_from("Ada was 😀 born. In Oslo, שלום 1906!\n\té\u0301\u00ad\ufeff"), max_size=300))
def test_offsets_are_exact_whatever_the_text(student: SpanStudent, text: str) -> None:
    found = student.extract(text, 0.0, id="x")
    for fact in found.facts:
        assert fact.subject_span and fact.object_span
        assert text[fact.object_span.start : fact.object_span.end]
        assert 0 <= fact.start <= fact.object_span.start and fact.object_span.end <= fact.end <= len(text)
        assert text[fact.start : fact.end].strip() == text[fact.start : fact.end]
        assert fact.subject in plain(text) and fact.object in plain(text) and 0.0 <= fact.score <= 1.0
    for entity in found.entities:
        assert all(0 <= s.start < s.end <= len(text) for s in entity.spans) and entity.name in plain(text)


def test_a_long_document_is_read_whole(student: SpanStudent) -> None:
    text = " ".join(pair(i).text for i in range(60))
    assert len(student.prepare(text)[1]) > 3
    ends = [fact.object_span.end for fact in student.extract(text, 0.0).facts if fact.object_span]
    assert max(ends) > 0.8 * len(text)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_what_is_not_asked_for_need_not_be_scored(student: SpanStudent, share: float) -> None:
    text = " ".join(pair(i).text for i in range(4))
    everything = student.read("x", text)
    scores = sorted(fact.score for fact in everything.facts)
    least = scores[int(share * len(scores))]
    chosen = student.read("x", text, least=least)
    assert chosen.facts == tuple(fact for fact in everything.facts if fact.score >= least)
    assert 0 < len(chosen.facts) < len(everything.facts)
    assert chosen.entities == everything.entities


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=8, unique_by=lambda knot: knot[0]),
    st.lists(st.floats(0, 1), min_size=1, max_size=20),
    st.floats(0, 1),
)
def test_the_least_raw_score_lets_everything_through_that_is_worth_enough(
    knots: list[tuple[float, float]], raw: list[float], worth: float
) -> None:
    curve = Curve(tuple(sorted(x for x, _ in knots)), tuple(sorted(y for _, y in knots)))
    facts = tuple(Fact("s", "r", "o", score, 0, 1) for score in raw)
    for before, after in zip(facts, curve.apply(facts), strict=True):
        assert after.score < worth or before.score >= curve.least(worth)


def test_a_fact_is_no_surer_than_the_names_of_its_ends(student: SpanStudent) -> None:
    bias = student.network.alone.bias
    surest = []
    for value in (6.0, 2.0):
        with torch.no_grad():
            before = bias.clone()
            bias.fill_(value)
        surest.append(max(fact.score for fact in student.read("x", pair(1).text).facts))
        with torch.no_grad():
            bias.copy_(before)
    assert surest[1] < 0.8 * surest[0]


def test_only_asked_relations_are_given(student: SpanStudent) -> None:
    found = student.extract(pair(2).text, 0.0, ["never seen before", "other"])
    assert found.facts and {fact.relation for fact in found.facts} <= {"never seen before", "other"}


def test_training_lowers_the_loss_and_the_folder_holds_everything(tmp_path: Path) -> None:
    student = start(tmp_path, epochs=4)
    pairs = [pair(i) for i in range(6)]
    figures = student.fit(pairs, pairs[:3], tmp_path / "checkpoints")
    log = figures["log"]
    assert log[-1]["fact"] < log[0]["fact"] and log[-1]["mention"] < log[0]["mention"]
    student.save_pretrained(tmp_path / "saved")
    (tmp_path / "encoder").rename(tmp_path / "gone")
    again = SpanStudent.from_pretrained(tmp_path / "saved")
    assert again.config == student.config
    one, other = student.read("x", pair(2).text), again.read("x", pair(2).text)
    assert max((f.score for f in other.facts), default=0) == pytest.approx(
        max((f.score for f in one.facts), default=0), abs=0.05
    )
    assert again.extract(pair(2).text) == SpanStudent.from_pretrained(tmp_path / "saved").extract(pair(2).text)


def test_a_threshold_for_graphs_that_leave_much_out() -> None:
    """Of four facts with falling scores the graph has the first and the third: more is said where that costs less."""
    said = [Fact("Ada", "met", name, score=score) for name, score in zip("BCDE", (0.8, 0.6, 0.4, 0.2), strict=True)]
    read, gold = [Extraction("d", facts=tuple(said))], [replace(pair(0), facts=(said[0], said[2]))]
    chosen = [span_training.best_threshold(read, gold, silence)["threshold"] for silence in (5.0, 1.0)]
    assert 0.6 < chosen[0] <= 0.8 and 0.2 < chosen[1] <= 0.4
    assert span_training.weighed_f1(0.5, 1.0, 0.02) > span_training.weighed_f1(0.5, 1.0, 1.0) == pytest.approx(2 / 3)
    assert span_training.weighed_f1(0.0, 0.0, 0.0) == 0.0


def test_a_killed_training_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [pair(i) for i in range(4)]
    whole = start(tmp_path, epochs=3)
    whole.fit(pairs, pairs[:2], tmp_path / "whole")

    kept = span_training._checkpoint

    def dies(folder: Path, network: object, optimizer: object, progress: span_training.Progress) -> None:
        kept(folder, network, optimizer, progress)
        if progress.epoch == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(span_training, "_checkpoint", dies)
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path, epochs=3).fit(pairs, pairs[:2], tmp_path / "broken")
    monkeypatch.setattr(span_training, "_checkpoint", kept)
    resumed = start(tmp_path, epochs=3)
    resumed.fit(pairs, pairs[:2], tmp_path / "broken")
    ends = [load_file(tmp_path / name / "epoch-0003.safetensors") for name in ("whole", "broken")]
    for name, one in ends[0].items():
        # Not to the bit: with several threads, sums of gradients may take another order.
        assert torch.allclose(one, ends[1][name], atol=2e-5), name


def test_a_mention_in_two_windows_has_one_name() -> None:
    """The window that it is in first has seen more of what stands before it."""
    student = SpanStudent.from_pretrained(SHIPPED)
    documents = [pair.text for pair in seed_pairs(Path("data/seed")) if pair.split == "validation"]
    for start in range(0, 30, 6):
        found = student.extract(" ".join(documents[start : start + 6]))
        spans = [span for entity in found.entities for span in entity.spans]
        assert len(spans) == len(set(spans)) > 20


def test_a_damaged_student_is_a_clear_mistake(student: SpanStudent, tmp_path: Path) -> None:
    student.save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    with pytest.raises(ModelError, match="no span student"):
        SpanStudent.from_pretrained(tmp_path)


def test_an_encoder_with_few_positions_gets_short_windows(tmp_path: Path) -> None:
    tiny_encoder(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    shape = BertConfig(**{**config, "max_position_embeddings": 64})
    BertModel(shape, add_pooling_layer=False).save_pretrained(tmp_path)
    short = SpanStudent.start(SpanSettings(encoder=str(tmp_path), width=32), ["born in"], ["person"])
    short.save_pretrained(tmp_path / "saved")
    for student in (short, SpanStudent.from_pretrained(tmp_path / "saved")):
        student.extract(" ".join(pair(i).text for i in range(20)), 0.0)


def test_a_wrong_folder_is_a_clear_mistake(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no encoder"):
        SpanStudent.start(SpanSettings(encoder=str(tmp_path)), ["a"], ["b"])
    with pytest.raises(ModelError, match="no span student"):
        SpanStudent.from_pretrained(tmp_path)


def test_our_encoder_has_the_library_s_states() -> None:
    from transformers import AutoModel

    from kgdistill.distill.students.bert import Bert, read_shape

    folder = model_folder()
    shape = read_shape(folder / "config.json")
    assert shape is not None
    theirs = AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()
    ours = Bert(shape).eval()
    ours.load_state_dict(theirs.state_dict())
    ids = torch.randint(999, 9999, (3, 20), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 12:] = 0
    with torch.inference_mode():
        for seen in (mask, torch.ones_like(ids)):
            wanted = theirs(input_ids=ids, attention_mask=seen).last_hidden_state[seen.bool()]
            found = ours(ids, attention_mask=seen).last_hidden_state[seen.bool()]
            assert torch.allclose(found, wanted, atol=1e-5)


def test_another_encoder_is_left_to_the_library(tmp_path: Path) -> None:
    from kgdistill.distill.students.bert import read_shape

    (tmp_path / "config.json").write_text('{"model_type": "mpnet"}')
    assert read_shape(tmp_path / "config.json") is None


def test_reading_does_not_wait_for_the_library() -> None:
    code = "import sys; from kgdistill import Extractor; Extractor.from_pretrained().extract('Ann left Rome.');"
    code += "print('transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

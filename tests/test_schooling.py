"""A model warm-started from the packaged encoder learns lessons, and a kill only interrupts it."""

import itertools
from pathlib import Path

import pytest
import torch
from transformers import OPTConfig, OPTForCausalLM

from kgdistill.distill.lessons import Lesson, Turn, lessons, read_seed
from kgdistill.distill.schooling import IGNORE, Batches, Schooling, encode, reply_loss, school
from kgdistill.distill.warmstart import train_tokenizer, vocabulary_words, warm_start
from kgdistill.encoders.minilm import model_folder

SEED = Path(__file__).parent.parent / "data" / "seed"
DOCUMENTS = read_seed(SEED)[:12]


@pytest.fixture(scope="module")
def tokenizer():
    texts = [turn.prompt + turn.reply for lesson in lessons(DOCUMENTS, 0, augment=False) for turn in lesson.turns]
    return train_tokenizer(["the", "of", "river", "bridge"], texts, 1200)


def tiny(tokenizer) -> OPTForCausalLM:
    torch.manual_seed(0)
    return OPTForCausalLM(
        OPTConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            word_embed_proj_dim=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            ffn_dim=64,
            max_position_embeddings=1024,
            dropout=0.0,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def test_tokenizer_is_lossless_and_writes_replies_in_few_tokens(tokenizer) -> None:
    for text in (
        '{"propositions":[{"text":"Émile',
        "  two  spaces\n\tand tabs",
        "naïve 漢字 🙂 ١٩٠٨",
        "McDonald's 1908",
    ):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert len(tokenizer('","relation":"')["input_ids"]) == 1
    assert len(tokenizer("1908")["input_ids"]) == 4


def test_only_replies_have_targets(tokenizer) -> None:
    ids, targets, weights = encode(Lesson((Turn("Ask:\n", "yes"), Turn("\nAgain:\n", "no"))), tokenizer)
    assert len(ids) == len(targets) == len(weights)
    wanted = [token for token in targets if token != IGNORE]
    end = tokenizer.eos_token_id
    assert wanted == [*tokenizer("yes")["input_ids"], end, *tokenizer("no")["input_ids"], end]
    # A target stands one place before the token that it names.
    for place, target in enumerate(targets):
        if target not in (IGNORE, end):
            assert ids[place + 1] == target


def test_padding_on_the_right_changes_no_loss(tokenizer) -> None:
    model = tiny(tokenizer).eval()
    batch = next(iter(Batches(lessons(DOCUMENTS, 0, augment=False), tokenizer, Schooling(batch_tokens=512))))
    wider = {
        "input_ids": torch.nn.functional.pad(batch["input_ids"], (0, 9), value=tokenizer.pad_token_id),
        "targets": torch.nn.functional.pad(batch["targets"], (0, 9), value=IGNORE),
        "weights": torch.nn.functional.pad(batch["weights"], (0, 9), value=0.0),
    }
    with torch.no_grad():
        assert torch.allclose(reply_loss(model, batch), reply_loss(model, wider), atol=1e-5)


def test_batches_keep_to_their_budget_and_lose_nothing(tokenizer) -> None:
    found = list(lessons(DOCUMENTS, 0, augment=False))
    settings = Schooling(batch_tokens=900, context=1024)
    batches = list(Batches(found, tokenizer, settings))
    assert all(b["input_ids"].numel() <= 900 or len(b["input_ids"]) == 1 for b in batches)
    fitting = [lesson for lesson in found if len(encode(lesson, tokenizer)[0]) <= settings.context]
    assert sum(len(b["input_ids"]) for b in batches) == len(fitting)


def test_a_killed_training_goes_on_where_it_was(tokenizer, tmp_path: Path) -> None:
    settings = Schooling(tokens=8 * 512, batch_tokens=512, checkpoints=4, learning_rate=1e-3)

    class Killed(Exception):
        pass

    def breaking_off(after: int):
        for number, lesson in enumerate(lessons(DOCUMENTS, 0)):
            if number == after:
                raise Killed
            yield lesson

    whole = tiny(tokenizer)
    log = school(whole, tokenizer, lessons(DOCUMENTS, 0), tmp_path / "whole", settings)
    assert log[-1]["loss"] < log[0]["loss"]
    halves = tiny(tokenizer)
    short = Schooling(tokens=4 * 512, batch_tokens=512, checkpoints=2, learning_rate=1e-3)
    with pytest.raises(Killed):
        school(halves, tokenizer, itertools.chain(breaking_off(100)), tmp_path / "halves", short)
    again = tiny(tokenizer)
    school(again, tokenizer, lessons(DOCUMENTS, 0), tmp_path / "halves", settings)
    for ours, theirs in zip(again.parameters(), whole.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_a_part_may_end_before_its_learning_rate_has_fallen(tokenizer, tmp_path: Path) -> None:
    settings = Schooling(tokens=4 * 512, planned=16 * 512, batch_tokens=512, learning_rate=1e-3, warmup=0.0)
    first = tiny(tokenizer)
    log = school(first, tokenizer, lessons(DOCUMENTS, 0), tmp_path / "part", settings)
    assert len(log) == 4 and log[-1]["learning_rate"] > 8e-4
    again = tiny(tokenizer)
    assert school(again, tokenizer, lessons(DOCUMENTS, 0), tmp_path / "part", settings) == log
    for ours, theirs in zip(again.parameters(), first.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_warm_start_has_the_encoders_layers(tokenizer) -> None:
    model = warm_start(model_folder(), tokenizer, context=700)
    assert model.model.decoder.embed_positions.weight.shape[0] == 702
    vectors = model.model.decoder.embed_tokens.weight
    near = torch.nn.functional.cosine_similarity
    river, bridge, the = (tokenizer(word)["input_ids"] for word in (" river", " bridge", " the"))
    assert [len(ids) for ids in (river, bridge, the)] == [1, 1, 1]
    assert near(vectors[river[0]], vectors[bridge[0]], dim=0) < 0.9
    lower, title = tokenizer(" river")["input_ids"][0], tokenizer(" River")["input_ids"]
    if len(title) == 1:
        assert near(vectors[lower], vectors[title[0]], dim=0) > 0.9


def test_words_of_the_encoder_come_by_frequency() -> None:
    words = vocabulary_words(model_folder())
    assert words.index("the") < words.index("river") < words.index("estuary")

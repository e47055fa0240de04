"""Sentence embeddings: sense, shape, order, and vectors that do not depend on their company."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kgdistill.contracts import Encoder
from kgdistill.encoders import minilm
from kgdistill.encoders.minilm import MiniLM, SentenceTransformer, model_folder
from kgdistill.errors import ModelError

TEXTS = [
    "The king died in 1625.",
    "Steel is made of iron and carbon.",
    "In 1625 the monarch passed away.",
    "works for",
    "is employed by",
    "",
    "Ένα κείμενο, 文字 and 🙂",
    "word " * 600,
]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return MiniLM().open()


def test_paraphrases_are_nearer_than_strangers(encoder: Encoder) -> None:
    king, steel, monarch, *_ = encoder.encode(TEXTS)
    assert king @ monarch > 0.7 > 0.3 > king @ steel


def test_vectors_have_unit_length_and_keep_their_order(encoder: Encoder) -> None:
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), 384) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.array_equal(encoder.encode([*TEXTS[::-1], TEXTS[0]]), np.vstack([vectors[::-1], vectors[:1]]))


def test_nothing_in_nothing_out(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, 384)


def test_a_vector_does_not_depend_on_its_company(encoder: Encoder) -> None:
    together = encoder.encode(TEXTS)
    alone, mixed = MiniLM().open(), MiniLM().open()
    assert all(np.array_equal(alone.encode([text])[0], together[row]) for row, text in enumerate(TEXTS))
    company = [f"Sentence {number} about a thing." * (1 + number % 9) for number in range(90)]
    assert np.array_equal(mixed.encode([*company, *TEXTS[::-1]])[len(company) :][::-1], together)


def test_repeated_strings_are_computed_once(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    first = encoder.encode(TEXTS)
    monkeypatch.setattr(encoder, "_embed", lambda texts: pytest.fail(f"computed again: {texts}"))
    assert np.array_equal(encoder.encode(TEXTS * 2), np.vstack([first, first]))


def test_the_memory_forgets_the_oldest() -> None:
    memory = minilm._Memory(limit=2)
    vectors = {name: np.zeros(1, np.float32) for name in "abc"}
    memory.keep(vectors)
    assert set(memory.recall("abc")) == {"b", "c"}


def test_damaged_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "_WEIGHTS_SHA256", "0" * 64)
    model_folder.cache_clear()
    with pytest.raises(ModelError, match="damaged"):
        model_folder()
    monkeypatch.undo()
    model_folder.cache_clear()
    assert (model_folder() / "config.json").is_file()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "_PACKAGE", "no_such_package_here")
    model_folder.cache_clear()
    with pytest.raises(ModelError, match="pip install"):
        model_folder()
    model_folder.cache_clear()


def test_the_same_model_through_sentence_transformers_agrees(encoder: Encoder) -> None:
    pytest.importorskip("sentence_transformers")
    other = SentenceTransformer(str(model_folder())).open()
    assert np.allclose(other.encode(TEXTS), encoder.encode(TEXTS), atol=1e-4)
    assert other.encode([]).shape == (0, 384)


def test_a_missing_sentence_transformers_model(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    with pytest.raises(ModelError, match="fetch it once"):
        SentenceTransformer(str(tmp_path / "none")).open()

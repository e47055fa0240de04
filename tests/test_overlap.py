"""The share of common wording."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgdistill.text.overlap import rouge1, rouge_l, words

vocabulary = st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta", "été", "東"]), max_size=12)


def test_words_of_many_scripts() -> None:
    assert words("Hello, don’t stop: 3.5!") == ["Hello", "don’t", "stop", "3", "5"]
    assert words("हिन्दी भाषा") == ["हिन्दी", "भाषा"]
    assert words("我爱東京 ok") == ["我", "爱", "東", "京", "ok"]
    assert words("— … 🙂") == []


def test_rouge_by_hand() -> None:
    assert rouge1("the cat sat", "The cat") == pytest.approx(0.8)
    assert rouge1("a a b", "a c") == pytest.approx(2 * 1 / 5)
    assert rouge_l("a b c d", "a c d b") == pytest.approx(0.75)
    assert rouge1("a b", "c d") == 0.0
    assert rouge1("", "") == 1.0
    assert rouge1("", "word") == 0.0


@given(vocabulary, vocabulary)
def test_rouge_is_symmetric_and_order_costs_only_rouge_l(left: list[str], right: list[str]) -> None:
    one, other = " ".join(left), " ".join(right)
    assert rouge1(one, other) == pytest.approx(rouge1(other, one))
    assert rouge1(one, " ".join(sorted(left))) == 1.0
    assert rouge_l(one, other) <= rouge1(one, other) + 1e-12


@given(vocabulary, vocabulary)
def test_longest_common_subsequence_equals_the_table(left: list[str], right: list[str]) -> None:
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    expected = 2 * table[-1][-1] / (len(left) + len(right)) if left or right else 1.0
    assert rouge_l(" ".join(left), " ".join(right)) == pytest.approx(expected)


@given(st.text())
def test_any_text_agrees_with_itself(text: str) -> None:
    assert rouge1(text, text) == 1.0
    assert rouge_l(text, text) == 1.0

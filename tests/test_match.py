"""Matching: what counts as found, symmetry and bounds, and that direction and polarity matter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgdistill.evaluate import match
from kgdistill.evaluate.match import Comparison, Score
from kgdistill.evaluate.resampling import bootstrap
from kgdistill.records import Fact
from kgdistill.text.names import normal
from kgdistill.text.overlap import words


class Words:
    """Encoder double: a text is the bag of its words, so that equal texts have cosine 1 and disjoint ones 0."""

    name = "words"

    def __init__(self) -> None:
        self.places: dict[str, int] = {}

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        vectors = np.zeros((len(texts), 512), np.float32)
        for row, text in enumerate(texts):
            for word in text.split() or [""]:
                vectors[row, self.places.setdefault(word, len(self.places)) % 512] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


GOLD = (
    Fact("Marie Curie", "born in", "Warsaw"),
    Fact("Marie Curie", "spouse", "Pierre Curie"),
    Fact("polonium", "discovered by", "Marie Curie"),
)
NAMES = st.text(alphabet="ab cd+é日,.", max_size=8)
FACTS = st.lists(st.builds(Fact, NAMES, NAMES, NAMES, negated=st.booleans()), max_size=6)


def slow_token_f1(one: str, other: str) -> float:
    first, second = (Counter(words(normal(name)) or [normal(name)]) for name in (one, other))
    return 2 * (first & second).total() / (first.total() + second.total())


@given(st.lists(NAMES, max_size=5), st.lists(NAMES, max_size=5))
def test_token_f1_of_whole_lists_is_that_of_each_pair(ours: list[str], theirs: list[str]) -> None:
    matrix = match.token_f1_matrix(ours, theirs)
    assert matrix.shape == (len(ours), len(theirs))
    for i, one in enumerate(ours):
        for j, other in enumerate(theirs):
            assert matrix[i, j] == pytest.approx(slow_token_f1(one, other))


def test_token_f1_by_hand() -> None:
    assert match.token_f1("the University of Paris", "University of Paris") == 1
    assert match.token_f1("Marie Curie", "Curie") == pytest.approx(2 / 3)
    assert match.token_f1("a b b", "b b b") == pytest.approx(4 / 5)  # "a" is an article
    assert match.token_f1("+", "+") == 1
    assert match.token_f1("+", "-") == 0
    assert match.token_f1("Warsaw", "Paris") == 0


def test_a_perfect_graph_scores_one_everywhere() -> None:
    compared = Comparison(GOLD, GOLD, Words())
    found, right = compared.pairs()
    whole = [match.exact(GOLD, GOLD), match.normalised(GOLD, GOLD), found, right, compared.soft(), compared.semantic()]
    assert [score.f1 for score in whole] == pytest.approx([1.0] * 6)
    assert [score.recall for score in compared.coverage()] == pytest.approx([1.0, 1.0])
    assert match.correct(GOLD, GOLD, Words()) == [True] * 3


def test_turned_round_facts_do_not_match() -> None:
    turned = [Fact(fact.object, fact.relation, fact.subject) for fact in GOLD]
    assert match.pairs(turned, GOLD, Words()).matched == 1  # (Pierre Curie, Marie Curie) shares "Curie" on both sides
    assert match.correct(turned[:1] + turned[2:], GOLD, Words()) == [False, False]
    assert match.exact(turned, GOLD).f1 == 0
    assert match.soft(turned, GOLD, Words()).f1 < 0.75


def test_repeats_do_not_count_twice() -> None:
    thrice = [GOLD[0]] * 3
    assert match.exact(thrice, GOLD) == Score(1.0, 3, 3)
    assert match.semantic(thrice, GOLD, Words()).precision < 0.7
    assert match.pairs(thrice, GOLD, Words()) == Score(1.0, 3, 3)


def test_polarity_matters_everywhere_but_in_the_pair() -> None:
    denied = [Fact(fact.subject, fact.relation, fact.object, negated=True) for fact in GOLD]
    compared = Comparison(denied, GOLD, Words())
    assert compared.pairs()[0].f1 == 1
    assert compared.pairs()[1].precision == 0
    assert [match.exact(denied, GOLD).f1, compared.soft().f1, compared.semantic().f1] == [0, 0, 0]
    assert compared.coverage()[0].recall == 0
    assert match.correct(denied, GOLD, Words()) == [False] * 3


def test_a_wrong_relation_between_right_ends_is_a_pair_but_not_correct() -> None:
    wrong = [Fact("Marie Curie", "died", "Warsaw")]
    assert match.pairs(wrong, GOLD, Words()).matched == 1
    assert match.correct(wrong, GOLD, Words()) == [False]


def test_among_equal_assignments_the_one_with_right_relations_is_taken() -> None:
    gold = [Fact("A", "wrote", "B"), Fact("A", "sold", "B")]
    found, right = Comparison(gold[::-1], gold, Words()).pairs()
    assert (found.matched, right.matched) == (2, 2)


def test_good_relations_never_cost_a_pair() -> None:
    # The first prediction fits both gold facts, and its relation only the second, which the other needs.
    gold = [Fact("M N", "wrote", "X"), Fact("M", "sold", "X")]
    predicted = [Fact("M N", "sold", "X"), Fact("M C D", "sold", "X")]
    assert Comparison(predicted, gold, Words()).found.tolist() == [[1, 1], [0, 1]]
    assert Comparison(predicted, gold, Words()).pairs()[0].matched == 2


@pytest.mark.parametrize("sides", [((), GOLD), (GOLD, ()), ((), ())])
def test_nothing_against_something(sides: tuple[Sequence[Fact], Sequence[Fact]]) -> None:
    compared = Comparison(*sides, Words())
    scores = [match.exact(*sides), *compared.pairs(), compared.soft(), compared.semantic(), *compared.coverage()]
    assert all(score.f1 == 0 for score in scores)
    assert match.correct(*sides, Words()) == [False] * len(sides[0])


@given(FACTS, FACTS)
def test_figures_are_bounded_and_mirror_each_other(ours: list[Fact], theirs: list[Fact]) -> None:
    encoder = Words()
    for measured in (match.soft, match.semantic, match.pairs):
        there, back = measured(ours, theirs, encoder), measured(theirs, ours, encoder)
        assert 0 <= there.matched <= min(len(ours), len(theirs)) + 1e-6
        assert there.f1 == pytest.approx(back.f1, abs=1e-6)
    exact, normalised = match.exact(ours, theirs), match.normalised(ours, theirs)
    assert exact.matched <= normalised.matched


def test_coverage_by_hand() -> None:
    predicted = [GOLD[0], Fact("Marie Curie", "husband", "Pierre Curie")]
    covered, best = match.coverage(predicted, GOLD, Words())
    assert covered.recall == pytest.approx(1 / 3)
    # Bags of words: "Marie Curie spouse Pierre Curie" has length √7, "polonium discovered by Marie Curie" √5.
    assert best.recall == pytest.approx((1 + 6 / 7 + 3 / 35**0.5) / 3)


def test_the_interval_holds_the_figure_and_is_the_same_each_time() -> None:
    scores = [Score(float(n % 4), 4, 4) for n in range(30)]
    low, high = bootstrap(scores, lambda score: score.f1)
    assert low < match.total(scores).f1 < high
    assert (low, high) == bootstrap(scores, lambda score: score.f1)
    assert bootstrap([], lambda score: score.f1) == (0.0, 0.0)
    assert bootstrap([Score(1.0, 2, 2)] * 5, lambda score: score.f1) == (0.5, 0.5)

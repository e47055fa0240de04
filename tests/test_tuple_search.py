"""The search for tuples against exhaustive enumeration: whatever the model says, exactly the best come out."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgdistill.generate.tuple_search import Expansion, Found, Outcome, Space, State, search

PIECES = (" ab", " cd", "ef", " gh")
Table = Callable[[State], Expansion]


def table(seed: int, coarse: int) -> Table:
    """A toy language model: log-probabilities that depend on all that stands before; coarse ones have many ties."""

    def expansion(state: State) -> Expansion:
        chance = random.Random(repr((seed, state)))
        pieces = {piece: -chance.randrange(coarse) / 4 for piece in PIECES if state.open or piece.startswith(" ")}
        return Expansion(pieces, -chance.randrange(coarse) / 4)

    return expansion


def run(space: Space, model: Table) -> Outcome:
    searching = search(space)
    try:
        states = next(searching)
        while True:
            assert 0 < len(states) <= space.batch
            states = searching.send([model(state) for state in states])
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


def every(space: Space, model: Table) -> dict[tuple[str, ...], float]:
    """All tuples with the score of the best way to write each, by plain recursion."""
    best: dict[tuple[str, ...], float] = {}

    def walk(state: State, score: float) -> None:
        if len(state.names) == space.arity:
            best[state.names] = max(best.get(state.names, score), score)
            return
        expansion = model(state)
        length = state.lengths[len(state.names)] if state.lengths else 0

        def close(done: State, least: float) -> None:
            if not space.fault(done.open, done.names):
                walk(State((*done.names, done.open), lengths=done.lengths), least)

        if state.used and not length:
            close(state, min(score, expansion.end))
        if state.used < (length or space.tokens):
            for piece, logprob in expansion.pieces.items():
                child = state._replace(open=(state.open + piece).strip(), used=state.used + 1)
                least = min(score, logprob)
                if child.used == length:
                    close(child, least)
                else:
                    walk(child, least)

    for start in space.starts:
        walk(start, 0.0)
    return best


def wanted(space: Space, model: Table) -> list[tuple[tuple[str, ...], float]]:
    """The law: all tuples, best first, ties by their names, each taken unless one of its words is used up."""
    taken: list[tuple[tuple[str, ...], float]] = []
    words: Counter[str] = Counter()
    for names, score in sorted(every(space, model).items(), key=lambda found: (-found[1], found[0])):
        own = {word for name in names for word in name.split()}
        if len(taken) < space.wanted and not (space.repeat and any(words[word] >= space.repeat for word in own)):
            taken.append((names, score))
            words.update(own)
    return taken


def alike(name: str, earlier: tuple[str, ...]) -> str:
    return "alike" if any(name.startswith(other) or other.startswith(name) for other in earlier) else ""


def anything(name: str, earlier: tuple[str, ...]) -> str:
    return ""


@settings(deadline=None, max_examples=150)
@given(
    st.integers(0, 10_000), st.integers(1, 12), st.integers(2, 3), st.integers(1, 40), st.integers(1, 2),
    st.integers(0, 3), st.integers(1, 9), st.booleans(), st.booleans(),
)  # fmt: skip
def test_exactly_the_best_tuples_in_order(
    seed: int, coarse: int, arity: int, count: int, tokens: int, repeat: int, batch: int, fills: bool, screened: bool
) -> None:
    starts = (State(),)
    if fills:
        starts = tuple(State(lengths=n) for n in itertools.product(range(1, tokens + 1), repeat=arity))
    tokens = 1 if arity == 3 and not fills else tokens
    space = Space(arity, count, tokens, repeat, alike if screened else anything, starts, batch)
    model = table(seed, coarse)
    outcome = run(space, model)
    assert [(found.names, found.score) for found in outcome.found] == wanted(space, model)
    assert outcome.complete and all(isinstance(found, Found) and found.tokens >= arity for found in outcome.found)


@given(st.integers(0, 10_000))
def test_neither_batches_nor_the_order_of_lengths_change_what_is_found(seed: int) -> None:
    """The released code counts words as it goes, and finds other tuples when it looks in another order."""
    starts = [State(lengths=n) for n in itertools.product((1, 2), repeat=2)]
    model = table(seed, 6)
    found = {
        tuple(run(Space(2, 12, 2, 2, alike, tuple(order), batch), model).found)
        for order in (starts, starts[::-1])
        for batch in (1, 4, 64)
    }
    assert len(found) == 1


def test_a_limit_of_expansions_is_kept_and_told() -> None:
    space = Space(2, 1000, 2, 0, anything, batch=4, limit=9)
    outcome = run(space, table(1, 8))
    assert not outcome.complete and outcome.expansions <= 9
    assert run(space._replace(limit=0), table(1, 8)).complete


@pytest.mark.parametrize("repeat", [1, 2, 5])
def test_no_word_stands_in_more_tuples_than_it_may(repeat: int) -> None:
    outcome = run(Space(2, 1000, 2, repeat, alike), table(3, 9))
    words = Counter(word for found in outcome.found for word in {w for name in found.names for w in name.split()})
    assert max(words.values()) <= repeat
    assert any(reason == "alike" for reason, _ in outcome.refused)

"""Beam search under clauses, on toy models whose every text can be written down."""

from __future__ import annotations

import itertools
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_clauses import obeys

from kgdistill.contracts import Beams, Clause, Constraints
from kgdistill.errors import NumericalError
from kgdistill.teacher.beams import Found, Search
from kgdistill.teacher.vocabulary import Vocabulary
from kgdistill.text.clauses import Course

PIECES = ["", " are", " can", " often", " more", " less", " red", " stone", "s", ",", "."]
STOP = 0
CONSTRAINTS = Constraints(
    (Clause(("are", "can")), Clause(("often",)), Clause(("more", "less"), order=1)),
    (",", "stone", "more red"),
    min_words=3,
)
WIDE = Beams(beams=20_000, tolerance=9, temperature=0, distinct=0, length_penalty=0.3, reach=0)


class Bigrams:
    """A language model whose next token depends on the last one only."""

    def __init__(self, seed: int, sharpness: float = 3.0) -> None:
        logits = torch.randn((len(PIECES) + 1, len(PIECES)), generator=torch.Generator().manual_seed(seed))
        self.logits = logits * sharpness
        self.logprobs = self.logits.log_softmax(-1).tolist()

    def run(self, constraints: Constraints, beams: Beams, samples: int, length: int, seed: int = 1) -> list[Found]:
        search = Search(Course(constraints), Vocabulary(PIECES, [STOP]), beams, glued=True, seed=seed)
        return search.run(self.logits[-1:], lambda _, tokens: self.logits[list(tokens)], samples, length)

    def logprob(self, tokens: Sequence[int]) -> float:
        return sum(self.logprobs[one][other] for one, other in itertools.pairwise([-1, *tokens]))


@cache
def texts_that_obey(constraints: Constraints, length: int) -> list[tuple[str, tuple[int, ...]]]:
    """All finished texts of at most `length` tokens that obey, with their tokens."""
    inner = [token for token, piece in enumerate(PIECES) if piece and piece != "."]
    found = []
    for size in range(length):
        for tokens in itertools.product(inner, repeat=size):
            body = "".join(PIECES[token] for token in tokens)
            for end in (STOP, PIECES.index(".")):
                if body[:1] == " " and obeys(body + PIECES[end], constraints):
                    found.append((body + PIECES[end], (*tokens, end)))
    return found


def every_text(model: Bigrams, constraints: Constraints, length: int) -> dict[str, tuple[int, float]]:
    """The same with number of tokens and log-probability."""
    return {text: (len(tokens), model.logprob(tokens)) for text, tokens in texts_that_obey(constraints, length)}


def ranked(found: dict[str, tuple[int, float]], beams: Beams) -> list[str]:
    return sorted(found, key=lambda text: (-found[text][1] / found[text][0] ** beams.length_penalty, text))


models = st.builds(Bigrams, st.integers(0, 10_000), st.sampled_from([0.3, 1.0, 3.0]))
searches = st.builds(
    Beams,
    beams=st.integers(1, 12),
    tolerance=st.integers(0, 3),
    temperature=st.sampled_from([0.0, 1.0, 1e7]),
    distinct=st.integers(0, 2),
    length_penalty=st.sampled_from([0.0, 0.1, 1.0]),
    reach=st.sampled_from([0, 1, 4]),
)


@settings(max_examples=25, deadline=None)
@given(models, searches, st.integers(1, 10), st.integers(0, 5))
def test_every_returned_text_is_one_of_the_texts_that_obey(
    model: Bigrams, beams: Beams, samples: int, seed: int
) -> None:
    all_texts = every_text(model, CONSTRAINTS, 5)
    found = model.run(CONSTRAINTS, beams, samples, 5, seed)
    assert len(found) <= samples
    assert len({one.text for one in found}) == len(found)
    for one in found:
        assert one.text in all_texts
        tokens, logprob = all_texts[one.text]
        assert one.tokens == tokens and math.isclose(one.logprob, logprob, rel_tol=1e-4)
    assert [one.text for one in found] == ranked({one.text: all_texts[one.text] for one in found}, beams)


@settings(max_examples=5, deadline=None)
@given(models, st.integers(1, 12))
def test_a_search_as_wide_as_the_space_returns_exactly_the_best(model: Bigrams, samples: int) -> None:
    best = ranked(every_text(model, CONSTRAINTS, 5), WIDE)
    assert [one.text for one in model.run(CONSTRAINTS, WIDE, samples, 5)] == best[:samples]


def eager(token: int) -> Bigrams:
    """A model that would always rather write `token`."""
    model = Bigrams(3, 0.1)
    model.logits[:, token] += 20.0
    model.logprobs = model.logits.log_softmax(-1).tolist()
    return model


@pytest.mark.parametrize("end", [STOP, PIECES.index(".")])
@pytest.mark.parametrize("beams", [Beams(beams=4, reach=0), Beams(beams=4, reach=1)])
def test_the_likeliest_end_does_not_come_before_every_clause_is_met(end: int, beams: Beams) -> None:
    """The original lets a token in against the rules when it is the row's single best one."""
    found = eager(end).run(CONSTRAINTS, beams, 10, 6)
    assert found and all(obeys(one.text, CONSTRAINTS) for one in found)


def test_a_forbidden_word_does_not_come_in_parts() -> None:
    model = eager(PIECES.index(" stone"))
    found = model.run(CONSTRAINTS, Beams(beams=6, reach=0), 10, 6)
    assert any(" stones" in one.text for one in found)
    assert all(obeys(one.text, CONSTRAINTS) for one in found)


def test_no_setting_is_dead() -> None:
    """The original parses options that it never uses (beta, lp_return_size): here each one changes what is found."""
    model, middle = (
        Bigrams(11, 1.0),
        Beams(beams=4, tolerance=1, temperature=2.0, distinct=1, length_penalty=0.5, reach=8),
    )
    others: dict[str, Any] = {
        "beams": 2, "tolerance": 0, "temperature": 0.0, "distinct": 0, "length_penalty": 3.0, "reach": 3,
    }  # fmt: skip
    assert set(others) == set(msgspec.structs.asdict(middle))

    def seen(constraints: Constraints = CONSTRAINTS, beams: Beams = middle) -> list[list[Found]]:
        return [Bigrams(number, 1.5).run(constraints, beams, 4, 6) for number in range(12)]

    assert model.run(CONSTRAINTS, middle, 4, 6) == model.run(CONSTRAINTS, middle, 4, 6)
    before = seen()
    for name, value in others.items():
        assert seen(beams=msgspec.structs.replace(middle, **{name: value})) != before, name
    one, two, three = CONSTRAINTS.clauses
    changed: dict[str, Any] = {
        "clauses": (one, two), "forbidden": (",",), "ends": (), "min_words": 5,
    }  # fmt: skip
    assert {*changed, "no_repeat"} == set(msgspec.structs.asdict(CONSTRAINTS))
    for name, value in changed.items():
        assert seen(constraints=msgspec.structs.replace(CONSTRAINTS, **{name: value})) != before, name
    fewer = msgspec.structs.replace(CONSTRAINTS, clauses=(one, two, msgspec.structs.replace(three, best=1)))
    assert seen(constraints=fewer) != before


def test_a_run_of_words_stands_once() -> None:
    model, wide = eager(PIECES.index(" red")), Beams(beams=60, temperature=0, reach=0)
    constraints = Constraints((Clause(("are",)),), no_repeat=1)
    assert not any(re.search(r"\bred red\b", one.text) for one in model.run(constraints, wide, 99, 5))
    again = msgspec.structs.replace(constraints, no_repeat=0)
    assert any(re.search(r"\bred red\b", one.text) for one in model.run(again, wide, 99, 5))


def test_drafts_with_other_clauses_met_live_side_by_side() -> None:
    """A model that hates one adverb would lose it in a plain search; its bucket keeps it alive."""
    model = eager(PIECES.index(" red"))
    constraints = Constraints((Clause(("are",)), Clause(("more",), order=1)), no_repeat=0)
    found = model.run(constraints, Beams(beams=3, temperature=0, reach=0), 5, 5)
    assert found and all(obeys(one.text, constraints) for one in found)


def test_equal_seeds_give_equal_texts_in_every_process() -> None:
    """The original draws from an unseeded generator."""
    program = "from test_beams import *\nprint(Bigrams(5).run(CONSTRAINTS, Beams(beams=5, reach=0), 5, 6, seed=9))\n"
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env=env,
            cwd="tests",
            timeout=120,
        ).stdout
        for env in environments()
    }
    assert len(said) == 1 and "Found" in next(iter(said))


def environments() -> Iterator[dict[str, str]]:
    for hash_seed in "01":
        yield {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join((str(Path.cwd()), *sys.path))}


def test_other_seeds_give_other_drafts() -> None:
    found = {tuple(Bigrams(5).run(CONSTRAINTS, Beams(beams=2, reach=0), 5, 6, seed=seed)) for seed in range(8)}
    assert len(found) > 1


def test_a_logit_that_is_no_number_is_said() -> None:
    model = Bigrams(1)
    model.logits[-1, 2] = float("nan")
    with pytest.raises(NumericalError):
        model.run(CONSTRAINTS, Beams(), 1, 5)


def test_nothing_that_obeys_gives_nothing() -> None:
    assert Bigrams(1).run(Constraints((Clause(("blue",)),)), Beams(), 3, 4) == []
    assert Bigrams(1).run(CONSTRAINTS, Beams(), 3, 2) == []


def test_the_longest_token_that_begins_a_text() -> None:
    vocabulary = Vocabulary(["<s>", " a", " are", "re", "", " area"], [0])
    assert vocabulary.pieces[0] == ""
    assert vocabulary.longest(" are") == 2 and vocabulary.longest(" arena") == 2 and vocabulary.longest(" areas") == 5
    assert vocabulary.longest("<s>") == -1 and vocabulary.longest("") == -1

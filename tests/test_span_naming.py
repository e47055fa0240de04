"""Who is who: which name a mention gets, and how sure it is."""

from __future__ import annotations

import pytest
import torch

from kgdistill.distill.students.span_naming import _stands_for

TEXTS = ["Ada Byron", "she", "Ada", "Ada Byron", "Okoro"]


def named(rows: dict[int, dict[int, float]], sure: dict[int, float] | None = None) -> tuple[list[int], list[float]]:
    """Names of `TEXTS` where mention `row` scores column 0 (itself) and 1 + other as given, else -20."""
    links = torch.full((len(TEXTS), 1 + len(TEXTS)), -20.0)
    for row, scores in rows.items():
        for column, score in scores.items():
            links[row, column] = score
    chances = [(sure or {}).get(place, 1.0) for place in range(len(TEXTS))]
    stands, likely = _stands_for(links, TEXTS, chances)
    return stands, likely.tolist()


NAMES = {0: {0: 0.0}, 3: {0: 0.0}, 4: {0: 0.0}}


def test_chances_of_one_name_add_up_over_its_occurrences() -> None:
    # about a third for each of three occurrences: two of them are Ada Byron's
    stands, likely = named(NAMES | {1: {1: 0.31, 4: 0.3, 5: 0.2}, 2: {0: 0.0}})
    assert TEXTS[stands[1]] == "Ada Byron" and likely[1] == pytest.approx(0.68, abs=0.01)
    assert stands[0] == 0 and likely[0] == pytest.approx(1.0)


def test_a_pronoun_names_neither_itself_nor_others() -> None:
    stands, likely = named(NAMES | {1: {0: 50.0, 5: 0.0}, 2: {2: 50.0, 0: 1.0}})
    assert stands[1] == 4 and likely[1] == pytest.approx(1.0)
    assert stands[2] == 2 and likely[2] == pytest.approx(1.0)


def test_what_is_hardly_a_mention_names_nothing_else() -> None:
    rows = NAMES | {1: {5: 3.0, 1: 0.0}, 2: {0: 0.0}}
    assert named(rows)[0][1] == 4
    assert named(rows, {4: 0.2})[0][1] == 0


def test_a_short_name_of_a_short_name_is_followed_to_its_end() -> None:
    stands, likely = named({0: {0: 0.0}, 1: {3: 1.0, 1: 0.0}, 2: {1: 0.0}, 3: {0: 0.0}, 4: {0: 0.0}})
    assert stands[1] == 0
    # the chance of the name, not of the way to it
    assert likely[1] == pytest.approx(1 / (1 + 2.718), abs=0.01)

"""Markdown as prose: marks become white space, and nothing moves."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgdistill.text.markdown import unmarked


@pytest.mark.parametrize(
    ("marked", "words"),
    [
        ("**Ada** was *born* in _Rome_.", "Ada was born in Rome ."),
        ("Run `make demo` now", "Run make demo now"),
        ("See [the docs](docs/a_b.md) and [x][1].", "See the docs and x ."),
        ("[![ci](ci.svg)](https://x.org) ![logo](logo.png)", ""),
        ("[1]: https://x.org", ""),
        ("A<br>B <!-- no --> C", "A B C"),
        ("| a | b |\n|---|:-:|\n| c | d |", "| a | b | | c | d |"),
        ("Before\n```python\nx = 1\n```\nafter", "Before after"),
        ("~~~~\n~~~\nno\n~~~~\nyes", "yes"),
        ("snake_case_name, 3 * 4 * 5 and 2 ** 3", "snake_case_name, 3 * 4 * 5 and 2 3"),
        ("# Title\n\n- one\n* two", "# Title - one * two"),
        ("a < b and c > d", "a < b and c > d"),
    ],
)
def test_what_is_left_is_what_is_read(marked: str, words: str) -> None:
    assert " ".join(unmarked(marked).split()) == words


@given(st.text(st.sampled_from("ab `*_~[]()!<>/|-:#\n\r1"), max_size=200))
def test_nothing_moves(text: str) -> None:
    read = unmarked(text)
    assert len(read) == len(text)
    assert all(new in (old, " ") for old, new in zip(text, read, strict=True))
    assert [i for i, c in enumerate(text) if c in "\r\n"] == [i for i, c in enumerate(read) if c in "\r\n"]


@pytest.mark.parametrize("part", ("[a", "**", "<a ", "![[", "[a](", "`a"))
def test_it_takes_time_in_proportion_to_the_text(part: str) -> None:
    def seconds(count: int) -> float:
        text, times = part * count, []
        for _ in range(3):
            started = time.perf_counter()
            unmarked(text)
            times.append(time.perf_counter() - started)
        return min(times)

    assert seconds(16_000) < 40 * seconds(2_000), "eight times the text; going back over all of it takes 64 times"

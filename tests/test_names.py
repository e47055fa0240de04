"""Comparing names, and finding them in a text's own offsets."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgdistill.records import Span
from kgdistill.text.names import find, find_all, normal, spelling


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("The  Who", "who"),
        ("C++", "c++"),
        ("C#", "c#"),
        ('"Paris (France)".', "paris (france)"),
        ("(Paris)", "paris"),
        ("-5", "-5"),
        (".NET", ".net"),
        ("The", "the"),
        ("!!!", "!!!"),
        ("ＡＢＣ", "abc"),
        ("Straße", "strasse"),
        ("O’Brien", "o'brien"),
        ("Jean–Luc", "jean-luc"),
        ("«Москва»", "москва"),
    ],
)
def test_normal(name: str, expected: str) -> None:
    assert normal(name) == expected


@given(st.text())
def test_normal_is_settled_after_one_pass(name: str) -> None:
    once = normal(name)
    assert normal(once) == once


@pytest.mark.parametrize(
    ("name", "text", "quoted"),
    [
        ("STRASSE", "Die Straße ist lang.", "Straße"),
        ("café", "Un cafe\u0301 noir", "cafe\u0301"),
        ("new york", "in New\r\n  York.", "New\r\n  York"),
        ("5", "3.5 and 5.", "5"),
        ("东京", "我爱东京。", "东京"),
        ("O'Brien", "Mr O’Brien's hat", "O’Brien"),
        ("co-operate", "to co\u00ad\u2011operate", "co\u00ad\u2011operate"),
        ("🙂", "hello🙂!", "🙂"),
        ("القدس", "في القدس.", "القدس"),
        ("ﬁnance", "of finance", "finance"),
    ],
)
def test_find_gives_the_texts_own_offsets(name: str, text: str, quoted: str) -> None:
    span = find(name, text)
    assert span is not None
    assert text[span.start : span.end] == quoted


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cafe", "cafe\u0301"),
        ("5", "3.5"),
        ("1", "1,500"),
        ("s", "ß"),
        ("ran", "France"),
        ("1", "½"),
        ("", "anything"),
        ("  ", "a  b"),
        ("हिन्द", "हिन्दी"),
    ],
)
def test_find_respects_words_numbers_and_letters(name: str, text: str) -> None:
    assert find(name, text) is None


def test_find_within_a_range_still_sees_the_neighbours() -> None:
    text = "Anna saw Ann. Ann left."
    assert find("ann", text) == Span(9, 12)
    assert find("ann", text, 10) == Span(14, 17)
    assert find("ann", text, 0, 3) is None
    assert find_all("Ann", text) == (Span(9, 12), Span(14, 17))
    assert find_all("ann", text, 0, 14) == (Span(9, 12),)


def test_spelling_is_the_documents() -> None:
    assert spelling("ada lovelace", "When Ada\nLovelace wrote") == "Ada Lovelace"
    assert spelling("Babbage", "When Ada\nLovelace wrote") == "Babbage"


word = st.text(st.characters(categories=["Lu", "Ll", "Lo", "Mn", "Nd"]), min_size=1, max_size=8).filter(
    lambda text: not unicodedata.combining(text[0])
)


@given(st.text(), word, st.text())
def test_a_name_put_between_spaces_is_found(before: str, name: str, after: str) -> None:
    text = f"{before} {name} {after}"
    span = find(name, text)
    assert span is not None
    assert 0 <= span.start < span.end <= len(text)
    assert normal(text[span.start : span.end]) == normal(name)


@given(st.text(), st.text(max_size=3), st.integers(0, 20), st.integers(0, 20))
def test_occurrences_lie_in_the_range_and_do_not_overlap(text: str, name: str, start: int, length: int) -> None:
    spans = find_all(name, text, start, start + length)
    assert all(start <= span.start < span.end <= start + length for span in spans)
    assert all(left.end <= right.start for left, right in pairwise(spans))

"""Sentence ends, and chunks that join to the document again."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from kgdistill.records import Document
from kgdistill.text.split import sentence_spans, split


def sentences(text: str, language: str = "en") -> list[str]:
    return [text[span.start : span.end].strip() for span in sentence_spans(text, language)]


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (
            "en",
            ["Dr. Smith met J. R. R. Tolkien in the U.S. in 1950.", "They ate, e.g. about No. 5 or 3.5 g."],
        ),
        ("en", ["He lived in the U.S.", "He left in 1990."]),
        ("en", ["It was made by Acme Inc.", "The firm closed."]),
        ("en", ['He said "Stop!" and ran.', '"Why?" she asked.', "Nobody knew (not even Ann.)", "Later it rained."]),
        ("en", ["Wait... what happened?!", "Yahoo! is a firm.", "Well… nobody came."]),
        ("en", ["see node.js and www.example.org for more.", "Version 2.0.1 is out!"]),
        ("en", ["hi there.", "how are you?", "fine."]),
        ("de", ["Am 3. Oktober kam z.B. Dr. Meier.", "Er blieb bis 1990.", "Dann ging er."]),
        ("de", ["Dann ging er.", "»Ja.«", "Er kam (1999).", "»Nein.«", "Gut."]),
        ("fr", ["M. Dupont est arrivé.", "« Pourquoi ? » demanda-t-il."]),
        ("zh", ["我爱北京。", "他说：“你好！”", "真的吗？", "是的。"]),
        ("ja", ["「行く。」と言った。", "彼は帰った。"]),
        ("hi", ["यह एक वाक्य है।", "यह दूसरा है।"]),
        ("ar", ["هل تعرف القدس؟", "نعم. أعرفها."]),
        ("ur", ["یہ پہلا جملہ ہے۔", "یہ دوسرا ہے۔"]),
        ("", ["A first one.", "A second 🙂!", "A third."]),
    ],
)
def test_sentences(language: str, expected: list[str]) -> None:
    found = sentences(" ".join(expected), language)
    if language == "ar":
        found = [found[0], " ".join(found[1:])]
    assert found == expected


def test_scripts_without_spaces() -> None:
    text = "我爱北京。他走了！真的？是３．５元。"
    assert sentences(text, "zh") == [
        "我爱北京。",
        "他走了！",
        "真的？",
        "是３．５元。",
    ]


def test_lines_that_stand_alone() -> None:
    text = "# A heading\nText goes on\nover two lines. And on.\n\n"
    text += "- one item\n- another\n\n| a | b |\n|---|---|\n| c. | d |\nEnd\n"
    assert sentences(text) == [
        "# A heading",
        "Text goes on\nover two lines.",
        "And on.",
        "- one item",
        "- another",
        "| a | b |",
        "|---|---|",
        "| c. | d |",
        "End",
    ]
    assert sentences("A title\r\n\r\nA text.\r\n") == ["A title", "A text."]


def test_white_space_goes_to_the_sentence_before() -> None:
    text = "  One.  Two.\n\n\nThree  "
    assert [text[s.start : s.end] for s in sentence_spans(text)] == ["  One.  ", "Two.\n\n\n", "Three  "]
    assert sentence_spans("") == ()
    assert len(sentence_spans(" \n\n ")) == 1


pieces = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            "Dr. X. ",
            "End. ",
            "a\r\nb",
            "\n\n",
            "# ",
            "- ",
            "| a |\n",
            "e\u0301",
            "👩‍👩‍👧‍👦",
            "🇫🇷🇩🇪",
            "שלום. ",
            "مرحبا؟ ",
            "。",
            "…",
            "3.5 ",
        ]
    ),
)
texts = st.lists(pieces, max_size=30).map("".join)


def count(text: str) -> int:
    """A tokeniser's habits: one mark at the start, four characters a token, more for what is not ASCII."""
    return 1 + sum(1 if part.isascii() else 2 for part in regex.findall(r"\w{1,4}|\s+|[^\w\s]", text))


def clusters(text: str) -> set[int]:
    return {match.end() for match in regex.finditer(r"\X", text)} | {0}


@given(texts, st.sampled_from(["", "en", "de", "xx", "zz", "zh"]))
@settings(deadline=None)
def test_sentences_cover_any_text(text: str, language: str) -> None:
    spans = sentence_spans(text, language)
    assert "".join(text[span.start : span.end] for span in spans) == text
    assert all(left.end == right.start for left, right in pairwise(spans))
    assert all(span.start < span.end for span in spans)


@given(texts, st.integers(6, 40))
@settings(deadline=None)
def test_chunks_join_to_the_document_and_keep_the_bound(text: str, limit: int) -> None:
    chunks = split(Document("d", text, "d"), limit, count)
    assert "".join(chunk.text for chunk in chunks) == text
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    for chunk in chunks:
        assert chunk.text == text[chunk.start : chunk.end] != ""
        assert count(chunk.text) <= limit
    widest = max((count(match.group()) for match in regex.finditer(r"\X", text)), default=0)
    if widest <= limit:
        assert {chunk.end for chunk in chunks} <= clusters(text)


def test_whole_sentences_fill_a_chunk() -> None:
    text = "One two three. " * 10
    chunks = split(Document("d", text, "d"), 17, count)
    assert {chunk.text for chunk in chunks[:-1]} == {"One two three. " * 2}


def test_an_overlong_sentence_is_cut_at_a_clause_then_at_white_space() -> None:
    text = "Alpha beta gamma, delta epsilon zeta eta theta iota kappa lambda mu nu, xi omicron pi rho."
    chunks = split(Document("d", text, "d"), 10, count)
    assert chunks[0].text == "Alpha beta gamma, "
    assert all(chunk.text[-1] in " ." for chunk in chunks)


def test_a_cluster_wider_than_the_limit_is_cut_between_code_points() -> None:
    text = "a" + "\u0301" * 50
    chunks = split(Document("d", text, "d"), 8, lambda part: len(part))
    assert "".join(chunk.text for chunk in chunks) == text
    assert max(len(chunk.text) for chunk in chunks) <= 8
    with pytest.raises(ValueError, match="at least one token"):
        split(Document("d", text, "d"), 0, len)


def test_a_wide_character_that_fits_is_kept_whole() -> None:
    text = "🈁\u200d🈁\u200d🈁\u200d🈁0"
    assert [chunk.text for chunk in split(Document("d", text, "d"), 15, count)] == [text[:7], "0"]


def test_lone_surrogates_are_text_like_any_other() -> None:
    text = "A \ud83d\ude00 b. C \ud800. D."
    assert "".join(text[s.start : s.end] for s in sentence_spans(text, "en")) == text
    chunks = split(Document("d", "x\ud83d\ude00" * 9, "d"), 2, len)
    assert not any(chunk.text.endswith("\ud83d") for chunk in chunks)


@pytest.mark.parametrize(
    "unit",
    [
        "One sentence of a long text, by J. R. Writer. ",
        "x",
        "!",
        ". ",
        "\n",
        "語。",
        "e\u0301",
        '"',
        "word ",
        "...",
        "- a\n",
        "\r\n",
    ],
)
def test_hostile_texts_take_linear_time(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    calls = 0

    def counted(part: str) -> int:
        nonlocal calls
        calls += len(part)
        return len(part) // 4 + 1

    began = time.perf_counter()
    chunks = split(Document("d", text, "d"), 256, counted)
    assert time.perf_counter() - began < 8
    assert calls < 12 * len(text)
    assert "".join(chunk.text for chunk in chunks) == text

"""Text as a span student sees it: words and their pieces, where spans may end, windows."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from kgdistill.distill.students.pieces import WordPieces
from kgdistill.distill.students.words import plain, read_words, shape, windows
from kgdistill.encoders.minilm import model_folder
from kgdistill.records import Span
from kgdistill.text.sentences import sentence_spans

PIECES = WordPieces.from_pretrained(model_folder())


@pytest.mark.parametrize(
    ("word", "kind"), [("a", 0), ("Ada", 1), ("A", 1), ("USA", 2), ("iPad", 3), ("19", 4), ("B12", 5), ("–", 6)]
)
def test_shapes(word: str, kind: int) -> None:
    assert shape(word) == kind


THEIRS = AutoTokenizer.from_pretrained(model_folder())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=40) | st.sampled_from(["[SEP]", "Zürich", "a" * 300, "漢字"]), min_size=1, max_size=4))
def test_pieces_are_those_of_the_library(texts: list[str]) -> None:
    ids, mask = PIECES.of_texts(texts, 12)
    wanted = THEIRS(texts, padding=True, truncation=True, max_length=12, return_tensors="pt")
    assert ids.tolist() == wanted["input_ids"].tolist() and mask.tolist() == wanted["attention_mask"].tolist()
    plain = THEIRS(texts, add_special_tokens=False, truncation=True, max_length=5)["input_ids"]
    assert PIECES.of_words(texts, 5) == [tuple(row) or (THEIRS.unk_token_id,) for row in plain]


def test_pieces_come_back_from_what_they_were_saved_as(tmp_path: Path) -> None:
    PIECES.save_pretrained(tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path)("Ada left.")["input_ids"] == THEIRS("Ada left.")["input_ids"]
    again = WordPieces.from_pretrained(tmp_path)
    assert again.of_words(["Zürich"], 9) == PIECES.of_words(["Zürich"], 9)
    assert (again.start, again.stop, again.padding) == (THEIRS.cls_token_id, THEIRS.sep_token_id, THEIRS.pad_token_id)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("tokenizer.json", "{}", "cannot be read"),
        ("tokenizer_config.json", "[", "cannot be read"),
        ("tokenizer_config.json", "{}", "no cls_token"),
    ],
)
def test_a_damaged_tokenizer_says_so(tmp_path: Path, name: str, content: str, said: str) -> None:
    PIECES.save_pretrained(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=said):
        WordPieces.from_pretrained(tmp_path)


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=100), st.integers(4, 30))
def test_windows_cover_all_words_and_fit(text: str, most: int) -> None:
    words = read_words(text, sentence_spans(text), PIECES)
    cut = list(windows(words, most + 16, most // 3))
    covered = {i for window in cut for i in range(window.start, window.end)}
    assert covered == set(range(len(words.spans)))
    assert all(sum(len(words.pieces[i]) for i in range(w.start, w.end)) <= most + 16 for w in cut)
    assert all(span.start < span.end <= len(text) for span in words.spans)


def opened(text: str) -> list[str]:
    """The spans of up to three words that a text has."""
    words = read_words(text, sentence_spans(text), PIECES)
    runs = [(a, b) for a in range(len(words.spans)) for b in range(a, min(a + 3, len(words.spans)))]
    fine = [(a, b) for a, b in runs if words.opens[a] and words.closes[b] and words.unit[a] == words.unit[b]]
    return [plain(text[words.spans[a].start : words.spans[b].end]) for a, b in fine]


@pytest.mark.parametrize(
    "whole", ["report.html", "1,250.50", "9:32", "v2.0.1", "a@b.org", "https://x.org/a", "runs/q/a.json", "7.4", "e.g"]
)
def test_no_span_ends_inside_of_what_is_one_thing(whole: str) -> None:
    for span in opened(f"See {whole} now."):
        assert whole in span or span in ("See", "now", "."), span


def test_marks_and_invisible_characters_tear_no_word() -> None:
    assert opened("Zoe\u0308 left R\xadome\u200b \ufeffnow") == opened("Zoe\u0308 left Rome now")
    assert opened("\u0301 \ufeff\u200b") == []
    assert plain("می\u200cخواهم\u200f") == "می\u200cخواهم", "a joiner is spelling"


def test_a_span_may_cross_a_wrapped_line_but_not_a_short_one() -> None:
    assert "Dennis Thornbury" in opened("It was a long evening for the man called Dennis\nThornbury.")
    assert "Ops Team Date" not in opened("Ops Team\nDate: 3 May") and "Ops Team" in opened("Ops Team\nDate: 3 May")


@pytest.mark.parametrize("part", ["a.", "a/", "1,", "a@", "~-"])
def test_words_take_time_in_proportion_to_the_text(part: str) -> None:
    def seconds(count: int) -> float:
        text, times = part * count, []
        for _ in range(3):
            started = time.perf_counter()
            read_words(text, [Span(0, len(text))], PIECES)
            times.append(time.perf_counter() - started)
        return min(times)

    assert seconds(16_000) < 40 * seconds(2_000), "eight times the text; going back over all of it takes 64 times"


def test_windows_begin_and_end_with_sentences() -> None:
    text = " ".join(" ".join(["old", "boats"] * (2 + number % 7)) + "." for number in range(60))
    ends = [place for place, mark in enumerate(text, 1) if mark == "."]
    words = read_words(text, [Span(a, b) for a, b in pairwise([0, *ends])], PIECES)
    begins = {0, *(i for i, (a, b) in enumerate(pairwise(words.sentence), 1) if a != b), len(words.spans)}
    cut = list(windows(words, 50, 16))
    assert len(cut) > 5 and all(window.start in begins and window.end in begins for window in cut)
    assert all(one.end > other.start for one, other in pairwise(cut)), "neighbours share a sentence"

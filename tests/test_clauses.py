"""Clauses: what obeys, against a checker of another kind, and the grammar of the same clauses against both."""

from __future__ import annotations

import itertools
import re
from functools import cache

import msgspec
import pytest
import xgrammar
from hypothesis import given, settings
from hypothesis import strategies as st

from kgdistill.contracts import Clause, Constraints
from kgdistill.errors import RecipeError
from kgdistill.teacher.clause_grammar import GrammarError, grammar
from kgdistill.text.clauses import Course, ends_in_word, form, words_of

CONSTRAINTS = Constraints(
    (Clause(("are", "can", "need to")), Clause(("often", "always")), Clause(("more", "less", "far bigger"), order=1)),
    ("and", "as well", "in order to", ",", "é!"),
    min_words=4,
)
ENDLESS = msgspec.structs.replace(CONSTRAINTS, no_repeat=0)
"""The same without the one rule that the grammar leaves out."""
WORDS = [
    "are", "can", "need", "to", "often", "always", "more", "less", "far", "bigger", "and", "as", "well", "in", "order",
    "Are", "MORE", "area", "andes", "red", "it's", "'and'", "größer",
]  # fmt: skip


def obeys(text: str, constraints: Constraints) -> bool:
    """The same question asked with regular expressions over the whole text."""
    end = next((end for end in constraints.ends if text.endswith(end)), "")
    body = text.removesuffix(end)
    words = [w for w in (w.strip("'") for w in re.findall(r"[\w']+", body.casefold())) if w]
    line = " " + " ".join(words) + " "

    def places(phrase: str) -> list[int]:
        """How many words stand before the end of each occurrence."""
        wanted = f" {phrase.casefold()} "
        starts = [at for at in range(len(line)) if line.startswith(wanted, at)]
        return [len(line[: at + len(wanted)].split()) for at in starts]

    found = [[at for phrase in clause.phrases for at in places(phrase)] for clause in constraints.clauses]
    if any(end in body for end in constraints.ends) or any(len(ats) != 1 for ats in found):
        return False
    for (one, first), (other, second) in itertools.permutations(zip(constraints.clauses, found, strict=True), 2):
        if one.order < other.order and first[0] >= second[0]:
            return False
    for entry in constraints.forbidden:
        if places(entry) if re.search(r"\w", entry) else entry in body:
            return False
    runs = list(zip(*(words[at:] for at in range(constraints.no_repeat)), strict=False))
    return len(words) >= constraints.min_words and len(set(runs)) == len(runs)


texts = st.lists(
    st.tuples(st.sampled_from(WORDS), st.sampled_from([" ", " ", " ", "-", ", ", ". ", "  "])), max_size=9
).map(lambda parts: " " + "".join(word + gap for word, gap in parts))
likely = st.permutations(["are", "often", "more", "red", "stones", "far", "bigger"]).map(
    lambda w: " " + " ".join(w[:5]) + "."
)


@settings(max_examples=600, deadline=None)
@given(st.one_of(texts, texts.map(lambda text: text.strip(" -,.") + "."), likely))
def test_a_text_obeys_as_the_other_checker_says(text: str) -> None:
    assert (not Course(CONSTRAINTS).fault(text)) == obeys(text, CONSTRAINTS)


@settings(max_examples=200, deadline=None)
@given(texts, st.data())
def test_pieces_of_any_size_come_to_the_same(text: str, data: st.DataObject) -> None:
    course = Course(CONSTRAINTS)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    whole, draft = course.extend(course.begin(), text), course.begin()
    for start, end in itertools.pairwise([0, *cuts, len(text)]):
        further = course.extend(draft, text[start:end])
        if isinstance(further, str):
            assert isinstance(whole, str)
            return
        draft = further
    assert draft == whole


def test_faults_say_what_is_wrong() -> None:
    course = Course(CONSTRAINTS)
    assert course.fault(" are often far bigger.") == ""
    assert course.fault(" Are OFTEN, red") == "',' is forbidden here"
    assert course.fault(" are often red stones.") == "no phrase of clause 3"
    assert course.fault(" are always often more.") == "'often' is a second phrase of clause 2"
    assert course.fault(" more are often red.") == "'more' comes before its turn"
    assert course.fault(" are often more as well.") == "'as well' is forbidden"
    assert course.fault(" are often more.") == "fewer than 4 words"
    assert course.fault(" are often more. Red.") == "'.' is forbidden here"
    assert course.fault(" the red the red the red are often more.") == "'the red the' stands twice"


@pytest.mark.parametrize(
    ("constraints", "said"),
    [
        (Constraints((Clause(()),)), "without phrases"),
        (Constraints((Clause(("...",)),)), "no word"),
        (Constraints((Clause(("more", "more and more")),)), "inside it"),
        (Constraints((Clause(("as well",)),), ("well",)), "asked for and forbidden"),
        (Constraints((Clause(("are",)),), ends=("end",)), "no sign"),
    ],
)
def test_constraints_that_cannot_be_obeyed_are_refused(constraints: Constraints, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        Course(constraints)


def test_words_are_compared_whole_and_in_any_case() -> None:
    assert words_of("It’s 'MORE' red-hot, é 3.5") == ("it's", "more", "red", "hot", "é", "3", "5")
    assert form("Größer") == "grösser"
    assert ends_in_word("bananas") and not ends_in_word("bananas ") and not ends_in_word("")


@cache
def compiled(constraints: Constraints, prompt_end: str) -> xgrammar.CompiledGrammar:
    return xgrammar.GrammarCompiler(xgrammar.TokenizerInfo([])).compile_grammar(grammar(constraints, prompt_end))


def accepts(text: str, constraints: Constraints = ENDLESS, prompt_end: str = "a") -> bool:
    matcher = xgrammar.GrammarMatcher(compiled(constraints, prompt_end), terminate_without_stop_token=True)
    return bool(matcher.accept_string(text) and matcher.is_completed())


@settings(max_examples=300, deadline=None)
@given(st.one_of(texts.map(lambda text: text.strip(" -,.") + "."), likely, texts))
def test_what_the_grammar_allows_obeys(text: str) -> None:
    if accepts(text):
        assert obeys(text, ENDLESS)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.lists(st.sampled_from(WORDS), min_size=3, max_size=9), st.permutations(WORDS[:16]).map(lambda w: w[:6])
    )
)
def test_the_grammar_allows_what_obeys(words: list[str]) -> None:
    text = " " + " ".join(word for word in words if word.strip("'") == word) + "."
    assert accepts(text) == obeys(text, ENDLESS)


def test_no_word_can_be_spelled_around_the_grammar() -> None:
    """Letters that are folded to others, apostrophes at the ends, parts of words."""
    one = Constraints((Clause(("are",)),), ("less", "iss", "kelvin"))
    assert accepts(" are good.", one) and accepts(" are lessons.", one) and accepts(" are le-ss.", one)
    for word in ("leſs", "leß", "iß", "less'", "'less", "LESS", "\u212aelvin"):
        assert not accepts(f" are {word}.", one), word
    assert accepts("are so.", one, "") and not accepts("are so.", one) and not accepts(" are so", one)
    assert accepts(" are so", Constraints((Clause(("are",)),), ends=()))


def test_a_forbidden_word_that_cannot_be_spelled_does_no_harm() -> None:
    one = Constraints((Clause(("are",)),), ("snake_case", "नमस्ते", "日本", "L'Oréal", "C++", "less"))
    assert accepts(" are good.", one) and not accepts(" are less.", one) and not accepts(" are L'Oréal.", one)


def test_a_grammar_that_cannot_be_made_is_one_line() -> None:
    early = Constraints((Clause(("a",)), Clause(("b c",), order=1), Clause(("b",), order=2)))
    with pytest.raises(GrammarError, match="no text can meet"):
        grammar(early)
    with pytest.raises(GrammarError, match="no grammar for the word"):
        grammar(Constraints((Clause(("snake_case",)),)))
    with pytest.raises(GrammarError, match="without spaces"):
        grammar(Constraints((Clause(("are",)),), (" ",)))

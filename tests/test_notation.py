"""The notation of graphs, and its exact inverse."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kgdistill.records import Entity, Fact
from kgdistill.text.notation import read, read_lenient, write

anything = st.one_of(
    st.text(max_size=20), st.text(st.sampled_from('|\\"@- \n\r\tu{}7\x00\x85\u2028\ud800an'), max_size=8)
)
entities = st.lists(st.builds(Entity, anything, anything), max_size=4).map(tuple)
fact = st.builds(
    Fact,
    anything,
    anything,
    anything,
    literal=st.booleans(),
    negated=st.booleans(),
    hedged=st.booleans(),
    proposition=anything,
)
facts = st.lists(fact, max_size=4).map(tuple)


@given(entities, facts)
@example((Entity("", ""),), (Fact("", "", ""), Fact("", "", '"x"'), Fact("", "", '\\"', literal=True)))
@example((), (Fact("a\\", " b ", " ", literal=True, proposition=" "),))
def test_reading_inverts_writing(names: tuple[Entity, ...], stated: tuple[Fact, ...]) -> None:
    text = write(names, stated)
    assert read(text) == (names, stated)
    assert text.splitlines() == (text.split("\n") if text else [])
    assert write(*read(text)) == text


def test_it_reads_well() -> None:
    names = (Entity("Ada Lovelace", "person"), Entity("London", "place"))
    stated = (
        Fact("Ada Lovelace", "born in", "London"),
        Fact("Ada Lovelace", "born in", "1815", literal=True, negated=True, hedged=True, proposition="Perhaps not."),
    )
    assert write(names, stated) == (
        "@ Ada Lovelace | person\n"
        "@ London | place\n"
        "- Ada Lovelace | born in | London\n"
        '- Ada Lovelace | born in | "1815" | not maybe | Perhaps not.'
    )


def test_lenient_reading_skips_broken_lines_and_says_which() -> None:
    text = "@ A | b\nnonsense\n- A | is | C\n- A | is\n- A | is | C | often\n@ only\n- x | y | z\\\n\n- cut | of"
    names, stated, problems = read_lenient(text)
    assert names == (Entity("A", "b"),)
    assert stated == (Fact("A", "is", "C"),)
    assert [problem.split(":")[0] for problem in problems] == [
        "line 2",
        "line 4",
        "line 5",
        "line 6",
        "line 7",
        "line 9",
    ]
    with pytest.raises(ValueError, match="line 2"):
        read(text)


@given(
    st.one_of(
        anything, st.lists(st.sampled_from(["- a|b|c", "@ x | y", "- |", "\\u{ffffff}", "- a | b | \\"])).map("\n".join)
    )
)
def test_lenient_reading_takes_anything(text: str) -> None:
    names, stated, problems = read_lenient(text)
    said = [line for line in text.split("\n") if line.strip()]
    assert len(names) + len(stated) + len(problems) == len(said)

"""Gold files: read whole, or refused with the line that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgdistill.errors import SourceError
from kgdistill.evaluate.gold import fact_of, read_gold
from kgdistill.records import Canonical, Triple, Verdict

CORPUS = Path(__file__).parent.parent / "data" / "gold" / "corpus.jsonl"
LINE = '{"id": "a", "facts": [{"subject": "X", "relation": "owns", "object": "Y", "negated": true, "quote": "q"}]}\n'


def test_the_sample_gold_is_read_whole() -> None:
    gold = read_gold(str(CORPUS))
    assert len(gold.facts) == len(CORPUS.read_bytes().splitlines())
    assert all(fact.subject and fact.relation and fact.object for facts in gold.facts.values() for fact in facts)
    assert any(fact.negated for facts in gold.facts.values() for fact in facts)
    assert len(gold.fingerprint) == 64


def test_no_file_named_is_no_gold() -> None:
    assert read_gold("").facts == {}


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "gold.jsonl"
    path.write_text(LINE)
    before = read_gold(str(path))
    assert [fact.negated for fact in before.facts["a"]] == [True]
    path.write_text(LINE + "\n" + LINE.replace('"a"', '"b"'))
    after = read_gold(str(path))
    assert after.facts.keys() == {"a", "b"} and after.fingerprint != before.fingerprint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LINE + "{", ":2: "),
        (LINE.replace('"relation"', '"verb"'), ":1: .*relation"),
        (LINE + LINE, ":2: a second line for document 'a'"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "gold.jsonl"
    path.write_text(content)
    with pytest.raises(SourceError, match=message):
        read_gold(str(path))


def test_a_missing_file_says_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="leave `gold` out"):
        read_gold(str(tmp_path / "none.jsonl"))


def test_a_line_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "gold.jsonl"
    path.write_bytes(b'{"id": "\xff", "facts": []}')
    with pytest.raises(SourceError, match=":1: "):
        read_gold(str(path))


def test_a_claim_is_matched_in_its_canonical_names() -> None:
    claim = Triple(
        "x", "M. Curie", "was born in", "Warsaw", negated=True, verdicts=(Verdict("combined", 0.4),),
        canonical=Canonical("Marie Curie", "born in", "Warsaw"),
    )  # fmt: skip
    fact = fact_of(claim)
    assert (fact.subject, fact.relation, fact.object) == ("Marie Curie", "born in", "Warsaw")
    assert fact.negated and fact.score == 0.4

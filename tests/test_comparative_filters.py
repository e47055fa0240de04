"""Which statements are kept: each branch of each filter, and the defects of the original that are not here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.training import Example

from kgdistill.errors import ModelError, RecipeError
from kgdistill.records import (
    Chunk,
    ChunkGraph,
    Comparative,
    Document,
    Drop,
    PairSeed,
    Reading,
    Utterance,
    Verdict,
    content_id,
)
from kgdistill.refine import comparatives as filters
from kgdistill.refine.comparatives import Filters, grammar_fault
from kgdistill.refine.tagging import Tagged, open_tagger
from kgdistill.text.comparatives import Comparison, opening, parse

SEED = PairSeed("lemon", "lime", "fruits")


def claim(said: str, logprob: float = -1.0, *, way: tuple[str, str] = ("lemon", "lime")) -> Comparative:
    found = parse(said)
    assert isinstance(found, Comparison), found
    greater, lesser = way[::-1] if found.direction == "more" else way
    statement = opening(*way) + said
    return Comparative(
        content_id(statement), greater, lesser, found.aspect, "more", statement, found.frequency,
        said=(Utterance("k", 0, logprob, 1),),
    )  # fmt: skip


def reading(*claims: Comparative, seed: PairSeed = SEED) -> Reading:
    text = f"{seed.left} | {seed.right}"
    return Reading(Document(text, text, "x"), (ChunkGraph(Chunk(text, 0, 0, len(text), text), (), claims),), seed=seed)


def kept(found: Reading) -> list[str]:
    return [claim.statement.partition("limes")[2] or claim.statement for claim in filters.statements(found)]


def why(found: Reading) -> dict[str, str]:
    return {claim.proposition: claim.dropped.rule for claim in found.claims if claim.dropped}


def tagged(text: str) -> list[Tagged]:
    """ "are/AUX sweeter/ADJ" as tagged words."""
    parts = [word.rpartition("/") for word in text.split()]
    return [Tagged(word, kind, 0) for word, _, kind in parts]


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("are/AUX often/ADV sourer/ADJ ./PUNCT", ""),
        ("are/AUX often/ADV more/ADV sour/ADJ ./PUNCT", ""),
        ("have/VERB often/ADV more/ADJ juice/NOUN", ""),
        ("run/VERB often/ADV faster/ADV", ""),
        ("are/AUX often/ADV clever/ADJ", "has no comparative by its parts of speech"),
        ("are/AUX often/ADV other/ADJ fruits/NOUN", "has no comparative by its parts of speech"),
        ("have/VERB often/ADV a/DET sweeter/NOUN", "has no comparative by its parts of speech"),
        ("skins/NOUN are/AUX a/DET red/ADJ", ""),
        ("skins/NOUN are/AUX often/ADV red/ADJ", ""),
        ("skins/NOUN are/AUX often/ADV painted/VERB red/ADJ", ""),
        ("skins/NOUN often/ADV have/VERB a/DET red/ADJ", ""),
        ("skins/NOUN can/AUX often/ADV be/AUX red/ADJ", ""),
        ("are/AUX often/ADV sourer/ADJ than/ADP apples/NOUN", "compares with a third thing (than)"),
        ("sourer/ADJ fruits/NOUN often/ADV ./PUNCT", "stops at 'often'"),
        ("sourer/ADJ fruits/NOUN are/AUX", "stops at 'are'"),
        ("are/AUX often/ADV sourer/ADJ to/PART ./PUNCT", "stops at 'to'"),
        ("has/VERB more/ADJ usefulness/NOUN in/ADP", "stops at 'in'"),
        ("are/AUX easier/ADJ to/PART cook/VERB with/ADP", ""),
        ("are/AUX more/ADV likely/ADJ to/PART be/AUX used/VERB in/ADP", "stops at 'in'"),
        ("are/AUX often/ADV softer/ADJ inside/ADP", ""),
        ("./PUNCT", "nothing is said"),
        ("", "nothing is said"),
    ],
)
def test_every_branch_of_the_grammar_rule(words: str, fault: str) -> None:
    """ "clever" is the original's mistake: it takes every adjective in "er" but "other" for a comparative."""
    found = Comparison("sourness", "", "more", "sourer", "often", "are")
    assert grammar_fault(tagged(words), found) == fault


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A pipeline that has learnt the Penn tags of a few sentences by heart."""
    folder = tmp_path_factory.mktemp("pipeline") / "en"
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger")
    lines = [
        ("Compared to lemons , limes are often sourer .", "VBN IN NNS , NNS VBP RB JJR ."),
        ("Compared to lemons , limes often have juice .", "VBN IN NNS , NNS RB VBP NN ."),
        ("Compared to lemons , limes are often clever .", "VBN IN NNS , NNS VBP RB JJ ."),
    ]
    examples = [
        Example.from_dict(spacy.tokens.Doc(nlp.vocab, text.split()), {"tags": tags.split()}) for text, tags in lines
    ]
    nlp.initialize(lambda: examples)
    for _ in range(25):
        nlp.update(examples)
    nlp.to_disk(folder)
    return str(folder)


def test_a_pipeline_without_universal_classes_serves(pipeline: str) -> None:
    tagger = open_tagger(pipeline)
    [words] = tagger(["Compared to lemons, limes are often sourer."])
    assert [word.kind for word in words] == ["VERB", "ADP", "NOUN", "PUNCT", "NOUN", "AUX", "ADV", "ADJ", "PUNCT"]
    assert words[4] == Tagged("limes", "NOUN", 20)
    sour, juicy = claim(" are often sourer."), claim(" are often sourer than apples.")
    found = filters.parts_of_speech(reading(sour, juicy), tagger)
    assert kept(found) == [" are often sourer."]
    assert why(found) == {juicy.statement: "grammar"}


def test_a_pipeline_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="name an installed pipeline"):
        open_tagger("no_such_pipeline")
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(ModelError, match="tags no parts of speech"):
        open_tagger(str(tmp_path / "blank"))


BENCHMARKS = Path(os.environ.get("KGDISTILL_BENCHMARKS", Path(__file__).parents[2] / "shared" / "benchmarks"))
SILVER = BENCHMARKS / "spacy_en_silver"


@pytest.mark.skipif(not SILVER.is_dir(), reason="spacy_en_silver is not there (set KGDISTILL_BENCHMARKS)")
def test_a_real_pipeline_keeps_comparisons_and_drops_others() -> None:
    tagger = open_tagger(str(SILVER))
    good = [claim(" are typically smaller."), claim(" are often more expensive."), claim(" have generally less sugar.")]
    bad = [claim(" are often sourer than apples."), claim(" can sourer juice often.")]
    found = filters.parts_of_speech(reading(*good, *bad), tagger)
    assert {c.id for c in filters.statements(found)} == {c.id for c in good}


def test_the_same_adjective_under_the_same_words_is_kept_once() -> None:
    best, worse = claim(" are often sourer.", -1), claim(" are often sourer in winter.", -2)
    other = claim(" are always sourer.", -3)
    found = filters.repeated_words(reading(worse, other, best))
    assert kept(found) == [" are often sourer.", " are always sourer."]
    assert next(c.dropped for c in found.claims if c.dropped) == Drop(
        "same words", "'sourer' again, under the same constraints", best.id
    )


def test_statements_without_a_comparative_adjective_do_not_collapse() -> None:
    """The original tests the length of the text "[]", so that all rows without an adjective count as one."""
    rows = (
        claim(" are often more juicy.", -1),
        claim(" are often more expensive.", -2),
        claim(" are often less sweet."),
    )
    assert len(kept(filters.repeated_words(reading(*rows)))) == 3


class Letters:
    """A real enough encoder: which letters a text has, as a unit vector."""

    name = "letters"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        rows = np.array([[text.count(chr(code)) for code in range(97, 123)] for text in texts], np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_near_statements_form_a_cluster_under_its_likeliest() -> None:
    rows = [claim(" are often sourer.", -2), claim(" are often more sour.", -1), claim(" are often bigger.", -3)]
    found = filters.clustered(reading(*rows), Letters(), 0.6)
    assert kept(found) == [" are often more sour.", " are often bigger."]
    assert filters.sizes(found) == {rows[1].id: 2, rows[2].id: 1}
    assert why(found) == {rows[0].statement: "cluster"}
    assert kept(filters.clustered(reading(*rows), Letters(), 0)) == kept(reading(*rows))


def test_opposites_form_no_cluster_however_near_an_encoder_puts_them() -> None:
    rows = [
        claim(" are often quicker to make.", -1),
        claim(" are often slower to make.", -2),
        claim(" are often quick quicker to make.", -3),
    ]
    found = filters.clustered(reading(*rows), Letters(), 3.0)
    assert kept(found) == [" are often quicker to make.", " are often slower to make."]
    assert filters.sizes(found) == {rows[0].id: 2, rows[1].id: 1}


@settings(deadline=None)
@given(st.integers(0, 6), st.floats(0.0, 3.0))
def test_clusters_of_any_number_of_rows(count: int, distance: float) -> None:
    """One row alone is no reason to stop; equal rows are always together, and far ones never."""
    vectors = np.eye(8, dtype=np.float32)[[*range(count), *range(count)]]
    labels = filters.clusters(vectors, distance)
    assert len(labels) == 2 * count and labels[:count] == labels[count:]
    if distance < 1.4:
        assert len(set(labels)) == count
    assert filters.clusters(vectors[:1], distance) == [0] if count else True


def relating(**ways: tuple[float, float]) -> filters.Relate:
    """Made-up entailment: by the last words of two statements."""

    def relate(pairs: Sequence[tuple[str, str]]) -> list[tuple[float, float]]:
        return [ways.get(f"{one.split()[-1][:-1]}_{other.split()[-1][:-1]}", (0.0, 0.0)) for one, other in pairs]

    return relate


def three() -> tuple[Comparative, ...]:
    return claim(" are often bigger.", -1), claim(" are often larger.", -2), claim(" are often smaller.", -3)


def test_the_majority_by_cluster_size_decides() -> None:
    ways = {"bigger_larger": (0.9, 0.0), "larger_bigger": (0.9, 0.0)}
    ways |= {"smaller_bigger": (0.0, 0.995), "bigger_smaller": (0.0, 0.995), "larger_smaller": (0.0, 0.995)}
    found = filters.vote(reading(*three()), relating(**ways), Filters())
    assert kept(found) == [" are often bigger.", " are often larger."]
    [dropped] = [c.dropped for c in found.claims if c.dropped]
    assert dropped == Drop("contradicted", "2 against, 1 for it")


def test_clusters_outweigh_single_statements() -> None:
    big, _, small = three()
    others = [claim(f" are often smaller {word}.", -4) for word in ("today", "overall")]
    clustered = [Comparative(**{**fields(one), "dropped": Drop("cluster", "", small.id)}) for one in others]
    ways = {"smaller_bigger": (0.0, 1.0), "bigger_smaller": (0.0, 1.0)}
    found = filters.vote(reading(big, small, *clustered), relating(**ways), Filters())
    assert kept(found) == [" are often smaller."]


def fields(one: Comparative) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__struct_fields__}


def test_a_tie_is_contradicted_and_a_lone_statement_stays() -> None:
    """The original drops what has no other statement to be compared with, since it was never looked at."""
    big, _, small = three()
    ways = {"smaller_bigger": (0.0, 1.0)}
    assert kept(filters.vote(reading(big, small), relating(**ways), Filters())) == [" are often smaller."]
    assert kept(filters.vote(reading(big), relating(**ways), Filters())) == [" are often bigger."]
    assert filters.vote(reading(), relating(), Filters()) == reading()


def test_thresholds_of_entailment_and_contradiction() -> None:
    big, large, small = three()
    weak = {"smaller_bigger": (0.0, 0.98), "larger_bigger": (0.84, 0.0)}
    assert len(kept(filters.vote(reading(big, small), relating(**weak), Filters()))) == 2
    assert len(kept(filters.vote(reading(big, small), relating(**weak), Filters(contradict=0.9)))) == 1
    rows = reading(big, large, small)
    assert len(kept(filters.vote(rows, relating(**weak), Filters(contradict=0.9)))) == 2
    assert len(kept(filters.vote(rows, relating(**weak), Filters(contradict=0.9, entail=0.8)))) == 3


def test_without_a_model_what_was_read_says_what_contradicts() -> None:
    rows = (claim(" are often bigger.", -1), claim(" are typically larger.", -2), claim(" are often smaller.", -3))
    turned = claim(" are often smaller.", -4, way=("lime", "lemon"))
    other = claim(" are often bigger in winter.", -5)
    found = reading(*rows, turned, other)
    left = filters.vote(found, filters.related_claims(found), Filters())
    assert why(left) == {rows[2].statement: "contradicted"}


def test_more_one_way_and_less_the_other_way_are_one_claim() -> None:
    one, other = claim(" are often sourer.", -1), claim(" are often less sour.", -2, way=("lime", "lemon"))
    found = filters.one_claim(reading(other, one))
    assert [c.id for c in filters.statements(found)] == [one.id]
    assert [c.dropped for c in found.claims if c.dropped] == [
        Drop("repeat", "makes the same comparison as a likelier one", one.id)
    ]


def test_the_best_few_stay_and_all_others_have_a_reason() -> None:
    """In the original what the walk does not reach has no verdict at all."""
    rows = [claim(f" are often {word}.", -n) for n, word in enumerate(["bigger", "sourer", "cheaper", "greener"])]
    found = filters.best(reading(*rows[::-1]), Filters(top=2))
    assert kept(found) == [" are often bigger.", " are often sourer."]
    assert set(why(found).values()) == {"cap"} and len(why(found)) == 2
    assert kept(filters.best(reading(*rows), Filters(top=0))) == kept(reading(*rows))


def test_the_discriminator_has_the_last_word_where_there_is_one() -> None:
    one, other = three()[:2]
    low = Comparative(**{**fields(one), "verdicts": (Verdict("discriminator", 0.3),)})
    assert kept(filters.low_validity(reading(low, other), Filters(min_valid=0.5))) == [" are often larger."]
    assert len(kept(filters.low_validity(reading(low, other), Filters()))) == 2


@pytest.mark.parametrize("bad", [{"entail": 2.0}, {"contradict": -0.1}, {"min_valid": 7}, {"cluster": -1}, {"top": -1}])
def test_thresholds_that_cannot_be_reached_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(RecipeError, match="filter:"):
        Filters(**bad)  # type: ignore[arg-type]

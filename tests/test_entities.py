"""Entity aliases: a labelled set of pairs, the guards, document scope, order independence, scale."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgdistill.encoders.minilm import MiniLM
from kgdistill.errors import RecipeError
from kgdistill.records import Chunk, ChunkGraph, Document, Entity, Merge, Reading, Span, Triple
from kgdistill.refine import entities
from kgdistill.refine.aliases import declared
from kgdistill.refine.entities import Aliases, Row

PERSON, ORG, PLACE, THING, EVENT = "person", "organisation", "place", "concept", "event"
# (name, other, type, said in the same document, the same thing)
PAIRS = [
    ("The Beatles", "Beatles", ORG, False, True),
    ("Coca-Cola", "Coca Cola", ORG, False, True),
    ("U.S.A.", "USA", PLACE, False, True),
    ("São Paulo", "Sao Paulo", PLACE, False, True),
    ("Malmö", "Malmo", PLACE, False, True),
    ("Tromsø", "Tromso", PLACE, False, True),
    ("Dr. Anna Berg", "Anna Berg", PERSON, False, True),
    ("Sir Isaac Newton", "Isaac Newton", PERSON, False, True),
    ("Professor Ada Yonath", "Ada Yonath", PERSON, False, True),
    ("Curie, Marie", "Marie Curie", PERSON, False, True),
    ("Einstein", "Albert Einstein", PERSON, True, True),
    ("A. Turing", "Alan Turing", PERSON, True, True),
    ("George W. Bush", "George Bush", PERSON, True, True),
    ("J.R.R. Tolkien", "J. R. R. Tolkien", PERSON, False, True),
    ("Mrs Thatcher", "Margaret Thatcher", PERSON, True, True),
    ("Acme Inc.", "Acme", ORG, False, True),
    ("Siemens AG", "Siemens", ORG, False, True),
    ("Ford Motor Company", "Ford Motor", ORG, False, True),
    ("WHO", "World Health Organization", ORG, True, True),
    ("UN", "United Nations", ORG, True, True),
    ("United States of America", "USA", PLACE, True, True),
    ("NASA", "Nasa", ORG, False, True),
    ("World Bank Group (WBG)", "World Bank Group", ORG, True, True),
    ("MIT", "Massachusetts Institute of Technology", ORG, True, True),
    ("neural network", "neural networks", THING, False, True),
    ("black hole", "black holes", THING, False, True),
    ("theory of evolution", "evolution theory", THING, False, True),
    ("photo synthesis", "photosynthesis", THING, False, True),
    ("colour vision", "color vision", THING, False, True),
    ("Mississipi Delta", "Mississippi Delta", PLACE, False, True),
    ("Pearl Harbour", "Pearl Harbor", PLACE, False, True),
    ("Lichtenstein Castle", "Liechtenstein Castle", PLACE, False, True),
    ("COVID-19", "Covid 19", THING, False, True),
    ("Nobel prize", "Nobel Prize", THING, False, True),
    ("Алексей Фёдоров", "Алексей Федоров", PERSON, False, True),
    ("Пушкин", "Александр Пушкин", PERSON, True, True),
    ("مُحَمَّد", "محمد", PERSON, False, True),
    ("北京 大学", "北京大学", ORG, False, True),
    ("ΑΘΗΝΑ", "Αθήνα", PLACE, False, True),
    ("Holland", "Netherlands", PLACE, True, True),
    ("Mount Everest", "Everest", PLACE, True, True),
    # Not the same.
    ("Paris", "Paris Hilton", PERSON, True, False),
    ("North Korea", "South Korea", PLACE, True, False),
    ("World War I", "World War II", EVENT, True, False),
    ("Anna Berg", "Anton Berg", PERSON, False, False),
    ("Anna Maria Lind", "Anna Karin Lind", PERSON, True, False),
    ("Henry VIII", "Henry VII", PERSON, True, False),
    ("Apollo 11", "Apollo 13", EVENT, True, False),
    ("Austria", "Australia", PLACE, True, False),
    ("Iran", "Iraq", PLACE, True, False),
    ("Niger", "Nigeria", PLACE, True, False),
    ("Slovakia", "Slovenia", PLACE, True, False),
    ("Hamburg", "Homburg", PLACE, True, False),
    ("Freiburg", "Freiberg", PLACE, True, False),
    ("Dominica", "Dominican", PLACE, True, False),
    ("Colombia", "Columbia", PLACE, True, False),
    ("Martin Olsen", "Martina Olsen", PERSON, True, False),
    ("John Peterson", "John Petersen", PERSON, True, False),
    ("Martin Luther King Jr.", "Martin Luther King Sr.", PERSON, True, False),
    ("Mr Holm", "Mrs Holm", PERSON, True, False),
    ("University of York", "York University", ORG, True, False),
    ("Miami University", "University of Miami", ORG, False, False),
    ("Guinea", "Guinea-Bissau", PLACE, True, False),
    ("Republic of China", "China", PLACE, True, False),
    ("Delta Ltd", "Delta GmbH", ORG, True, False),
    ("US", "us", PLACE, False, False),
    ("WHO", "who", ORG, False, False),
    ("AIDS", "aids", THING, False, False),
    ("C++", "C", THING, True, False),
    ("C#", "C++", THING, True, False),
    ("propane", "propene", THING, True, False),
    ("hypertension", "hypotension", THING, True, False),
    ("interleukin-2", "interleukin-6", THING, True, False),
    ("type 1 diabetes", "type 2 diabetes", THING, True, False),
    ("sulfate", "sulfite", THING, True, False),
    ("economic", "economics", THING, False, False),
    ("vitamin B", "vitamin D", THING, True, False),
    ("Hồ", "Hổ", PERSON, True, False),
    ("か", "が", THING, True, False),
    ("李明", "李明博", PERSON, True, False),
    ("東京", "京都", PLACE, True, False),
    ("Иванов", "Иванова", PERSON, True, False),
    ("Анна Белова", "Антон Белов", PERSON, True, False),
    ("محمد", "محمود", PERSON, True, False),
    ("राम", "रमा", PERSON, True, False),
    ("PA", "public address", THING, False, False),
    ("Baltic Sea", "Black Sea", PLACE, True, False),
    ("Charles Darwin", "Charles Darwin University", ORG, True, False),
    ("Bank of America", "Bank of England", ORG, True, False),
    ("2019 election", "2021 election", EVENT, True, False),
    ("John Adams", "John Quincy Adams", PERSON, True, False),
    ("Roosevelt", "Franklin D. Roosevelt", PERSON, True, True),
    ("galaxies", "galaxy", THING, False, True),
    ("DNA", "deoxyribonucleic acid", THING, True, True),
    ("EU", "European Union", ORG, True, True),
    ("Charlotte Brontë", "Emily Brontë", PERSON, True, False),
    ("New Mexico", "Mexico", PLACE, True, False),
    ("Boeing 747", "Boeing 737", THING, True, False),
    ("George H. W. Clark", "George W. Clark", PERSON, True, False),
    ("anode", "cathode", THING, True, False),
    ("carbon dioxide", "carbon monoxide", THING, True, False),
    ("endothermic", "exothermic", THING, True, False),
    ("custom", "customs", THING, True, False),
    ("first law of thermodynamics", "second law of thermodynamics", THING, True, False),
]  # fmt: skip


class Alike:
    """A double that finds all texts the same: what the guards leave is then merged."""

    name = "alike"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.ones((len(texts), 1), dtype=np.float32)


def rows_of(pairs: Sequence[tuple[str, str, str, bool, bool]]) -> list[Row]:
    rows = []
    for place, (one, other, kind, together, _) in enumerate(pairs):
        rows.append((one, kind, f"{place}", 1))
        rows.append((other, kind, f"{place}" if together else f"{place} too", 1))
    return rows


def resolved(found: Sequence[Merge], *names: str) -> list[str]:
    way = entities.links(found)
    return [way.follow(name)[0] for name in names]


def scored(found: Sequence[Merge]) -> tuple[float, float, list[tuple[str, str]], list[tuple[str, str]]]:
    """Precision, recall, wrong and missed pairs."""
    said = {(one, other): len(set(resolved(found, one, other))) == 1 for one, other, *_ in PAIRS}
    wrong = [(one, other) for one, other, _, _, same in PAIRS if said[one, other] and not same]
    missed = [(one, other) for one, other, _, _, same in PAIRS if same and not said[one, other]]
    right = sum(same for *_, same in PAIRS) - len(missed)
    return right / (right + len(wrong)), right / (right + len(missed)), wrong, missed


def test_labelled_pairs_with_the_real_encoder() -> None:
    precision, recall, wrong, missed = scored(entities.learn(rows_of(PAIRS), MiniLM().open(), Aliases()))
    assert len(PAIRS) >= 60
    assert precision == 1.0, wrong
    assert recall >= 0.85, missed


def test_guards_hold_whatever_the_encoder_says() -> None:
    _, _, wrong, _ = scored(entities.learn(rows_of(PAIRS), Alike(), Aliases(min_ratio=0, min_similarity=-1)))
    # Only an encoder can know that this plural means something else.
    assert wrong == [("custom", "customs")]


def test_a_surname_needs_the_same_full_name_in_every_document_that_says_it() -> None:
    rows = [("Berg", PERSON, "a", 5), ("Anna Berg", PERSON, "a", 1)]
    assert resolved(entities.learn(rows, Alike(), Aliases()), "Berg") == ["Anna Berg"]
    for more in (
        [("Anton Berg", PERSON, "a", 1)],
        [("Berg", PERSON, "b", 1), ("Anton Berg", PERSON, "b", 1)],
        [("Berg", PERSON, "b", 1)],
        [("Berg", PLACE, "a", 1)],
    ):
        assert resolved(entities.learn([*rows, *more], Alike(), Aliases()), "Berg") == ["Berg"], more


def test_mr_and_mrs_of_one_surname_stay_apart() -> None:
    rows = [(name, PERSON, "a", 1) for name in ("Mr Holm", "Mrs Holm", "Eva Holm")]
    assert resolved(entities.learn(rows, Alike(), Aliases()), "Mr Holm", "Mrs Holm") == ["Mr Holm", "Mrs Holm"]


def test_an_acronym_with_two_readings_stays_apart() -> None:
    rows = [("ACL", ORG, "a", 1), ("Association for Computational Linguistics", ORG, "a", 1)]
    assert len(entities.learn(rows, Alike(), Aliases())) == 1
    rows += [("ACL", ORG, "b", 1), ("American Cricket League", ORG, "b", 1)]
    assert entities.learn(rows, Alike(), Aliases()) == []


def test_abbreviations_that_a_text_declares_count_across_documents() -> None:
    assert declared("The International Olympic Committee (IOC) met in Rome (Italy).") == [
        ("IOC", "International Olympic Committee")
    ]
    rows = [("IOC", ORG, "a", 1), ("International Olympic Committee", ORG, "a", 1), ("IOC", ORG, "b", 9)]
    found = entities.learn(rows, Alike(), Aliases(), [("IOC", "International Olympic Committee", "a")])
    assert resolved(found, "International Olympic Committee") == ["IOC"]
    assert "declared" in found[0].reason


def test_types_that_do_not_agree_keep_equal_letters_apart() -> None:
    assert entities.learn([("Mercury", "planet", "a", 1), ("mercury", "substance", "a", 1)], Alike(), Aliases()) == []
    assert len(entities.learn([("Oslo", "city", "a", 1), ("OSLO", "location", "b", 1)], Alike(), Aliases())) == 1


def test_the_most_frequent_then_longest_name_wins() -> None:
    rows = [("Acme", ORG, "a", 5), ("Acme Inc.", ORG, "b", 2)]
    assert resolved(entities.learn(rows, Alike(), Aliases()), "Acme Inc.") == ["Acme"]
    rows = [("Acme", ORG, "a", 2), ("Acme Inc.", ORG, "b", 2)]
    assert resolved(entities.learn(rows, Alike(), Aliases()), "Acme") == ["Acme Inc."]


def test_values_are_never_names() -> None:
    assert entities.learn([("May 4", "date", "a", 1), ("may 4", "date", "b", 1)], Alike(), Aliases()) == []


def test_thresholds_out_of_range_are_refused() -> None:
    with pytest.raises(RecipeError):
        Aliases(min_ratio=101)


def reading_of(*triples: Triple) -> Reading:
    text = "Dr. Anna Berg founded Acme Inc. in 1999."
    chunk = Chunk("d", 0, 0, len(text), text)
    known = (Entity("Dr. Anna Berg", PERSON, (Span(0, 13),)), Entity("Acme Inc.", ORG, (Span(22, 31),)))
    return Reading(Document("d", text, "test"), (ChunkGraph(chunk, known, triples),))


def test_apply_renames_ends_but_not_values_and_undoing_leaves_no_trace() -> None:
    reading = reading_of(
        Triple("1", "Dr. Anna Berg", "founded", "Acme Inc."),
        Triple("2", "Anna Berg", "is called", "Dr. Anna Berg", literal=True),
        Triple("3", "Acme", "grew", "1999", literal=True),
    )
    rows = [*entities.gather(reading), ("Anna Berg", PERSON, "e", 9), ("Acme", ORG, "e", 9)]
    found = entities.learn(rows, Alike(), Aliases())
    assert {(merge.name, merge.into) for merge in found} == {("Dr. Anna Berg", "Anna Berg"), ("Acme Inc.", "Acme")}
    first, second, third = entities.apply(reading, found).claims
    assert first.names == ("Anna Berg", "founded", "Acme")
    assert first.canonical is not None and set(first.canonical.merges) == {merge.id for merge in found}
    assert (first.subject, first.object) == ("Dr. Anna Berg", "Acme Inc.")
    assert second.canonical is None and third.canonical is None
    assert entities.apply(reading, found, frozenset(merge.id for merge in found)) == reading
    assert entities.apply(entities.apply(reading, found), found) == entities.apply(reading, found)


NAMES = st.sampled_from(
    [name for name, *_ in PAIRS[:12]]
    + ["Berg", "Anna Berg", "Dr. Anna Berg", "A. Berg", "anna berg", "Mr Berg", "Anton Berg", "UN", "U.N."]
    + ["United Nations", "the United Nations", "Acme", "Acme Inc.", "ACME", "Saõ Paulo", "black hole", "Black Holes"]
)
ROWS = st.lists(
    st.tuples(NAMES, st.sampled_from(["", PERSON, ORG]), st.sampled_from("abc"), st.integers(1, 3)), max_size=25
)


@settings(max_examples=150, deadline=None)
@given(ROWS, st.data())
def test_learning_is_a_forest_that_any_undoing_leaves_one(rows: list[Row], data: st.DataObject) -> None:
    found = entities.learn(rows, Alike(), Aliases())
    assert entities.learn(data.draw(st.permutations(rows)), Alike(), Aliases()) == found
    leading = [merge.name for merge in found]
    assert len(set(leading)) == len(leading)
    assert len({merge.id for merge in found}) == len(found)
    way = entities.links(found)
    assert all(way.follow(way.follow(merge.name)[0]) == (way.follow(merge.name)[0], ()) for merge in found)
    reading = reading_of(*(Triple(str(n), row[0], "knows", rows[-1][0]) for n, row in enumerate(rows)))
    for undone in found:
        rest = [merge for merge in found if merge != undone]
        assert entities.apply(reading, found, frozenset([undone.id])) == entities.apply(reading, rest)


MERGES = st.lists(st.tuples(st.sampled_from("ABCDEFG"), st.sampled_from("ABCDEFG"), st.floats(0, 1)), max_size=10)


@settings(max_examples=200, deadline=None)
@given(MERGES, st.data())
def test_any_graph_of_merges_gives_each_group_one_name(
    edges: list[tuple[str, str, float]], data: st.DataObject
) -> None:
    found = [Merge(f"{a}{b}", "entity", a, b, "made up", score) for a, b, score in edges]
    found = list({merge.id: merge for merge in found}.values())
    without = data.draw(st.frozensets(st.sampled_from([merge.id for merge in found] or ["none"])))
    way = entities.links(found, without)
    assert way.to == entities.links(data.draw(st.permutations(found)), without).to
    assert way.to == entities.links([merge for merge in found if merge.id not in without]).to
    for merge in found:
        if merge.id not in without:
            assert way.follow(merge.name)[0] == way.follow(merge.into)[0]
    assert all(without.isdisjoint(ids) for _, ids in way.to.values())


def test_twenty_thousand_names_take_seconds() -> None:
    syllables = ["ba", "ke", "li", "mo", "nu", "ra", "si", "to", "va", "zo"]
    rows = []
    for number in range(20_000):
        word = "".join(syllables[int(digit)] for digit in f"{number:05d}")
        kind = (PERSON, ORG, PLACE)[number % 3]
        rows.append(
            (f"Anna {word.title()}" if kind == PERSON else word.title(), kind, str(number % 500), 1 + number % 7)
        )
    started = time.monotonic()
    found = entities.learn(rows, Alike(), Aliases())
    assert time.monotonic() - started < 60
    assert len(found) < 200

"""Pairs: from readings and from the seed, through files that `datasets` loads, and swaps that keep spans exact."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace

import datasets
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from students import pair

from kgdistill.distill.pairing import agreement, matches, word_f1
from kgdistill.distill.pairs import PairSettings, from_row, make_pairs, read_pairs, split_of, to_row, write_pairs
from kgdistill.distill.relations import relation_name
from kgdistill.distill.seed import seed_pairs
from kgdistill.distill.students.span_training import expected, shares
from kgdistill.distill.variation import Variation, replace_words
from kgdistill.records import (
    Canonical,
    Chunk,
    ChunkGraph,
    Document,
    Drop,
    Entity,
    Evidence,
    Fact,
    Reading,
    Span,
    Triple,
    Verdict,
)
from kgdistill.stages.learn import SeedPairs

SEED = Path(__file__).parent.parent / "data" / "seed"


def reading(number: int, text: str = "") -> Reading:
    text = text or f"Ada{number} wrote Notes. Ada{number} owned Notes."
    document = Document(f"d{number}", text, "x.txt")
    name, stop = text.split()[0], text.index(".") + 1
    evidence = Evidence(Span(0, stop), Span(0, len(name)), Span(text.index("Notes"), text.index("Notes") + 5))
    verdict = (Verdict("combined", 0.75),)
    good = Triple(
        "1",
        name,
        "wrote",
        "Notes",
        evidence=evidence,
        verdicts=verdict,
        canonical=Canonical("Ada L", "author of", "Notes"),
    )
    bad = Triple("2", name, "hated", "Notes", evidence=evidence, dropped=Drop("low score", "0.1"))
    capped = Triple("3", name, "saw", "Notes", evidence=evidence, dropped=Drop("cap", "too many"))
    repeat = Triple("4", name, "did write", "Notes", evidence=evidence, dropped=Drop("same", "again", "1"))
    entities = (Entity(name, "person", (Span(0, len(name)),)), Entity("Nobody", "person"), Entity("Notes", "book"))
    chunk = Chunk(document.id, 0, 0, len(text), text)
    return Reading(document, (ChunkGraph(chunk, entities, (good, bad, capped, repeat)),))


def test_a_pair_has_surface_names_canonical_relations_and_true_negatives() -> None:
    (made,) = make_pairs([reading(1)], PairSettings())
    (fact,) = made.facts
    assert (fact.subject, fact.relation, fact.object, fact.score) == ("Ada1", "author of", "Notes", 0.75)
    assert made.text[fact.start : fact.end] == "Ada1 wrote Notes."
    assert [negative.relation for negative in made.negatives] == ["hated"]
    assert [entity.name for entity in made.entities] == ["Ada1", "Notes"]


def test_equal_texts_and_documents_set_aside_are_left_out() -> None:
    again = reading(2, reading(1).document.text.replace(" ", "  "))
    aside = replace(reading(3), set_aside="language: de")
    assert [made.document for made in make_pairs([reading(1), again, aside], PairSettings())] == ["d1"]


def test_splits_are_by_document_stable_and_near_their_shares() -> None:
    settings = PairSettings(validation=0.2, test=0.1)
    given_ = [split_of(f"doc {i}", settings) for i in range(2000)]
    assert given_ == [split_of(f"doc {i}", settings) for i in range(2000)]
    assert 140 < given_.count("test") < 260 and 320 < given_.count("validation") < 480


@pytest.mark.parametrize("kind", ["parquet", "json"])
def test_datasets_reads_what_was_written(tmp_path: Path, kind: str) -> None:
    pairs = list(make_pairs((reading(i) for i in range(40)), PairSettings(validation=0.3, test=0.3)))
    counts = write_pairs(tmp_path, pairs)
    suffix = {"json": "jsonl"}.get(kind, kind)
    files = {split: str(tmp_path / f"{split}.{suffix}") for split in counts}
    loaded = datasets.load_dataset(kind, data_files=files, cache_dir=str(tmp_path / "cache"))
    assert {split: len(loaded[split]) for split in loaded} == counts
    back = {row["id"]: from_row(row) for split in loaded for row in loaded[split]}
    assert back == {made.id: made for made in pairs}
    assert sorted(read_pairs(tmp_path), key=lambda p: p.id) == sorted(pairs, key=lambda p: p.id)
    assert "40 documents" in (tmp_path / "README.md").read_text()


def test_rows_are_an_exact_inverse() -> None:
    assert from_row(to_row(pair(3))) == pair(3)


def test_seed_spans_quote_the_text() -> None:
    pairs = list(seed_pairs(SEED))
    assert len(pairs) == 6202 and {made.split for made in pairs} == {"train", "validation", "test"}
    facts = [(made, fact) for made in pairs for fact in made.facts]
    for made, fact in facts:
        assert 0 <= fact.start < fact.end <= len(made.text)
        for span in (fact.subject_span, fact.object_span):
            assert span is None or fact.start <= span.start < span.end <= fact.end
        if fact.literal and fact.object_span:
            assert made.text[fact.object_span.start : fact.object_span.end].lower() == fact.object.lower()
    located = sum(f.subject_span is not None and f.object_span is not None for _, f in facts)
    assert located / len(facts) > 0.8


def test_seed_pronouns_belong_to_whom_the_standalone_sentence_names() -> None:
    made = next(p for p in seed_pairs(SEED) if p.id == "a-001")
    meitner = next(e for e in made.entities if e.name == "Lise Meitner")
    assert {"she", "her", "Meitner"} <= {made.text[s.start : s.end] for s in meitner.spans}
    hahn = next(e for e in made.entities if e.name == "Otto Hahn")
    assert {made.text[s.start : s.end] for s in hahn.spans} == {"Otto Hahn", "Hahn"}


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("worked for", "works for"),
        ("was born in", "born in"),
        ("has been part of", "part of"),
        ("is", "is"),
        ("Born_In", "born in"),
    ],
)
def test_relation_names_fold(name: str, folded: str) -> None:
    assert relation_name(name) == folded


@settings(deadline=None)
@given(st.text(max_size=30))
def test_folding_a_relation_twice_changes_nothing(name: str) -> None:
    assert relation_name(relation_name(name)) == relation_name(name)


@settings(deadline=None)
@given(
    st.integers(0, 40),
    st.dictionaries(
        st.sampled_from(["Oslo", "was", "Accra", "chemist", "Ada", "Osei"]), st.text("aäé😀", min_size=1, max_size=9)
    ),
)
def test_swaps_keep_every_span_on_its_name(number: int, words: dict[str, str]) -> None:
    varied = replace_words(pair(number), words)
    for fact in varied.facts:
        assert fact.object_span is not None
        assert varied.text[fact.object_span.start : fact.object_span.end] == fact.object
    first = varied.entities[0]
    assert varied.text[first.spans[0].start : first.spans[0].end] == first.name
    assert varied.text[first.spans[1].start : first.spans[1].end] == "She"


def test_variants_change_names_but_not_relations() -> None:
    pairs = [pair(i) for i in range(8)]
    variation, chance = Variation(pairs), random.Random(1)
    varied = [variation.vary(p, chance) for p in pairs]
    assert sum(v.text != p.text for v, p in zip(varied, pairs, strict=True)) >= 7
    assert all([f.relation for f in v.facts] == ["born in", "occupation"] for v in varied)


def test_agreement_matches_one_to_one() -> None:
    gold = [Fact("Lise Meitner", "born in", "Vienna"), Fact("Lise Meitner", "field", "physics")]
    found = [Fact("Meitner", "born in", "Vienna"), Fact("Lise Meitner", "lived in", "Vienna"), Fact("x", "y", "z")]
    assert word_f1("the Lise Meitner", "Meitner") == pytest.approx(2 / 3)
    assert sorted(matches(found, gold)) == [-1, -1, 0]
    figures = agreement([found], [gold])
    assert figures["precision"] == pytest.approx(1 / 3) and figures["recall"] == pytest.approx(1 / 2)
    assert agreement([gold], [gold])["f1"] == 1.0 and agreement([()], [gold])["f1"] == 0.0


def test_pairs_of_other_makers_come_beside_the_seed_with_their_weight(tmp_path: Path) -> None:
    kept, bench = tmp_path / "kept", SimpleNamespace(folder=tmp_path / "out", note=lambda *_: None)
    write_pairs(kept, [replace(pair(1), split="test")])
    stage = SeedPairs(seed_folder=str(SEED), kept_folder=str(kept), weight=0.25)
    stage.run(iter(()), bench)  # type: ignore[arg-type]
    [other] = [p for p in read_pairs(tmp_path / "out") if p.weight < 1]
    assert (other.split, other.weight) == ("train", 0.25)
    before = stage.fingerprint()
    write_pairs(kept, [pair(2)])
    assert stage.fingerprint() != before


def test_what_counts_less_fades_out() -> None:
    assert shares(5) == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert shares(1) == [1.0]
    pairs = [pair(1), replace(pair(2), weight=0.5)]
    assert [expected(pairs, [1, 3], share) for share in (1.0, 0.0)] == [2.5, 1.0]

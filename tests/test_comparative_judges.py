"""Judges of comparisons: the discriminator, entailment, circles between pairs, and the figures of diversity."""

from __future__ import annotations

import itertools
import json
import math
import random
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError
from hypothesis import given, settings
from hypothesis import strategies as st
from students import tiny_classifier
from test_comparative_filters import claim, reading

from kgdistill.encoders.minilm import MiniLM
from kgdistill.errors import ModelError, RecipeError, SourceError
from kgdistill.evaluate.comparatives import RULES, funnel
from kgdistill.evaluate.diversity import self_bleu
from kgdistill.judge.discriminator import Row, learn, read_discriminator
from kgdistill.judge.entailment import EMBEDDED, MOST_TOKENS, WORDS, Entailment, places
from kgdistill.records import Drop, PairSeed
from kgdistill.refine import orders
from kgdistill.refine.orders import Edge
from kgdistill.stages.comparatives import FilterComparatives
from kgdistill.stages.entailment import entailment_fingerprint
from kgdistill.storage.comparatives import read_labelled
from kgdistill.teacher.weights import find_folder
from kgdistill.text.overlap import words

SEED = Path(__file__).parent.parent / "data" / "seed" / "comparatives.jsonl"


def test_the_discriminator_tells_valid_from_invalid_statements_of_pairs_that_it_has_not_seen(tmp_path: Path) -> None:
    known = list(read_labelled(SEED))
    rows, labels = [Row(one.left, one.right, one.statement) for one in known], [one.valid for one in known]
    encoder = MiniLM().open()
    found = learn(rows, labels, encoder)
    assert found.area > 0.68 and found.trained == len(rows)
    assert [cut.aim for cut in found.cut_offs] == [0.5, 0.6, 0.7, 0.8, 0.9]
    found.save(tmp_path)
    again = read_discriminator(tmp_path)
    assert again == found
    scores = again.score(rows[:20], encoder)
    assert all(0 <= score <= 1 for score in scores) and len(set(scores)) > 15
    assert math.isclose(scores[3], again.score(rows[3:4], encoder)[0], rel_tol=1e-9)
    shuffled = learn(rows, random.Random(1).sample(labels, len(labels)), encoder)
    assert abs(shuffled.area - 0.5) < 0.1  # what it has learnt is no accident of the folds


def test_a_discriminator_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    encoder = MiniLM().open()
    rows = [Row("lemon", "lime", f"Compared to lemons, limes are {word}.") for word in ("sourer", "bigger")]
    with pytest.raises(RecipeError, match="both are needed"):
        learn(rows, [True, True], encoder)
    with pytest.raises(RecipeError, match="too few for 5 folds"):
        learn(rows, [True, False], encoder)
    with pytest.raises(ModelError, match="holds no discriminator"):
        read_discriminator(tmp_path)
    (tmp_path / "labels.jsonl").write_text('{"left": "a"}\n')
    with pytest.raises(SourceError, match=r"labels.jsonl, line 1"):
        list(read_labelled(tmp_path / "labels.jsonl"))
    with pytest.raises(SourceError, match="cannot be read"):
        list(read_labelled(tmp_path / "none.jsonl"))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["entailment", "neutral", "contradiction"], (0, 2)),
        (["CONTRADICTION", "NEUTRAL", "ENTAILMENT"], (2, 0)),
        (["contradiction", "entailment", "neutral"], (1, 0)),
        (["entailment", "not_entailment"], (0, -1)),
    ],
)
def test_the_order_of_labels_is_read_and_not_assumed(labels: list[str], expected: tuple[int, int]) -> None:
    assert places(dict(enumerate(labels)), "model") == expected


def test_labels_that_say_nothing_are_refused() -> None:
    with pytest.raises(ModelError, match="LABEL_0"):
        places({0: "LABEL_0", 1: "LABEL_1"}, "model")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny classifier of text pairs with random weights; its labels stand in an order of their own."""
    return tiny_classifier(
        tmp_path_factory.mktemp("nli"), "limes are sour .", "neutral contradiction entailment", initializer_range=1.0
    )


def test_entailment_gives_each_pair_its_own_probabilities(classifier: Path, tmp_path: Path) -> None:
    import torch

    model = Entailment.from_pretrained(classifier)
    texts = ["limes are sour.", "limes are.", "sour sour limes are sour sour sour."]
    pairs = list(itertools.permutations(texts, 2))
    found = model.score(pairs)
    for (one, other), (entails, contradicts) in zip(pairs, found, strict=True):
        with torch.inference_mode():
            logits = model._model(**model._tokenizer(one, other, return_tensors="pt")).logits.softmax(-1)[0]
        assert math.isclose(entails, float(logits[2]), abs_tol=1e-5)
        assert math.isclose(contradicts, float(logits[1]), abs_tol=1e-5)
    assert model.score([]) == []
    with pytest.raises(ModelError, match="classifier of text pairs"):
        Entailment.from_pretrained(tmp_path)


def test_pickled_weights_serve_where_there_are_no_others(classifier: Path, tmp_path: Path) -> None:
    import torch

    pairs = [("limes are sour.", "limes are.")]
    model = Entailment.from_pretrained(classifier)
    folder = shutil.copytree(classifier, tmp_path / "pickled")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="classifier of text pairs"):
        Entailment.from_pretrained(folder)
    torch.save(model.parts[0].state_dict(), folder / "pytorch_model.bin")
    assert Entailment.from_pretrained(folder).score(pairs) == model.score(pairs)
    before = entailment_fingerprint(str(folder))
    torch.save({}, folder / "pytorch_model.bin")
    assert entailment_fingerprint(str(folder)) != before
    torch.save({"code": Path}, folder / "pytorch_model.bin")  # what a pickle could run is not run
    with pytest.raises(ModelError, match="classifier of text pairs"):
        Entailment.from_pretrained(folder)


def test_pickled_weights_are_fetched_only_where_there_are_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def download(model: str, **given: object) -> str:
        asked.append(given.get("allow_patterns"))
        if given.get("local_files_only"):
            raise LocalEntryNotFoundError("not there")
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    find_folder("some/judge")
    assert len(asked) == 2
    find_folder("some/judge", pickled=True)
    assert len(asked) == 5 and "pytorch_model*.bin" in str(asked[-1])
    (tmp_path / "model.safetensors").touch()
    find_folder("some/judge", pickled=True)
    assert len(asked) == 7 and "pytorch_model*.bin" not in str(asked[-1])


def test_a_foreign_classifier_reads_as_much_as_it_has_places_for(tmp_path: Path) -> None:
    """It was cut at 256 tokens, which is what our own has learnt from."""
    labels = "entailment neutral contradiction"
    for positions, most in ((512, 510), (64, 62), (2048, 512)):
        sizes = {"max_position_embeddings": positions, "initializer_range": 1.0}
        folder = tiny_classifier(tmp_path / str(positions), "limes are sour .", labels, **sizes)
        model = Entailment.from_pretrained(folder)
        start = "limes " * (most - 6)
        [sour], [other] = (model.score([(start + end, "sour")]) for end in ("sour", "."))
        assert sour != other, "the end of the premise is read"
        start = "limes " * most
        [sour], [other] = (model.score([(start + end, "sour")]) for end in ("sour", "."))
        assert sour == other
    assert Entailment.from_pretrained(find_folder(EMBEDDED))._most == MOST_TOKENS == 256


def test_a_vote_needs_a_classifier_that_can_contradict(tmp_path: Path) -> None:
    """Without the label nothing is ever contradicted; the filter then dropped nothing and said nothing."""
    plain = tiny_classifier(tmp_path / "two", "limes are sour .", "entailment not_entailment")
    for name in (str(plain), WORDS):
        with pytest.raises(ModelError, match="has no label for contradiction"):
            list(FilterComparatives(entailment=name).run(iter(()), bench=None))  # type: ignore[arg-type]


edges = st.lists(
    st.builds(
        Edge,
        st.sampled_from("abcde"),
        st.sampled_from("abcde"),
        st.sampled_from(["size", "price"]),
        st.floats(0, 1),
        st.uuids().map(str),
        st.just("d"),
    ).filter(lambda edge: edge.greater != edge.lesser),
    max_size=14,
)


@settings(max_examples=200, deadline=None)
@given(edges, st.randoms())
def test_circles_are_found_until_none_is_left(found: list[Edge], chance: random.Random) -> None:
    circles = orders.circles(found)
    for circle in circles:
        assert {edge.aspect for edge in circle.edges} == {circle.aspect}
        assert all(one.lesser == other.greater for one, other in zip(circle.edges, circle.edges[1:], strict=False))
        assert circle.edges[-1].lesser == circle.edges[0].greater and set(circle.edges) <= set(found)
        assert circle.weakest.weight == min(edge.weight for edge in circle.edges)
    gone = {(circle.aspect, circle.weakest.greater, circle.weakest.lesser) for circle in circles}
    for aspect in ("size", "price"):
        all_ways = {(e.greater, e.lesser) for e in found if e.aspect == aspect}
        left = networkx.DiGraph([way for way in all_ways if (aspect, *way) not in gone])
        assert networkx.is_directed_acyclic_graph(left)
        assert networkx.is_directed_acyclic_graph(networkx.DiGraph(all_ways)) == all(
            c.aspect != aspect for c in circles
        )
    shuffled = list(found)
    chance.shuffle(shuffled)
    assert orders.circles(shuffled) == circles


def test_the_weakest_of_a_circle_is_dropped_wherever_it_stands() -> None:
    pairs = [("lemon", "lime"), ("lime", "melon"), ("melon", "lemon")]
    readings = [
        reading(claim(" are often bigger.", -n - 1, way=way), seed=PairSeed(*way)) for n, way in enumerate(pairs)
    ]
    found = orders.circles(orders.edges(readings))
    assert [[edge.greater for edge in circle.edges] for circle in found] == [["lemon", "melon", "lime"]]
    settled = [orders.settle(one, found) for one in readings]
    assert [one.claims[0].kept for one in settled] == [True, True, False]
    drop = settled[2].claims[0].dropped
    assert drop == Drop("circle", "size: lemon > melon > lime > lemon", readings[1].claims[0].id)
    assert orders.circles(orders.edges(settled)) == []


def test_other_aspects_and_qualifiers_make_no_circle() -> None:
    one = reading(claim(" are often bigger."), claim(" are often cheaper.", way=("lime", "lemon")))
    other = reading(claim(" are often bigger in winter.", way=("lime", "lemon")))
    assert orders.circles(orders.edges([one, other])) == []


def plain_self_bleu(texts: Sequence[str]) -> float:
    """The same by its definition, one text after the other."""
    said = [words(text.casefold()) for text in texts]

    def grams(tokens: list[str], size: int) -> Counter[tuple[str, ...]]:
        return Counter(tuple(tokens[at : at + size]) for at in range(len(tokens) - size + 1))

    scores = []
    for number, tokens in enumerate(said):
        others = said[:number] + said[number + 1 :]
        parts = []
        for size in range(1, 5):
            own, extra = grams(tokens, size), int(size > 1)
            shared = sum(min(count, max(grams(other, size)[gram] for other in others)) for gram, count in own.items())
            parts.append((shared + extra) / (own.total() + extra))
        nearest = min((abs(len(other) - len(tokens)), len(other)) for other in others)[1]
        penalty = min(1.0, math.exp(1 - nearest / len(tokens)))
        scores.append(penalty * math.prod(parts) ** 0.25)
    return sum(scores) / len(scores)


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=7).map(" ".join), min_size=2, max_size=7))
def test_self_bleu_is_what_its_definition_says(texts: list[str]) -> None:
    found = self_bleu(texts)
    assert found is not None and math.isclose(found, plain_self_bleu(texts), rel_tol=1e-9, abs_tol=1e-12)


def test_self_bleu_of_equal_and_of_unlike_texts() -> None:
    assert self_bleu(["limes are sour", "limes are sour"]) == 1.0
    assert self_bleu(["limes are sour", "dogs bark loudly"]) == 0.0
    assert self_bleu(["limes are sour"]) is None and self_bleu(["", "..."]) is None


def test_the_funnel_counts_what_each_filter_leaves() -> None:
    rows = [claim(" are often bigger."), claim(" are often smaller."), claim(" are often sourer.")]
    dropped: list[Any] = [
        type(one)(**{**{n: getattr(one, n) for n in one.__struct_fields__}, "dropped": Drop(rule, "")})
        for one, rule in zip(rows[1:], ("contradicted", "low score"), strict=True)
    ]
    found = funnel([reading(rows[0], *dropped)], {rows[0].statement: True, rows[1].statement: False}, ("grammar",))
    assert [left.after for left in found] == ["generated", "grammar (skipped)", *RULES[1:], "low score"]
    assert [left.statements for left in found] == [3, 3, 3, 3, 2, 2, 2, 2, 2, 1]
    assert (found[0].validity, found[4].validity, found[-1].self_bleu) == (0.5, 1.0, None)
    assert found[0].bounds == (0.5, 0.5), "one pair: drawn again, it is the same"
    empty = funnel([])[0]
    assert (empty.validity, empty.bounds) == (None, (None, None))


def test_the_interval_of_validity_is_over_pairs_not_over_statements() -> None:
    one = [claim(f" are often {word}.") for word in ("bigger", "sourer", "greener")]
    other = [claim(f" are often {word}.", way=("fig", "plum")) for word in ("bigger", "sourer", "greener")]
    labels = {row.statement: row in one for row in (*one, *other)}
    [generated, *_] = funnel([reading(*one), reading(*other, seed=PairSeed("fig", "plum"))], labels)
    assert (generated.validity, generated.bounds) == (0.5, (0.0, 1.0))


def test_labels_of_the_seed_are_read() -> None:
    known = list(read_labelled(SEED))
    assert len(known) == len(SEED.read_bytes().splitlines()) and {one.valid for one in known} == {True, False}
    assert known[0].kind == json.loads(SEED.read_bytes().splitlines()[0])["class"]
    assert np.mean([one.valid for one in known]) > 0.5

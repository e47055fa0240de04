"""The gate: its features, what it lets through, and how it learns."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from readings import BASE, curie, hostile
from test_match import Words

from kgdistill.engine import gating
from kgdistill.errors import ModelError, SourceError, UserError
from kgdistill.graph.store import write_store
from kgdistill.query.found import Found
from kgdistill.query.gate import FEATURES, SHIPPED, Gate, admitted, load_gate, measure
from kgdistill.query.gate_training import LEAST, MISTAKEN, RECALL, Case, SupportedQuestion, _cut, cases, train
from kgdistill.query.retrieve import open_retriever
from kgdistill.query.template_questions import template_questions

SIZE = len(FEATURES)


def found(text: str, *facts: tuple[str, str, str], score: float = 1.0, document: str = "d") -> Found:
    return Found(f"https://kg.test/{text[:5]}", document, 0, len(text), text, facts, score)


CURIE = found("She was born in Warsaw.", ("Marie Curie", "born in", "Warsaw"), score=4.0)
RIVER = found("It flows through Warsaw.", ("Vistula", "flows through", "Warsaw"), score=2.0)
WHALE = found("It eats krill.", ("blue whale", "feeds on", "krill"), score=1.0)


def gate(admits: float = 0.5, answers: float = 0.6) -> Gate:
    """One that looks at nothing but the share of the question's words: 0.5 at half of them."""
    weights = tuple(10.0 if "share of the question's words" in name else 0.0 for name in FEATURES)
    return Gate(FEATURES, (0.0,) * SIZE, (1.0,) * SIZE, weights, -5.0, admits, answers, "words", {})


def column(table: np.ndarray, name: str) -> list[float]:
    return list(table[:, next(n for n, feature in enumerate(FEATURES) if feature.startswith(name))])


def test_features_see_entities_relations_and_the_neighbourhood() -> None:
    table = measure("Where was Marie Curie born?", [CURIE, RIVER, WHALE], Words())
    assert table.shape == (3, SIZE)
    assert column(table, "entities: share") == [1.0, 0.0, 0.0]
    assert column(table, "entities: how much") == [1.0, 0.0, 0.0]
    assert column(table, "relations: share") == [1.0, 0.0, 0.0], "'born in' without its common word"
    assert column(table, "subgraph: share of its names") == [0.0, 1.0, 0.0], "the river is in the city of the first one"
    assert column(table, "retrieval: one over") == [1.0, 0.5, pytest.approx(1 / 3)]
    assert column(table, "retrieval: score") == [1.0, 0.5, 0.25]


def test_a_question_without_names_is_compared_by_its_words() -> None:
    table = measure("what eats krill", [WHALE, CURIE], Words())
    assert column(table, "entities: share") == [1.0, 0.0]


texts = st.text(max_size=30)


@given(
    texts,
    st.lists(st.tuples(texts, st.lists(st.tuples(texts, texts, texts), max_size=3), st.floats(-1, 9)), max_size=4),
)
def test_any_text_has_features_between_minus_one_and_one(
    question: str, parts: list[tuple[str, list[tuple[str, str, str]], float]]
) -> None:
    passages = [found(text, *facts, score=score) for text, facts, score in parts]
    table = measure(question, passages, Words())
    assert table.shape == (len(passages), SIZE)
    assert np.isfinite(table).all() and (table[:, :-1] <= 1.0001).all() and (table[:, :-1] >= -1.0001).all()


def test_the_gate_lets_through_what_is_relevant_and_the_best_first() -> None:
    question = "Where was Marie Curie born?"
    passed = admitted(gate(), question, [WHALE, RIVER, CURIE], Words())
    assert [one.found for one in passed] == [CURIE] and 0.9 < passed[0].relevance <= 1
    both = admitted(gate(admits=0.0), question, [WHALE, RIVER, CURIE], Words())
    assert both[0].found == CURIE and len(both) == 3
    assert len(admitted(gate(admits=0.0), question, [WHALE, RIVER, CURIE], Words(), most=2)) == 2


def test_nothing_passes_where_no_passage_says_enough() -> None:
    assert admitted(gate(admits=0.0), "Who wrote Hamlet?", [WHALE, RIVER], Words()) == []
    assert admitted(gate(), "Who wrote Hamlet?", [], Words()) == []


def test_an_encoder_that_it_does_not_know_is_refused() -> None:
    with pytest.raises(ModelError, match="trained with all-MiniLM"):
        admitted(msgspec.structs.replace(gate(), encoder="all-MiniLM-L6-v2"), "who?", [CURIE], Words())


def test_the_gate_that_ships_is_of_this_version_and_says_what_it_is_from() -> None:
    shipped = load_gate()
    assert shipped.encoder == "all-MiniLM-L6-v2" and "seed" in str(shipped.made["from"])
    assert 0 < shipped.admits < 1 and 0 < shipped.answers < 1
    assert (SHIPPED.parent / "README.md").is_file()


def test_a_gate_that_is_none_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "gate.json"
    bad = [b"{", b"{}", msgspec.json.encode(msgspec.structs.replace(gate(), features=("other",)))]
    bad += [msgspec.json.encode(msgspec.structs.replace(gate(), scales=(0.0,) * SIZE))]
    for content in bad:
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"kgdistill\.engine\.gating") as caught:
            load_gate(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelError):
        load_gate(tmp_path / "none.json")
    path.write_bytes(msgspec.json.encode(gate()))
    assert load_gate(path) == gate()


# Learning


def lessons(count: int, seed: int = 0) -> list[Case]:
    """Cases in which the first feature tells support from the rest, and no passage of an unsaid one has it."""
    chance = np.random.default_rng(seed)
    made = []
    for number in range(count):
        table = chance.normal(size=(6, SIZE))
        support = np.zeros(6, dtype=bool)
        said = number % 2 == 0
        if said:
            support[chance.integers(6)] = True
        table[:, 0] = np.where(support, 3.0, -3.0) + chance.normal(size=6) * 0.3
        made.append(Case(table, support, said))
    return made


def test_it_learns_what_tells_support_apart_and_when_nothing_is_said() -> None:
    learnt = train(lessons(200), "words", {"from": "here"})
    assert max(range(SIZE), key=lambda n: abs(learnt.weights[n])) == 0 and learnt.weights[0] > 0
    assert learnt.made["from"] == "here" and float(learnt.made["support recall in training"]) >= RECALL
    best = {
        said: [learnt.relevance(c.table).max() for c in lessons(60, seed=1) if c.said == said] for said in (True, False)
    }
    assert min(best[True]) >= learnt.answers, "what is said passes"
    assert np.mean(np.array(best[False]) >= learnt.answers) < 2 * MISTAKEN, "most of the rest does not"
    assert train(lessons(200), "words", {"from": "here"}) == learnt, "the same cases give the same gate"


def test_too_few_questions_teach_nothing() -> None:
    with pytest.raises(UserError, match=f"{LEAST} are needed"):
        train(lessons(2 * LEAST - 4), "words", {})


@given(st.lists(st.floats(0, 1), max_size=30))
def test_the_cut_is_the_lowest_that_few_unsaid_questions_reach(scores: list[float]) -> None:
    cut = _cut(scores)
    allowed = int(MISTAKEN * len(scores))
    assert sum(score >= cut for score in scores) <= allowed or cut == 0.0 == len(scores)
    assert not scores or sum(score >= cut - 2e-6 for score in scores) > allowed


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("gate") / "store"
    write_store(folder, [curie(), curie("two.txt"), hostile()], base=BASE, run="test")
    return folder


def test_every_question_has_a_case_with_and_one_without_its_documents(store: Path) -> None:
    asked = SupportedQuestion("Where was Marie Curie born in Warsaw?", ("curie.txt",), (("curie.txt", 0, 5),))
    said, unsaid = cases([asked], open_retriever(store), Words())
    assert said.said and said.support.sum() == 2, "both propositions of that sentence"
    assert not unsaid.said and not unsaid.support.any()
    assert len(unsaid.table) < len(said.table)
    elsewhere = SupportedQuestion("Where was Marie Curie born?", ("three.txt",))
    assert [case.said for case in cases([elsewhere], open_retriever(store), Words())] == [False]


def test_templates_ask_for_facts_in_peoples_words_whatever_the_order() -> None:
    facts = [("Ada", "born in", "London"), ("Ada", "wrote", "Notes"), ("Hamlet", "written by", "Shakespeare")]
    facts += [("Shakespeare", "born in", "Stratford"), ("it", "located in", "there")]
    passages = [
        Found("", f"d{n}", 0, 9, " ".join(fact), (fact,), 0.0)
        for n, fact in enumerate([*facts, ("ADA", "born in", "Rome")])
    ]
    asked = template_questions(passages)
    for seed in range(5):
        shuffled = random.Random(seed).sample(passages, len(passages))
        assert template_questions(shuffled) == asked
    texts = {one.question: one for one in asked}
    chain = next(one for text, one in texts.items() if "the author of Hamlet" in text)
    assert chain.documents == ("d2", "d3") and len(chain.places) == 2
    assert not any("it" in text.split() for text in texts), "nobody can answer a question about a pronoun"
    born = [one for text, one in texts.items() if ("Ada" in text or "ADA" in text) and "born" in text]
    assert born and all(set(one.documents) == {"d0", "d5"} for one in born), "both say where she was born"
    described = Found("", "d9", 0, 9, "?", (("Ada", "occupation", "poet"), ("Ada", "died in", "Paris")), 0.0)
    [told] = [one for one in template_questions([*passages, described], 40) if "the poet" in one.question]
    assert "Ada" not in told.question and "d9" in told.documents and len(told.places) >= 2
    assert len(template_questions(passages, most=2)) == 2


def test_support_is_a_place_or_a_whole_document() -> None:
    place = SupportedQuestion("?", ("d",), (("d", 10, 20),))
    for start, end in itertools.combinations(range(0, 30, 5), 2):
        one = Found("", "d", start, end, "", (), 0.0)
        assert place.supported_by(one) == bool(set(range(start, end)) & set(range(10, 20)))
    assert SupportedQuestion("?", ("d",)).supported_by(CURIE) and not SupportedQuestion("?", ("e",)).supported_by(CURIE)


class WordEncoder:
    def open(self) -> Words:
        return Words()


def test_one_command_trains_a_gate(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gating, "MiniLM", WordEncoder)
    lines = [SupportedQuestion(f"Where was Marie Curie born, {n}?", ("curie.txt",)) for n in range(LEAST)]
    questions, out = tmp_path / "asked.jsonl", tmp_path / "gate.json"
    questions.write_bytes(b"\n".join(map(msgspec.json.encode, lines)))
    assert gating.main([str(store), "--out", str(out), "--questions", str(questions)]) == 0
    learnt = load_gate(out)
    assert learnt.encoder == "words" and learnt.made["from"] == "asked.jsonl" and learnt.made["questions"] == LEAST
    assert gating.main([str(store), "--out", str(out)]) == 2, "four facts are too few to learn from"


def test_bad_questions_and_folders_are_one_line(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gating, "MiniLM", WordEncoder)
    questions = tmp_path / "asked.jsonl"
    questions.write_text('{"question": 1}')
    with pytest.raises(SourceError):
        gating.read_questions(questions)
    assert gating.main([str(store), "--out", str(tmp_path / "g"), "--questions", str(questions)]) == 2
    assert gating.main([str(tmp_path), "--out", str(tmp_path / "g")]) == 2
    assert capsys.readouterr().err.count("\n") == 2

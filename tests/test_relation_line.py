"""Relations from seeds to a graph: the methods by hand, the recipe with a causal and a masked model, and bad seeds."""

from __future__ import annotations

import itertools
import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from line import CATALOGUE, HOME
from msgspec.structs import replace
from notebook import execute
from students import tiny_writer
from test_constrained import make_opt
from test_masked import make_bert

from kgdistill.contracts import BLANK, HIDDEN, Reply, Request
from kgdistill.distill.paraphraser import CometSettings, Paraphraser
from kgdistill.engine.progress import Quiet
from kgdistill.engine.recipe import Recipe, decode
from kgdistill.engine.runner import run
from kgdistill.errors import KgdistillError, RecipeError, SourceError
from kgdistill.evaluate.report import write_report
from kgdistill.generate.relation_prompts import RelationPrompts
from kgdistill.generate.relations import Relations
from kgdistill.graph.store import KnowledgeGraph, write_store
from kgdistill.graph.validate import validate_store
from kgdistill.judge.consistency import NAME, SHARE
from kgdistill.records import Drop, EventSeed, Failure, Reading, RelationSeed, TextPair, Triple
from kgdistill.stages.relations import of_pairs, of_student
from kgdistill.stages.seeds import Seeds, seed_reading
from kgdistill.storage.artifact import latest
from kgdistill.storage.seeds import read_seeds
from kgdistill.storage.shards import read_records, write_records
from kgdistill.teacher.masked import Masked
from kgdistill.text.slots import matched, relation_fault

SEED = RelationSeed("capital_of", "<ENT0> is the capital of <ENT1>.", (("paris", "france"), ("tokyo", "japan")))
PAIRS = (("paris", "france"), ("tokyo", "japan"), ("cairo", "egypt"), ("nairobi", "kenya"))
TEXTS = tuple(
    sentence
    for city, country in PAIRS
    for sentence in (f"{city} is the capital of {country}.", f"the capital of {country} is {city}.")
)


def told(dialogue: Any, answer: Callable[[Request], list[Reply]]) -> Reading:
    try:
        requests = next(dialogue)
        while True:
            requests = dialogue.send([answer(request) for request in requests])
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


# Paraphrases


def test_paraphrases_are_lifted_and_must_differ() -> None:
    said = {
        "Paris is the capital of france.": [
            "The capital of France is Paris.", "Paris, capital of France.", "It is a city.", "France is where Paris is",
        ],
        "Tokyo is the capital of japan.": ["The capital of Japan is Tokyo. Really.", "Japan has Tokyo as its capital"],
    }  # fmt: skip

    def answer(request: Request) -> list[Reply]:
        sentence = next(line for line in request.prompt.splitlines() if line.startswith("Sentence: "))[10:]
        return [Reply(text) for text in said.get(sentence, [])]

    method = RelationPrompts(tries=4, rounds=2)
    reading = told(method(seed_reading(SEED, "x")), answer)
    assert isinstance(reading.seed, RelationSeed)
    found = reading.seed.prompts
    assert "<ENT1> is where <ENT0> is." in found and "The capital of <ENT1> is <ENT0>." in found
    assert SEED.definition not in found
    from rapidfuzz import fuzz

    assert all(fuzz.ratio(a, b) < 75 for a, b in itertools.combinations((SEED.definition, *found), 2))
    refused = [failure for failure in reading.failures if "It is a city" in failure.raw]
    assert refused and {failure.reason for failure in reading.failures} == {"unplaced"} and refused[0].request
    assert told(method(seed_reading(SEED, "x")), lambda _: []).seed == replace(SEED, prompts=())


def test_candidates_are_taken_shortest_first_up_to_the_number_wanted() -> None:
    method = RelationPrompts(prompts=2)
    assert method.choose(["bbbb bbbb", "cc", "cc."], ["<ENT0> aaaa <ENT1>."]) == ["cc"]
    with pytest.raises(RecipeError):
        RelationPrompts(tries=0)


def rewording(pairs: list[TextPair]) -> list[str]:
    """The prompts that a teacher which only fills blanks gets of these pairs."""
    with pytest.raises(StopIteration) as end:
        next(RelationPrompts()(seed_reading(SEED, "x"), of_pairs(pairs), writes=False))
    reading = end.value.value
    assert {failure.reason for failure in reading.failures} <= {"unplaced"}
    return [*reading.seed.prompts, *(f"refused: {failure.raw}" for failure in reading.failures)]


def test_paraphrases_at_hand_become_prompts_whatever_they_are_about() -> None:
    about_rome = TextPair("1", "It is from Rome that Italy is governed.", "Rome is the  capital of Italy.")
    assert rewording([about_rome]) == ["It is from <ENT0> that <ENT1> is governed."]
    with_slots = TextPair("2", SEED.definition, "<ENT1> has its government in <ENT0>")
    assert rewording([with_slots]) == ["<ENT1> has its government in <ENT0>."]
    lost = TextPair("3", "Rome is the capital of Italy.", "Rome is where they govern.")
    assert rewording([lost]) == ["refused: Rome is where they govern."]
    copy = TextPair("4", "Rome is the capital of Italy.", "Rome is the capital city of Italy.")
    other = TextPair("5", "Rome is a town in Italy.", "In Italy there is a town called Rome.")
    assert rewording([copy, other]) == []


def test_paraphrases_at_hand_stand_beside_the_teachers_own() -> None:
    pair = TextPair("1", "It is from Rome that Italy is governed.", "Rome is the capital of Italy.")
    answer = {"Paris is the capital of france.": [Reply("France has a capital, namely Paris.")]}
    reading = told(
        RelationPrompts(rounds=1)(seed_reading(SEED, "x"), of_pairs([pair])),
        lambda request: next((said for text, said in answer.items() if text in request.prompt), []),
    )
    assert isinstance(reading.seed, RelationSeed)
    assert set(reading.seed.prompts) == {
        "It is from <ENT0> that <ENT1> is governed.", "<ENT1> has a capital, namely <ENT0>.",
    }  # fmt: skip


def test_only_a_sentence_that_fills_a_prompt_has_its_names() -> None:
    assert matched("<ENT1> has <ENT0> as its seat.", "the  Low Countries had ...") == ()
    assert matched("<ENT1> has <ENT0> as its seat.", "The Low Countries has The Hague as its seat") == (
        "The Hague", "The Low Countries",
    )  # fmt: skip
    assert matched("<ENT0> met <ENT1>.", f"{'very ' * 5}old Ann met Bo.") == ()
    assert matched("<ENT0> met <ENT0>.", "Ann met Ann.") == ()


# The search, against every pair of words of a real masked model


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny masked model that has read of four capitals."""
    return make_bert(tmp_path_factory.mktemp("bert"), 300, TEXTS)


@pytest.fixture(scope="module")
def opt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_opt(tmp_path_factory.mktemp("opt"))


def asker(teacher: Any) -> Callable[[Request], list[Reply]]:
    def answer(request: Request) -> list[Reply]:
        teacher.submit(0, request)
        [(_, said)] = teacher.poll()
        return list(said.replies) if hasattr(said, "replies") else []

    return answer


def test_a_masked_model_gives_exactly_the_best_pairs_of_words(bert: Path) -> None:
    seed = replace(SEED, prompts=("<ENT0> is the capital of <ENT1>.", "The capital of <ENT1> is <ENT0>."),
                   weights=(0.75, 0.25))  # fmt: skip
    answer = asker(Masked(str(bert)).open())
    method = Relations(tuples=12, tokens=1, repeat=0, reach=1000, stop_words=("is", "the", "of", "in", "a", "and"))
    found = told(method(seed_reading(seed, "x"), True), answer)
    claims = [claim for claim in found.claims if isinstance(claim, Triple)]

    def shares(prompts: tuple[str, str]) -> dict[str, float]:
        total: dict[str, float] = {}
        for weight, prompt in zip(seed.weights, prompts, strict=True):
            [reply] = answer(Request("x", prompt, max_tokens=1, top_logprobs=1000))
            for piece, logprob in reply.top:
                if piece.startswith(" "):
                    total[piece.strip()] = total.get(piece.strip(), 0.0) + weight * logprob
        return total

    names = list(shares((f"{BLANK} is the capital of {HIDDEN}.", f"The capital of {HIDDEN} is {BLANK}.")))
    usable = [w for w in names if w.isalpha() and len(w) > 2 and w not in ("the", "and", "capital")]
    wanted = []
    first = shares((f"{BLANK} is the capital of {HIDDEN}.", f"The capital of {HIDDEN} is {BLANK}."))
    for one in usable:
        second = shares((f"{one.capitalize()} is the capital of {BLANK}.", f"The capital of {BLANK} is {one}."))
        wanted += [(min(first[one], second[two]), one, two) for two in usable if two != one]
    wanted = sorted(wanted, key=lambda pair: (-pair[0], pair[1], pair[2]))[:12]
    assert [(claim.subject, claim.object) for claim in claims] == [(one, two) for _, one, two in wanted]
    assert [claim.said[0].logprob for claim in claims] == pytest.approx([score for score, _, _ in wanted])
    cities, countries = zip(*PAIRS, strict=True)
    assert claims[0].subject in cities and claims[0].object in countries  # so much it has learnt


def test_one_prompt_with_all_the_weight_gives_its_own_ranking(bert: Path) -> None:
    answer = asker(Masked(str(bert)).open())
    method = Relations(tuples=8, tokens=2, repeat=2)
    alone = replace(SEED, prompts=("The capital of <ENT1> is <ENT0>.",), weights=(1.0,))
    both = replace(SEED, prompts=(*alone.prompts, SEED.definition), weights=(1.0, 0.0))
    one, other = (told(method(seed_reading(seed, "x"), True), answer) for seed in (alone, both))
    assert [claim.stated for claim in one.claims] == [claim.stated for claim in other.claims] and one.claims


def test_a_causal_model_ends_a_name_where_the_prompt_goes_on() -> None:
    """A toy: after "is in" it says "new", then "york" or the full stop."""
    seed = RelationSeed("r", "<ENT0> lies in <ENT1>.", (("big ben", "london"),))
    tops = {
        "": [(" Tower", -1.0), (" The", -0.5), ("!", -0.1), ("x", -0.2)],
        " tower": [(" lies", -0.5), (" bridge", -0.7)],
        " tower bridge": [(" lies", -0.1), (" lie", -0.2)],
        " in": [(" new", -0.3), (" a", -0.1), ("land", -0.1)],
        " new": [(" york", -0.2), (".", -5.0)],
        " new york": [(".", -0.1)],
    }

    def answer(request: Request) -> list[Reply]:
        text = request.prompt.removeprefix("Big ben lies in london.\n").lower()
        assert request.prompt.startswith("Big ben lies in london.\n") and request.max_tokens == 1
        key = max((key for key in tops if (" " + text).endswith(key)), key=len)
        return [Reply(tops[key][0][0], top=tuple(tops[key]))]

    found = told(Relations(tuples=40, tokens=2)(seed_reading(seed, "x"), False), answer)
    assert [(*claim.stated, claim.said[0].logprob) for claim in found.claims][:2] == [
        ("tower", "r", "new york", -1.0),
        ("tower bridge", "r", "new york", -1.0),
    ]
    assert [failure.reason for failure in found.failures][-1] == "fewer"


def test_two_prompts_of_another_order_leave_the_search_to_the_heavier_order() -> None:
    prompts = ("In <ENT1> lies <ENT0>.", "X <ENT1> y <ENT0>.")
    seed = RelationSeed("r", "<ENT0> lies in <ENT1>", (("a b", "c d"),), prompts, (0.6, 0.4))
    requests = next(Relations()(seed_reading(seed, "x"), False))
    assert [request.prompt for request in requests] == ["In c d lies a b.\nIn", "X c d y a b.\nX"]


def test_three_things_make_a_claim_with_one_more(bert: Path) -> None:
    seed = RelationSeed(
        "meet_in", "<ENT0> and <ENT1> is near <ENT2>.", (("paris", "tokyo", "cairo"), ("mexico", "new", "york"))
    )
    method = Relations(tuples=3, tokens=1, repeat=1)
    found = told(method(seed_reading(seed, "x"), True), asker(Masked(str(bert)).open()))
    assert found.claims and all(isinstance(claim, Triple) and len(claim.others) == 1 for claim in found.claims)


def test_three_things_in_the_graph_hang_on_the_claim(tmp_path: Path) -> None:
    from readings import triad

    write_store(tmp_path, [triad()], base="https://kg.test/", run="r", teacher="t", merges=[])
    assert not validate_store(tmp_path, -1).violations
    with KnowledgeGraph.open(tmp_path) as graph:
        [row] = graph.query(
            "SELECT ?one ?two ?three WHERE { ?claim a kgd:ModelClaim ; kgd:subjectText ?one ; kgd:objectText ?two ; "
            "kgd:otherText ?three ; kgd:other/skos:prefLabel ?three }"
        )
        assert [row[name].value for name in ("one", "two", "three")] == ["chef", "knife", "vegetables"]


def test_settings_and_other_seeds() -> None:
    for bad in ({"tuples": 0}, {"repeat": -1}, {"tokens": 0}):
        with pytest.raises(RecipeError):
            Relations(**bad)  # type: ignore[arg-type]
    event = seed_reading(EventSeed("PersonX runs"), "x")
    for dialogue in (Relations()(event, True), RelationPrompts()(event)):
        with pytest.raises(StopIteration) as end:
            next(dialogue)
        assert end.value.value == event


# Bad seeds


GOOD = {
    "relation": "capital_of",
    "definition": "<ENT0> is the capital of <ENT1>.",
    "seeds": [["paris", "france"], ["rome", "italy"]],
}


@pytest.mark.parametrize(
    ("changes", "reason", "said"),
    [
        ({"definition": ""}, "empty", "`definition` is missing"),
        ({"definition": "a capital of <ENT1>"}, "definition", "must speak of <ENT0>, <ENT1>"),
        ({"definition": "<ENT0> " + "x" * 10_000 + " <ENT1>"}, "overlong", "10,014 characters"),
        ({"seeds": [["paris"]]}, "one entity", "should name 2 things"),
        ({"seeds": [["paris", " "]]}, "one entity", "should name 2 things"),
        ({"seeds": [["paris", "f" * 10_000]]}, "overlong", "10,000 characters"),
        ({"seeds": []}, "empty", "a few example pairs"),
        ({"seeds": [["<ENT1>", "france"]]}, "malformed", "pointed bracket"),
        ({"seeds": "paris"}, "malformed", "capital_of"),
        ({"relation": "?"}, "empty", "`relation` is missing"),
        ({"prompts": ["p" * 10_000]}, "overlong", "10,000 characters"),
        ({"definition": "<ENT0> is <ENT0> of <ENT1>"}, "definition", "once each"),
        ({"definition": "<ENT0> <ENT1>"}, "definition", "in words of its own"),
        ({"definition": "<ENT0> is <ENT11> of <ENT1>"}, "definition", "must speak of <ENT0>, <ENT1>"),
        # Each of these was harvested all the same, or ended the stage with an IndexError.
        ({"prompts": ["There are no slots here."]}, "prompt", "should name <ENT0> and <ENT1> once each"),
        ({"prompts": ["The <ENT5> belongs to <ENT0>."]}, "prompt", "should name <ENT0> and <ENT1> once each"),
        ({"prompts": ["<ENT0> and <ENT1> make <ENT2>"]}, "prompt", "should name <ENT0> and <ENT1> once each"),
        ({"prompts": ["<ENT0>s are of <ENT1>"]}, "prompt", "no word of its own"),
        ({"prompts": ["<ENT1>: <ENT0>"]}, "prompt", "no words beside its slots"),
        ({"prompts": ["<ENT1> has <ENT0> and <ent2>"]}, "prompt", "pointed bracket"),
        ({"seeds": [["wheel", "Wheel"], ["rome", "italy"]]}, "one entity", "names one thing twice"),
        ({"seeds": [["paris", "france"]]}, "too few", "two different examples"),
        ({"seeds": [["paris", "france"], ["Paris", " France"]]}, "too few", "two different examples"),
    ],
)
def test_a_bad_relation_is_one_clear_line(tmp_path: Path, changes: dict[str, Any], reason: str, said: str) -> None:
    path = tmp_path / "relations.jsonl"
    path.write_text(json.dumps(GOOD | changes) + "\n")
    [failure] = read_seeds(path, "relation", relation_fault)
    assert isinstance(failure, Failure) and failure.reason == reason and said in failure.message
    assert len(failure.message) < 200 and "\n" not in failure.message


def test_an_unknown_relation_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "relations.jsonl"
    path.write_text(json.dumps(GOOD) + "\n")
    bench: Any = SimpleNamespace(note=pytest.fail, fail=pytest.fail)
    for most in (0, 1):  # however few are taken
        asked = Seeds(str(path), "relation", most=most, only=("capital_of", "capitol_of"))
        with pytest.raises(SourceError, match="has no usable relation called 'capitol_of'"):
            list(asked.run(bench))
    path.write_text(json.dumps(GOOD) + "\n" + json.dumps(GOOD | {"relation": "other"}) + "\n")
    for most, names in ((0, ["capital_of", "other"]), (1, ["capital_of"])):
        asked = Seeds(str(path), "relation", most=most, only=("capital_of", "other"))
        assert [reading.document.id for reading in asked.run(bench)] == names


def test_underscores_of_a_name_are_spaces(tmp_path: Path) -> None:
    """In the released code "new_york" and "new york" are two things."""
    path = tmp_path / "relations.jsonl"
    path.write_text(json.dumps(GOOD | {"seeds": [["mexico_city", " mexico "], ["rome", "italy"]]}) + "\n")
    [seed] = read_seeds(path, "relation", relation_fault)
    assert isinstance(seed, RelationSeed) and seed.tuples[0] == ("mexico city", "mexico")


# The recipe


def recipe(path: Path, teacher: dict[str, Any], **changes: Any) -> Recipe:
    plain = tomllib.loads((HOME / "pipelines" / "hao2023_relations.toml").read_text(encoding="utf-8"))
    plain["teacher"] = teacher
    plain["seeds"] |= {"path": str(path)}
    plain["harvest"] |= {"tuples": 6, "tokens": 1, "expansions": 60, **changes}
    return decode(plain, CATALOGUE)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("seeds") / "relations.jsonl"
    good = GOOD | {"seeds": [list(pair) for pair in PAIRS[:3]], "prompts": ["the capital of <ENT1> is <ENT0>"]}
    near = {"relation": "near", "definition": "<ENT0> is near <ENT1>.", "seeds": good["seeds"]}
    rows = [good, near, GOOD | {"relation": "bad", "definition": ""}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def finished(bert: Path, seeds: Path) -> Path:
    out = seeds.parent / "masked"
    run(recipe(seeds, {"kind": "masked", "model": str(bert)}), out, workers=0, progress=Quiet())
    return out


def failures(out: Path) -> Iterator[Failure]:
    for path in sorted(out.glob("*/failures/*.jsonl")):
        yield from read_records(path, Failure)


def test_the_recipe_harvests_with_a_masked_model(finished: Path) -> None:
    readings = {reading.document.id: reading for reading in latest(finished, "readings").records(Reading)}
    claims = [claim for claim in readings["capital_of"].claims if isinstance(claim, Triple)]
    assert 4 <= len(claims) <= 6 and {claim.relation for claim in claims} == {"capital of"}
    scores = [claim.score for claim in claims]
    assert scores == sorted(scores, reverse=True) and all(claim.verdict(NAME) == claim.score for claim in claims)
    assert sum(claim.verdict(SHARE) or 0 for claim in claims) == pytest.approx(1.0)
    assert [failure.reason for failure in failures(finished) if failure.stage == "seeds"] == ["empty"]
    with KnowledgeGraph.open(finished) as graph:
        facts = graph.model_facts()
        assert len(facts) == sum(claim.asserted for reading in readings.values() for claim in reading.claims)
        rows = list(graph.query("SELECT DISTINCT ?text WHERE { ?claim kgd:utterance/kgd:prompt/kgd:text ?text }"))
        assert any("The capital of <ENT1> is <ENT0>." in row["text"].value for row in rows)
    assert "without paraphrases" in (finished / "run.json").read_text()
    page = write_report(finished).read_text(encoding="utf-8")
    assert "capital of" in page and "Replies to harvest" in page and " per seed" in page
    assert "Do long documents" not in page and "per chunk" not in page


def test_running_again_asks_nothing_and_a_broken_off_run_ends_the_same(finished: Path, bert: Path, seeds: Path) -> None:
    """The released code leaves an empty result behind, and takes it for a finished one."""
    before = {path: path.read_bytes() for path in finished.glob("*-????????/shards/*")}
    journals = {path: path.read_bytes() for path in finished.glob("journal/**/*.jsonl")}
    assert journals and all(b'"document":"' in content for content in journals.values())
    for path in finished.glob("harvest-????????/**/*"):  # as if it had been killed: no shard, half a journal
        if path.is_file():
            path.unlink()
    cut = {
        path: content.splitlines(keepends=True) for path, content in journals.items() if path.parent.name == "harvest"
    }
    assert cut
    for path, lines in cut.items():
        path.write_bytes(b"".join(lines[: len(lines) // 2]) + lines[-1][:40])
    run(recipe(seeds, {"kind": "masked", "model": str(bert)}), finished, workers=0, progress=Quiet())
    assert {path: path.read_bytes() for path in finished.glob("*-????????/shards/*")} == before
    for path, lines in cut.items():
        assert sorted(path.read_bytes().splitlines(keepends=True)) == sorted(lines)


def test_a_masked_teacher_gets_prompts_from_paraphrases_and_a_student(bert: Path, seeds: Path, tmp_path: Path) -> None:
    """It writes none of its own: the recipe names where they come from, a file and the run that trained a student."""
    pair = TextPair("1", "Rome is the capital of Italy.", "It is from Rome that Italy is governed.")
    write_records(tmp_path / "known.jsonl", [pair, replace(pair, id="2", right="x", dropped=Drop("length", ""))])
    settings = CometSettings(epochs=60, batch_tokens=256, learning_rate=1e-2, dropout=0.0, max_tokens=24)
    student = Paraphraser.start(tiny_writer(tmp_path / "tiny", paired=False), settings)
    said = [
        (f"{city.capitalize()} is near {place}.", "paraphrase", f"By {place} lies {city}.") for city, place in PAIRS
    ]
    student.learn(said, said[:1], tmp_path / "checkpoints")
    student.save_pretrained(tmp_path / "student")
    given = list(of_student(tmp_path / "student", 3)("<ENT0> is near <ENT1>.", PAIRS[:1]))
    assert given and all(names == PAIRS[0] for _, names in given)
    plain = recipe(seeds, {"kind": "masked", "model": str(bert)}).plain
    plain["relation_prompts"] |= {
        "paraphrases": str(tmp_path / "known.jsonl"),
        "paraphraser": str(tmp_path / "student"),
    }
    plain["stages"] = ["seeds", "relation_prompts", "prompt_weights"]
    for gone in ("harvest", "consistency", "refine"):
        del plain[gone]
    run(decode(plain, CATALOGUE), tmp_path / "out", workers=0, progress=Quiet())
    readings = list(latest(tmp_path / "out", "readings").records(Reading))
    prompts = {r.seed.relation: r.seed.prompts for r in readings if isinstance(r.seed, RelationSeed)}
    assert "It is from <ENT0> that <ENT1> is governed." in prompts["capital_of"]
    assert "without paraphrases" not in (tmp_path / "out" / "run.json").read_text()
    plain["relation_prompts"] = {"paraphraser": str(tmp_path / "nowhere")}
    with pytest.raises(KgdistillError, match="nowhere: no paraphrase student"):
        run(decode(plain, CATALOGUE), tmp_path / "other", workers=0, progress=Quiet())


def test_the_recipe_runs_with_a_causal_model(opt: Path, seeds: Path) -> None:
    out = seeds.parent / "causal"
    run(recipe(seeds, {"kind": "local", "model": str(opt)}), out, workers=0, progress=Quiet())
    readings = list(latest(out, "readings").records(Reading))
    assert [reading.document.id for reading in readings] == ["capital_of", "near"]
    assert all(isinstance(reading.seed, RelationSeed) and reading.seed.weights for reading in readings)
    stages = {stage["name"] for stage in json.loads((out / "run.json").read_text())["stages"]}
    assert {"relation_prompts", "prompt_weights", "harvest", "consistency", "store"} <= stages


def test_the_notebook_runs_on_it(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KGDISTILL_RUN", str(finished))
    execute("relations")
    said = capsys.readouterr().out
    assert "capital of" in said and "<ENT0>" in said and "paris" in said.lower()

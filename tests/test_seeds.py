"""Knowledge without a document: seeds at the door, and claims of every kind through rules, store and report."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from readings import BASE, curie, event, fruits, stated

from kgdistill.distill.pairs import PairSettings, make_pairs
from kgdistill.errors import SourceError
from kgdistill.evaluate.findings import gather
from kgdistill.graph.export import export
from kgdistill.graph.store import KnowledgeGraph, write_store
from kgdistill.graph.validate import validate
from kgdistill.graph.vocabulary import quads
from kgdistill.judge.combine import Combine, combine
from kgdistill.records import Claim, EventSeed, Failure, Inference, PairSeed, Reading, RelationSeed, Utterance, Verdict
from kgdistill.refine.rules import Rules, cap, screen
from kgdistill.refine.variety import repeats
from kgdistill.stages.seeds import seed_reading
from kgdistill.storage.seeds import REPEATED, Kind, read_seeds
from kgdistill.text.slots import relation_fault

ROOT = Path(__file__).resolve().parent.parent


def test_the_seed_files_are_seeds() -> None:
    seeds = ROOT / "data" / "seed"
    events = list(read_seeds(seeds / "events.jsonl", "event"))
    pairs = list(read_seeds(seeds / "comparatives.jsonl", "pair"))
    relations = list(read_seeds(seeds / "relations.jsonl", "relation", relation_fault))
    assert len(events) == 260 and all(isinstance(seed, EventSeed) for seed in events)
    assert len(relations) == 40 and all(isinstance(seed, RelationSeed) for seed in relations)
    assert len(pairs) == 500 and all(isinstance(seed, PairSeed) for seed in pairs)


@pytest.mark.parametrize(
    ("kind", "line", "reason"),
    [
        ("event", '{"event": "  "}', "empty"),
        ("event", '{"happening": "x"}', "empty"),
        ("event", '{"event": 7}', "empty"),
        ("event", '{"event": "' + "PersonX waits " * 800 + '"}', "overlong"),
        ("event", "[1, 2]", "malformed"),
        ("event", '{"event": "PersonX', "malformed"),
        ("pair", '{"left": "lemon"}', "one entity"),
        ("pair", '{"left": "lemon", "right": "Lemon"}', "one entity"),
        ("pair", "{}", "empty"),
        ("relation", '{"relation": "capital_of", "definition": "the capital"}', "definition"),
        ("relation", '{"relation": "r", "definition": "<ENT0> of <ENT1>", "seeds": []}', "empty"),
        ("relation", '{"relation": "r", "definition": "<ENT0> of <ENT1>", "seeds": [["paris"]]}', "one entity"),
        ("relation", '{"relation": "r", "definition": "<ENT0> of <ENT1>", "seeds": "paris"}', "malformed"),
    ],
)
def test_a_bad_seed_gives_one_clear_line(kind: Kind, line: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    [found] = read_seeds(path, kind, relation_fault)
    assert isinstance(found, Failure)
    assert (found.reason, found.kind, found.document) == (reason, "rejected", "seeds.jsonl#0")
    assert found.message and "\n" not in found.message and len(found.message) < 300


def test_pairs_are_read_from_tables(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("food\tpattie\tpork\ntool\tknife\twire\nfood\tpattie\n", encoding="utf-8")
    good, other, bad = read_seeds(path, "pair")
    assert good == PairSeed("pattie", "pork", "food") and other == PairSeed("knife", "wire", "tool")
    assert isinstance(bad, Failure) and bad.reason == "one entity"
    path.write_text("lemon,banana\n", encoding="utf-8")
    assert list(read_seeds(path, "pair")) == [PairSeed("lemon", "banana")]


def test_events_of_atomic_2020_are_seeds(tmp_path: Path) -> None:
    path = tmp_path / "atomic.tsv"
    forms = (
        "PersonX runs @@ xNeed\tto rise| none\nPersonX eats @@ xNeed\t\nPersonX runs @@ xWant\tto rest\n"
        "PersonX drops ___ @@ xNeed\tto hold it\nPersonX drops ___ @@ xWant\tto bend\nPersonx runs @@ xAttr\tfast\n",
        "PersonX runs\txNeed\tto rise\nPersonX runs\txNeed\tnone\nPersonX eats\txNeed\t\nPersonX  runs\txWant\trest\n"
        "PersonX drops ___\txNeed\tto hold it\nPersonX drops ___\txWant\tto bend\n",
    )
    for text in forms:
        path.write_text(text)
        noted: list[str] = []
        one, other, blank = read_seeds(path, "event", note=noted.append)
        assert (one, other) == (EventSeed("PersonX runs"), EventSeed("PersonX eats"))
        # Only once, and no line about an event that stood there before is a rejection: there are hundreds of thousands.
        assert isinstance(blank, Failure) and blank.reason == "blank" and "PersonX drops ___" in blank.message
        assert noted == [REPEATED] * 3


def test_events_that_stand_in_a_list_twice_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("PersonX runs\nPersonX runs\n")
    _, again = read_seeds(path, "event", note=pytest.fail)
    assert isinstance(again, Failure) and again.reason == "duplicate"


def test_a_path_that_holds_no_seeds_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        list(read_seeds(tmp_path / "none.txt", "event"))
    with pytest.raises(SourceError, match="seeds are read from"):
        list(read_seeds(tmp_path / "seeds.pdf", "event"))


@given(st.lists(st.text(), max_size=5))
@settings(deadline=None)
def test_any_text_gives_seeds_or_failures(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    path = tmp_path_factory.mktemp("any") / "seeds.txt"
    path.write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    for kind in ("event", "pair", "relation"):
        names = [
            seed_reading(seed, "s").document.id
            for seed in read_seeds(path, kind, relation_fault)  # type: ignore[arg-type]
            if not isinstance(seed, Failure)
        ]
        assert len(names) == len(set(names))


def test_every_kind_of_claim_survives_the_disk() -> None:
    for reading in (event(), fruits(), stated()):
        assert msgspec.json.decode(msgspec.json.encode(reading), type=Reading) == reading
    claim: Claim = event().claims[0]
    assert claim.names == ("PersonX buys a train ticket", "xNeed", "to check the timetable")
    assert fruits().claims[0].names == ("banana", "has more sweetness than", "lemon")


# What documents say and what models say are never mixed


def test_model_claims_have_graphs_and_a_class_of_their_own() -> None:
    told = [
        quad for reading in (curie(), event(), fruits()) for quad in quads(reading, base=BASE, run="r", teacher="T")
    ]
    by_graph: dict[str, set[str]] = {}
    for quad in told:
        by_graph.setdefault(str(quad.graph_name.value).removeprefix(BASE), set()).add(str(quad.subject.value))
    corpus = by_graph["graph/facts"] | by_graph["evidence/curie.txt"]
    model = by_graph["graph/model-facts"] | {
        s for g, found in by_graph.items() if g.startswith("model-") for s in found
    }
    shared = {address.removeprefix(BASE) for address in corpus & model}
    assert shared == {"agent/T"}
    assert {quad.object.value for quad in told if quad.subject.value.startswith(BASE + "model-claim/")} >= {
        "https://w3id.org/kgdistill/ns#ModelClaim"
    }
    report = validate(told)
    assert report.conforms, report.violations
    assert report.claims == 7 + 3


@pytest.mark.parametrize("name", ["utterance", "prompt", "sample", "logProbability", "text"])
def test_shapes_ask_for_the_evidence_of_model_claims(name: str) -> None:
    told = list(quads(event(), base=BASE, run="r", teacher="T"))
    left = [quad for quad in told if not quad.predicate.value.endswith(f"#{name}")]
    assert validate(told).conforms
    assert len(left) < len(told) and not validate(left).conforms


def test_a_store_tells_them_apart(tmp_path: Path) -> None:
    counts = write_store(tmp_path / "s", [curie(), event(), fruits(), stated()], base=BASE, run="r", teacher="T")
    with KnowledgeGraph.open(tmp_path / "s") as graph:
        facts, said = graph.facts(), graph.model_facts()
        assert set(facts["document"]) == {"curie.txt", "stated.txt"}
        assert set(said["document"]) == {"PersonX buys a train ticket", "lemon | banana"}
        assert (len(facts), len(said)) == (counts.facts, counts.model_facts) == (6, 2)
        assert set(said["kind"]) == {"inference", "comparative"}
        assert {key.split()[0] for *_, key in graph.to_networkx().edges(keys=True)} == {"curie.txt", "stated.txt"}
        assert len(graph.to_networkx(from_model=True).edges) == 2
        asked = """SELECT ?text ?logprob WHERE {
            ?claim a kgd:ModelClaim ; kgd:kept true ; kgd:objectText "to check the timetable" ;
                   kgd:utterance [ kgd:prompt [ kgd:text ?text ] ; kgd:logProbability ?logprob ] }"""
        assert {row["text"].value for row in graph.query(asked)} == {"Event: …"}
        assert len(list(graph.query("SELECT ?p { ?p a kgd:Proposition ; kgd:states/kgd:subjectText ?s }"))) == 2
    only = tmp_path / "only"
    write_store(only, [event()], base=BASE, run="r")
    with KnowledgeGraph.open(only) as graph:
        assert export(graph, tmp_path / "graph.graphml") == 1


# Rules, judges and pairs


def inference(score: float, tail: str = "to pay") -> Inference:
    verdicts = (Verdict("critic", score),)
    return Inference(f"i{tail}{score}", "PersonX shops", "xNeed", tail, said=(Utterance("k"),), verdicts=verdicts)


def reading_with(*claims: Claim) -> Reading:
    reading = seed_reading(EventSeed("PersonX shops"), "events.jsonl")
    [graph] = reading.chunks
    return msgspec.structs.replace(reading, chunks=(msgspec.structs.replace(graph, claims=claims),))


def test_what_a_model_says_needs_no_sentence_and_has_no_cap() -> None:
    rule = Combine(weights={"critic": 1.0})
    claims = [combine(inference(0.9, f"to pay {number}"), rule) for number in range(20)]
    assert all(claim.score == 0.9 for claim in claims)
    reading = cap(screen(reading_with(*claims, combine(inference(0.2), rule)), Rules()), Rules(per_hundred_words=10))
    assert [claim.kept for claim in reading.claims] == [True] * 20 + [False]
    dropped = reading.claims[-1].dropped
    assert dropped and dropped.rule == "low score"


def test_repeats_of_a_seed_are_marked() -> None:
    reading = repeats(reading_with(inference(0.9), inference(0.8), inference(0.7, "to go")))
    assert [claim.kept for claim in reading.claims] == [True, False, True]


def test_propositions_pass_rules_about_names_and_are_never_facts(tmp_path: Path) -> None:
    claim = screen(stated(), Rules(min_score=0)).claims[-1]
    assert claim.kept and not claim.asserted
    assert [len(pair.facts) for pair in make_pairs([stated(), event()], PairSettings())] == [
        len(pair.facts) for pair in make_pairs([curie()], PairSettings())
    ]


def test_a_report_counts_seeds() -> None:
    found = gather([event(), fruits()])
    assert (found.documents, found.seeds, found.claims, found.kept, found.judged) == (2, 2, 3, 2, 1)
    assert [example.claim.id for example in found.facts] == ["i1", "c1"]

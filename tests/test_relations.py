"""Relation names: a labelled set of pairs, direction and polarity guards, definitions, undoing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from kgdistill.encoders.minilm import MiniLM
from kgdistill.errors import RecipeError
from kgdistill.records import Chunk, ChunkGraph, Document, Entity, Merge, Reading, Triple
from kgdistill.refine import relations, wording
from kgdistill.refine.relations import Clusters, Use

# (name, other, subject type, object type, the same relation)
PAIRS = [
    ("was born in", "born in", "person", "place", True),
    ("is born in", "born in", "person", "place", True),
    ("is located in", "located in", "building", "place", True),
    ("was founded by", "founded by", "company", "person", True),
    ("has been founded by", "founded by", "company", "person", True),
    ("develops", "developed", "company", "product", True),
    ("has developed", "developed", "company", "product", True),
    ("is developing", "develops", "company", "product", True),
    ("wrote", "has written", "person", "work", True),
    ("writes", "wrote", "person", "work", True),
    ("lives in", "lived in", "person", "place", True),
    ("has lived in", "lived in", "person", "place", True),
    ("resides in", "lives in", "person", "place", True),
    ("is the capital of", "capital of", "place", "place", True),
    ("capital city of", "capital of", "place", "place", True),
    ("bornIn", "born in", "person", "place", True),
    ("member_of", "member of", "person", "organisation", True),
    ("is a member of", "member of", "person", "organisation", True),
    ("took part in", "takes part in", "person", "event", True),
    ("participated in", "took part in", "person", "event", True),
    ("situated in", "located in", "building", "place", True),
    ("consists of", "consisted of", "product", "product", True),
    ("discovered", "has discovered", "person", "substance", True),
    ("purchased", "bought", "company", "company", True),
    ("works for", "worked for", "person", "company", True),
    ("is employed by", "employed by", "person", "company", True),
    ("begins in", "starts in", "event", "place", True),
    ("was awarded", "was given", "person", "prize", True),
    ("constructed", "built", "company", "building", True),
    ("collaborated with", "cooperated with", "person", "person", True),
    ("passed away in", "died in", "person", "place", True),
    ("established by", "founded by", "company", "person", True),
    ("is a type of", "is a kind of", "concept", "concept", True),
    ("wed", "married", "person", "person", True),
    ("flowed into", "flows into", "river", "sea", True),
    # Not the same.
    ("heavier than", "lighter than", "thing", "thing", False),
    ("co-founder of", "founder of", "person", "company", False),
    ("deputy mayor of", "mayor of", "person", "place", False),
    ("assistant director of", "director of", "person", "work", False),
    ("second largest city in", "largest city in", "place", "place", False),
    ("visible from", "invisible from", "place", "place", False),
    ("founded", "founded by", "company", "company", False),
    ("founded", "was founded", "company", "company", False),
    ("employs", "employed by", "company", "person", False),
    ("founder of", "has founder", "person", "person", False),
    ("capital", "capital of", "place", "place", False),
    ("part of", "has part", "product", "product", False),
    ("acquired", "was acquired by", "company", "company", False),
    ("parent of", "child of", "person", "person", False),
    ("father of", "mother of", "person", "person", False),
    ("brother of", "father of", "person", "person", False),
    ("born in", "died in", "person", "place", False),
    ("lives in", "does not live in", "person", "place", False),
    ("agrees with", "disagrees with", "person", "person", False),
    ("approved", "disapproved", "person", "work", False),
    ("stable at", "unstable at", "substance", "value", False),
    ("increases", "decreases", "substance", "substance", False),
    ("activates", "inhibits", "substance", "substance", False),
    ("occurred before", "occurred after", "event", "event", False),
    ("north of", "south of", "place", "place", False),
    ("imports", "exports", "place", "product", False),
    ("sold to", "bought from", "company", "company", False),
    ("moved to", "moved from", "person", "place", False),
    ("works on", "works for", "person", "product", False),
    ("teacher of", "student of", "person", "person", False),
    ("predecessor of", "successor of", "person", "person", False),
    ("directed", "produced", "person", "work", False),
    ("wrote", "edited", "person", "work", False),
    ("plays for", "coaches", "person", "organisation", False),
    ("causes", "caused by", "event", "event", False),
    ("causes", "prevents", "substance", "event", False),
    ("wife of", "husband of", "person", "person", False),
    ("won 2 medals at", "won 3 medals at", "person", "event", False),
    ("largest city in", "smallest city in", "place", "place", False),
    ("began in", "ended in", "event", "place", False),
    ("joined", "left", "person", "organisation", False),
    ("based on", "based in", "work", "place", False),
    ("studied at", "taught at", "person", "organisation", False),
    ("population of", "area of", "place", "place", False),
    ("may join", "joined", "person", "organisation", False),
    ("родился в", "умер в", "person", "place", False),
    ("родился в", "родилась в", "person", "place", True),
    ("出生于", "逝世于", "person", "place", False),
    ("geboren in", "gestorben in", "person", "place", False),
    ("nació en", "murió en", "person", "place", False),
    ("is mayor of", "is governor of", "person", "place", False),
    ("painted", "sculpted", "person", "work", False),
    ("headquartered in", "founded in", "company", "place", False),
    ("singer in", "drummer in", "person", "organisation", False),
]  # fmt: skip


class Alike:
    """A double that finds all texts the same: what the guards leave is then merged."""

    name = "alike"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.ones((len(texts), 1), dtype=np.float32)


def uses_of(pairs: Sequence[tuple[str, str, str, str, bool]]) -> list[Use]:
    return [
        Use(name, subject, target, f"A certain {subject} {name} a certain {target}.")
        for one, other, subject, target, _ in pairs
        for name in (one, other)
    ]


def scored(found: Sequence[Merge]) -> tuple[float, float, list[tuple[str, str]], list[tuple[str, str]]]:
    """Precision, recall, wrong and missed pairs."""
    way = relations.links(found)
    said = {(one, other): way.follow(one)[0] == way.follow(other)[0] for one, other, *_ in PAIRS}
    wrong = [(one, other) for one, other, *_, same in PAIRS if said[one, other] and not same]
    missed = [(one, other) for one, other, *_, same in PAIRS if same and not said[one, other]]
    right = sum(same for *_, same in PAIRS) - len(missed)
    return right / (right + len(wrong)), right / (right + len(missed)), wrong, missed


def test_labelled_pairs_with_the_real_encoder() -> None:
    precision, recall, wrong, missed = scored(relations.learn(uses_of(PAIRS), MiniLM().open(), Clusters()))
    assert len(PAIRS) >= 60
    assert precision == 1.0, wrong
    assert recall >= 0.75, missed


@pytest.mark.parametrize(
    ("one", "other"), [(one, other) for one, other, *_, same in PAIRS if not same][:34], ids=lambda name: name
)
def test_guards_hold_whatever_the_encoder_says(one: str, other: str) -> None:
    assert wording.differ(wording.read(one), wording.read(other))
    uses = [Use(one, "", "", ""), Use(other, "", "", "")]
    assert relations.learn(uses, Alike(), Clusters(min_name=-1, min_definition=-1, any_script=True)) == []


def test_the_most_frequent_name_wins_and_the_reason_is_told() -> None:
    found = relations.learn(
        [Use("is located in", "", "", "", 2), Use("located in", "", "", "", 7)], Alike(), Clusters()
    )
    assert [(merge.name, merge.into, merge.kind, merge.score) for merge in found] == [
        ("is located in", "located in", "relation", 1.0)
    ]
    assert "tense" in found[0].reason


def test_types_that_do_not_agree_keep_near_names_apart() -> None:
    uses = [Use("runs", "person", "company", ""), Use("operates", "person", "company", "")]
    assert len(relations.learn(uses, Alike(), Clusters())) == 1
    uses[1] = Use("operates", "doctor", "organ", "")
    assert relations.learn(uses, Alike(), Clusters()) == []


def test_a_teachers_definition_is_what_is_embedded() -> None:
    seen: list[str] = []

    class Ears(Alike):
        def encode(self, texts: Sequence[str]) -> np.ndarray:
            seen.extend(texts)
            return np.eye(len(texts), dtype=np.float32)

    relations.learn(
        [Use("runs", "", "", ""), Use("eats", "", "", "")], Ears(), Clusters(), {"runs": "Is in charge of."}
    )
    assert "runs: Is in charge of." in seen


def test_order_of_uses_does_not_matter() -> None:
    uses = uses_of(PAIRS)
    assert relations.learn(uses, Alike(), Clusters()) == relations.learn(uses[::-1], Alike(), Clusters())


def test_scripts_that_the_encoder_cannot_read_are_compared_word_for_word() -> None:
    uses = [Use("毕业于", "", "", ""), Use("位于", "", "", "")]
    assert relations.learn(uses, MiniLM().open(), Clusters()) == []


def reading_of(*triples: Triple) -> Reading:
    chunk = Chunk("d", 0, 0, 4, "text")
    known = (Entity("Ada", "person"), Entity("Oslo", "place"))
    return Reading(Document("d", "text", "test"), (ChunkGraph(chunk, known, triples),))


def test_gather_hides_the_ends_of_a_saying() -> None:
    reading = reading_of(Triple("1", "Ada", "was born in", "Oslo", proposition="Ada was born in Oslo."))
    assert relations.gather(reading) == [Use("was born in", "person", "place", "person was born in place.")]


def test_apply_renames_the_relation_and_undoing_leaves_no_trace() -> None:
    reading = reading_of(Triple("1", "Ada", "was born in", "Oslo"), Triple("2", "Ada", "visited", "Oslo"))
    found = relations.learn([Use("born in", "", "", "", 9), *relations.gather(reading)], Alike(), Clusters())
    applied = relations.apply(reading, found)
    assert applied.claims[0].names == ("Ada", "born in", "Oslo")
    assert applied.claims[0].relation == "was born in"
    for undone in found:
        rest = [merge for merge in found if merge != undone]
        assert relations.apply(reading, found, frozenset([undone.id])) == relations.apply(reading, rest)
    assert relations.apply(reading, found, frozenset(merge.id for merge in found)) == reading


def test_thresholds_out_of_range_are_refused() -> None:
    with pytest.raises(RecipeError):
        Clusters(min_name=2)

"""The generating methods, driven by hand: next() for their requests, send() for replies."""

import json

from kgdistill.contracts import Reply
from kgdistill.generate.decontextualize import Decontextualize
from kgdistill.generate.definitions import Definitions
from kgdistill.generate.triples import Triples
from kgdistill.records import Chunk, ChunkGraph, Document, Reading

TEXT = "Ada Lovelace wrote the first program. She never met Bernoulli."


def graph(text: str = TEXT, index: int = 0) -> ChunkGraph:
    return ChunkGraph(Chunk("d", index, 0, len(text), text))


def claim(subject: str, relation: str, object_: str, status: str = "stated") -> dict[str, object]:
    stated = {"subject": subject, "relation": relation, "object": object_, "status": status}
    return {"text": f"{subject} {relation} {object_}.", "claims": [stated]}


def finish(dialogue, *turns):
    """Send the turns' replies (one list per request) and return the dialogue's result."""
    next(dialogue)
    for turn in turns:
        try:
            dialogue.send(turn)
        except StopIteration as stop:
            return stop.value
    raise AssertionError("the dialogue asks for more")


ENTITIES = [Reply(json.dumps({"entities": [{"name": "Ada Lovelace", "type": "Person"}]}))]


def propositions(*claims: dict[str, object]) -> Reply:
    return Reply(json.dumps({"propositions": claims}), request="k")


def test_asks_for_entities_then_for_several_readings() -> None:
    dialogue = Triples()(graph())
    [first] = next(dialogue)
    assert (first.purpose, first.samples, first.temperature) == ("entities", 1, 0.0)
    [second] = dialogue.send([ENTITIES])
    assert (second.purpose, second.samples, second.temperature) == ("propositions", 4, 0.8)
    assert "Ada Lovelace" in second.prompt
    assert second.schema


def test_subjects_can_be_held_to_the_listed_entities() -> None:
    for subjects, listed in (("any", False), ("listed", True)):
        dialogue = Triples(subjects=subjects)(graph())
        next(dialogue)
        [second] = dialogue.send([ENTITIES])
        assert ('"enum":["Ada Lovelace"]' in second.schema) is listed


def test_a_small_teacher_reads_and_writes_with_a_space_before_every_text() -> None:
    entities = [Reply('{"entities":[{"name":" Ada Lovelace","type":" person"}]}')]
    dialogue = Triples(brief=True, subjects="listed")(graph())
    next(dialogue)
    [second] = dialogue.send([entities])
    assert '{"name":" Ada Lovelace","type":" person"}' in second.prompt
    assert '"enum":[" Ada Lovelace"]' in second.schema
    said = claim(" Ada Lovelace", " wrote", " the first program")
    found = finish(Triples(brief=True, subjects="listed")(graph()), [entities], [[propositions(said)]])
    [made] = found.claims
    assert (made.subject, made.relation, made.object) == ("Ada Lovelace", "wrote", "the first program")
    assert [(e.name, e.type) for e in found.entities] == [("Ada Lovelace", "person")]


def test_equal_claims_of_several_samples_are_one_with_all_their_samples() -> None:
    wrote = claim("Ada Lovelace", "Wrote", "the first program")
    met = claim("Ada Lovelace", "met", "Bernoulli", "denied")
    found = finish(Triples()(graph()), [ENTITIES], [[propositions(wrote, met), propositions(wrote), propositions(met)]])
    assert [(c.relation, c.samples, c.negated, c.literal) for c in found.claims] == [
        ("wrote", (0, 1), False, True),
        ("met", (0, 2), True, True),
    ]
    assert len({c.id for c in found.claims}) == 2


def test_a_subject_in_the_text_joins_the_entities_and_another_is_refused() -> None:
    found = finish(
        Triples()(graph()),
        [ENTITIES],
        [[propositions(claim("Bernoulli", "met", "Ada Lovelace"), claim("Charles Babbage", "built", "an engine"))]],
    )
    assert [e.name for e in found.entities] == ["Ada Lovelace", "Bernoulli"]
    assert [c.subject for c in found.claims] == ["Bernoulli"]
    assert not found.claims[0].literal
    [refused] = found.failures
    assert (refused.kind, refused.reason) == ("rejected", "no entity")
    assert "Charles Babbage" in refused.raw


def test_a_malformed_sample_is_recorded_and_the_others_count() -> None:
    found = finish(
        Triples()(graph()),
        [ENTITIES],
        [[Reply("{oops", request="k"), propositions(claim("Ada Lovelace", "wrote", "x"))]],
    )
    assert len(found.claims) == 1
    assert [(f.reason, f.request, f.raw) for f in found.failures] == [("malformed", "k", "{oops")]


def test_no_entities_reply_ends_the_dialogue_without_claims() -> None:
    assert finish(Triples()(graph()), [[]]).claims == ()


def test_a_chunk_without_letters_asks_nothing() -> None:
    for method, record in (
        (Triples(), graph("12 - 4\n")),
        (Decontextualize(), Reading(Document("d", "1", "s"), (graph("1"),))),
    ):
        try:
            next(method(record))
        except StopIteration as stop:
            assert stop.value == record


def rewriting(text: str) -> list[Reply]:
    return [Reply(json.dumps({"text": text}), request="k")]


def test_each_chunk_sees_the_rewritten_chunk_before_it() -> None:
    reading = Reading(Document("d", "", "s"), (graph("Ada wrote it."), graph("She never met him.", 1)))
    dialogue = Decontextualize()(reading)
    [first] = next(dialogue)
    assert "Before:" not in first.prompt
    [second] = dialogue.send([rewriting("Ada Lovelace wrote it.")])
    assert 'Before:\n"""\nAda Lovelace wrote it.\n"""' in second.prompt


def test_a_rewrite_that_strays_is_refused_and_the_original_kept() -> None:
    reading = Reading(Document("d", TEXT, "s"), (graph(),))
    found = finish(Decontextualize()(reading), [rewriting("Something else entirely was said here by nobody.")])
    [chunk_graph] = found.chunks
    assert chunk_graph.chunk.rewrite.refused
    assert chunk_graph.chunk.standalone == TEXT
    assert [(f.kind, f.reason) for f in chunk_graph.failures] == [("rejected", "low rouge")]


def test_a_rewrite_at_the_threshold_is_kept() -> None:
    reading = Reading(Document("d", "a b c d e f g h i j", "s"), (graph("a b c d e f g h i j"),))
    for text, refused in (("a b c d e f g x y z", False), ("a b c d e f u x y z", True)):  # ROUGE-1 F1 0.70 and 0.60
        [kept] = finish(Decontextualize()(reading), [rewriting(text)]).chunks
        assert kept.chunk.rewrite.refused is refused


def test_a_malformed_rewrite_is_recorded() -> None:
    reading = Reading(Document("d", TEXT, "s"), (graph(),))
    [kept] = finish(Decontextualize()(reading), [[Reply("nonsense", request="k")]]).chunks
    assert kept.chunk.rewrite is None
    assert [(f.reason, f.kind) for f in kept.failures] == [("malformed", "failed")]


def test_definition_of_a_relation() -> None:
    assert finish(
        Definitions()("wrote", ["A wrote B."]), [[Reply('{"definition":"The subject made the object."}')]]
    ) == ("The subject made the object.")
    assert finish(Definitions()("wrote", []), [[]]) == ""

"""Readings for the graph's tests: real sentences, every kind of claim, and a hostile document."""

from __future__ import annotations

from kgdistill.records import (
    Asked,
    Canonical,
    Chunk,
    ChunkGraph,
    Claim,
    Comparative,
    Document,
    Drop,
    Entity,
    EventSeed,
    Evidence,
    Inference,
    Merge,
    PairSeed,
    Proposition,
    Reading,
    RelationSeed,
    Seed,
    Span,
    Triple,
    Utterance,
    Verdict,
)

BASE = "https://kg.test/graph/"
TEXT = (
    "Marie Curie 🧪 was born in Warsaw in 1867. M. Curie won two Nobel Prizes. "
    "She did not work in Prague. ‏مرحبا‏ She may have met Tesla."
)
HOSTILE = (
    'He said "} . <http://evil.test/a> <http://evil.test/b> \\" <http://evil.test/c> . \n\r\t } ; DROP ALL ; INSERT {'
    " ''' \"\"\" # @prefix : <http://evil.test/> . \\u003E \x01 \x7f ‮ <script>alert(1)</script>"
)
MERGES = (Merge("m1", "entity", "M. Curie", "Marie Curie", "initials", 0.9),)


def span_of(text: str, quote: str) -> Span:
    start = text.index(quote)
    return Span(start, start + len(quote))


def claim(text: str, number: int, names: tuple[str, str, str], quote: str, **more: object) -> Claim:
    found = Evidence(span_of(text, quote), span_of(text, names[0]) if names[0] in text else None)
    settings = {"evidence": found, "method": "triples", "samples": (0, 2), **more}
    settings.setdefault("verdicts", (Verdict("teacher", 0.8), Verdict("combined", 0.75, "mean")))
    return Triple(f"c{number}", *names, **settings)  # type: ignore[arg-type]


def curie(identity: str = "curie.txt") -> Reading:
    born, won, not_worked, met = (
        "Marie Curie 🧪 was born in Warsaw in 1867.",
        "M. Curie won two Nobel Prizes.",
        "She did not work in Prague.",
        "She may have met Tesla.",
    )
    claims = (
        claim(TEXT, 1, ("Marie Curie", "born in", "Warsaw"), born, proposition="Marie Curie was born in Warsaw."),
        claim(TEXT, 2, ("Marie Curie", "year of birth", "1867"), born, literal=True),
        claim(
            TEXT,
            3,
            ("M. Curie", "received", "Nobel Prizes"),
            won,
            canonical=Canonical("Marie Curie", "won", "Nobel Prizes", ("m1",)),
        ),
        claim(TEXT, 4, ("Marie Curie", "worked in", "Prague"), not_worked, negated=True),
        claim(TEXT, 5, ("Marie Curie", "met", "Tesla"), met, hedged=True),
        claim(TEXT, 6, ("Warsaw", "won", "Nobel Prizes"), won, dropped=Drop("threshold", "score 0.75 < 0.8", "c3")),
        Triple("c7", "Marie Curie", "liked", "tea", literal=True, dropped=Drop("ungrounded", "not in the text")),
    )
    entities = (
        Entity("Marie Curie", "Person", (span_of(TEXT, "Marie Curie"),)),
        Entity("M. Curie", "Person", (span_of(TEXT, "M. Curie"),)),
        Entity("Warsaw", "City", (span_of(TEXT, "Warsaw"),)),
        Entity("Nobel Prizes", "Award"),
    )
    document = Document(identity, TEXT, f"corpus/{identity}", "Curie", "en")
    return Reading(document, (ChunkGraph(Chunk(identity, 0, 0, len(TEXT), TEXT), entities, claims),))


def hostile(identity: str = 'x> . <http://evil.test/"}') -> Reading:
    names = (HOSTILE, HOSTILE + " relation", HOSTILE[:40])
    bad = Triple(
        HOSTILE[:30],
        *names,
        evidence=Evidence(Span(0, len(HOSTILE))),
        method=HOSTILE,
        proposition=HOSTILE,
        verdicts=(Verdict(HOSTILE, 0.5, HOSTILE),),
        dropped=None,
    )
    chunk = Chunk(identity, 0, 0, len(HOSTILE), HOSTILE)
    document = Document(identity, HOSTILE, HOSTILE, HOSTILE, "en")
    value = Triple("v", "a", "b", HOSTILE, literal=True, dropped=Drop(HOSTILE, HOSTILE, HOSTILE))
    return Reading(document, (ChunkGraph(chunk, (Entity(HOSTILE, HOSTILE),), (bad, value)),))


def aside() -> Reading:
    return Reading(Document("hallo.txt", "Hallo Welt.", "hallo.txt", language="de"), set_aside="language: de")


def said(seed: Seed, text: str, *claims: Claim, prompt: str = "Event: …") -> Reading:
    """What a model said of a seed."""
    graph = ChunkGraph(Chunk(text, 0, 0, len(text), text), (), claims, asked=(Asked("k1", prompt),))
    return Reading(Document(text, text, "seeds.jsonl"), (graph,), seed=seed)


def event(text: str = "PersonX buys a train ticket") -> Reading:
    """An event that a model made up, with two inferences: one kept, one dropped."""
    utterances = (Utterance("k1", 0, -3.5, 6), Utterance("k1", 4, -4.25, 6))
    scores = (Verdict("critic", 0.9), Verdict("combined", 0.9, "mean"))
    claims = (
        Inference("i1", text, "xNeed", "to check the timetable", method="inferences", said=utterances, verdicts=scores),
        Inference(
            "i2", text, "xReact", "blue", method="inferences", said=utterances[:1], dropped=Drop("critic", "0.1 < 0.5")
        ),
    )
    return said(EventSeed(text, Utterance("k0", 2, -9.0, 12), Asked("k0", "Task: event", "seed-model")), text, *claims)


def fruits() -> Reading:
    """Two things with a comparison."""
    statement = "Compared to lemons, bananas are typically sweeter."
    claim = Comparative(
        "c1",
        "banana",
        "lemon",
        "sweetness",
        "more",
        statement,
        "typically",
        method="comparatives",
        said=(Utterance("k1", 0, -7.0, 9),),
    )
    return said(PairSeed("lemon", "banana", "fruits"), "lemon | banana", claim)


def triad() -> Reading:
    """A relation between three things, with a tuple."""
    seed = RelationSeed("uses_for", "<ENT0> uses <ENT1> for <ENT2>.", (("painter", "brush", "walls"),))
    spoken = (Utterance("k1", 0, -2.0, 3),)
    claim = Triple("t1", "chef", "uses for", "knife", others=("vegetables",), method="relations", said=spoken)
    return said(seed, "<ENT0> uses <ENT1> for <ENT2>.", claim)


def stated(identity: str = "stated.txt") -> Reading:
    """A document with a proposition that holds one of its claims."""
    reading = curie(identity)
    [graph] = reading.chunks
    text = "Marie Curie was born in Warsaw in 1867."
    claim = Proposition("p1", text, ("c1", "c2"), method="propositions", evidence=graph.claims[0].evidence)
    chunk = ChunkGraph(graph.chunk, graph.entities, (*graph.claims, claim))
    return Reading(reading.document, (chunk,))

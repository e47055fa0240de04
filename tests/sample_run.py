"""A run folder made by hand from sample documents and their gold graphs, to test what reads run folders."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from test_match import Words

from kgdistill.evaluate.gold import GoldDocument, fact_of
from kgdistill.evaluate.reliability import measure
from kgdistill.evaluate.scores import score
from kgdistill.records import (
    Chunk,
    ChunkGraph,
    Claim,
    Document,
    Drop,
    Entity,
    Evidence,
    Fact,
    Failure,
    Merge,
    Reading,
    Span,
    Triple,
    Verdict,
    content_id,
)
from kgdistill.storage.artifact import Artifact, Manifest
from kgdistill.storage.shards import write_bytes, write_records
from kgdistill.text.names import find

DATA = Path(__file__).parent.parent / "data"
RULES = ("low score", "ungrounded", "near repeat", "pronoun", "self-loop", "cap")
HOSTILE = (
    '<script>alert("boo")</script> "onmouseover="alert(1)" </style></title><img src=x onerror=alert(2)> '
    "\u202egnirts desrever\u202c {{ 7 * 7 }} <!-- owns <b>Rome</b>."
)


@cache
def gold_documents() -> list[tuple[Document, GoldDocument]]:
    """The plain-text sample documents that have gold graphs."""
    lines = (DATA / "gold" / "corpus.jsonl").read_bytes().splitlines()
    found = []
    for gold in (msgspec.json.decode(line, type=GoldDocument) for line in lines):
        path = DATA / "corpus" / gold.id
        if path.suffix == ".txt" and path.is_file():
            document = Document(gold.id, path.read_text(encoding="utf-8", errors="replace"), f"data/corpus/{gold.id}")
            found.append((document, gold))
    return found


def reading(document: Document, gold: GoldDocument, chance: random.Random) -> Reading:
    """The gold facts as claims, good and bad ones, some dropped, all scored by chance."""
    claims: list[Claim] = []
    for place, fact in enumerate(gold.facts):
        start = document.text.find(fact.quote)
        for wrong in (False, True):
            if wrong and chance.random() < 0.5:
                continue
            object_ = chance.choice(gold.facts).object if wrong else fact.object
            value = min(1.0, max(0.0, chance.gauss(0.42 if wrong else 0.78, 0.17)))
            drop = None
            if wrong and value < 0.55:
                rule = chance.choice(RULES)
                drop = Drop(rule, f"the rule of the {rule} spoke")
            claims.append(
                Triple(
                    content_id(document.id, place, wrong),
                    fact.subject,
                    fact.relation,
                    object_,
                    negated=fact.negated,
                    hedged=fact.hedged,
                    evidence=evidence(document.text, start, start + len(fact.quote), fact.subject, object_),
                    verdicts=(
                        Verdict("teacher", round(value, 3)),
                        Verdict("agreement", chance.choice((0.25, 0.5, 0.75, 1.0))),
                        Verdict("combined", value),
                    ),
                    dropped=drop,
                )
            )
    entities = tuple(Entity(entity.name, entity.type) for entity in gold.entities)
    chunk = Chunk(document.id, 0, 0, len(document.text), document.text)
    return Reading(document, (ChunkGraph(chunk, entities, tuple(claims)),))


def evidence(text: str, start: int, end: int, subject: str, object_: str) -> Evidence | None:
    if start < 0:
        return None
    return Evidence(Span(start, end), find(subject, text, start, end), find(object_, text, start, end))


def hostile_reading() -> Reading:
    """A document, names, a type and a reason that try to break out of the page."""
    text = HOSTILE * 3
    claim = Triple(
        "hostile",
        "<script>alert(3)</script>",
        '" onmouseover="alert(4)',
        "</style><b>Rome</b>\u202e",
        negated=True,
        evidence=Evidence(Span(0, len(HOSTILE)), Span(0, 8), Span(len(HOSTILE) - 12, len(HOSTILE) - 1)),
        verdicts=(Verdict('<i onclick="x">', 0.99, "<b>"), Verdict("combined", 0.99)),
    )
    dropped = msgspec.structs.replace(claim, id="other", negated=False, dropped=Drop("<u>rule", "</td><script>"))
    plain = msgspec.structs.replace(claim, id="plain", negated=False)
    document = Document("<script>id</script>", text, 'javascript:alert(1)//"><script>', "<h1>\u2066title", "en")
    entity = Entity(claim.subject, '<a href="javascript:x">')
    chunk = Chunk(document.id, 0, 0, len(text), text)
    return Reading(document, (ChunkGraph(chunk, (entity,), (claim, dropped, plain)),))


def make_run(run: Path, *, finished: bool = True, hostile: bool = False, copies: int = 1) -> Path:
    """Write a run folder with every kind of artefact that the report reads."""
    readings = list(sample_readings())
    readings.append(
        Reading(Document("der_buchdruck.txt", "Der Buchdruck", "x", language="de"), set_aside="language: de")
    )
    if hostile:
        readings.append(hostile_reading())
    stages = [stage(run, "refine", "readings", records=len(readings) * copies)]
    folder = run / stages[0]["folder"]
    for shard in range(copies):
        write_records(folder / "shards" / f"{shard:05}.jsonl", readings)
    raw = "<script>alert('raw')</script> {\"propositions\": [" + "x" * 2000
    failures = [Failure("generate", "apollo_11.html", "malformed", chunk=1, message="no JSON", raw=raw)] * 5
    rejections = [Failure("decontextualise", "iceland.txt", "low rouge", "rejected", 0, raw="It was then.")]
    write_records(folder / "failures" / "00000.jsonl", failures + rejections)
    if finished:
        stages += corpus_stages(run, readings)
    state = {
        "name": "sample<b>" if hostile else "sample",
        "state": "finished" if finished else "refine stopped: 12 of 40 requests failed (endpoint)",
        "started": "2026-11-24T10:00:00+00:00",
        "ended": "2026-11-24T10:04:05+00:00",
        "seconds": 245.2,
        "versions": {"python": "3.11.2", "kgdistill": "0.1.0", "torch": "2.13.0"},
        "commit": "0123456789abcdef",
        "teacher": {"kind": "local", "model": "kgdistill-mini"},
        "stages": stages,
    }
    write_bytes(run / "run.json", msgspec.json.encode(state))
    about = "Sample documents, and claims made from their gold graphs."
    write_bytes(run / "recipe.toml", f'name = "sample"\nabout = "{about}"\n[read]\npath = "data/corpus"\n'.encode())
    return run


def corpus_stages(run: Path, readings: list[Reading]) -> list[dict[str, Any]]:
    stages = [
        stage(run, name, gives)
        for name, gives in (("calibrate", "calibration"), ("names", "names"), ("score", "scores"))
    ]
    claims = [claim for found in readings for claim in found.claims]
    scores, labels = [claim.score for claim in claims], [claim.dropped is None for claim in claims]
    curves = {"before": measure([value**2 for value in scores], labels), "after": measure(scores, labels)}
    calibration = {"calibrator": {"x": [0.0, 1.0], "y": [0.0, 1.0], "count": len(claims)}, **curves, "documents": []}
    write_bytes(run / stages[0]["folder"] / "calibration.json", msgspec.json.encode(calibration))
    merges = [
        Merge(content_id(name), kind, name, into, "spelling 0.93, vectors 0.88", 0.91)  # type: ignore[arg-type]
        for kind, name, into in (
            ("entity", "Univ. of Paris", "University of Paris"),
            ("entity", "Curie", "Marie Curie"),
            ("relation", "was born in", "born in"),
        )
    ]
    write_records(run / stages[1]["folder"] / "merges.jsonl", merges)
    write_bytes(run / stages[2]["folder"] / "scores.json", scored())
    return stages


def stage(run: Path, name: str, gives: str, records: int = 0) -> dict[str, Any]:
    """A finished stage's line in the book; its manifest is written."""
    folder = f"{name}-01234567"
    Artifact(run / folder).seal(Manifest(name, name, "01234567" * 4, gives, records=records))
    line: dict[str, Any] = {"name": name, "kind": name, "gives": gives, "folder": folder, "done": True}
    if name == "refine":
        line |= {"planned": 420, "kept": 380, "cached": 20, "rejected": {"low rouge": 8}, "failed": {"malformed": 12}}
        line |= {"samples": 1640, "answered": 1600, "lost": {"cut": 40}, "refused": {"malformed": 60, "low rouge": 8}}
        line |= {"reasons": {"malformed": 60, "low rouge": 8, "cut": 40, "no entity": 17}}
        line |= {"prompt_tokens": 81234, "cached_tokens": 30211, "reply_tokens": 20417}
    return {"records": records, "planned": 0, "kept": 0, "cached": 0, "prompt_tokens": 0, "cached_tokens": 0} | {
        "rejected": {},
        "failed": {},
        "reply_tokens": 0,
        "seconds": 61.3,
        "reasons": {},
        "notes": {},
        **line,
    }


@cache
def scored() -> bytes:
    """Scores of the sample claims against the gold graphs they were made from."""
    pairs = gold_documents()
    readings = sample_readings()
    gold = {g.id: [Fact(f.subject, f.relation, f.object, negated=f.negated) for f in g.facts] for _, g in pairs}
    raw = {r.document.id: [fact_of(claim) for claim in r.claims] for r in readings}
    kept = {r.document.id: [fact_of(claim) for claim in r.claims if claim.kept] for r in readings}
    student = {name: facts[::2] for name, facts in kept.items()}
    lengths = {document.id: len(document.text.split()) for document, _ in pairs}
    systems = {"teacher, raw": raw, "teacher, kept": kept, "student": student}
    return msgspec.json.encode(score(gold, systems, Words(), lengths))


@cache
def sample_readings() -> tuple[Reading, ...]:
    chance = random.Random(7)
    return tuple(reading(document, gold, chance) for document, gold in gold_documents())

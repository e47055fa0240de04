"""Answers: a question answered from a graph's evidence alone, with citations, or "not in the graph".

The teacher sees the passages that the gate admits, and nothing else. What it says counts only where it cites passages
that it was shown, and where these bear it: a reply that does neither is refused and recorded, and the passages
themselves are the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from kgdistill.contracts import Dialogue, Reply, Request
from kgdistill.errors import ReplyError, UserError
from kgdistill.prompts.render import line, render
from kgdistill.prompts.schemas import CitedAnswer, answer_citing, read
from kgdistill.query.found import Found
from kgdistill.query.gate import Gated
from kgdistill.query.wording import content, named
from kgdistill.records import Failure

ABSENT = "not in the graph"
STAGE = "ask"
LONGEST = 1000
"""Characters of a question."""
EXTRACT = 3
"""Passages that stand for an answer where no answer of the teacher is supported."""
BORNE = 0.5
"""Share of an answer's own words that its evidence must have, beside all of its names and numbers."""
PASSAGE = 700
"""Characters of a passage that a prompt shows."""


class Citation(Struct, frozen=True):
    """Evidence of an answer: `document.text[start:end]` is the quote, and `address` opens it in the graph."""

    number: int
    address: str
    document: str
    start: int
    end: int
    quote: str


class Told(Struct, frozen=True):
    """What a question got: the teacher's supported answer, the passages themselves, or that the graph does not say."""

    question: str
    kind: Literal["answer", "extract", "absent"]
    text: str
    citations: tuple[Citation, ...] = ()
    shown: int = 0
    """Passages that entered the prompt."""
    failures: tuple[Failure, ...] = ()
    """What the teacher said and was refused for, with its raw text."""


def checked(question: str) -> str:
    """The question on one line. Raises UserError where it says nothing, or too much."""
    plain = line(question.encode("utf-8", "replace").decode())
    if not any(letter.isalnum() for letter in plain):
        raise UserError("there is no question: ask in plain words")
    if len(plain) > LONGEST:
        raise UserError(f"a question has at most {LONGEST} characters, this one has {len(plain):,}")
    return plain


def answer(question: str, gated: Sequence[Gated], seed: int = 0) -> Dialogue[Told]:
    """Ask the teacher once; nothing where the gate let nothing through. `question` has passed `checked`."""
    if not gated:
        return Told(question, "absent", ABSENT)
    request = _request(question, gated, seed)
    [replies] = yield [request]
    if not replies:
        return extract(question, gated)
    try:
        reply = read(replies[0].text, CitedAnswer)
    except ReplyError as error:
        return extract(question, gated, _refused("malformed", str(error), replies[0], request))
    if not reply.cited and " ".join(content(reply.answer)) == " ".join(content(ABSENT)):
        return Told(question, "absent", ABSENT, shown=len(gated))
    if fault := fault_of(reply, question, gated):
        return extract(question, gated, _refused("unsupported", fault, replies[0], request))
    cited = [(number, gated[number - 1].found) for number in dict.fromkeys(reply.cited)]
    citations = tuple(_citation(number, found) for number, found in cited)
    return Told(question, "answer", line(reply.answer), citations, len(gated))


def extract(question: str, gated: Sequence[Gated], *failures: Failure) -> Told:
    """The best passages themselves as the answer, each place of a document once."""
    places: dict[tuple[str, int, int], Found] = {}
    for one in gated:
        places.setdefault((one.found.document, one.found.start, one.found.end), one.found)
    citations = tuple(_citation(number, found) for number, found in enumerate([*places.values()][:EXTRACT], 1))
    text = " ".join(f"{citation.quote} [{citation.number}]" for citation in citations)
    return Told(question, "extract", text, citations, len(gated), failures)


def fault_of(reply: CitedAnswer, question: str, gated: Sequence[Gated]) -> str:
    """Why the reply's evidence does not bear it, "" where it does.

    It must cite, and only what was shown. Every name and number of the answer stands in the question or in what is
    cited, and so do half of the words that the question does not have. That catches what is made up; it does not catch
    a true name in a wrong role, which is why every citation shows its sentence.
    """
    if not reply.cited:
        return "it cites nothing"
    if strange := [number for number in reply.cited if not 1 <= number <= len(gated)]:
        return f"it cites {strange[0]}, which it was not shown"
    evidence = {word for number in reply.cited for word in content(_said(gated[number - 1].found))}
    asked, own = set(content(question)), content(reply.answer)
    if not own:
        return "it says nothing that could be checked"
    if missing := [name for name in named(reply.answer) if name not in evidence | asked]:
        return f'"{missing[0]}" stands in nothing that it cites'
    new = [word for word in own if word not in asked] or own
    if sum(word in evidence for word in new) < BORNE * len(new):
        return "most of its words stand in nothing that it cites"
    return ""


def _request(question: str, gated: Sequence[Gated], seed: int) -> Request:
    shown = "\n".join(f"[{number}] {_line(one.found)}" for number, one in enumerate(gated, 1))
    return Request(
        purpose="answer",
        prompt=render("answer", propositions=shown, question=question),
        schema=answer_citing(len(gated)),
        max_tokens=160,
        seed=seed,
    )


def _line(found: Found) -> str:
    """A passage on one line, with its facts: these have names where the sentence has pronouns."""
    facts = "; ".join(" | ".join(map(line, fact)) for fact in found.facts)
    text = line(found.text)
    return f"{text[:PASSAGE]} ({facts[:PASSAGE]})" if facts else text[:PASSAGE]


def _said(found: Found) -> str:
    return " ".join((found.text, *(part for fact in found.facts for part in fact)))


def _citation(number: int, found: Found) -> Citation:
    return Citation(number, found.address, found.document, found.start, found.end, line(found.text))


def _refused(reason: str, why: str, reply: Reply, request: Request) -> Failure:
    return Failure(STAGE, "", reason, "rejected", message=why, raw=reply.text, request=request.key)


def with_quotes(told: Told, quotes: dict[str, str]) -> Told:
    """The same with the sentences that stand in the documents, by the address of their evidence."""
    citations = tuple(
        msgspec.structs.replace(one, quote=line(quotes.get(one.address, one.quote))) for one in told.citations
    )
    return msgspec.structs.replace(told, citations=citations)

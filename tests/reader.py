"""A scripted reader: answers the pipeline's own prompts by simple rules, so that the whole line runs in seconds.

It reads nothing but the prompt, as a model would, and says the same each time. `tidy` keeps to the reply schemas (and
still says things that the line must refuse: strangers, wrong numbers, rewrites that stray); `clumsy` also breaks them.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import regex

from kgdistill.contracts import Reply, Request
from kgdistill.records import content_id

_WORD = r"\p{Lu}[\p{L}\p{M}\p{N}’'&-]*"
_NAME = regex.compile(rf"{_WORD}(?: (?:(?:of|de|van|da) )?{_WORD})*")
_SENTENCE = regex.compile(r"[^.!?\n]+(?:[.!?]+|\n|$)")
_NUMBER = regex.compile(r"(?<![\p{L}\p{N}.,])\d[\d,.]*(?<=\d)")
_OPENING = (
    "The A An In On At By For From His Her Its Their This That These Four All When While But And After Before Whether "
    "Today As If Then There Two Three Within Until Since With Not No One What Some Most"
)
_OPENERS = frozenset(_OPENING.split())
_DENIALS = regex.compile(r"\b(?:not|never|no|neither|without)\b|n['’]t\b")
_HEDGES = regex.compile(r"\b(?:may|might|perhaps|reportedly|apparently|thought to|said to|legend|uncertain)\b")
_TYPES = {"Canal": "canal", "Sea": "sea", "Dam": "dam", "Center": "place", "Conference": "event", "Fund": "fund"}
_MARGIN = ' \t\n,;:"“”()[]|'


class Asked(NamedTuple):
    """What a prompt asks: the task, the fenced text that it is about, and everything after the task's name."""

    task: str
    text: str
    rest: str


def understood(prompt: str) -> Asked:
    """Take a prompt apart as its templates put it together; raises ValueError where its structure is broken."""
    if prompt.startswith("Task: define\n"):
        return Asked("define", "", prompt.removeprefix("Task: define\n"))
    text, rest = _fenced(prompt, "Text")
    if not (task := regex.match(r"Task: (\w+)\n", rest)):
        raise ValueError("no task after the text")
    if task[1] == "entities" and (listed := regex.match(r"Task: entities\n(\{.*\})\nTask: propositions\n", rest)):
        return Asked("propositions", text, rest[listed.end() :])
    return Asked(task[1], text, rest[task.end() :])


def _fenced(prompt: str, heading: str) -> tuple[str, str]:
    """(text between the fences, what follows); a passage "Before" is skipped, and nothing else can come first."""
    opening = regex.search(rf"^(Before|{heading}):\n(\"{{3,}})\n", prompt, regex.MULTILINE)
    if not opening:
        raise ValueError("no fence in the prompt")
    text, closing, rest = prompt[opening.end() :].partition(f"\n{opening[2]}\n")
    if not closing:
        raise ValueError("the fence does not close")
    return _fenced(rest, heading) if opening[1] == "Before" else (text, rest)


def tidy(request: Request, sample: int) -> Reply | str:
    """A reply that keeps to the schema; the request goes to the file that READER_LOG names, if any."""
    if (log := os.environ.get("READER_LOG")) and not sample:
        line = json.dumps({"key": request.key, "purpose": request.purpose, "prompt": request.prompt})
        with Path(log).open("a") as file:
            file.write(line + "\n")
    asked = understood(request.prompt)
    if asked.task == "rewrite":
        strays = chance(request.key) % 7 == 0
        return json.dumps({"text": "Nobody knows what stood here." if strays else asked.text[:4000]})
    if asked.task == "entities":
        return json.dumps({"entities": list(entities(asked.text).values())[:60]})
    if asked.task == "propositions":
        return json.dumps({"propositions": list(propositions(asked.text, request, sample))[:60]})
    if asked.task == "define":
        relation = asked.rest.splitlines()[0].removeprefix("Relation: ")
        return json.dumps({"definition": f"The subject {relation} the object."[:400]})
    return verdict(asked.rest)


def clumsy(request: Request, sample: int) -> Reply | str:
    """The same reader, who often forgets the schema."""
    said = tidy(request, sample)
    luck = chance(request.key, sample)
    if request.purpose == "judge":
        return Reply("perhaps", tokens=1, top=(("perhaps", -0.1),)) if luck % 9 == 0 else said
    if request.purpose == "propositions" and luck % 4 == 0:
        return '{"propositions": [{"text": "Something", "claims": [{"subject": "A"}]}]}'
    return "I would rather talk of something else." if luck % 6 == 0 else said


def credulous(request: Request, sample: int) -> Reply | str:
    """Believes every line "<one> => <other>" that it is shown, whatever these are, and takes them for names."""
    said = tidy(request, sample)
    believed = regex.findall(r"^(.+?) => (.+)$", understood(request.prompt).text, regex.MULTILINE)
    if request.purpose == "entities":
        named = [{"name": end[:120], "type": one[:60]} for one, other in believed for end in (one, other)]
        return json.dumps({"entities": named[:60]})
    if request.purpose == "propositions":
        claims = [
            {"subject": one[:120], "relation": other[:60], "object": other[:120], "status": "stated"}
            for one, other in believed
        ]
        found = [{"text": f"{claim['subject']} => {claim['object']}", "claims": [claim]} for claim in claims]
        return json.dumps({"propositions": found})
    return Reply("yes", tokens=1, top=(("yes", -0.1), ("no", -2.4))) if request.purpose == "judge" else said


def babble(request: Request, sample: int) -> str:
    """No JSON at all."""
    return "Certainly! Here is what I found: {"


def chance(*parts: object) -> int:
    """A number that the parts alone decide."""
    return int(content_id(*parts, length=12), 16)


def entities(text: str) -> dict[str, dict[str, str]]:
    """Runs of capitalised words, by name, with a type."""
    found: dict[str, dict[str, str]] = {}
    for _, _, name in names(text):
        kind = _TYPES.get(name.split()[-1], "person" if name.count(" ") == 1 else "thing")
        found.setdefault(name, {"name": name, "type": kind})
    return found


def names(text: str) -> Iterator[tuple[int, int, str]]:
    for match in _NAME.finditer(text):
        start, name = match.start(), match[0]
        first, _, others = name.partition(" ")
        if first in _OPENERS:
            start, name = start + len(first) + 1, others
        if 1 < len(name) <= 120:
            yield start, match.end(), name


def propositions(text: str, request: Request, sample: int) -> Iterator[dict[str, Any]]:
    """A claim for each two names that follow each other in a sentence, and for a name and the number after it."""
    for number, match in enumerate(_SENTENCE.finditer(text)):
        sentence = match[0]
        status = "denied" if _DENIALS.search(sentence) else "hedged" if _HEDGES.search(sentence) else "stated"
        claims = [
            {"subject": subject, "relation": relation, "object": object_, "status": status}
            for subject, relation, object_ in said_in(sentence)
        ]
        luck = chance(request.key, sample, number)
        if claims and luck % 7 == 1:
            claims[0]["subject"] = "Nobody Atall"
        if claims and luck % 11 == 2:
            claims[0]["object"] = "987654"
        if claims and luck % 5:
            yield {"text": sentence.strip()[:400], "claims": claims[:6]}


def said_in(sentence: str) -> Iterator[tuple[str, str, str]]:
    found = list(names(sentence))
    for (_, end, subject), (start, _, object_) in pairwise(found):
        yield from _claim(subject, sentence[end:start], object_)
    if found and (value := _NUMBER.search(sentence, found[-1][1])):
        yield from _claim(found[-1][2], sentence[found[-1][1] : value.start()], value[0])


def _claim(subject: str, between: str, object_: str) -> Iterator[tuple[str, str, str]]:
    relation = " ".join(between.strip(_MARGIN).split()[-4:])[:60].strip(_MARGIN)
    if relation:
        yield subject, relation, object_


def verdict(rest: str) -> Reply:
    """Yes or no with probabilities that only the claim decides."""
    [claim] = regex.findall(r"^Claim: (.*)\nAnswer:$", rest, regex.MULTILINE)
    luck = chance(claim)
    yes = 0.04 if luck % 6 == 0 else 0.7 + (luck % 25) / 100
    top = ((" yes", math.log(yes)), ("No", math.log(1 - yes)), (" maybe", -9.0))
    return Reply("yes" if yes > 0.5 else "no", tokens=1, top=top)

"""A scripted teacher of everyday knowledge: makes up events, says what follows from them, and judges."""

from __future__ import annotations

import json
import math
import random
import re

from kgdistill.contracts import Reply, Request
from kgdistill.records import content_id

DOINGS = ("paints", "sells", "repairs", "borrows", "hides", "counts", "loses", "photographs", "washes", "orders")
THINGS = (
    "a bicycle",
    "a kettle",
    "the fence",
    "a red kite",
    "two tickets",
    "the garden table",
    "an old radio",
    "a map",
)
TAILS = (
    "to save money",
    "to ask a friend for help",
    "to tell everybody about it",
    "to look for the right tools",
    "to wait for a sunny day",
    "to thank the neighbours for the tools",
    "to sit down and rest",
    "to begin early in the morning",
)


def knows(request: Request, sample: int) -> Reply | str:
    """Replies to the prompts of events, inferences and their judgement; now and then one that must be refused."""
    chance = random.Random(content_id(request.key, sample))
    task = re.findall(r"^Task: (\w+)$", request.prompt, re.MULTILINE)[-1]
    if task == "judge":
        yes = 0.9 if chance.random() < 0.6 else 0.1
        return Reply("yes", top=((" yes", math.log(yes)), (" no", math.log(1 - yes))), tokens=1)
    said = _event(chance) if task == "event" else _tail(chance, request.prompt)
    text = said if said.startswith("!") else json.dumps({task: said})
    words = len(text.split())
    return Reply(text, tokens=words, logprob=-words * chance.uniform(0.5, 2.0))


def _event(chance: random.Random) -> str:
    odd = ("PersonX goes to the", "The kettle boils", "PersonX paints.. <b>", "!no JSON", "PersonX sleeps")
    if chance.random() < 0.2:
        return chance.choice(odd)
    return f"PersonX {chance.choice(DOINGS)} {chance.choice(THINGS)}{chance.choice(['', '.', ' for PersonY'])}"


def _tail(chance: random.Random, prompt: str) -> str:
    if chance.random() < 0.2:
        return chance.choice(["none", "to", "!broken {", "to wait for Zoltan"])
    event = re.findall(r"^Event: (.+)$", prompt, re.MULTILINE)[-1]
    person = event.split()[0]
    return chance.choice([*TAILS, f"to have {person}'s money back", "To save money."])

"""A scripted teacher that goes on with a text: now and then in other words, now and then with what must be refused."""

from __future__ import annotations

import random

from kgdistill.contracts import Reply, Request
from kgdistill.records import content_id

SAID = (
    "The old bridge over the river was opened in 1937.",
    "It was in 1937 that people could first cross there.",
    "Rain fell in the whole country until the weekend.",
    "Until the weekend it was raining all over the land.",
    "Nobody had asked the mayor what it would cost.",
    "What the price would be was never asked of the mayor.",
    "It rained.",
    "rain and rain and rain and rain.",
    "and so on",
    "",
)


def goes_on(request: Request, sample: int) -> Reply:
    chance = random.Random(content_id(request.key, sample))
    said = f" {chance.choice(SAID)} Then they"
    return Reply(said, finish="length", tokens=len(said.split()), logprob=-1.0)

"""A scripted teacher that cuts sentences into propositions at "and", and now and then goes wrong as models do."""

from __future__ import annotations

import json
import re

from kgdistill.contracts import Request
from kgdistill.records import content_id

_FENCED = re.compile(r'Text:\n("{3,})\n(.*?)\n\1\n', re.DOTALL)


def sentences(prompt: str) -> list[str]:
    """The numbered sentences that a prompt asks about."""
    text = _FENCED.findall(prompt)[-1][1]
    return [line.partition(". ")[2] for line in text.splitlines()]


def cuts(sentence: str) -> list[str]:
    return [f"{part.strip(' .')}." for part in sentence.split(" and ")]


def tidy(request: Request, sample: int = 0) -> str:
    """Every sentence has its block."""
    blocks = [{"number": n, "propositions": cuts(said)} for n, said in enumerate(sentences(request.prompt), 1)]
    return json.dumps({"sentences": blocks})


def sloppy(request: Request, sample: int = 0) -> str:
    """Blocks are left out, doubled or empty; some replies are no JSON; asked about alone, most sentences come right."""
    asked = sentences(request.prompt)
    luck = int(content_id(request.key), 16) % 5
    if luck == 0:
        return "I cannot"
    blocks = json.loads(tidy(request))["sentences"]
    if len(asked) > 1:
        blocks = [block for block in blocks if block["number"] % 3] + blocks[:1]
    elif luck == 1:
        blocks = []
    return json.dumps({"sentences": blocks})

"""The shapes of replies: what a teacher may write, and how it is read back.

Strings and arrays are bounded, so that constrained decoding always comes to an end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from kgdistill.errors import ReplyError

Name = Annotated[str, Meta(min_length=1, max_length=120)]
Label = Annotated[str, Meta(min_length=1, max_length=60)]
Sentence = Annotated[str, Meta(min_length=1, max_length=400)]
Status = Literal["stated", "denied", "hedged"]
Shape = TypeVar("Shape")


class NamedEntity(Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    type: Label


class EntityList(Struct, frozen=True, forbid_unknown_fields=True):
    """Reply to `entities`."""

    entities: Annotated[list[NamedEntity], Meta(max_length=60)]


class StatedClaim(Struct, frozen=True, forbid_unknown_fields=True):
    subject: Name
    relation: Label
    object: Name
    status: Status


class Proposition(Struct, frozen=True, forbid_unknown_fields=True):
    text: Sentence
    claims: Annotated[list[StatedClaim], Meta(max_length=6)]


class PropositionList(Struct, frozen=True, forbid_unknown_fields=True):
    """Reply to `propositions`."""

    propositions: Annotated[list[Proposition], Meta(max_length=60)]


class Rewriting(Struct, frozen=True, forbid_unknown_fields=True):
    """Reply to `rewrite`."""

    text: Annotated[str, Meta(max_length=4000)]


class Definition(Struct, frozen=True, forbid_unknown_fields=True):
    """Reply to `define`: what a relation means, in one sentence."""

    definition: Sentence


class EventInference(Struct, frozen=True, forbid_unknown_fields=True):
    """Reply to `inference`: what follows from an event, as a short phrase."""

    inference: Name


class NewEvent(Struct, frozen=True, forbid_unknown_fields=True):
    """Reply to `event`: one more event like those shown."""

    event: Name


class CitedAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """Reply to `answer`: the numbers of the propositions that say so, then what they say."""

    cited: Annotated[list[int], Meta(max_length=8)]
    answer: Sentence


class SentenceBlock(Struct, frozen=True, forbid_unknown_fields=True):
    """What the sentence of this number says."""

    number: Annotated[int, Meta(ge=1, le=99)]
    propositions: Annotated[list[Sentence], Meta(max_length=40)]


class Segmentation(Struct, frozen=True, forbid_unknown_fields=True):
    """Reply to `segment`: the propositions of each sentence."""

    sentences: Annotated[list[SentenceBlock], Meta(max_length=40)]


@cache
def schema(shape: type[Any]) -> str:
    """JSON schema of a reply, as text (keys in the order of the fields)."""
    return msgspec.json.encode(msgspec.json.schema(shape)).decode()


def propositions_about(subjects: Sequence[str], *, brief: bool = False) -> str:
    """JSON schema of a `PropositionList` whose claims are about `subjects` alone; see `write` for `brief`."""
    plain = msgspec.json.schema(PropositionList)
    names = [_spaced(name) if brief else name for name in subjects]
    plain["$defs"]["StatedClaim"]["properties"]["subject"] = {"enum": names}
    return msgspec.json.encode(plain).decode()


def answer_citing(shown: int) -> str:
    """JSON schema of a `CitedAnswer` that cites none but propositions 1 to `shown`."""
    plain = msgspec.json.schema(CitedAnswer)
    plain["$defs"]["CitedAnswer"]["properties"]["cited"]["items"] = {"enum": list(range(1, shown + 1))}
    return msgspec.json.encode(plain).decode()


_FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)


def read(text: str, shape: type[Shape]) -> Shape:
    """The reply as its shape; a code fence or words around the JSON object are forgiven, nothing else is.

    Raises ReplyError, naming the place, when the JSON is malformed or has another shape.
    """
    fence = _FENCE.search(text)
    candidate = fence.group(1) if fence else text
    start, end = candidate.find("{"), candidate.rfind("}")
    if start < 0 or end < start:
        raise ReplyError("no JSON object in the reply")
    try:
        return msgspec.json.decode(candidate[start : end + 1].encode("utf-8", "replace"), type=shape)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ReplyError(str(error)) from error


def write(shape: Struct, *, brief: bool = False) -> str:
    """The compact JSON text of a reply, as constrained decoding writes it.

    With `brief`, as a small teacher writes it: every text begins with a space. Its tokens are then those that the same
    words have inside a document (" Warsaw", not "W" "ars" "aw"), and copying is copying. Whoever reads replies strips.
    """
    value = msgspec.to_builtins(shape)
    return msgspec.json.encode(_spaced(value) if brief else value).decode()


def _spaced(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: inner if key == "status" else _spaced(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_spaced(inner) for inner in value]
    return f" {value}" if isinstance(value, str) else value

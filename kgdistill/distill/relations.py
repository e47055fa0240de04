"""One name for trivial variants of a relation, so that a student learns fewer and fuller classes."""

from __future__ import annotations

import re

_AUXILIARY = re.compile(r"^(?:(?:is|was|are|were|be|been|being|has been|have been|had been)\s+)+(?=\S)")
_DATED = re.compile(
    r"\d|\b(?:january|february|march|april|may|june|july|august|september|october|november|december|monday|tuesday|"
    r"wednesday|thursday|friday|saturday|sunday|spring|summer|autumn|winter|year|decade|century|day|night|"
    r"morning|week|month|war|reign|today|yesterday|ago|later|earlier)s?\b",
    re.IGNORECASE,
)
_SAME = {
    "worked for": "works for",
    "worked at": "works for",
    "works at": "works for",
    "working for": "works for",
    "employed by": "works for",
    "employed at": "works for",
    "affiliated with": "works for",
    "discovered on": "discovery date",
    "discovered in": "discovery date",
    "date of discovery": "discovery date",
    "origin": "country of origin",
    "citizen of": "nationality",
    "had": "has",
    "have": "has",
    "has as part": "has part",
    "consists of": "has part",
    "comprises": "contains",
    "contained": "contains",
    "includes": "contains",
    "included": "contains",
    "used": "uses",
    "lived in": "lives in",
    "resides in": "lives in",
    "studied at": "educated at",
    "graduated from": "educated at",
    "attended": "educated at",
    "studied": "field of study",
    "type of": "instance of",
    "kind of": "instance of",
    "a": "instance of",
    "an": "instance of",
    "located at": "located in",
    "in": "located in",
    "situated in": "located in",
    "situated on": "located on",
    "lies in": "located in",
    "lies on": "located on",
    "based in": "headquartered in",
    "married to": "spouse",
    "married": "spouse",
    "wife": "spouse",
    "husband": "spouse",
    "father": "parent",
    "mother": "parent",
    "son of": "parent",
    "daughter of": "parent",
    "brother": "sibling",
    "sister": "sibling",
    "sibling of": "sibling",
    "won": "winner of",
    "won award": "award received",
    "received award": "award received",
    "awarded": "award received",
    "founder": "founded by",
    "established by": "founded by",
    "founded in": "founded on",
    "established in": "founded on",
    "established on": "founded on",
    "author": "written by",
    "authored by": "written by",
    "designer": "designed by",
    "invented by": "created by",
    "creator": "created by",
    "director": "directed by",
    "composer": "composed by",
    "produced": "produces",
    "required": "requires",
    "needs": "requires",
    "caused": "causes",
    "treated": "treats",
    "connected": "connects",
    "played": "plays",
    "carried": "carries",
    "cost": "price",
    "costs": "price",
    "priced at": "price",
    "weight": "mass",
    "weighs": "mass",
    "born on date": "born on",
    "opened in": "opened on",
    "built on": "built in",
    "completed on": "completed in",
    "headed by": "led by",
    "leads": "leader of",
    "led": "leader of",
    "head of": "leader of",
    "role": "position held",
    "position": "position held",
    "job": "occupation",
    "profession": "occupation",
    "participated in": "participant in",
    "took part in": "participant in",
    "member": "has member",
    "made from": "made of",
    "known as": "also known as",
    "called": "also known as",
    "near": "located near",
    "beat": "defeated",
    "owns": "owner of",
    "owned": "owner of",
}


_OF_PLACES = {"founded on": "founded in", "opened on": "opened in", "discovery date": "discovered in"}
"""What relations of dates are called where the object is no date: both are one class to a student."""


def relation_name(name: str) -> str:
    """`name` in lower case with single spaces, leading auxiliaries off and hand-picked near-synonyms folded."""
    plain = " ".join(name.lower().replace("_", " ").split())
    plain = _AUXILIARY.sub("", plain)
    return _SAME.get(plain, plain)


def name_for(relation: str, object_: str) -> str:
    """A student's relation as it is said of `object_`: "founded on" 1891, but "founded in" Prague."""
    return relation if _DATED.search(object_) else _OF_PLACES.get(relation, relation)

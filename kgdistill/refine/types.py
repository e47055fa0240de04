"""Types: which of the teacher's free entity types may belong to one thing."""

from __future__ import annotations

from kgdistill.text import names

FAMILIES = {
    "person": "person people human individual per man woman scientist researcher writer author artist painter musician "
    "singer composer actor actress politician athlete player engineer philosopher physicist chemist biologist doctor "
    "physician king queen ruler explorer inventor mathematician historian character poet architect founder director",
    "organisation": "organisation organization org company corporation firm business institution institute university "
    "college school agency association party band team club ministry government museum hospital bank union society",
    "place": "place location loc gpe city town village country state region province island continent river lake "
    "mountain sea ocean site settlement municipality capital district area landmark geography building facility",
    "event": "event battle war festival conference election disaster treaty competition tournament",
    "work": "work book novel film movie song album painting poem play publication journal newspaper artwork document",
    "species": "species animal plant organism bird fish mammal insect bacterium genus tree",
    "product": "product technology device software tool instrument machine vehicle model program",
    "substance": "substance chemical compound molecule material element drug protein gene mineral medicine",
    "value": "literal date year time number quantity money percent percentage duration amount ordinal cardinal value "
    "measurement unit",
}
FAMILY_OF = {word: family for family, words in FAMILIES.items() for word in words.split()}
VAGUE = frozenset(
    ("", "entity", "thing", "object", "other", "misc", "miscellaneous", "unknown", "concept", "term", "noun")
)


def family(name: str) -> str:
    """The family of a type ("computer scientist" is a person), itself where unknown, "" where it says nothing."""
    plain = names.normal(name)
    if plain in VAGUE:
        return ""
    return FAMILY_OF.get(plain) or FAMILY_OF.get(plain.split()[-1], plain)


def compatible(one: str, other: str) -> bool:
    """Whether two families (see `family`) may be of one thing: equal, or one of them says nothing."""
    return one == other or not one or not other

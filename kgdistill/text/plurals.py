"""English plurals of common names: regular endings, and the words that have their own way."""

from __future__ import annotations

import re


def word_set(text: str) -> frozenset[str]:
    """The words of a list that is written as running text."""
    return frozenset(text.split())


_OWN = {
    "child": "children", "man": "men", "woman": "women", "person": "people", "foot": "feet", "tooth": "teeth",
    "goose": "geese", "mouse": "mice", "louse": "lice", "ox": "oxen", "die": "dice", "quiz": "quizzes",
    "cactus": "cacti", "fungus": "fungi", "nucleus": "nuclei", "alumnus": "alumni", "larva": "larvae", "alga": "algae",
    "crisis": "crises", "analysis": "analyses", "thesis": "theses", "axis": "axes", "oasis": "oases",
    "phenomenon": "phenomena", "bacterium": "bacteria", "datum": "data", "appendix": "appendices",
    "bus": "buses", "gas": "gases", "scarf": "scarves", "hoof": "hooves",
}  # fmt: skip
_COMPOUND = ("woman", "man", "child", "foot", "tooth")
"""Those of the words above that others end in: firewoman, grandchild."""
_NO_COMPOUND = word_set("human german roman norman ottoman caiman talisman shaman")
_SAME = word_set("sheep cod squid salmon trout tuna shrimp deer moose bison swine aircraft series species")
_MASS = word_set(
    """
    water milk rice bread butter cheese meat beef pork poultry ham bacon flour sugar salt honey yogurt yoghurt
    ketchup mustard mayonnaise jam steel iron gold silver copper aluminium lead zinc tin wood plastic paper
    cardboard leather wool cotton silk linen nylon polyester rubber concrete cement sand gravel clay ice snow rain
    fog hail mud soil dust smoke steam air oxygen hydrogen nitrogen furniture luggage equipment jewellery jewelry
    clothing information advice knowledge music homework traffic weather electricity software hardware chess
    football rugby tennis golf hockey basketball volleyball badminton rowing swimming running cycling skiing
    boxing wrestling mathematics maths physics chemistry biology history geography economics grass lightning
    bamboo ivy moss candy toast pasta spinach broccoli garlic celery asparagus corn wheat barley granite velvet
    denim foam wax ink glue soap shampoo money
    """
)
_PAIRS = word_set(
    """
    trousers jeans shorts pants scissors glasses goggles binoculars pliers tongs tights leggings
    """
)
_VES = word_set("calf half knife life wife leaf loaf shelf self thief wolf elf sheaf")
_OES = word_set("potato tomato hero echo mango torpedo mosquito tornado volcano buffalo domino veto cargo")
_LINK = re.compile(r"(.+?)(\s+(?:of|in|for|with|on|at|from|to|without|by|near)\s+|-in-|\s*\()(.+)", re.DOTALL)
_LAST = re.compile(r"(.*?)([^\W\d_]*)", re.DOTALL)


def plural(name: str) -> str:
    """The name as many of them are called; what has no plural, or is a name of one thing ("Paris"), stays as it is."""
    name = " ".join(name.split())
    if linked := _LINK.fullmatch(name):
        return plural(linked[1]) + linked[2] + linked[3]
    before, word = _parts(name)
    return before + _plural_word(word)


def mass(name: str) -> bool:
    """Whether the name is that of a stuff, which is spoken of in the singular ("milk is")."""
    linked = _LINK.fullmatch(" ".join(name.split()))
    return _parts(linked[1] if linked else name.strip())[1].casefold() in _MASS


def _parts(name: str) -> tuple[str, str]:
    """What stands before the last word, and the last word."""
    found = _LAST.fullmatch(name)
    assert found  # it matches everything
    return found[1], found[2]


def _plural_word(word: str) -> str:
    low = word.casefold()
    if not word or low in _SAME or low in _MASS or low in _PAIRS or low.endswith("fish") or word[0].isupper():
        return word
    own = low if low in _OWN else next((end for end in _COMPOUND if low.endswith(end)), "")
    if own and low not in _NO_COMPOUND:
        return word[: len(word) - len(own)] + _OWN[own]
    if low in _VES or low.endswith(("shelf", "knife", "leaf", "wolf")):
        return re.sub("fe?$", "ves", word)
    if re.search("[^aious]s$", low) and low != "lens":  # it is one already
        return word
    if re.search("(s|x|z|ch|sh)$", low) or low in _OES:
        return word + "es"
    if re.search("[^aeiou]y$", low) or low.endswith("quy"):
        return word[:-1] + "ies"
    return word + "s"

"""Scales: which adjective speaks of which aspect of a thing, and towards which end of it."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from kgdistill.text.plurals import word_set


class Pole(NamedTuple):
    """One end of a scale."""

    aspect: str
    sign: int
    """1: a thing that is more so has more of the aspect; -1: it has less."""


_SCALES = """
size: big large huge bulky enormous giant | small little tiny compact
weight: heavy weighty hefty | light lightweight
height: tall high | low
length: long lengthy | short brief
width: wide broad | narrow
thickness: thick | thin
depth: deep | shallow
speed: fast quick swift rapid speedy fast-moving | slow sluggish
price: expensive costly pricey dear | cheap affordable inexpensive economical
temperature: hot warm | cold cool chilly icy
hardness: hard firm | soft
roughness: rough coarse | smooth
sharpness: sharp pointed pointy | blunt
strength: strong powerful mighty forceful | weak feeble
sturdiness: sturdy robust solid tough | fragile frail delicate brittle flimsy breakable
durability: durable long-lasting hard-wearing
loudness: loud noisy | quiet silent
brightness: bright luminous | dark dim gloomy
transparency: transparent clear see-through | opaque cloudy
wetness: wet damp moist humid soggy | dry arid
sweetness: sweet sugary
sourness: sour tart acidic
bitterness: bitter
saltiness: salty
spiciness: spicy
juiciness: juicy
tastiness: tasty delicious savoury savory flavourful flavorful | bland tasteless
crunchiness: crunchy crisp crispy
creaminess: creamy
fattiness: fatty greasy oily | lean
healthiness: healthy nutritious wholesome | unhealthy
age: old ancient aged elderly | young new recent
modernity: modern contemporary | old-fashioned outdated
frequency: frequent | seldom
commonness: common widespread ubiquitous | rare scarce uncommon unusual
danger: dangerous hazardous risky deadly perilous | safe harmless
aggressiveness: aggressive fierce violent ferocious | gentle peaceful docile placid
tameness: tame | wild
friendliness: friendly sociable | unfriendly
intelligence: intelligent clever smart bright-minded | stupid dumb
loyalty: loyal faithful
curiosity: curious
difficulty: difficult challenging demanding | easy simple effortless
complexity: complex complicated intricate sophisticated | uncomplicated
usefulness: useful handy helpful practical | useless impractical
efficiency: efficient economical-to-run | inefficient wasteful
effectiveness: effective | ineffective
comfort: comfortable comfy cosy cozy | uncomfortable
portability: portable
flexibility: flexible bendy pliable supple | rigid stiff inflexible
elasticity: elastic stretchy springy
density: dense | sparse
heat resistance: heat-resistant
water resistance: waterproof water-resistant
popularity: popular | unpopular
fame: famous renowned well-known | obscure unknown
formality: formal | informal casual
elegance: elegant
beauty: beautiful pretty attractive lovely | ugly unattractive
colourfulness: colourful colorful vivid | colourless drab dull
shininess: shiny glossy | matte
cleanliness: clean hygienic | dirty filthy
hairiness: hairy furry fluffy woolly shaggy | bald hairless
roundness: round | angular
straightness: straight | curved curly wavy crooked bent
steepness: steep
flatness: flat
fullness: full | empty
crowdedness: crowded busy | deserted
wealth: rich wealthy affluent | poor
freshness: fresh | stale
fineness: fine
strangeness: strange odd weird
stickiness: sticky
reliability: reliable dependable | unreliable
accuracy: accurate precise exact | inaccurate
visibility: visible noticeable conspicuous | hidden inconspicuous
interest: interesting exciting entertaining thrilling | boring dull-to-watch tedious
seriousness: serious | funny playful humorous
happiness: happy cheerful joyful | sad gloomy-minded
calmness: calm relaxing restful | nervous restless
activity: active energetic lively | inactive lazy
physical demand: strenuous tiring exhausting
pollution: polluting | eco-friendly clean-running
education needed: educated
quality: good | bad
pain: painful | painless
toxicity: toxic poisonous venomous | non-toxic
absorbency: absorbent
conductivity: conductive
magnetism: magnetic
flammability: flammable | fireproof
nutritional value: nourishing
versatility: versatile
adjustability: adjustable
distance: far distant remote | near close nearby
number: many numerous | few
"""
_IRREGULAR = {
    "better": "good", "worse": "bad", "further": "far", "farther": "far", "elder": "old", "lesser": "little",
    "fewer": "few",
}  # fmt: skip
_DEGREES = {
    "higher": 1,
    "greater": 1,
    "richer": 1,
    "stronger": 1,
    "lower": -1,
    "poorer": -1,
    "smaller": -1,
    "weaker": -1,
}
"""Comparatives that speak of whatever follows "in": "lower in sugar"."""
_NOT_COMPARED = word_set(
    """
    other another either neither rather whether together however never ever over under after water paper number
    order river summer winter layer letter matter corner center centre computer color user power member manner
    former latter inner outer upper proper eager sober tender super silver amber leather clever bitter sinister
    slender
    """
)
_VOWELS = "aeiou"


@cache
def poles() -> dict[str, Pole]:
    """Every adjective that is listed, with its end of its scale."""
    found: dict[str, Pole] = {}
    for line in _SCALES.strip().splitlines():
        aspect, _, words = line.partition(":")
        for sign, side in zip((1, -1), words.split("|"), strict=False):
            found.update((word, Pole(aspect, sign)) for word in side.split())
    return found


def comparative(adjective: str) -> str:
    """The form in -er, whether or not it is in use: "big" to "bigger", "dry" to "drier"."""
    other = next((form for form, plain in _IRREGULAR.items() if plain == adjective and form != "elder"), "")
    if other:
        return other
    if adjective.endswith("e"):
        return adjective + "r"
    if re.search("[^aeiou]e?y$", adjective):
        return adjective.removesuffix("y").removesuffix("e") + "ier"
    if re.fullmatch(f"[^{_VOWELS}]*[{_VOWELS}][^{_VOWELS}wxy]", adjective):
        return adjective + adjective[-1] + "er"
    return adjective + "er"


@cache
def _plain_forms() -> dict[str, str]:
    """Listed adjectives by their form in -er."""
    return {comparative(word): word for word in poles() if "-" not in word} | _IRREGULAR


def plain_form(word: str) -> str:
    """The adjective behind a form in -er, "" where it is none: "drier" is "dry", "rather" is nothing."""
    low = word.casefold()
    if low in _plain_forms():
        return _plain_forms()[low]
    if low in _NOT_COMPARED or not low.endswith("er") or len(low) < 5:
        return ""
    if low.endswith("ier"):
        return low[:-3] + "y"
    stem = low[:-2]
    if re.search(r"([bdgmnpt])\1$", stem) and stem != "odd":
        return stem[:-1]
    # An e was there before: after a lone vowel and consonant ("wide"), after l ("simple"), and after c, g, s, v, z.
    silent = re.search("[^aeiou][aeiou][^aeiouwxyl]$|[^aeioul]l$|[^s][cgsvz]$|u$", stem)
    return low[:-1] if silent and not stem.endswith(_WHOLE) else stem


_WHOLE = ("er", "en", "et", "ng", "us", "el", "in")
"""Ends of adjectives that have no e behind them: "clever", "quiet", "strong"."""


def pole(adjective: str) -> Pole:
    """The scale that an adjective speaks of; for one that is not listed, its own noun ("peppery": "pepperiness")."""
    low = adjective.casefold()
    return poles().get(low) or Pole(quality(low), 1)


def degree(word: str) -> int:
    """1 or -1 for comparatives that speak of whatever follows ("higher in", "poorer in"), else 0."""
    return _DEGREES.get(word.casefold(), 0)


_ENDINGS = (("able", "ability"), ("ible", "ibility"), ("ent", "ence"), ("ant", "ance"), ("ile", "ility"))


def quality(adjective: str) -> str:
    """The noun of an adjective, by its ending."""
    for ending, noun in _ENDINGS:
        if adjective.endswith(ending) and len(adjective) > len(ending) + 2:
            return adjective[: -len(ending)] + noun
    return (adjective[:-1] + "i" if re.search("[^aeiou]y$", adjective) else adjective) + "ness"


@cache
def comparatives() -> tuple[str, ...]:
    """Words that compare: "more", "less", and the listed adjectives in -er as far as that form is in use."""
    short = (word for word in poles() if "-" not in word and _syllables(word) <= (2 if word.endswith("y") else 1))
    used = (comparative(word) for word in (*short, *_LONGER) if word not in _NEVER_IN_ER)
    return ("more", "less", *dict.fromkeys(used))


_LONGER = ("narrow", "shallow", "simple", "gentle", "quiet", "clever")
_NEVER_IN_ER = word_set("huge giant dear matte loyal bent drab fond near nearby many little active vivid")


def _syllables(word: str) -> int:
    return len(re.findall("[aeiouy]+", re.sub("(?<=[^aeiouyl])e$", "", word))) or 1

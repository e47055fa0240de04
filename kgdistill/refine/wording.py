"""Wording: what a relation's words say of tense, voice, direction and polarity, so that only like joins like."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from msgspec import Struct

from kgdistill.refine.spelling import form, word_set
from kgdistill.text import names

BE = word_set("is are was were be been being 's")
HAVE = word_set("has have had having")
DO = word_set("does do did")
NEGATIONS = word_set("not no never without cannot non neither nor none n't hardly fails failed")
MODALS = word_set("may might can could will would shall should must plans planned hopes wants intends aims likely")
PREPOSITIONS = word_set(
    "of by in on at to from with for into onto about as against between among through during under over after "
    "before near within without inside outside via per than since until towards toward upon across behind beyond "
    "above below along around off out up down"
)
SAME_PREPOSITION = {"within": "in", "inside": "in", "towards": "to", "toward": "to", "upon": "on"}
IRREGULAR_FORMS = """
    write: wrote written | make: made | take: took taken | give: gave given | win: won | lead: led | build: built |
    find: found finds | hold: held | become: became | begin: began begun | buy: bought | sell: sold | teach: taught
    | fight: fought | grow: grew grown | know: knew known | draw: drew drawn | run: ran running | speak: spoke
    spoken | sing: sang sung | lose: lost | meet: met | leave: left | send: sent | spend: spent | bring: brought |
    think: thought | keep: kept | see: saw seen | go: went gone goes | come: came | choose: chose chosen | rise:
    rose risen | fall: fell fallen | steal: stole stolen | beat: beaten | drive: drove driven | ride: rode ridden |
    fly: flew flown | lie: lay lain lying | say: said | tell: told | wear: wore worn | break: broke broken | get:
    got | eat: ate eaten | feed: fed | shoot: shot | stand: stood | understand: understood | pay: paid | die: died
    dying dies | bear: bore borne | show: shown | forgive: forgave forgiven | sit: sat
"""
IRREGULAR = {
    form_: verb.strip()
    for verb, forms in (entry.split(":") for entry in IRREGULAR_FORMS.split("|"))
    for form_ in forms.split()
}
OF_VERBS = word_set("consist die dispos speak think make becom com")
"""Stems of verbs before which "of" makes no noun phrase."""
PARTICIPLES = word_set(
    "written made taken given won led built found held become begun bought sold taught fought grown known drawn "
    "run spoken sung lost met left sent spent brought thought kept seen gone come chosen risen fallen stolen "
    "beaten driven ridden flown said told worn broken got eaten fed shot stood understood paid born borne shown "
    "set put cut hit read"
)
OPPOSITES = """
    increase decrease|increase reduce|raise lower|rise fall|grow shrink|before after|above below |
    over under|north south|east west|north east|north west|south east|south west|northern southern
    | eastern western|left right|open close|buy sell|import export|parent child|father mother |
    father son|mother daughter|father daughter|mother son|son daughter|brother sister|husband wife |
    teacher student|teach learn|win lose|enter leave|join leave|start end|begin end|begin finish |
    start finish|start stop|upper lower|maximum minimum|first last|precede follow|predecessor
    successor|employer employee|ancestor descendant|cause prevent|activate inhibit|promote inhibit |
    stimulate inhibit|gain lose|born die|birth death|include exclude|accept reject|allow forbid |
    allow prevent|permit prohibit|love hate|like dislike|support oppose|male female|source target |
    cause effect|host guest|borrow lend|give receive|send receive|attack defend|ally enemy|part
    whole|predator prey|arrive depart|agree disagree|connect disconnect|hire fire|create destroy |
    build destroy|founded closed|founded dissolved|encode decode|encrypt decrypt|absorb emit|oldest
    youngest|largest smallest|high low|higher lower|more less|larger smaller|older younger|longer
    shorter|hot cold|new old|owner owned|friend enemy|from to|in out|into from|with without |
    for against|to by|uncle aunt|nephew niece|brother father|sister mother|son brother|daughter
    sister|direct produce|lives die|lives work|lives born|write edit|write read|direct write |
    study teach|play coach|author editor|director producer|director writer|work study|birth
    residence|king queen|prince princess|grandfather grandmother|actor actress|groom bride|asset liability
"""
"""Pairs of words that are opposites or different roles, parted by "|"."""
PREFIX = re.compile(r"(un|in|im|il|ir|dis|non|anti|mis|de|co|ex|sub|pre|post|re|over|under|counter|vice)-?(?=\w{4})")
IDLE = word_set("city also offici officially current currently now main mainly primarily commonly generally still")
"""Stems that a relation may say or leave out; any other word more makes another relation ("deputy mayor of")."""


class Wording(Struct, frozen=True):
    """A relation name, read."""

    stems: tuple[str, ...]
    """Words without auxiliaries and endings."""
    preposition: str
    """Last word where it is a preposition, else ""."""
    passive: bool
    """The subject undergoes it: "founded by", "was founded", "was founded in"."""
    noun: str
    """"of" ("founder of": the subject is one), "has" ("has founder": the object is one) or ""."""
    negative: bool
    numbers: tuple[str, ...]

    @property
    def possible(self) -> bool:
        """Said to be possible, planned or likely rather than so."""
        return not MODALS.isdisjoint(self.stems)

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for names that differ in tense and auxiliaries only."""
        return self.stems, self.preposition, self.passive, self.noun, self.negative, self.numbers


@lru_cache(maxsize=1 << 16)
def read(relation: str) -> Wording:
    """Read a relation name; snake_case and camelCase are taken apart, other languages are kept word for word."""
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", relation).replace("_", " ").replace("-", " ")
    words = [
        word for word in re.split(r"[\s,;:.]+", names.normal(plain).replace("n't", " not").replace("’", "'")) if word
    ]
    negative = any(word in NEGATIONS for word in words)
    words = [word for word in words if word not in NEGATIONS and word not in ("the", "a", "an")]
    start, be, have = 0, False, False
    while start < len(words) and words[start] in BE | HAVE | DO:
        be = be or words[start] in BE
        # "has capital" is not "capital": only before a participle is "has" an auxiliary.
        have = words[start] in HAVE
        start += 1
    rest = words[start:]
    if not rest:
        return Wording(tuple(words), "", False, "", negative, form(relation).numbers)
    first_is_participle = rest[0] in PARTICIPLES or rest[0].endswith("ed")
    last = rest[-1] if rest[-1] in PREPOSITIONS and len(rest) > 1 else ""
    last = SAME_PREPOSITION.get(last, last)
    # Before another preposition voice moves no argument: "moved to" and "was moved to", "born in" and "was born in".
    bare_participle = len(rest) == 1 and not have and rest[0] in PARTICIPLES and rest[0].endswith("n")
    passive = last == "by" or (not last and (bare_participle or (be and first_is_participle)))
    owns = have and not first_is_participle
    says = first_is_participle or stem(rest[0]) in OF_VERBS
    noun = "has" if owns else "of" if last == "of" and not says else ""
    body = rest[:-1] if last else rest
    return Wording(tuple(map(stem, body)), last, passive, noun, negative, form(relation).numbers)


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """A word without its English verb or plural ending; irregular pasts are looked up ("wrote" is "write")."""
    word = IRREGULAR.get(word, word)
    for ending in ("ies", "ied"):
        if word.endswith(ending) and len(word) > 4:
            return word[:-3] + "y"
    for ending in ("ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith(("ss", "us", "is")):
            word = word[: -len(ending)]
            if ending in ("ing", "ed") and len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    return word


STEMMED_OPPOSITES = [frozenset(map(stem, pair.split())) for pair in OPPOSITES.split("|") if pair.strip()]


def differ(one: Wording, other: Wording) -> str:
    """Why two relations cannot be the same whatever their likeness (direction, polarity, opposites), or ""."""
    if one.negative != other.negative:
        return "one is negated"
    if one.numbers != other.numbers:
        return "numbers differ"
    if one.possible != other.possible:
        return "one is only possible"
    if one.passive != other.passive:
        return "voices differ: the arguments change places"
    if one.noun != other.noun:
        return "directions differ"
    if one.preposition != other.preposition:
        return "prepositions differ"
    return _words_differ(one, other)


def _words_differ(one: Wording, other: Wording) -> str:
    mine, yours = set(one.stems), set(other.stems)
    for pair in STEMMED_OPPOSITES:
        if (pair & mine) and (pair & yours) and (pair & mine) != (pair & yours):
            return "opposites or different roles: " + ", ".join(sorted(pair))
    if one.preposition == "than" and mine != yours:
        return "comparisons differ"
    if {word for word in mine ^ yours if word.endswith("est") and len(word) > 4}:
        return "superlatives differ"
    if (mine < yours or yours < mine) and not (mine ^ yours) <= IDLE:
        return "one says more: " + ", ".join(sorted((mine ^ yours) - IDLE))
    for left in mine - yours:
        for right in yours - mine:
            if _alters(left, right) or _alters(right, left):
                return f"{left!r} alters {right!r}"
    return ""


def legible(name: str) -> bool:
    """Whether most letters are Latin: the default encoder finds other scripts alike (1.00 for two Chinese verbs)."""
    letters = [letter for letter in name if letter.isalpha()]
    return 2 * sum(unicodedata.name(letter, "").startswith("LATIN") for letter in letters) > len(letters)


def _alters(one: str, other: str) -> bool:
    match = PREFIX.match(one)
    return bool(match and one[match.end() :] == other)

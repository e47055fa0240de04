"""Rules: mark as dropped what should not become a fact; nothing is ever taken out of a reading.

The order is: `screen` (ends, length, self-loops, generic relations, evidence, score), then the repeats of `variety`,
then `cap`, so that a cap is not used up by repeats. A claim that is dropped already keeps its first reason.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from kgdistill.errors import RecipeError
from kgdistill.records import Claim, Drop, Proposition, Reading
from kgdistill.text import names

PRONOUNS = {
    "en": "i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she "
    "her hers herself it its itself they them their theirs themselves this that these those who whom whose "
    "which what someone somebody something anyone anybody anything everyone everybody everything no one "
    "nobody nothing one ones here there another other others both each some any all none a an the and or of "
    "to in on",
    "de": "ich mich mir du dich dir er ihn ihm sie ihr ihnen es wir uns euch sich man dies diese dieser dieses jene "
    "jener jenes das der die den dem ein eine wer was welche welcher jemand niemand etwas nichts alle andere "
    "und oder",
    "fr": "je me moi tu te toi il elle lui on nous vous ils elles leur eux se ce ceci cela ça celui celle ceux "
    "celles qui que quoi dont le la les un une des et ou quelqu'un personne rien tout tous autre autres",
    "es": "yo me mí tú te ti él ella ello nosotros nosotras vosotros ustedes usted ellos ellas le les lo la los las "
    "se este esta esto estos estas ese esa eso esos esas aquel aquella quien que cual alguien nadie algo nada "
    "todo todos y o",
    "it": "io me mi tu te ti lui lei egli ella esso essa noi ci voi vi loro essi esse si questo questa questi "
    "queste quello quella quelli quelle chi che cui il lo la i gli le un una qualcuno nessuno qualcosa niente "
    "tutto tutti e o",
    "pt": "eu me mim tu te ti ele ela nós vós eles elas você vocês lhe lhes o a os as se este esta isto estes estas "
    "esse essa isso aquele aquela aquilo quem que qual alguém ninguém algo nada tudo todos e ou",
    "nl": "ik mij me jij je jou hij hem zij ze haar het wij we ons jullie u hun hen zich men dit dat deze die wie "
    "wat welke iemand niemand iets niets alles allen de een en of",
    "ru": "я меня мне ты тебя тебе он его ему она её ее ей оно мы нас нам вы вас вам они их им себя это этот эта "
    "эти тот та те то кто что который которая которые кто-то что-то никто ничто все всё и или",
    "zh": "我 你 您 他 她 它 我们 你们 他们 她们 它们 这 那 这个 那个 这些 那些 谁 什么 自己 大家 某人",
    "ja": "私 僕 俺 あなた 彼 彼女 それ これ あれ 彼ら 彼女ら 私たち この その あの ここ そこ 誰 何 自分",
    "ar": "أنا نحن أنت أنتم هو هي هم هن هما هذا هذه ذلك تلك هؤلاء من ما الذي التي",
    "he": "אני אתה את הוא היא אנחנו אתם הם הן זה זאת זו אלה מי מה",
}
UNSPACED = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]")
STOP_WORDS = {language: frozenset(names.normal(word) for word in words.split()) for language, words in PRONOUNS.items()}


class Rules(Struct, frozen=True, forbid_unknown_fields=True):
    """What a claim must be to be kept. Raises RecipeError for limits that cannot hold."""

    min_score: float = 0.5
    """Smallest combined score; claims that no judge has scored pass."""
    drop_ungrounded: bool = True
    """Drop claims that the document does not say (they stay in the reading, marked)."""
    drop_self_loops: bool = True
    max_name: int = 120
    """Longest subject, relation or object in code points; 0 for no limit."""
    generic: tuple[str, ...] = ()
    """Relation names that say too little to keep, compared in normal form."""
    per_hundred_words: float = 40.0
    """Most facts kept per 100 words of the document; 0 for no limit."""

    def __post_init__(self) -> None:
        if not 0 <= self.min_score <= 1:
            raise RecipeError(f"refine: min_score must lie in [0, 1], not {self.min_score}")
        if self.max_name < 0 or not self.per_hundred_words >= 0:
            raise RecipeError("refine: max_name and per_hundred_words must not be negative (0 means no limit)")


def mark(reading: Reading, test: Callable[[Claim], Drop | None]) -> Reading:
    """The reading with every kept claim for which `test` gives a Drop marked so."""

    def marked(claim: Claim) -> Claim:
        drop = None if claim.dropped else test(claim)
        return replace(claim, dropped=drop) if drop else claim

    chunks = tuple(replace(graph, claims=tuple(map(marked, graph.claims))) for graph in reading.chunks)
    return replace(reading, chunks=chunks)


def ends(reading: Reading, settings: Rules) -> Reading:
    """Drop claims with an empty subject, relation or object ("empty") or one that names nothing, as "it" ("pronoun").

    Stop words are those of the document's language (English where it is unknown).
    """
    stops = STOP_WORDS.get(reading.document.language or "en", frozenset())

    def test(claim: Claim) -> Drop | None:
        for part in ("subject", "relation", "object"):
            name: str = getattr(claim, part)
            value = part == "object" and claim.literal and (name.strip() or isinstance(claim, Proposition))
            if not value and not any(letter.isalnum() for letter in name):
                return Drop("empty", f"the {part} is empty")
        for part in ("subject",) if claim.literal else ("subject", "object"):
            name = getattr(claim, part)
            # "US", "WHO" and "IT" are names; "I" is not.
            shouted = len(name.strip()) > 1 and name.isupper()
            plain = names.normal(name)
            if not plain or (plain in stops and not shouted):
                return Drop("pronoun", f"the {part} {name!r} names nothing by itself")
        return None

    return mark(reading, test)


def overlong(reading: Reading, settings: Rules) -> Reading:
    """Drop claims with a part longer than `max_name` code points ("overlong")."""

    def test(claim: Claim) -> Drop | None:
        longest = max(map(len, claim.stated))
        if settings.max_name and not isinstance(claim, Proposition) and longest > settings.max_name:
            return Drop("overlong", f"a name of {longest} characters; at most {settings.max_name} are kept")
        return None

    return mark(reading, test)


def self_loops(reading: Reading, settings: Rules) -> Reading:
    """Drop claims whose subject is their object, after merging of names ("self-loop")."""

    def test(claim: Claim) -> Drop | None:
        subject, _, object_ = claim.names
        if settings.drop_self_loops and names.normal(subject) == names.normal(object_):
            return Drop("self-loop", f"{subject!r} is related to itself")
        return None

    return mark(reading, test)


def generic_relations(reading: Reading, settings: Rules) -> Reading:
    """Drop claims whose relation is on the recipe's list `generic` ("generic relation")."""
    listed = {names.normal(name) for name in settings.generic}

    def test(claim: Claim) -> Drop | None:
        if listed and not listed.isdisjoint((names.normal(claim.relation), names.normal(claim.names[1]))):
            return Drop("generic relation", f"{claim.relation!r} says too little")
        return None

    return mark(reading, test)


def ungrounded(reading: Reading, settings: Rules) -> Reading:
    """Drop claims without evidence in the document ("ungrounded"); what a model says of itself needs none."""

    def test(claim: Claim) -> Drop | None:
        if reading.seed is None and settings.drop_ungrounded and claim.evidence is None:
            return Drop("ungrounded", "no sentence of the document says it")
        return None

    return mark(reading, test)


def low_score(reading: Reading, settings: Rules) -> Reading:
    """Drop claims whose combined score is below `min_score` ("low score"); unscored claims pass."""

    def test(claim: Claim) -> Drop | None:
        score = claim.verdict("combined")
        if score is not None and not score >= settings.min_score:
            return Drop("low score", f"score {score:.3f} is below {settings.min_score:g}")
        return None

    return mark(reading, test)


def screen(reading: Reading, settings: Rules) -> Reading:
    """All rules that look at one claim by itself, in their order; the first that speaks gives the reason."""
    for rule in (ends, overlong, self_loops, generic_relations, ungrounded, low_score):
        reading = rule(reading, settings)
    return reading


def cap(reading: Reading, settings: Rules) -> Reading:
    """Keep at most `per_hundred_words` claims per 100 words, best scores (then earliest) first ("cap").

    Seeds have no cap.
    """
    if not settings.per_hundred_words or reading.seed is not None:
        return reading
    words = count_words(reading.document.text)
    most = math.ceil(words * settings.per_hundred_words / 100)
    kept = [
        (graph, place) for graph, part in enumerate(reading.chunks) for place, c in enumerate(part.claims) if c.kept
    ]
    if len(kept) <= most:
        return reading
    best = sorted(kept, key=lambda at: -reading.chunks[at[0]].claims[at[1]].score)
    cut = set(best[most:])
    drop = Drop("cap", f"more than {most} facts ({settings.per_hundred_words:g} per 100 words) in {words} words")
    chunks = tuple(
        replace(
            part,
            claims=tuple(
                replace(claim, dropped=drop) if (graph, place) in cut else claim
                for place, claim in enumerate(part.claims)
            ),
        )
        for graph, part in enumerate(reading.chunks)
    )
    return replace(reading, chunks=chunks)


def count_words(text: str) -> int:
    """Words between spaces; in scripts without spaces (Han, kana, Thai) two letters count as a word."""
    return len(text.split()) + len(UNSPACED.findall(text)) // 2

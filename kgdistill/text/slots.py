"""Slots: prompts with <ENT0>, <ENT1> … for the things of a relation; filling them, and finding them in a paraphrase."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product

from kgdistill.contracts import BLANK
from kgdistill.records import RelationSeed, Seed

SLOT = re.compile(r"<ENT(\d)>")
LONGEST = 5
"""Most words of a name that is looked for in a sentence."""
_BEFORE = frozenset(" \"'“‘(")
_ARTICLES = ("", "a", "the")
_INFLECTIONS = (("", ""), ("being", "is"), ("being", "are"), ("ing", ""), ("ing", "e"))
STOP_WORDS = frozenset((
    "a", "about", "above", "after", "again", "against", "all", "also", "am", "an", "and", "any", "are", "as", "at",
    "be", "because", "been", "before", "being", "below", "between", "both", "but", "by", "can", "could", "did", "do",
    "does", "doing", "down", "during", "each", "etc", "few", "for", "from", "further", "had", "has", "have", "having",
    "he", "her", "here", "hers", "herself", "him", "himself", "his", "how", "i", "if", "in", "into", "is", "it",
    "its", "itself", "just", "like", "many", "may", "me", "might", "more", "most", "much", "must", "my", "myself",
    "no", "nor", "not", "now", "of", "off", "often", "on", "once", "one", "only", "or", "other", "our", "ours",
    "ourselves", "out", "over", "own", "same", "shall", "she", "should", "so", "some", "such", "than", "that", "the",
    "their", "theirs", "them", "themselves", "then", "there", "these", "they", "this", "those", "through", "to",
    "too", "under", "until", "up", "upon", "us", "very", "was", "we", "were", "what", "when", "where", "which",
    "while", "who", "whom", "whose", "why", "will", "with", "within", "without", "would", "you", "your", "yours",
    "yourself", "yourselves",
))  # fmt: skip


def slots(prompt: str) -> tuple[int, ...]:
    """The numbers of its slots, in the order in which they stand."""
    return tuple(int(number) for number in SLOT.findall(prompt))


def prompt_fault(prompt: str, arity: int) -> str:
    """Why a prompt cannot be used, or "": each slot must stand in it once, as a word of its own."""
    if sorted(slots(prompt)) != list(range(arity)):
        return "slots"
    for match in SLOT.finditer(prompt):
        before, after = prompt[match.start() - 1 : match.start()], prompt[match.end() : match.end() + 1]
        if (before and before not in _BEFORE) or after.isalnum():
            return "glued"
    return "" if re.search(r"[^\W\d_]", SLOT.sub("", prompt)) else "empty"


def relation_fault(seed: Seed) -> tuple[str, str] | None:
    """What is wrong with a relation's wordings and examples, as (reason, message); None for any other seed.

    A wording that passes here can be filled and weighed; that needs two different examples, since prompts are weighed
    by what they say where one thing is exchanged for another example's.
    """
    if not isinstance(seed, RelationSeed):
        return None
    arity = len(set(slots(seed.definition)))
    if arity not in (2, 3) or _wording_fault(seed.definition, arity):
        said = "must speak of <ENT0>, <ENT1> and perhaps <ENT2>, once each, in words of its own"
        return "definition", f"{seed.relation}: the definition {said}"
    for prompt in seed.prompts:
        if fault := _wording_fault(prompt, arity):
            return "prompt", f"{seed.relation}: the prompt {prompt[:60]!r} {fault}"
    if not seed.tuples:
        return "empty", f"{seed.relation}: a few example pairs are needed under `seeds`"
    for things in seed.tuples:
        if len(things) != arity or not all(things):
            return "one entity", f"{seed.relation}: {list(things)} should name {arity} things"
        if len({name.casefold() for name in things}) < arity:
            return "one entity", f"{seed.relation}: {list(things)} names one thing twice"
    if len({tuple(map(str.casefold, things)) for things in seed.tuples}) < 2:
        return "too few", f"{seed.relation}: at least two different examples are needed under `seeds`"
    return None


def _wording_fault(prompt: str, arity: int) -> str:
    if set("<>") & set(SLOT.sub("", prompt)):
        return "has a pointed bracket that marks no slot"
    names = " and ".join(f"<ENT{number}>" for number in range(arity))
    says = {
        "slots": f"should name {names} once each",
        "glued": "has a slot that is no word of its own",
        "empty": "has no words beside its slots",
    }
    fault = prompt_fault(styled(prompt), arity)
    return says[fault] if fault else ""


def styled(prompt: str) -> str:
    """One sentence: white space folded, a capital at the beginning, one full stop at the end."""
    return capitalised(" ".join(prompt.split()).rstrip(" .!")) + "."


def capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def filled(prompt: str, names: Sequence[str]) -> str:
    """The prompt about these things; all slots are filled at once, so that no name is looked into for slots."""
    return capitalised(SLOT.sub(lambda match: names[int(match[1])], prompt))


def blanked(prompt: str, names: Sequence[str], *, whole: bool = True) -> tuple[str, tuple[str, ...]]:
    """(the prompt with a BLANK for each thing, the texts of these blanks in order).

    Without `whole` only the first word of each thing is a blank, and its other words can be seen.
    """
    texts: list[str] = []

    def blank(match: re.Match[str]) -> str:
        name = names[int(match[1])]
        first, space, rest = (name, "", "") if whole else name.partition(" ")
        texts.append(first if match.start() else capitalised(first))
        return BLANK + space + rest

    return SLOT.sub(blank, prompt), tuple(texts)


def examples(prompt: str, tuples: Sequence[Sequence[str]], count: int, without: Sequence[str] = ()) -> str:
    """Lines that fill the prompt with the first `count` tuples that have none of these names, each with its line end.

    A model that writes on is shown them before a prompt. What is weighed never stands among them.
    """
    named = {name.casefold() for name in without}
    usable = [things for things in tuples if not named & {name.casefold() for name in things}]
    return "".join(filled(prompt, things) + "\n" for things in usable[:count])


def weighted(seed: RelationSeed) -> dict[str, float]:
    """The relation's prompts with their weights; those that were never weighed weigh the same."""
    if seed.weights:
        return dict(zip(seed.prompts, seed.weights, strict=True))
    prompts = dict.fromkeys(map(styled, (seed.definition, *seed.prompts)))
    return dict.fromkeys(prompts, 1 / len(prompts))


def lifted(sentence: str, names: Sequence[str]) -> str:
    """The sentence as a prompt, with slots where it says the names; "" where one is not said, or said twice.

    Names are whole words, whatever their case. Articles may have to go first, and names may be inflected
    ("being late": "is late"). Source: Hao et al., BertNet (2023), section 3.1, and its code.
    """
    sentence = " ".join(re.split(r"(?<=[.!?])\s", sentence.strip(), maxsplit=1)[0].split()).rstrip(" .")
    for article, changes in product(_ARTICLES, product(_INFLECTIONS, repeat=len(names))):
        text = re.sub(rf"(?<!\w){article} ", "", sentence, flags=re.IGNORECASE) if article else sentence
        wanted = [
            name.replace(before, after) if before else name
            for name, (before, after) in zip(names, changes, strict=True)
        ]
        if found := _lifted(text, wanted):
            return found
    return ""


def _lifted(text: str, names: Sequence[str]) -> str:
    for number in sorted(range(len(names)), key=lambda number: -len(names[number])):  # "car door" before "car"
        name = " ".join(names[number].split())
        pattern = re.compile(rf"(?<![\w<]){re.escape(name)}(?!\w)", re.IGNORECASE)
        if not name or len(pattern.findall(text)) != 1:
            return ""
        text = pattern.sub(f"<ENT{number}>", text)
    return text


def matched(prompt: str, sentence: str) -> tuple[str, ...]:
    """The names with which the sentence fills the prompt, or (). White space, case and the full stop count for nothing.

    A name has at most `LONGEST` words, so that a short prompt does not fit every sentence.
    """
    if len(set(slots(prompt))) < len(slots(prompt)):
        return ()
    found = _filling(prompt).fullmatch(" ".join(sentence.split()).rstrip(" .!"))
    return tuple(found[f"name{number}"] for number in range(len(slots(prompt)))) if found else ()


@lru_cache(maxsize=256)
def _filling(prompt: str) -> re.Pattern[str]:
    pieces = SLOT.split(" ".join(prompt.split()).rstrip(" .!"))  # text, number, text, number … text
    name = rf"\S+(?: \S+){{0,{LONGEST - 1}}}?"
    pattern = "".join(f"(?P<name{p}>{name})" if at % 2 else re.escape(p) for at, p in enumerate(pieces))
    return re.compile(pattern, re.IGNORECASE)


def name_fault(name: str, earlier: Sequence[str], prompts: Sequence[str], stop_words: frozenset[str]) -> str:
    """Why `name` (lower case) is nothing to harvest after the names before it, or "".

    Source: the released code of BertNet (entity_tuple_searcher.py).
    """
    words = name.split()
    if stop_words & set(words):
        return "stop-word"
    if len(name) <= 2 or any(len(word) == 1 for word in words) or all(len(word) <= 2 for word in words):
        return "short"
    if len(set(words)) < len(words):
        return "repeated word"
    bare = name.replace(" ", "")
    for other in (other.replace(" ", "") for other in earlier):
        if bare.startswith(other) or other.startswith(bare):
            return "alike"
    if any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", SLOT.sub("", prompt), re.IGNORECASE) for prompt in prompts):
        return "in a prompt"
    return ""


def casings(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Every choice of lower or title case for each name, lower case first; 2 to the power of their number."""
    ways = [dict.fromkeys((name.lower(), " ".join(map(capitalised, name.lower().split())))) for name in names]
    yield from product(*ways)

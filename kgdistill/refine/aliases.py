"""Aliases: the kinds of evidence that two names are one, each a function from all names to proposals."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations, pairwise
from typing import NamedTuple

from msgspec import Struct

from kgdistill.refine import types
from kgdistill.refine.spelling import (
    LEGAL_FORMS,
    LEGAL_SAME,
    SMALL,
    Form,
    apart,
    core,
    form,
    initials,
    shortens,
)

DECLARED = re.compile(r"((?:[\w'’-]+[ \t]+){1,10})\(([^\W\d_][\w.&]{1,9})\)")
OWN_SHORT = re.compile(r"(.+?)\s*\((\w[\w.&]{1,9})\)")


class Name(Struct, frozen=True):
    """One name with what the corpus says of it."""

    text: str
    form: Form
    count: int
    family: str
    """Most frequent type family, "" where none is known."""
    families: frozenset[str]
    documents: frozenset[str]


class Proposal(NamedTuple):
    """Evidence that two names are one; `other` is the fuller one where that matters."""

    name: str
    other: str
    reason: str
    score: float


Known = Mapping[str, Name]


def declared(text: str) -> list[tuple[str, str]]:
    """(short, long) abbreviations declared as "Long Form (LF)", by initials (after Schwartz and Hearst 2003)."""
    found = []
    for match in DECLARED.finditer(text):
        words, short = match[1].split(), match[2]
        key = form(short).key
        for size in range(len(key), min(len(words), len(key) + 4) + 1):
            part = words[len(words) - size :]
            if part[0].casefold() not in SMALL and key in initials(form(" ".join(part)).words):
                found.append((short, " ".join(part)))
                break
    return found


def same_letters(known: Known) -> Iterator[Proposal]:
    """Names equal but for case, spaces, punctuation and articles, or for accents that one of them leaves out."""
    blocks: dict[str, list[Name]] = defaultdict(list)
    for name in known.values():
        blocks[name.form.key].append(name)
        own = OWN_SHORT.fullmatch(name.text)
        if own and form(own[2]).key in initials(form(own[1]).words):
            for part in (own[1], own[2]):
                if part in known and types.compatible(name.family, known[part].family):
                    yield Proposal(name.text, part, f"carries its own abbreviation, {own[2]}", 0.98)
    for key, block in blocks.items():
        accented = {name.form.accented for name in block} - {key}
        # The neighbours in (accents, most said) order are enough to hold a block together: no all-pairs.
        ordered = sorted(block, key=lambda name: (-name.count, -len(name.text), name.text))
        by_accents = defaultdict(list)
        for name in ordered:
            by_accents[name.form.accented, name.family].append(name)
        for group in by_accents.values():
            yield from _chain(group, ordered, "same letters", 1.0, same_accents=True)
        if len(accented) == 1 and len(key) >= 5:
            yield from _chain(ordered, ordered, "same letters but for accents", 0.98, same_accents=False)


def _chain(
    group: list[Name], block: list[Name], reason: str, score: float, *, same_accents: bool
) -> Iterator[Proposal]:
    """Each name of the group with the first few of its block that fit it."""
    for name in group:
        fitting = [
            other
            for other in block[:64]
            if other is not name
            and (other.form.accented == name.form.accented) == same_accents
            and types.compatible(name.family, other.family)
            and _same_case(name, other)
        ]
        for other in fitting[:3]:
            yield Proposal(name.text, other.text, reason, score)


def _same_case(one: Name, other: Name) -> bool:
    """Whether case does not tell them apart, as it does "US" and "us" or "AIDS" and "aids", not "NASA" and "Nasa"."""
    if one.form.short == other.form.short:
        return True
    plain = other if one.form.short else one
    return plain.text[:1].isupper() and len(plain.form.key) >= 4


def titles(known: Known) -> Iterator[Proposal]:
    """ "Dr. Anna Berg", "Anna Berg" and "Berg, Anna"."""
    people: dict[tuple[str, ...], list[Name]] = defaultdict(list)
    for name in known.values():
        words = name.form.words
        if name.family == "person" and name.text.count(",") == 1:
            last, first = name.text.split(",")
            words = (*form(first).words, *form(last).words)
        if types.compatible(name.family, "person") and len(core(words)) >= 2:
            people[core(words)].append(name)
    for block in people.values():
        for one, other in by_preference(block):
            if "person" in (one.family, other.family) and one.form.key != other.form.key:
                yield Proposal(one.text, other.text, "same name but for a title or its order", 0.95)


def legal_forms(known: Known) -> Iterator[Proposal]:
    """ "Acme Inc." and "Acme", but not where "Acme Ltd" is there, too."""
    firms: dict[tuple[str, ...], list[Name]] = defaultdict(list)
    for name in known.values():
        if name.family == "organisation":
            firms[_without_legal_form(name.form.words)].append(name)
    for words, block in firms.items():
        said = {_legal_form(name.form.words) for name in block} - {""}
        if len(said) == 1 and len("".join(words)) >= 3:
            for one, other in by_preference(block):
                if one.form.key != other.form.key:
                    yield Proposal(one.text, other.text, "same name but for the legal form", 0.95)


def by_preference(block: list[Name]) -> Iterable[tuple[Name, Name]]:
    """Pairs that hold the block together: all of a small one, neighbours of a large one."""
    if len(block) < 2:
        return ()
    ordered = sorted(block, key=lambda name: (-name.count, -len(name.text), name.text))
    return combinations(ordered, 2) if len(ordered) <= 16 else pairwise(ordered)


def _without_legal_form(words: tuple[str, ...]) -> tuple[str, ...]:
    end = len(words)
    while end > 1 and words[end - 1] in LEGAL_FORMS:
        end -= 1
    return words[:end]


def _legal_form(words: tuple[str, ...]) -> str:
    found = words[len(_without_legal_form(words)) :]
    return " ".join(LEGAL_SAME.get(word, word) for word in found)


def person_forms(known: Known) -> list[Proposal]:
    """ "Berg" or "A. Berg" for "Anna Berg": only where every document that says it has this one full name that fits."""
    by_document: dict[tuple[str, str], list[Name]] = defaultdict(list)
    for name in known.values():
        if name.families == {"person"}:
            for document in name.documents:
                by_document[document, name.form.words[-1]].append(name)
    fits: dict[str, set[str]] = defaultdict(set)
    for group in by_document.values():
        # A surname shared by very many names in one document decides nothing.
        for name in group:
            fuller = [other for other in group if _is_short_for(name, other)] if len(group) <= 64 else []
            best = {o.text for o in fuller if not any(_is_short_for(o, that) for that in fuller)}
            keys = {form(text).key for text in best}
            fits[name.text].add(min(best, key=lambda text: (-known[text].count, text)) if len(keys) == 1 else "")
    chosen = {short: next(iter(full)) for short, full in fits.items() if len(full) == 1 and "" not in full}
    company: dict[str, list[str]] = defaultdict(list)
    for short, full in chosen.items():
        company[full].append(short)
    return [
        Proposal(short, full, "shorter form of the only full name that fits in its documents", 0.9)
        for short, full in sorted(chosen.items())
        if not any(apart(form(short), form(other)) for other in company[full][:64])
    ]


def _is_short_for(name: Name, other: Name) -> bool:
    if other.family != "person" or name.text == other.text:
        return False
    short, long = core(name.form.words), core(other.form.words)
    return len(long) >= 2 and len(long[0]) > 1 and shortens(short, long) and not apart(name.form, other.form)


def acronyms(known: Known, abbreviations: Iterable[tuple[str, str, str]] = ()) -> Iterator[Proposal]:
    """ "UN" for "United Nations": declared in a text, or its initials in the same document, and nothing else fits."""
    by_document: dict[tuple[str, str], list[Name]] = defaultdict(list)
    for name in known.values():
        if len([word for word in name.form.words if word not in SMALL]) >= 2 and not name.form.short:
            for key in initials(name.form.words):
                for document in name.documents:
                    by_document[document, key].append(name)
    declared_long: dict[str, set[str]] = defaultdict(set)
    for short, long, _ in abbreviations:
        declared_long[short].add(form(long).key)
    for name in known.values():
        if not name.form.short:
            continue
        longs = {
            long.text: long for document in name.documents for long in by_document.get((document, name.form.key), ())
        }
        keys = {long.form.key for long in longs.values()} | declared_long[name.text]
        if len(keys) != 1 or not longs:
            continue
        said = declared_long[name.text]
        everywhere = name.documents <= frozenset().union(*(long.documents for long in longs.values()))
        # Two letters stand for too many things to be trusted where the long form is not said.
        if not (said or everywhere or len(name.form.key) >= 3):
            continue
        for fuller in sorted(longs.values(), key=lambda fuller: (-fuller.count, fuller.text))[:3]:
            if all(types.compatible(family, fuller.family) for family in name.families):
                reason = (
                    "abbreviation declared in the text" if said else "initials of the only long form in its documents"
                )
                yield Proposal(name.text, fuller.text, reason, 0.97 if said else 0.9)

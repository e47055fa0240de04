"""Where the entities of a seed document are named: by their letters, and pronouns by what the standalone form says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from difflib import SequenceMatcher

from kgdistill.distill.swaps import SeedDocument, SeedEntity, SeedSentence
from kgdistill.records import Span
from kgdistill.text.names import find_all
from kgdistill.text.pronouns import PRONOUNS

_TOKEN = re.compile(r"\w+|[^\w\s]")
_ARTICLE = re.compile(r"(?:the|a|an)\s+|(?:The|A|An)\s+(?=[a-zß-ÿ])")
_PRONOUNS = PRONOUNS | {"one"}
_PLURAL = frozenset("they them their theirs themselves these those we us our ours you your yours".split())  # noqa: SIM905


def locate_mentions(document: SeedDocument, sentences: Sequence[Span]) -> dict[str, set[Span]]:
    """Entity names with the spans of their mentions; `sentences` are where the document's sentences stand.

    A leading article is no part of a mention, as it is none of a name ("the shed"), unless the name has it.
    """
    names = {entity.name.casefold() for entity in document.entities}
    surfaces = {entity.name: _surfaces(entity, names) for entity in document.entities}
    found = {
        name: {_bare(span, document.text, name) for surface in own for span in find_all(surface, document.text)}
        for name, own in surfaces.items()
    }
    for sentence, where in zip(document.sentences, sentences, strict=True):
        for start, end, replacement in replacements(sentence):
            for name in _meant(replacement, sentence.text[start:end], surfaces):
                found[name].add(Span(where.start + start, where.start + end))
    return {name: set(_longest(spans)) for name, spans in found.items()}


def replacements(sentence: SeedSentence) -> Iterator[tuple[int, int, str]]:
    """(start, end, what stands there in the standalone sentence) of pronouns; offsets in `sentence.text`."""
    left, right = list(_TOKEN.finditer(sentence.text)), list(_TOKEN.finditer(sentence.standalone))
    matcher = SequenceMatcher(None, [t[0].lower() for t in left], [t[0].lower() for t in right], autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "replace" and b - a == 1 and left[a][0].lower() in _PRONOUNS:
            yield left[a].start(), left[a].end(), sentence.standalone[right[c].start() : right[d - 1].end()]


def _surfaces(entity: SeedEntity, names: Set[str]) -> list[str]:
    """What it is called: its name, and of its mentions those that are neither pronouns nor another entity's name."""
    others = (name for name in entity.mentions if name.lower() not in _PRONOUNS)
    return [entity.name, *(name for name in others if name[_article(name) :].casefold() not in names)]


def _bare(span: Span, text: str, name: str) -> Span:
    said = text[span.start : span.end]
    return span if said.casefold() == name.casefold() else Span(span.start + _article(said), span.end)


def _article(name: str) -> int:
    """Characters before the name itself; a capital belongs to the name where the next word has one too."""
    found = _ARTICLE.match(name)
    return found.end() if found else 0


def _longest(spans: set[Span]) -> Iterator[Span]:
    """A short name inside a longer one ("Boltzmann" in "Ludwig Boltzmann") is the same mention."""
    return (s for s in spans if not any(o != s and o.start <= s.start and s.end <= o.end for o in spans))


def _meant(replacement: str, pronoun: str, surfaces: Mapping[str, Sequence[str]]) -> list[str]:
    """The entities that a pronoun stands for: one, or for a plural all that its replacement names.

    "Tamsin Okoro Travel Scholarship" is not Tamsin Okoro, "Ada's letter" not Ada, and "letter of Ada" first the letter.
    """
    named: dict[Span, str] = {}
    for name, own in surfaces.items():
        for surface in own:
            for span in find_all(surface, replacement):
                named.setdefault(span, name)
    heads = [
        (span, named[span])
        for span in sorted(_longest(set(named)))
        if not re.match(r"['’]s?\s+\w", replacement[span.end :])
    ]
    names = list(dict.fromkeys(name for _, name in heads))
    return names if pronoun.lower() in _PLURAL else names[:1]

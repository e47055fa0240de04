"""Respelling: evidence that two names are one from spelling, plurals and word order, with the encoder's consent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations

from rapidfuzz import fuzz

from kgdistill.contracts import Encoder
from kgdistill.refine import types
from kgdistill.refine.aliases import Known, Name, Proposal, by_preference
from kgdistill.refine.spelling import SMALL, apart, folded, respelled


def respellings(known: Known, encoder: Encoder, min_ratio: float, min_similarity: float) -> list[Proposal]:
    """Spelling variants, plurals, slips of a letter (never of people) and reordered nouns, where embeddings agree."""
    pairs = sorted({(min(a, b), max(a, b), how) for a, b, how in _spelling_pairs(known)})
    good = [
        (one, other, how, fuzz.ratio(known[one].form.accented, known[other].form.accented))
        for one, other, how in pairs
        if types.compatible(known[one].family, known[other].family)
        and "person" not in known[one].families | known[other].families
        and not apart(known[one].form, known[other].form)
    ]
    good = [pair for pair in good if pair[2] in ("order of words", "plural") or pair[3] >= min_ratio]
    if not good:
        return []
    texts = sorted({text for one, other, _, _ in good for text in (one, other)})
    place = {text: number for number, text in enumerate(texts)}
    vectors = encoder.encode(texts)
    proposals = []
    for one, other, how, ratio in good:
        similarity = float(vectors[place[one]] @ vectors[place[other]])
        if similarity >= min_similarity:
            score = min(similarity, 0.95)
            proposals.append(Proposal(one, other, f"{how}; ratio {ratio:.0f}, similarity {similarity:.2f}", score))
    return proposals


def _spelling_pairs(known: Known) -> Iterator[tuple[str, str, str]]:
    """Pairs of names whose words differ in spelling or order only, all found by lookup."""
    yield from _folded_pairs(known)
    yield from _turned_pairs(known)
    yield from _slipped_pairs(known)


def _folded_pairs(known: Known) -> Iterator[tuple[str, str, str]]:
    blocks: dict[tuple[str, ...], list[Name]] = defaultdict(list)
    for name in known.values():
        blocks[tuple(map(_stem, name.form.words))].append(name)
    for block in blocks.values():
        for one, other in by_preference(block):
            if how := _how(one, other):
                yield one.text, other.text, how


def _turned_pairs(known: Known) -> Iterator[tuple[str, str, str]]:
    """Common nouns of two content words; three could change places in too many ways ("effect of drugs on cells")."""
    blocks: dict[tuple[str, ...], list[Name]] = defaultdict(list)
    for name in known.values():
        bag = tuple(sorted(word for word in name.form.words if word not in SMALL))
        if len(bag) == 2 and name.text == name.text.lower() != name.text.upper() and not name.form.numbers:
            blocks[bag].append(name)
    for block in blocks.values():
        for one, other in by_preference(block):
            if one.form.key != other.form.key and _turned(one, other):
                yield one.text, other.text, "order of words"


def _slipped_pairs(known: Known) -> Iterator[tuple[str, str, str]]:
    by_word: dict[str, list[Name]] = defaultdict(list)
    by_words: dict[tuple[str, ...], list[Name]] = defaultdict(list)
    for name in known.values():
        by_words[name.form.words].append(name)
        for word in set(name.form.words):
            if len(word) >= 8:
                by_word[word].append(name)
    for word, slipped in _slips(by_word):
        for name in by_word[word]:
            words = tuple(slipped if part == word else part for part in name.form.words)
            for other in by_words.get(words, ())[:8]:
                yield name.text, other.text, "slip of a letter"


def _how(one: Name, other: Name) -> str:
    """How the differing words of two names respell each other, or an empty string where one pair does not."""
    if len(one.form.words) != len(other.form.words) or one.form.key == other.form.key:
        return ""
    hows = set()
    for first, second in zip(one.form.words, other.form.words, strict=True):
        if first != second:
            how = respelled(first, second)
            # Plurals are of common nouns: "Beatle" and "Beatles", "Wale" and "Wales" are names.
            if not how or (how == "plural" and (first.endswith("ics") or second.endswith("ics"))):
                return ""
            if how == "plural" and first not in one.text and second not in other.text:
                return ""
            hows.add(how)
    return " and ".join(sorted(hows))


def _turned(one: Name, other: Name) -> bool:
    """ "theory of evolution" and "evolution theory": two content words turned round about exactly one "of"."""
    turned = {tuple(word for word in name.form.words if word not in SMALL) for name in (one, other)}
    ofs = sorted(sum(word in SMALL for word in name.form.words) for name in (one, other))
    return len(turned) == 2 and ofs == [0, 1] and any("of" in name.form.words for name in (one, other))


def _stem(word: str) -> str:
    """A word folded for lookup: spelling, then plural endings."""
    word = folded(word)
    for ending, by in (("ies", "y"), ("es", ""), ("s", ""), ("e", "")):
        if len(word) > len(ending) + 3 and word.endswith(ending):
            return word[: -len(ending)] + by
    return word


def _slips(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pairs of words one slip of a letter apart, found under the spellings that dropping one letter gives."""
    spelled: dict[int, list[str]] = defaultdict(list)
    for word in sorted(words):
        for shorter in {word} | {word[:place] + word[place + 1 :] for place in range(2, len(word) - 1)}:
            spelled[hash(shorter)].append(word)
    seen = set()
    for block in spelled.values():
        for one, other in combinations(block[:16], 2) if len(block) > 1 else ():
            if (one, other) not in seen and respelled(one, other) == "slip of a letter":
                seen.add((one, other))
                yield one, other

"""How much wording two texts share: Unicode words and ROUGE F1."""

from __future__ import annotations

from collections import Counter

import regex

_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
# A character of a script written without spaces is a word of its own, together with its marks. Marks belong to
# words: without them Hindi and vocalised Arabic would fall to pieces.
_WORD = regex.compile(rf"{_UNSPACED}\p{{M}}*|(?:(?!{_UNSPACED})[\p{{L}}\p{{N}}\p{{M}}_]|(?<=\p{{L}})['’](?=\p{{L}}))+")
_LONGEST = 20_000
_EMPTY = frozenset(  # what a sentence may have or not without saying more
    "a an and are at by for from in is it of on or that the this to was were which who with".split()  # noqa: SIM905
)


def words(text: str) -> list[str]:
    """The text's words, in order and as they are spelled; scripts without spaces give one word per character."""
    return [match.group() for match in _WORD.finditer(text)]


def _folded(text: str) -> list[str]:
    return words(text.casefold())


def _f1(shared: int, reference: int, candidate: int) -> float:
    return 2 * shared / (reference + candidate) if shared else 0.0


def rouge1(reference: str, candidate: str) -> float:
    """ROUGE-1 F1 on lower-cased words, each counted as often as it stands; two texts without words agree fully.

    This is the filter of SynthKG's decontextualisation (section 3 of the paper): below 0.70 a rewrite is refused.
    """
    left, right = Counter(_folded(reference)), Counter(_folded(candidate))
    if not left and not right:
        return 1.0
    return _f1((left & right).total(), left.total(), right.total())


def rouge_l(reference: str, candidate: str) -> float:
    """ROUGE-L F1: the longest common subsequence of lower-cased words. At most 20,000 words a side are compared."""
    left, right = _folded(reference)[:_LONGEST], _folded(candidate)[:_LONGEST]
    if not left and not right:
        return 1.0
    return _f1(_common_subsequence(left, right), len(left), len(right))


def _common_subsequence(left: list[str], right: list[str]) -> int:
    """Length of the longest common subsequence, with one bit per word of `left` (Hyyrö's bit-parallel recurrence)."""
    places: dict[str, int] = {}
    for index, word in enumerate(left):
        places[word] = places.get(word, 0) | (1 << index)
    full = (1 << len(left)) - 1
    state = full
    for word in right:
        matched = state & places.get(word, 0)
        state = ((state + matched) | (state - matched)) & full
    return len(left) - state.bit_count()


def contains(text: str, statement: str) -> bool:
    """Whether a text has all content words of a statement: entailment for those who have no model at hand."""
    said, asked = ({word.removesuffix("'s").removesuffix("’s") for word in _folded(one)} for one in (text, statement))
    return asked - _EMPTY <= said

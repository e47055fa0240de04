"""Propositions of a text, sentence by sentence: windows with context, the marked notation, repeats, strange names.

The marked notation is that of the models released with the paper: a block `<s> … </s>` for each sentence, in order; in
a reply a block holds a line `- …` for each proposition.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from kgdistill.records import Chunk, Span
from kgdistill.text.names import normal
from kgdistill.text.numbers import digit_numbers
from kgdistill.text.overlap import words
from kgdistill.text.sentences import sentence_spans, trimmed

_BLOCK = re.compile(r"<s>(.*?)</s>", re.DOTALL)
_MARK = re.compile(r"<(/?s)>", re.IGNORECASE)
_BULLET = re.compile(r"(?:[-*•–]|\d{1,3}[.)])\s+")
_OPENERS = frozenset(
    (  # noqa: SIM905 - plain words read best
        "a all an another any at both each every five four he her his i in it its many most no none not of on one "
        "other she six some someone something that the their there these they this those three to two we what who you "
        "your"
    ).split()
)


class Sentence(Struct, frozen=True):
    """A sentence of a document: where it stands without its outer white space, and how it reads on its own."""

    span: Span
    text: str
    standalone: str


class Window(Struct, frozen=True):
    """Sentences `start` to `end` (not included) are asked about, those from `context` on are shown."""

    context: int
    start: int
    end: int


def sentences_of(chunk: Chunk, language: str = "") -> list[Sentence]:
    """The chunk's sentences; a rewrite with as many sentences gives each its standalone form."""
    spans = _trimmed(chunk.text, language)
    plain = [chunk.text[span.start : span.end] for span in spans]
    forms = plain
    if chunk.standalone != chunk.text:
        rewritten = [chunk.standalone[span.start : span.end] for span in _trimmed(chunk.standalone, language)]
        forms = rewritten if len(rewritten) == len(plain) else plain
    moved = (Span(chunk.start + span.start, chunk.start + span.end) for span in spans)
    return [Sentence(*parts) for parts in zip(moved, plain, forms, strict=True)]


def _trimmed(text: str, language: str) -> list[Span]:
    spans = (trimmed(text, span.start, span.end) for span in sentence_spans(text, language))
    return [span for span in spans if span.start < span.end]


def windows(lengths: Sequence[int], most: int, longest: int, context: int) -> Iterator[Window]:
    """Runs of at most `most` sentences and `longest` characters that cover all, each with `context` sentences before.

    A sentence that alone is longer is a window of its own. Raises ValueError where `most` is not positive.
    """
    if most < 1:
        raise ValueError(f"a window needs at least one sentence, not {most}")
    start = 0
    while start < len(lengths):
        end, total = start + 1, lengths[start]
        while end < len(lengths) and end - start < most and total + lengths[end] <= longest:
            total += lengths[end]
            end += 1
        yield Window(max(0, start - context), start, end)
        start = end


def wrapped(sentences: Iterable[str]) -> str:
    """Sentences as the marked notation has them: a block each, one a line."""
    return "\n".join(f"<s> {_plain(sentence)} </s>" for sentence in sentences)


def write_marked(groups: Iterable[Sequence[str]]) -> str:
    """The propositions of each sentence in the marked notation."""
    blocks = ("\n".join(f"- {_plain(proposition)}" for proposition in group) for group in groups)
    return "\n".join(f"<s>\n{block}\n</s>" for block in blocks)


def read_marked(text: str) -> list[list[str]]:
    """The propositions of each closed block; a block that is cut off is left out, a line without a bullet is read."""
    return [
        [said for line in block.splitlines() if (said := _BULLET.sub("", line.strip(), count=1).strip())]
        for block in _BLOCK.findall(text)
    ]


def _plain(text: str) -> str:
    """`text` on one line, without signs of the notation."""
    return " ".join(_MARK.sub(r"‹\1›", text).split())


def distinct(propositions: Iterable[str]) -> tuple[str, ...]:
    """Each proposition once: case, outer punctuation and white space tell none apart; empty ones go."""
    found: dict[str, str] = {}
    for text in propositions:
        if any(char.isalnum() for char in text):
            found.setdefault(normal(text), " ".join(text.split()))
    return tuple(found.values())


def unsupported(proposition: str, *texts: str) -> tuple[str, ...]:
    """Numbers and names of a proposition that none of the texts has, in order.

    A name is a word with a capital that is no plain opener of a sentence; it may stand in the text in lower case, or
    inside a longer word ("German" in "Germany's").
    """
    known = " ".join(texts)
    numbers = set(digit_numbers(known).values())
    missing = [number for number, digits in digit_numbers(proposition).items() if digits not in numbers]
    folded = _folded(known)
    for word in words(proposition):
        bare = re.sub(r"['’]s?$", "", word)
        if bare[:1].isupper() and bare.casefold() not in _OPENERS and _folded(bare) not in folded:
            missing.append(bare)
    return tuple(dict.fromkeys(missing))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()

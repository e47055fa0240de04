"""Parts of speech: what a spaCy pipeline says of each word, in universal classes whatever its own tags are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from kgdistill.errors import ModelError

_CLASSES = {
    "JJ": "ADJ", "RB": "ADV", "NN": "NOUN", "VB": "VERB", "MD": "AUX", "DT": "DET", "PDT": "DET", "IN": "ADP",
    "PRP": "PRON", "WP": "PRON", "EX": "PRON", "CC": "CCONJ", "CD": "NUM", "TO": "PART", "RP": "PART", "POS": "PART",
}  # fmt: skip
_BE = frozenset(["am", "are", "is", "was", "were", "be", "been", "being", "'s", "'re"])


class Tagged(NamedTuple):
    """A word with its universal class ("ADJ", "NOUN" …); `start` is its place in the text, in code points."""

    text: str
    kind: str
    start: int


Tagger = Callable[[Sequence[str]], list[list[Tagged]]]
"""Texts to their words, in order."""


def open_tagger(pipeline: str) -> Tagger:
    """A tagger made of a spaCy pipeline: its package's name, or a folder. Raises ModelError."""
    import spacy

    try:
        nlp = spacy.load(pipeline, exclude=["ner", "parser", "lemmatizer"])
    except (OSError, ValueError, ImportError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"spaCy cannot load {pipeline!r} ({reason}); name an installed pipeline or a folder"
        ) from error
    if not {"tagger", "morphologizer"} & set(nlp.pipe_names):
        raise ModelError(f"the spaCy pipeline {pipeline!r} tags no parts of speech")

    def tag(texts: Sequence[str]) -> list[list[Tagged]]:
        return [[Tagged(t.text, _kind(t), t.idx) for t in document if not t.is_space] for document in nlp.pipe(texts)]

    return tag


def _kind(token: Any) -> str:
    """The universal class: the pipeline's own, else made of a Penn Treebank tag."""
    if token.pos_:
        return str(token.pos_)
    if token.text.casefold() in _BE and token.tag_.startswith("VB"):
        return "AUX"
    if not any(letter.isalnum() for letter in token.text):
        return "PUNCT"
    return next((kind for tag, kind in _CLASSES.items() if token.tag_.startswith(tag)), "X")

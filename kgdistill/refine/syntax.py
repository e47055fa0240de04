"""Syntactic distance: how many edits turn the dependency tree of one sentence into another's (tree edit distance)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from kgdistill.errors import ModelError


class Tree(Struct, frozen=True):
    """A word's relation to its head, with the words that hang on it; what the words are does not count."""

    name: str
    children: tuple[Tree, ...] = ()


Parser = Callable[[Sequence[str]], list[Tree]]
"""Texts to their trees, in order; a text of several sentences has a root above theirs."""


def open_parser(pipeline: str) -> Parser:
    """A parser made of a spaCy pipeline: its package's name, or a folder. Raises ModelError."""
    import spacy

    try:
        nlp = spacy.load(pipeline, exclude=["ner", "lemmatizer"])
    except (OSError, ValueError, ImportError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"spaCy cannot load {pipeline!r} ({reason}); name an installed pipeline or a folder"
        ) from error
    if "parser" not in nlp.pipe_names:
        raise ModelError(f"the spaCy pipeline {pipeline!r} has no parser, so it makes no dependency trees")

    def parse(texts: Sequence[str]) -> list[Tree]:
        return [_document_tree(document) for document in nlp.pipe(texts)]

    return parse


def _document_tree(document: Any) -> Tree:
    roots = [_tree(sentence.root) for sentence in document.sents]
    return roots[0] if len(roots) == 1 else Tree("text", tuple(roots))


def _tree(token: Any) -> Tree:
    return Tree(token.dep_, tuple(_tree(child) for child in token.children if not child.is_punct))


def tree_distance(left: Tree, right: Tree) -> int:
    """Fewest nodes to insert, delete or rename so that the ordered trees are equal."""
    from apted import APTED, Config

    return int(APTED(left, right, Config()).compute_edit_distance())

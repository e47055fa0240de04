"""Passages by their words: BM25 (Robertson and Zaragoza 2009, in Lucene's form) by bm25s, memory-mapped."""

from __future__ import annotations

import unicodedata
from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kgdistill.query.columns import best
from kgdistill.text.overlap import words


def terms(text: str) -> list[str]:
    """The words of a text as they are counted: in NFKC, without case; scripts without spaces give single characters."""
    return words(unicodedata.normalize("NFKC", text).casefold())


def write_words(folder: Path, texts: Iterable[str], k1: float, b: float) -> None:
    """Index the texts; those without a word are never found."""
    import bm25s

    # As numbers, four bytes for a word: the words themselves would take ten times as much.
    known: dict[str, int] = {}
    documents = [array("i", (known.setdefault(word, len(known)) for word in terms(text))) for text in texts]
    if known:
        index = bm25s.BM25(method="lucene", k1=k1, b=b)
        index.index((documents, known), show_progress=False)
        index.save(str(folder / "bm25"), show_progress=False)


class Words:
    """Texts that are indexed by their words."""

    def __init__(self, folder: Path) -> None:
        self._index: Any = None
        if (folder / "bm25").is_dir():
            import bm25s

            self._index = bm25s.BM25.load(str(folder / "bm25"), mmap=True, show_progress=False)

    def nearest(self, text: str, count: int) -> tuple[list[int], list[float]]:
        """Numbers and scores of the texts that share most words with this one, the best first."""
        import numpy as np

        known = [] if self._index is None else self._index.get_tokens_ids(terms(text))
        if not known:
            return [], []
        scores = np.asarray(self._index.get_scores_from_ids(known))
        places = best(scores, count)
        places = places[scores[places] > 0]
        return places.tolist(), scores[places].tolist()

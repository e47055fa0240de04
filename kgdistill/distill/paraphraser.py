"""A small model that says a sentence in other words: a causal model in COMET's form, under a relation of its own.

<head> The bridge opened in 1937. </head> <relation> paraphrase </relation> [GEN] It was 1937 when the bridge opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kgdistill.distill.comet import Comet, CometSettings, Said
from kgdistill.errors import RecipeError
from kgdistill.records import TextPair


class Paraphraser(Comet):
    """Model and tokenizer; `learn` once, then `reword` as often as needed."""

    def clean(self, text: str) -> str:
        """A sentence keeps its full stop, unlike the tail of an inference."""
        return " ".join(text.split())

    def learn(self, train: Sequence[Said], validation: Sequence[Said], checkpoints: Path) -> dict[str, Any]:
        """Fine-tune on `rows_of` pairs. Raises RecipeError for none; the log is that of `Comet.fit`."""
        if not train:
            raise RecipeError("paraphraser: no pair of a training document is kept, so there is nothing to learn from")
        return self.fit(train, validation, checkpoints)

    def reword(self, sentence: str, samples: int, kind: str = "paraphrase") -> list[str]:
        """The finished ones of `samples` rewordings, each once. They do not depend on what was asked before."""
        return list(dict.fromkeys(w.tail for w in self.write(sentence, kind, samples) if w.finished and w.tail))


def rows_of(pairs: Iterable[TextPair], kind: str, *, both_ways: bool) -> list[Said]:
    """What a student learns of pairs: from left to right and, of paraphrases where wanted, the other way too."""
    rows = []
    for pair in pairs:
        rows.append((pair.left, kind, pair.right))
        if both_ways and kind == "paraphrase":
            rows.append((pair.right, kind, pair.left))
    return rows


__all__ = ["CometSettings", "Paraphraser", "rows_of"]

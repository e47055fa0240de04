"""Entailment: does one text follow from another, or contradict it? Any Hugging Face classifier of text pairs serves.

What `pipelines/mini_entailment.toml` makes (`kgdistill-mini-entailment`) is such a classifier too, with weights stored
as 8-bit rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kgdistill.errors import ModelError
from kgdistill.judge import eight_bit
from kgdistill.text.overlap import contains

EMBEDDED = "kgdistill-mini-entailment"
"""Name of our own classifier: `pipelines/mini_entailment.toml` makes it."""
LABELS = ("entailment", "neutral", "contradiction")
"""What a classifier of ours says of a pair, in this order."""
NAME = "entailment"
"""Name of its verdicts."""
MARKED = "marks_new_pieces"
"""Set in the config of a classifier that is told which word pieces of a hypothesis its premise does not have."""
WORDS = "words"
"""Name of the judge that has no model: a text entails what has no content words but its own."""
MOST_TOKENS = 256
"""What our own classifiers have learnt from: of a longer pair they read the beginning."""
FOREIGN_TOKENS = 512
"""Most tokens of a pair that another classifier reads, where it has places for them."""
_BATCH = 32


class Entailment:
    """A sequence classifier for natural language inference; which label means what is read from its config.

    Of a pair of more than `most` tokens the longer text is cut at its end.
    """

    def __init__(self, model: Any, tokenizer: Any, name: str, most: int = MOST_TOKENS) -> None:
        self._model, self._tokenizer, self._most = model, tokenizer, most
        self._entails, self._contradicts = places(model.config.id2label, name)
        self._marked = bool(getattr(model.config, MARKED, False))

    @classmethod
    def from_pretrained(cls, folder: Path) -> Entailment:
        """The model in `folder`, on a GPU where there is one. Raises ModelError."""
        import torch
        from transformers import AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = _stored(folder)
        except Exception as error:  # whatever is wrong with a folder comes out of here in many types
            reason = " ".join(str(error).split())[:300]
            raise ModelError(f"{folder}: cannot be loaded as a classifier of text pairs: {reason}") from error
        most = MOST_TOKENS if _ours(folder) else _places(model.config, tokenizer)
        return cls(model.to("cuda" if torch.cuda.is_available() else "cpu").eval(), tokenizer, str(folder), most)

    @property
    def contradicts(self) -> bool:
        """Whether it can tell a contradiction: one of its labels means that."""
        return self._contradicts >= 0

    @property
    def parts(self) -> tuple[Any, Any]:
        """(model, tokenizer), to be written down."""
        return self._model, self._tokenizer

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[float, float]]:
        """For each (premise, hypothesis): probability that the first entails the second, that it contradicts it.

        A model without a label for contradiction gives 0.0 for it.
        """
        import torch

        order = sorted(range(len(pairs)), key=lambda place: len(pairs[place][0]) + len(pairs[place][1]))
        found: list[tuple[float, float]] = [(0.0, 0.0)] * len(pairs)
        with torch.inference_mode():
            for start in range(0, len(order), _BATCH):
                part = order[start : start + _BATCH]
                encoded = encode(self._tokenizer, [pairs[place] for place in part], self._most, self._marked)
                batch = self._tokenizer.pad(encoded, return_tensors="pt").to(self._model.device)
                for place, row in zip(part, self._model(**batch).logits.softmax(-1).tolist(), strict=True):
                    found[place] = (row[self._entails], 0.0 if self._contradicts < 0 else row[self._contradicts])
        return found


def encode(tokenizer: Any, pairs: Sequence[tuple[str, str]], most: int, marked: bool) -> dict[str, list[list[int]]]:
    """Token ids and masks of pairs, not padded.

    With `marked` the second token type does not say "hypothesis" (the separator does), but "a piece of the hypothesis
    that the premise does not have". A small encoder takes long to learn that comparison, and needs it for most answers.
    """
    batch = tokenizer([one for one, _ in pairs], [other for _, other in pairs], truncation=True, max_length=most)
    found = {name: list(rows) for name, rows in batch.items()}
    if marked:
        found["token_type_ids"] = [_new(ids, batch.sequence_ids(row)) for row, ids in enumerate(batch["input_ids"])]
    return found


def _new(ids: Sequence[int], sides: Sequence[int | None]) -> list[int]:
    known = {token for token, side in zip(ids, sides, strict=True) if side == 0}
    return [int(side == 1 and token not in known) for token, side in zip(ids, sides, strict=True)]


class WordsEntailment:
    """Stands in for a classifier: 1.0 where the premise has all content words of the hypothesis, else 0.0."""

    contradicts = False

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[float, float]]:
        return [(float(contains(premise, hypothesis)), 0.0) for premise, hypothesis in pairs]


def _ours(folder: Path) -> bool:
    return (folder / eight_bit.FILE).is_file()


def _places(config: Any, tokenizer: Any) -> int:
    """How many tokens a foreign classifier reads. Two fewer than it has positions: some count theirs from 2."""
    positions = getattr(config, "max_position_embeddings", None) or FOREIGN_TOKENS + 2
    return int(min(positions - 2, tokenizer.model_max_length, FOREIGN_TOKENS))


def _stored(folder: Path) -> Any:
    """The model, from 8-bit rows where the folder has them; pickled weights serve where there are no others."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    if not _ours(folder):
        safe = any(folder.glob("*.safetensors"))
        return AutoModelForSequenceClassification.from_pretrained(
            folder, use_safetensors=safe, weights_only=True, local_files_only=True
        )
    model = AutoModelForSequenceClassification.from_config(AutoConfig.from_pretrained(folder, local_files_only=True))
    model.load_state_dict(eight_bit.load(folder))
    return model


def places(labels: Mapping[int, str], name: str) -> tuple[int, int]:
    """Where the labels of entailment and of contradiction stand; the latter -1 where there is none.

    Raises ModelError for a model whose labels do not say what they mean.
    """
    plain = {place: label.casefold().replace("_", " ").replace("-", " ") for place, label in labels.items()}
    denying = ("not ", "non ", "no ")
    entails = [p for p, label in plain.items() if label.startswith("entail") and not label.startswith(denying)]
    contradicts = [p for p, label in plain.items() if label.startswith("contradict")]
    if len(entails) != 1 or len(contradicts) > 1:
        raise ModelError(f"{name}: its labels ({', '.join(labels.values())}) do not say which one means entailment")
    return int(entails[0]), int(contradicts[0]) if contradicts else -1

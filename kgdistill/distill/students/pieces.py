"""Word pieces for a student that only reads: transformers takes longer to import than a page takes to read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

FILE, TOLD = "tokenizer.json", "tokenizer_config.json"
_KEPT = (FILE, TOLD, "special_tokens_map.json")


class WordPieces:
    """A tokeniser's folder as transformers saves it; saved again it has the same files, byte for byte."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files
        try:
            self._tokenizer: Any = Tokenizer.from_buffer(files[FILE])
            told = json.loads(files[TOLD])
        except Exception as error:  # the library raises nothing narrower
            raise ValueError(f"its tokenizer cannot be read: {error}") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.start, self.stop = self._special(told, "cls_token"), self._special(told, "sep_token")
        self.padding, self.unknown = self._special(told, "pad_token"), self._special(told, "unk_token")

    @classmethod
    def from_pretrained(cls, folder: Path) -> WordPieces:
        """The tokeniser in `folder`. Raises OSError where a file is missing, ValueError where one is of no use."""
        files = {name: (folder / name).read_bytes() for name in (FILE, TOLD)}
        return cls(files | {name: (folder / name).read_bytes() for name in _KEPT if (folder / name).is_file()})

    def _special(self, told: dict[str, Any], role: str) -> int:
        token = told.get(role)
        number = self._tokenizer.token_to_id(token["content"] if isinstance(token, dict) else token or "")
        if number is None:
            raise ValueError(f"it has no {role}")
        return int(number)

    def of_words(self, words: Sequence[str], most: int) -> list[tuple[int, ...]]:
        """Ids of each word: at least one and at most `most`, none of them special."""
        found = self._tokenizer.encode_batch_fast(list(words), add_special_tokens=False)
        return [tuple(pieces.ids[:most]) or (self.unknown,) for pieces in found]

    def of_texts(self, texts: Sequence[str], most: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and mask, each (texts, longest), of texts with the special pieces around them: at most `most` in all."""
        rows = [pieces.ids for pieces in self._tokenizer.encode_batch_fast(list(texts))]
        rows = [row if len(row) <= most else [*row[: most - 1], row[-1]] for row in rows]
        longest = max(map(len, rows))
        ids = [row + [self.padding] * (longest - len(row)) for row in rows]
        return torch.tensor(ids), torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])

    def save_pretrained(self, folder: Path) -> None:
        """Write the files into `folder`."""
        for name, content in self._files.items():
            (folder / name).write_bytes(content)

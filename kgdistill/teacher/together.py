"""Several requests at a time on a CPU, each with the bits that it would have alone.

A step of a small model is spent reading weights, so sixteen rows cost little more than four. What a row multiplies with
must not depend on its company, though: linear layers always see `ROWS` rows (empty ones where there are fewer), and
attention is computed request by request. Written for the models that kgdistill makes: OPT with BERT's layer order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from kgdistill.teacher.blocks import BLOCK, BlockCache, block_names
from kgdistill.teacher.packed import packed

if TYPE_CHECKING:
    from torch import Tensor

ROWS = 16
"""Rows that a linear layer sees at a time; half of the bits of a sum depend on it, so it never changes."""


def suits(model: Any) -> bool:
    """Whether the model is one that `Together` can run: OPT with norms after, on a CPU, in float32."""
    config = model.config
    return bool(
        config.model_type == "opt"
        and not config.do_layer_norm_before
        and config.activation_function == "gelu"
        and config.word_embed_proj_dim == config.hidden_size
        and model.device.type == "cpu"
        and str(model.dtype) == "torch.float32"
    )


class _Layer(NamedTuple):
    mixed: Callable[[Tensor], Tensor]
    """Queries (scaled), keys and values in one."""
    out: Callable[[Tensor], Tensor]
    first_norm: Any
    wide: Callable[[Tensor], Tensor]
    narrow: Callable[[Tensor], Tensor]
    last_norm: Any


class Remembered:
    """Keys and values of one request: shape (layers, 2, rows, heads, capacity, width)."""

    def __init__(self, layers: int, heads: int, capacity: int, width: int) -> None:
        import torch

        self.values = torch.empty((layers, 2, 1, heads, capacity, width))
        self.length = 0

    @property
    def rows(self) -> int:
        return int(self.values.shape[2])

    def spread(self, rows: int) -> None:
        """Give every one of `rows` rows a copy of the first."""
        layers, two, _, heads, capacity, width = self.values.shape
        spread = self.values.new_empty((layers, two, rows, heads, capacity, width))
        spread[..., : self.length, :] = self.values[..., : self.length, :]
        self.values = spread

    def drop(self, row: int) -> None:
        """Take one row out; the last row moves into its place."""
        if row != self.rows - 1:
            self.values[:, :, row, :, : self.length] = self.values[:, :, -1, :, : self.length]
        self.values = self.values[:, :, :-1]

    def choose(self, rows: Sequence[int]) -> None:
        """Go on with copies of these rows, in this order; one row may be named several times."""
        layers, two, _, heads, capacity, width = self.values.shape
        chosen = self.values.new_empty((layers, two, len(rows), heads, capacity, width))
        chosen[..., : self.length, :] = self.values[:, :, list(rows), :, : self.length]
        self.values = chosen


class Together:
    """The model's weights, laid out for `ROWS` rows, and the blocks of prompts that it has read."""

    rows = ROWS

    def __init__(self, model: Any, cache_bytes: int, *, brief: bool) -> None:
        decoder = model.model.decoder
        self._heads = int(model.config.num_attention_heads)
        self._width = int(model.config.hidden_size) // self._heads
        self._words = decoder.embed_tokens.weight.detach()
        self._places = decoder.embed_positions.weight.detach()[2:]  # OPT leaves two rows unused
        self._layers = [self._laid_out(layer, brief) for layer in decoder.layers]
        self._head = packed(model.lm_head.weight, None, brief=False)
        self._cache = BlockCache(cache_bytes)

    def _laid_out(self, layer: Any, brief: bool) -> _Layer:
        import torch

        attention, scale = layer.self_attn, self._width**-0.5
        parts = (attention.q_proj, attention.k_proj, attention.v_proj)
        weight = torch.cat([part.weight * (scale if part is parts[0] else 1.0) for part in parts])
        bias = torch.cat([part.bias * (scale if part is parts[0] else 1.0) for part in parts])
        return _Layer(
            packed(weight, bias, brief=brief),
            packed(attention.out_proj.weight, attention.out_proj.bias, brief=brief),
            layer.self_attn_layer_norm,
            packed(layer.fc1.weight, layer.fc1.bias, brief=brief),
            packed(layer.fc2.weight, layer.fc2.bias, brief=brief),
            layer.final_layer_norm,
        )

    def begin(self, tokens: Sequence[int], capacity: int) -> tuple[Remembered, Tensor, int]:
        """Read a prompt: what is remembered of it, its logits (1, vocabulary), and how many tokens the cache knew."""
        memory = Remembered(len(self._layers), self._heads, capacity, self._width)
        names = block_names(tokens)
        cached = 0
        for number, name in enumerate(names):
            end = memory.length + BLOCK
            block = self._cache.get(name)
            if block is None:
                self._read(memory, tokens[number * BLOCK : (number + 1) * BLOCK])
                self._cache.put(name, [(memory.values[..., end - BLOCK : end, :].clone(),)])
            else:
                memory.values[..., end - BLOCK : end, :] = block[0][0]
                memory.length = end
                cached += BLOCK
        last = self._read(memory, tokens[len(names) * BLOCK :])[-1:]
        return memory, self._head(last), cached

    def _read(self, memory: Remembered, tokens: Sequence[int]) -> Tensor:
        """Hidden states (tokens, hidden) of the next tokens of a prompt, which are remembered."""
        import torch
        from torch.nn.functional import scaled_dot_product_attention as attend

        start, end = memory.length, memory.length + len(tokens)
        seen = torch.ones(len(tokens), end, dtype=torch.bool).tril(start)
        hidden = self._words[torch.tensor(tokens)] + self._places[start:end]
        for layer, kept in zip(self._layers, memory.values, strict=True):
            query, key, value = self._split(layer.mixed(hidden))
            kept[0, 0, :, start:end], kept[1, 0, :, start:end] = key.transpose(0, 1), value.transpose(0, 1)
            found = attend(
                query.transpose(0, 1)[None], kept[0, :, :, :end], kept[1, :, :, :end], attn_mask=seen, scale=1.0
            )
            hidden = _closed(layer, hidden, found[0].transpose(0, 1).reshape(len(tokens), -1))
        memory.length = end
        return hidden

    def step(self, running: Sequence[tuple[Remembered, Sequence[int]]]) -> list[Tensor]:
        """Logits (rows, vocabulary) after one more token in each row, for each of the requests."""
        import torch

        sizes = [len(tokens) for _, tokens in running]
        ids = torch.tensor([token for _, tokens in running for token in tokens])
        places = torch.tensor([memory.length for memory, tokens in running for _ in tokens])
        hidden = torch.zeros(-(-len(ids) // ROWS) * ROWS, self._words.shape[1])
        hidden[: len(ids)] = self._words[ids] + self._places[places]
        pieces = [self._step(part, running, first) for first, part in enumerate(hidden.split(ROWS))]
        for memory, _ in running:
            memory.length += 1
        return list(torch.cat(pieces)[: len(ids)].split(sizes))

    def _step(self, hidden: Tensor, running: Sequence[tuple[Remembered, Sequence[int]]], part: int) -> Tensor:
        """One token for `ROWS` rows, the `part`-th such group of all running ones."""
        import torch
        from torch.nn.functional import scaled_dot_product_attention as attend

        groups = _groups(running, part * ROWS)
        for number, layer in enumerate(self._layers):
            query, key, value = self._split(layer.mixed(hidden))
            found = torch.zeros_like(hidden)
            for memory, own, here in groups:
                kept, now = memory.values[number], memory.length
                kept[0, own, :, now], kept[1, own, :, now] = key[here], value[here]
                keys, values = kept[0, own, :, : now + 1], kept[1, own, :, : now + 1]
                seen = attend(query[here].unsqueeze(2), keys, values, scale=1.0)
                found[here] = seen.reshape(seen.shape[0], -1)
            hidden = _closed(layer, hidden, found)
        return self._head(hidden)

    def _split(self, mixed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each of shape (rows, heads, width)."""
        query, key, value = mixed.view(mixed.shape[0], 3, self._heads, self._width).unbind(1)
        return query, key, value


def _closed(layer: _Layer, hidden: Tensor, found: Tensor) -> Tensor:
    """The rest of a layer after attention, norms last."""
    from torch.nn.functional import gelu

    hidden = layer.first_norm(hidden + layer.out(found))
    made: Tensor = layer.last_norm(hidden + layer.narrow(gelu(layer.wide(hidden))))
    return made


def _groups(running: Sequence[tuple[Remembered, Sequence[int]]], first: int) -> list[tuple[Remembered, slice, slice]]:
    """For each request with rows among the `ROWS` from `first` on: its memory, its own rows, and their places here."""
    groups = []
    place = -first
    for memory, tokens in running:
        start, end = max(0, place), min(ROWS, place + len(tokens))
        if start < end:
            groups.append((memory, slice(start - place, end - place), slice(start, end)))
        place += len(tokens)
    return groups

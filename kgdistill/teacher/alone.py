"""Any Hugging Face causal model, one request at a time: its samples form the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kgdistill.teacher.blocks import BLOCK, BlockCache, Memory, block_names

if TYPE_CHECKING:
    from torch import Tensor


class Alone:
    """Runs a model through its own forward pass; what it remembers belongs to the one request under way."""

    rows = 0
    """No two requests together."""

    def __init__(self, model: Any, cache_bytes: int) -> None:
        self._model = model
        self._memory = Memory(model)
        self._cache = BlockCache(cache_bytes)

    def begin(self, tokens: Sequence[int], capacity: int) -> tuple[Memory, Tensor, int]:
        """Read a prompt: what is remembered of it, its logits (1, vocabulary), and how many tokens the cache knew."""
        memory = self._memory
        memory.begin(capacity)
        names = block_names(tokens)
        cached = 0
        for number, name in enumerate(names):
            block = self._cache.get(name)
            if block is None:
                self._forward(self._model.base_model, [tokens[number * BLOCK : (number + 1) * BLOCK]])
                self._cache.put(name, memory.last_block())
            else:
                memory.add(block)
                cached += BLOCK
        return memory, self._logits([tokens[len(names) * BLOCK :]]), cached

    def step(self, running: Sequence[tuple[Memory, Sequence[int]]]) -> list[Tensor]:
        """Logits (rows, vocabulary) after one more token in each row, for each of the requests."""
        return [self._logits([[token] for token in tokens]) for _, tokens in running]

    def _forward(self, model: Any, rows: Sequence[Sequence[int]], **options: Any) -> Any:
        import torch

        ids = torch.tensor(rows, device=self._model.device)
        return model(input_ids=ids, past_key_values=self._memory.cache, use_cache=True, **options)

    def _logits(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Next-token logits in float32 on the CPU, where draws are the same for every device."""
        output = self._forward(self._model, rows, logits_to_keep=1)
        logits: Tensor = output.logits[:, -1].float().cpu()
        return logits

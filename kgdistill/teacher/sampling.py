"""Choosing tokens: an own generator and inverse-CDF sampling, so that a draw depends on its request alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def uniform(seed: int, key: str, sample: int, step: int) -> float:
    """A number in [0, 1) for one token of one sample of one request: the same in every process and company."""
    name = f"{seed}\x1f{key}\x1f{sample}\x1f{step}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big") / 2**64 * (1 - 2**-53)


def choose(logits: Tensor, temperature: float, top_p: float, draws: Sequence[float]) -> list[int]:
    """One token per row of `logits` (rows, vocabulary), float32; forbidden tokens are -inf.

    `temperature` 0 takes the likeliest. `top_p` keeps the smallest set of likeliest tokens whose mass reaches it
    (nucleus sampling, Holtzman et al. 2020, section 3.1).
    """
    if temperature <= 0:
        chosen: list[int] = logits.argmax(-1).tolist()
        return chosen
    mass = (logits / temperature).softmax(-1)
    if top_p >= 1:
        return _drawn(mass, draws)
    best, order = mass.topk(min(NUCLEUS, mass.shape[-1]))
    chosen = [int(order[row, place]) for row, place in enumerate(_drawn(_nucleus(best, top_p), draws))]
    for row in (best.sum(-1) < top_p).nonzero()[:, 0].tolist():  # a flat distribution: its nucleus is larger
        whole, places = mass[row : row + 1].sort(dim=-1, descending=True, stable=True)
        chosen[row] = int(places[0, _drawn(_nucleus(whole, top_p), draws[row : row + 1])[0]])
    return chosen


NUCLEUS = 512
"""Likeliest tokens looked at before all are sorted."""


def _nucleus(falling: Tensor, top_p: float) -> Tensor:
    """Masses in falling order, with those beyond the nucleus set to 0."""
    before = falling.cumsum(-1) - falling
    return falling.masked_fill(before >= top_p, 0.0)


def _drawn(mass: Tensor, draws: Sequence[float]) -> list[int]:
    """Inverse-CDF sampling: for each row of `mass` the place where its draw falls."""
    import torch

    heights = mass.cumsum(-1, dtype=torch.float64)
    total = heights[:, -1:]
    targets = torch.tensor(draws, dtype=torch.float64, device=mass.device)[:, None] * total
    # The first height above the target has mass of its own; the clamp guards the last one against rounding.
    places = torch.searchsorted(heights, targets, right=True)
    places = torch.minimum(places, torch.searchsorted(heights, total.contiguous()))
    drawn: list[int] = places[:, 0].tolist()
    return drawn

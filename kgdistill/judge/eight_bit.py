"""Weights on disk at a byte each: matrices as 8-bit rows with a scale, all else as bfloat16, in safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kgdistill.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

FILE = "weights.safetensors"
_SCALE = ".scale"


def save(state: Mapping[str, Tensor], folder: Path) -> None:
    """Write `folder/weights.safetensors`: about one byte for each weight, off by at most half a step of its row."""
    import torch
    from safetensors.torch import save_file

    tensors: dict[str, Tensor] = {}
    for name, value in state.items():
        value = value.detach().cpu()
        if value.ndim == 2:
            scale = value.float().abs().amax(1, keepdim=True).clamp(min=1e-8) / 127
            tensors[name] = (value.float() / scale).round().to(torch.int8)
            tensors[name + _SCALE] = scale
        else:
            tensors[name] = value.to(torch.bfloat16) if value.is_floating_point() else value
    save_file({name: value.contiguous() for name, value in tensors.items()}, folder / FILE)


def load(folder: Path) -> dict[str, Tensor]:
    """The weights in `folder`, floats as float32. Raises ModelError where they are missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(folder / FILE)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{folder / FILE} cannot be read: {error}") from error
    scales = {name.removesuffix(_SCALE): tensors.pop(name) for name in list(tensors) if name.endswith(_SCALE)}
    return {
        name: value.float() * scales[name] if name in scales else value.float() if value.is_floating_point() else value
        for name, value in tensors.items()
    }

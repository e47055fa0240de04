"""A span network's weights on disk: safetensors, word embeddings as 8-bit rows with a scale, the rest as bfloat16."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from kgdistill.distill.students.span_network import SpanNetwork

FILE = "model.safetensors"
_WORDS = "encoder.embeddings.word_embeddings.weight"


def save(network: SpanNetwork, names: dict[str, Tensor], folder: Path) -> None:
    """Write `folder/model.safetensors`; `names` are tables of name vectors, kept beside the weights."""
    state = {key: value.detach().cpu() for key, value in network.state_dict().items()}
    tensors = {key: value.to(torch.bfloat16) if value.is_floating_point() else value for key, value in state.items()}
    if _WORDS in state:
        scale = state[_WORDS].float().abs().amax(1, keepdim=True).clamp(min=1e-8) / 127
        tensors[_WORDS] = (state[_WORDS].float() / scale).round().to(torch.int8)
        tensors[f"{_WORDS}.scale"] = scale
    tensors |= {f"names.{key}": value.detach().cpu().to(torch.bfloat16) for key, value in names.items()}
    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / FILE)


def load(network: SpanNetwork, folder: Path) -> dict[str, Tensor]:
    """Fill `network` and return the tables of name vectors (float32). Raises RuntimeError where the shapes differ."""
    tensors = load_file(folder / FILE)
    if (scale := tensors.pop(f"{_WORDS}.scale", None)) is not None:
        tensors[_WORDS] = tensors[_WORDS].float() * scale
    names = {key.removeprefix("names."): tensors.pop(key).float() for key in list(tensors) if key.startswith("names.")}
    network.load_state_dict({key: v.float() if v.is_floating_point() else v for key, v in tensors.items()})
    return names

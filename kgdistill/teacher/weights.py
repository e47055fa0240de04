"""A causal model's folder: where it is, what is in it (fingerprint, card), and loading it."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from kgdistill.contracts import Card
from kgdistill.errors import ModelError

EMBEDDED = "kgdistill-mini"
"""Name of the teacher that ships with the package."""
_SHIPPED = {EMBEDDED: "mini", "kgdistill-mini-entailment": "mini-entailment"}
"""Folders of the models that ship and can be named like any other."""

_DECIDING = frozenset({".json", ".jinja", ".txt", ".model", ".safetensors", ".py"})
_PICKLED = "pytorch_model*.bin"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+|[\w.-]+")


def find_folder(model: str, revision: str = "", *, pickled: bool = False) -> Path:
    """Folder of a model: an embedded one, a folder, or a hub name (fetched once; HF_HUB_OFFLINE=1 forbids that).

    With `pickled`, of a hub model that has no safetensors the pickled weights (`.bin`) are fetched.

    Raises `ModelError`.
    """
    inside = _SHIPPED.get(model)
    path = Path(str(files("kgdistill"))) / "models" / inside if inside else Path(model).expanduser()
    if (path / "config.json").is_file():
        return path
    if path.exists() or inside:
        raise ModelError(f"{model}: no model there (config.json is missing in {path})")
    if not _HUB_NAME.fullmatch(model):
        raise ModelError(f"{model}: no such model folder")
    return _hub_folder(model, revision, pickled)


def _hub_folder(model: str, revision: str, pickled: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    wanted = [f"*{suffix}" for suffix in sorted(_DECIDING)]
    try:
        try:
            folder = Path(snapshot_download(model, revision=revision or None, local_files_only=True))
        except LocalEntryNotFoundError:
            folder = Path(snapshot_download(model, revision=revision or None, allow_patterns=wanted))
        if pickled and not [*folder.glob("*.safetensors"), *folder.glob(_PICKLED)]:
            return Path(snapshot_download(model, revision=revision or None, allow_patterns=[*wanted, _PICKLED]))
        return folder
    except Exception as error:  # the library has many ways to say that it is not there
        at = f" --revision {revision}" if revision else ""
        raise ModelError(
            f"{model}: neither a folder nor in the local hub cache, and the hub does not give it; "
            f"where there is a network, fetch it with `hf download {model}{at}`"
        ) from error


def fingerprint(folder: Path) -> str:
    """Changes when anything in the folder changes that can decide a reply (weights, tokenizer, template, settings)."""
    digest = hashlib.sha256()
    deciding = _DECIDING if any(folder.glob("*.safetensors")) else _DECIDING | {".bin"}
    for path in sorted(folder.iterdir()):
        if path.suffix in deciding and path.is_file():
            state = path.stat()
            sha = _file_sha256(path, state.st_mtime_ns, state.st_size)
            digest.update(f"{path.name}\x1f{state.st_size}\x1f{sha}\n".encode())
    return digest.hexdigest()[:32]


@lru_cache(maxsize=512)
def _file_sha256(path: Path, changed: int, size: int) -> str:
    """SHA-256 of a file, remembered while its time of change and size stay."""
    if path.is_symlink():  # the hub cache names large files by their own SHA-256
        named = path.readlink().name
        if re.fullmatch("[0-9a-f]{64}", named):
            return named
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_card(folder: Path, name: str) -> Card:
    """The folder's kgdistill.json, else a card made of the name and of what config.json says of the context."""
    try:
        own = folder / "kgdistill.json"
        if own.is_file():
            return msgspec.json.decode(own.read_bytes(), type=Card)
        config = msgspec.json.decode((folder / "config.json").read_bytes(), type=dict[str, Any])
    except (msgspec.DecodeError, OSError) as error:
        raise ModelError(f"{name}: unreadable model folder {folder}: {error}") from error
    return Card(name=name, context=_context(config) or _context(config.get("text_config") or {}))


def _context(config: dict[str, Any]) -> int:
    for key in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"):
        if isinstance(found := config.get(key), int) and found > 0:
            return found
    return 0


def load(folder: Path, *, device: str, dtype: str, trust_remote_code: bool) -> tuple[Any, Any]:
    """(model, tokenizer) of a folder, ready for inference on a device ("auto", "cpu", "cuda" ...).

    `dtype` is one of `Local.dtype`. Only safetensors are read. Raises `ModelError`.
    """
    return _load("causal", folder, device, dtype, trust_remote_code)[:2]


def load_masked(folder: Path, *, device: str, dtype: str, trust_remote_code: bool) -> tuple[Any, Any]:
    """The same of a masked model. Raises `ModelError` also where the folder has no head for masked tokens."""
    model, tokenizer, missing = _load("masked", folder, device, dtype, trust_remote_code)
    if missing:
        raise ModelError(f"{folder}: an encoder without a head for masked tokens ({sorted(missing)[0]} is missing)")
    return model, tokenizer


def _load(kind: str, folder: Path, device: str, dtype: str, trust_remote_code: bool) -> tuple[Any, Any, set[str]]:
    """(model, tokenizer, names of weights that the folder does not have)."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    stored: Any = "auto" if dtype == "auto" else getattr(torch, dtype)
    if device == "cpu" and dtype in ("auto", "bfloat16"):  # bfloat16 on a CPU: see packed.py
        stored = torch.float32
    shared = {"trust_remote_code": trust_remote_code, "local_files_only": True}
    family = AutoModelForCausalLM if kind == "causal" else AutoModelForMaskedLM
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **shared)
        model, report = family.from_pretrained(
            folder, dtype=stored, use_safetensors=True, output_loading_info=True, **shared
        )
        return model.to(device).eval(), tokenizer, set(report["missing_keys"])
    except Exception as error:  # whatever is wrong with a folder comes out of here in many types
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"{folder}: cannot be loaded as a {kind} language model: {reason}") from error

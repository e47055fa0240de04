"""Distil a language model's reading of a corpus into a knowledge graph with evidence, and into a small extractor."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kgdistill.distill.extractor import Extractor
    from kgdistill.graph.store import KnowledgeGraph

__version__ = "0.1.0"
__all__ = ["Extractor", "KnowledgeGraph", "__version__"]

_HOMES = {"Extractor": "kgdistill.distill.extractor", "KnowledgeGraph": "kgdistill.graph.store"}


def __getattr__(name: str) -> Any:
    """Loads the public classes when first asked for, so that the command line starts without torch."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'kgdistill' has no attribute {name!r}")

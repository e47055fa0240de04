"""The phone book: everything that a recipe can name, in closed tables."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec

from kgdistill.encoders.minilm import MiniLM, SentenceTransformer
from kgdistill.errors import RecipeError
from kgdistill.teacher.local import Local
from kgdistill.teacher.masked import Masked
from kgdistill.teacher.scripted import Scripted
from kgdistill.teacher.server import Server
from kgdistill.teacher.vllm import Vllm

TEACHERS = Local | Vllm | Server | Masked | Scripted
ENCODERS = MiniLM | SentenceTransformer


def teacher_named(name: str = "") -> TEACHERS:
    """The teacher that a person names in one word: a recipe's file (its [teacher]), `server:URL#MODEL`, or a model.

    A model is a folder or a hub name; without a name it is the one that ships. Raises RecipeError.
    """
    if name.startswith("server:"):
        address, _, model = name.removeprefix("server:").partition("#")
        if not model or not address.startswith(("http://", "https://")):
            raise RecipeError(f'--teacher {name}: write "server:http://127.0.0.1:8000/v1#MODEL"')
        return Server(model, base_url=address, timeout_s=120.0, retries=1)
    if not name.endswith(".toml"):
        return Local(model=name) if name else Local()
    try:
        table = tomllib.loads(Path(name).read_text(encoding="utf-8")).get("teacher", {})
        found: TEACHERS = msgspec.convert({"kind": "local", **table}, TEACHERS)
        return found
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError, TypeError) as error:
        raise RecipeError(f"--teacher {name}: {error}") from error

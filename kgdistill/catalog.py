"""The phone book: everything that a recipe can name, in closed tables."""

from __future__ import annotations

from kgdistill.encoders.minilm import MiniLM, SentenceTransformer
from kgdistill.teacher.local import Local
from kgdistill.teacher.masked import Masked
from kgdistill.teacher.scripted import Scripted
from kgdistill.teacher.server import Server
from kgdistill.teacher.vllm import Vllm

TEACHERS = Local | Vllm | Server | Masked | Scripted
ENCODERS = MiniLM | SentenceTransformer

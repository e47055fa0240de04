"""Definitions of relation names, so that names can be brought together by what they mean (EDC, "define")."""

from __future__ import annotations

from msgspec import Struct

from kgdistill.contracts import Dialogue, Request
from kgdistill.prompts.render import render, template_text
from kgdistill.prompts.schemas import Definition, read, schema


class Definitions(Struct, frozen=True):
    """One sentence per relation name, written by the teacher from up to `examples` propositions that use it.

    Source: Zhang and Soh, Extract, Define, Canonicalize (2024), section 3.2.
    """

    examples: int = 3
    max_tokens: int = 128
    seed: int = 0
    brief: bool = False

    def texts(self) -> dict[str, str]:
        return {"define": template_text("define")}

    def __call__(self, relation: str, propositions: list[str]) -> Dialogue[str]:
        [replies] = yield [
            Request(
                purpose="define",
                prompt=render("define", brief=self.brief, relation=relation, examples=propositions[: self.examples]),
                schema=schema(Definition),
                max_tokens=self.max_tokens,
                seed=self.seed,
            )
        ]
        return read(replies[0].text, Definition).definition if replies else ""

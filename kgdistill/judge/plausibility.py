"""The teacher as judge of inferences: is one plausible? The verdict is P(yes), as of other claims."""

from __future__ import annotations

import random

from kgdistill.contracts import Request
from kgdistill.judge.teacher import TeacherJudge
from kgdistill.prompts.render import render, template_text
from kgdistill.records import ChunkGraph, Claim, content_id
from kgdistill.text.people import choose_names, with_names


class PlausibilityJudge(TeacherJudge, frozen=True):
    """One question for each inference, its people named at random as the critic's are."""

    def texts(self) -> dict[str, str]:
        return {"judge_inference": template_text("judge_inference")}

    def _ask(self, graph: ChunkGraph, claim: Claim) -> Request:
        event, relation, tail = claim.stated
        names = choose_names(event, tail, chance=random.Random(content_id("judge", self.seed, event, relation, tail)))
        if self.brief:
            del names["PersonY"], names["PersonZ"]
        return Request(
            purpose="judge",
            prompt=render(
                "judge_inference",
                brief=self.brief,
                event=with_names(event, names),
                relation=relation,
                tail=with_names(tail, names),
            ),
            max_tokens=1,
            top_logprobs=self.alternatives,
            seed=self.seed,
        )

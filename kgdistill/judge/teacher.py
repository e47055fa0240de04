"""The teacher as judge: does the text support the claim? The verdict is P(yes) from the answer's log-probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from kgdistill.contracts import Dialogue, Reply, Request
from kgdistill.prompts.render import render, template_text
from kgdistill.records import ChunkGraph, Claim, Failure, Verdict

NAME = "teacher"


class TeacherJudge(Struct, frozen=True):
    """One question per claim; never a substring test on what the teacher says.

    Source: Huang et al., GraphJudge (2025), section 3.3, where the released code looks for "no" in the first hundred
    characters (and so finds it in "know").
    """

    alternatives: int = 20
    """How many of the first token's alternatives to weigh."""
    seed: int = 0
    brief: bool = False

    def texts(self) -> dict[str, str]:
        return {"judge": template_text("judge")}

    def __call__(self, graph: ChunkGraph) -> Dialogue[ChunkGraph]:
        if not graph.claims:
            return graph
        requests = [self._ask(graph, claim) for claim in graph.claims]
        answers = yield requests
        claims: list[Claim] = []
        failures = list(graph.failures)
        for claim, request, replies in zip(graph.claims, requests, answers, strict=True):
            probability = probability_of_yes(replies[0].top) if replies else None
            if probability is not None:
                verdict = Verdict(NAME, probability)
                claim = msgspec.structs.replace(claim, verdicts=(*claim.verdicts, verdict))
            elif replies:
                failures.append(_no_verdict(graph, claim, request, replies[0]))
            claims.append(claim)
        return msgspec.structs.replace(graph, claims=tuple(claims), failures=tuple(failures))

    def _ask(self, graph: ChunkGraph, claim: Claim) -> Request:
        return Request(
            purpose="judge",
            prompt=render(
                "judge",
                brief=self.brief,
                text=graph.chunk.standalone.strip(),
                subject=claim.subject,
                relation=claim.relation,
                object=claim.object,
                status="denied" if claim.negated else "hedged" if claim.hedged else "stated",
            ),
            max_tokens=1,
            top_logprobs=self.alternatives,
            seed=self.seed,
        )


def probability_of_yes(top: Sequence[tuple[str, float]]) -> float | None:
    """P(yes) / (P(yes) + P(no)) over the alternatives of the first token, whatever their case and spacing.

    None when neither is among the alternatives: the teacher did not answer the question.
    """
    mass = {"yes": 0.0, "no": 0.0}
    for token, logprob in top:
        word = token.strip().strip(".,!\"'").lower()
        if word in mass and math.isfinite(logprob):
            mass[word] += math.exp(logprob)
    total = mass["yes"] + mass["no"]
    return mass["yes"] / total if total > 0 else None


def _no_verdict(graph: ChunkGraph, claim: Claim, request: Request, reply: Reply) -> Failure:
    return Failure(
        "judge",
        graph.chunk.document,
        "no verdict",
        chunk=graph.chunk.index,
        message=f"neither yes nor no among the first token's alternatives, claim {claim.id}",
        raw=reply.text,
        request=request.key,
    )

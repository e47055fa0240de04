"""Re-ranking by the teacher: what was found, in the order of P(yes) that it helps to answer the question."""

from __future__ import annotations

from collections.abc import Sequence

from kgdistill.contracts import Answer, Request, Teacher
from kgdistill.judge.teacher import probability_of_yes
from kgdistill.prompts.render import render

ALTERNATIVES = 20
"""How many of the first token's alternatives are weighed."""


def relevance(teacher: Teacher, question: str, texts: Sequence[str]) -> list[float | None]:
    """P(yes) for each text; None where the teacher gave no answer or did not answer the question.

    Raises what the teacher raised where it answered nothing at all (TeacherError: its endpoint is dead).
    """
    requests = [
        Request("relevance", render("relevance", question=question, text=text), max_tokens=1, top_logprobs=ALTERNATIVES)
        for text in texts
    ]
    found: list[float | None] = [None] * len(requests)
    failed: list[Exception] = []
    asked = done = 0
    while done < len(requests):
        while asked < len(requests) and asked - done < max(1, teacher.window):
            teacher.submit(asked, requests[asked])
            asked += 1
        for ticket, answer in teacher.poll():
            done += 1
            if isinstance(answer, Answer) and answer.replies:
                found[ticket] = probability_of_yes(answer.replies[0].top)
            elif isinstance(answer, Exception):
                failed.append(answer)
    if failed and len(failed) == len(requests):
        raise failed[0]
    return found

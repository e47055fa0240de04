"""Requests with clauses: searched for where the model is at hand, sampled under a grammar elsewhere, checked anyway."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kgdistill.contracts import Constraints, Reply, Request
from kgdistill.errors import RecipeError, TeacherError
from kgdistill.teacher.beams import Search
from kgdistill.teacher.clause_grammar import grammar
from kgdistill.teacher.sampling import uniform
from kgdistill.teacher.vocabulary import Vocabulary
from kgdistill.text.clauses import Course, ends_in_word

if TYPE_CHECKING:
    from torch import Tensor

    from kgdistill.teacher.local import Engine


class UnsatisfiedError(TeacherError):
    """No reply was found that meets the request's clauses."""

    reason = "unsatisfied"


@lru_cache(maxsize=256)
def course_of(constraints: Constraints) -> Course:
    """The constraints, ready to be followed. Raises TeacherError where no text can obey them."""
    try:
        return Course(constraints)
    except RecipeError as error:
        raise TeacherError(str(error)) from error


def clause_grammar(request: Request, chat: bool) -> str:
    """The grammar that binds a sample of the request: its own, that of its clauses, or "". Raises TeacherError.

    A reply in a chat begins anew; after a plain prompt it goes on with the prompt's last word or behind it.
    """
    if request.grammar:
        if request.schema or request.constraints:
            raise TeacherError("a reply obeys a grammar, a JSON schema or clauses: one of them")
        return request.grammar
    if request.constraints is None:
        return ""
    if request.schema:
        raise TeacherError("a reply obeys a JSON schema or clauses, not both")
    course_of(request.constraints)
    return grammar(request.constraints, "" if chat else request.prompt[-1:])


def obeying(request: Request, replies: Sequence[Reply]) -> tuple[Reply, ...]:
    """The replies without those that do not obey; cut ones stay. Raises UnsatisfiedError where none is left."""
    if request.constraints is None:
        return tuple(replies)
    course = course_of(request.constraints)
    faults = ["" if reply.finish == "length" else course.fault(reply.text) for reply in replies]
    kept = tuple(reply for reply, fault in zip(replies, faults, strict=True) if not fault)
    if replies and not kept:
        raise UnsatisfiedError(f"no sample meets the clauses: {faults[0]}")
    return kept


def searched(
    request: Request, vocabulary: Vocabulary, engine: Engine, begun: tuple[Any, Tensor, int], limit: int, chat: bool
) -> tuple[Reply, ...]:
    """The request's best replies by beam search; `begun` is what the engine says of its prompt.

    Raises UnsatisfiedError where none is found, and NumericalError.
    """
    assert request.constraints and request.beams
    memory, logits, _ = begun
    course = course_of(request.constraints)
    glued = not chat and ends_in_word(request.prompt)
    seed = int(uniform(request.seed, request.key, 0, 0) * 2**53)
    search = Search(course, vocabulary, request.beams, glued=glued, seed=seed)

    def step(rows: Sequence[int], tokens: Sequence[int]) -> Tensor:
        memory.choose(rows)
        return engine.step([(memory, tokens)])[0]

    found = search.run(logits, step, request.samples, limit)
    if not found:
        raise UnsatisfiedError(f"no text of {limit} tokens was found that meets the clauses")
    return tuple(Reply(one.text, "stop", one.tokens, one.logprob) for one in found)


def rows_wanted(request: Request) -> int:
    """How many rows of a model's memory the request fills."""
    if request.constraints and request.beams:
        return request.beams.beams
    return 1 if request.temperature <= 0 else request.samples

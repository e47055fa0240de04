"""Paths: the steps of a search that went from things to those next to them, read back from its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Thing = TypeVar("Thing")
Step = TypeVar("Step")


def steps_to(end: Thing, reached: Mapping[Thing, tuple[Thing, Step] | None]) -> list[Step]:
    """The steps that led to `end`, the first one first.

    `reached` has for each thing the one before it and the step from there; None where the search began.
    """
    steps = []
    while (before := reached[end]) is not None:
        end, step = before
        steps.append(step)
    return steps[::-1]

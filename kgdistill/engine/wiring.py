"""How the stages of a recipe hang together: each finds what it reads in an earlier one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from kgdistill.contracts import Stage
from kgdistill.errors import RecipeError


class Step(Struct, frozen=True):
    """One stage of a recipe: its name there, its kind in the catalogue, and its settings."""

    name: str
    kind: str
    stage: Stage
    source: str = ""
    """Name of the stage whose records it is fed; empty: the nearest earlier one that gives the right kind."""


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, or what there is, or nothing."""
    known = sorted(set(known))
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known: {', '.join(known)}" if known else ""


def check_wiring(steps: Iterable[Step]) -> None:
    """Raise RecipeError unless every stage finds what it needs in an earlier one."""
    given: set[str] = set()
    gives: dict[str, str] = {}
    for step in steps:
        _check_source(step, gives)
        for kind in step.stage.needs:
            if kind not in given:
                has = f"the stages before it give {', '.join(sorted(given))}" if given else "it is the first"
                raise RecipeError(f'{step.name} needs "{kind}", which no earlier stage gives ({has})')
        if step.stage.gives:
            given.add(step.stage.gives)
        gives[step.name] = step.stage.gives


def _check_source(step: Step, gives: Mapping[str, str]) -> None:
    """`from` names an earlier stage that gives what the step is fed."""
    if not step.source:
        return
    if not step.stage.needs:
        raise RecipeError(f"{step.name}.from: this stage reads from no other")
    fed = step.stage.needs[0]
    if gives.get(step.source) != fed:
        fit = [name for name, kind in gives.items() if kind == fed]
        message = f'{step.name}.from: {step.source!r} is no earlier stage that gives "{fed}"'
        raise RecipeError(message + nearest(step.source, fit))


def led(steps: tuple[Step, ...], tables: Mapping[str, Mapping[str, object]]) -> tuple[Step, ...]:
    """The steps with the settings that follow another stage's; refuses one that says something else."""
    found = []
    for step in steps:
        stage = step.stage
        for key, kind in stage.follows.items():
            leader = next((other for other in steps if other.stage.gives == kind and hasattr(other.stage, key)), None)
            if leader is None:
                continue
            value = getattr(leader.stage, key)
            if key in tables[step.name] and getattr(stage, key) != value:
                raise RecipeError(f"{step.name}.{key}: must be {value!r} as in {leader.name}; leave it out here")
            stage = replace(stage, **{key: value})
        found.append(replace(step, stage=stage))
    return tuple(found)

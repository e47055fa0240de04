"""English words that stand for something named elsewhere, and so are no names themselves."""

from __future__ import annotations

PRONOUNS = frozenset(
    (  # noqa: SIM905 - plain words read best
        "he she it they him her them his hers its their theirs himself herself itself themselves "
        "i we me us my mine our ours myself ourselves you your yours yourself yourselves "
        "who whom whose which that this these those here there"
    ).split()
)
"""Lower case. "One" is left out: it is as often a number."""

"""Pairs of things of one class, out of the entities of a graph."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

from kgdistill.records import PairSeed, content_id
from kgdistill.text.names import normal


def pairs(kinds: Mapping[str, Sequence[str]], each: int, seed: int) -> Iterator[PairSeed]:
    """Of each class at most `each` pairs of different names (0: all), drawn at random but the same for one seed.

    No pair comes twice, whichever way round and in whatever class.
    """
    seen: set[frozenset[str]] = set()
    for kind in sorted(kinds):
        names = sorted({normal(name): name for name in sorted(kinds[kind]) if normal(name)}.values())
        taken = 0
        for left, right in _drawn(names, random.Random(content_id("pairs", seed, kind))):
            both = frozenset((normal(left), normal(right)))
            if both in seen:
                continue
            seen.add(both)
            yield PairSeed(left, right, kind)
            taken += 1
            if taken == each:
                break


def _drawn(names: Sequence[str], chance: random.Random) -> Iterator[tuple[str, str]]:
    """All pairs, without holding them all: the names in random order, each with the next, then the one after it …"""
    order = list(names)
    chance.shuffle(order)
    for distance in range(1, len(order) // 2 + 1):
        # At half the length each pair would come twice.
        count = len(order) // 2 if 2 * distance == len(order) else len(order)
        for place in range(count):
            yield order[place], order[(place + distance) % len(order)]

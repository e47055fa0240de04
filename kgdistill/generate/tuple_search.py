"""Best-first search for the tuples of a relation: exactly the best ones, in order, with each name built token by token.

A tuple is as likely as its least likely token, so that a beginning bounds all that goes on from it (the minimum of
log-likelihoods of BertNet, Hao et al. 2023, section 3.3). The released code searches in depth under a heap whose
evictions give words free again, so what it finds depends on the order in which it looks. Here the order is that of the
scores: what comes out is the list of all tuples, best first, in which each word stands at most `repeat` times.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, NamedTuple

WRITTEN_ON: tuple[int, ...] = ()
"""Stands for the number of tokens where names end when the model says so."""


class State(NamedTuple):
    """The beginning of a tuple."""

    names: tuple[str, ...] = ()
    """Names that are complete."""
    open: str = ""
    """What there is of the next one."""
    used: int = 0
    """Its tokens."""
    lengths: tuple[int, ...] = WRITTEN_ON
    """How many tokens each name is to have, for a model that fills blanks."""


class Expansion(NamedTuple):
    """What can follow a state: tokens (with a space in front where a word begins) and the end of the name."""

    pieces: Mapping[str, float]
    end: float = 0.0
    """Log-probability that the name is complete; not used where its length is set."""


class Found(NamedTuple):
    """A tuple with its score: the log-probability of its least likely token."""

    names: tuple[str, ...]
    score: float
    tokens: int


class Outcome(NamedTuple):
    found: list[Found]
    refused: Counter[tuple[str, str]]
    """(reason, name or tuple): what was reached, but is nothing to keep."""
    expansions: int
    complete: bool
    """False: the limit of expansions ended the search."""


class Space(NamedTuple):
    """What is searched."""

    arity: int
    wanted: int
    tokens: int
    """Most tokens of a name."""
    repeat: int
    """In how many tuples a word may stand; 0: any number."""
    fault: Callable[[str, tuple[str, ...]], str]
    """Why a name is refused after the names before it, or ""."""
    starts: tuple[State, ...] = (State(),)
    batch: int = 16
    """How many states are expanded together; it changes nothing that is found."""
    limit: int = 0
    """Most expansions; 0: no limit."""


Search = Generator[list[State], Sequence[Expansion], Outcome]


def search(space: Space) -> Search:
    """Yields states to expand, receives their expansions, returns the best tuples in order (ties: by their names)."""
    queue = _Queue(space)
    while True:
        states = queue.next_states()
        if not states:
            return Outcome(queue.found, queue.refused, queue.expansions, not queue.stopped)
        expansions = yield [state for state, _, _ in states]
        for (state, score, tokens), expansion in zip(states, expansions, strict=True):
            queue.add(state, score, tokens, expansion)


class _Queue:
    def __init__(self, space: Space) -> None:
        self.space = space
        self.found: list[Found] = []
        self.refused: Counter[tuple[str, str]] = Counter()
        self.expansions, self.stopped = 0, False
        self._words: Counter[str] = Counter()
        self._seen: set[tuple[str, ...]] = set()
        self._serial = 0
        # (minus score, 1 for complete tuples, their names, serial, run of children or the tuple itself): at one score
        # everything is expanded before the first tuple comes out, so that equal ones come in the order of their names.
        self._heap: list[tuple[float, int, tuple[str, ...], int, Any]] = []
        self._run([(0.0, state, 0) for state in space.starts])

    def next_states(self) -> list[tuple[State, float, int]]:
        """The best states that wait; none when the search is over."""
        states: list[tuple[State, float, int]] = []
        while self._heap and len(self.found) < self.space.wanted and len(states) < self.space.batch:
            if self.space.limit and self.expansions >= self.space.limit:
                self.stopped = True
                break
            complete = self._heap[0][1]
            if complete and states:  # one of the states may lead to something better
                break
            minus, _, _, _, item = heapq.heappop(self._heap)
            if complete:
                self._emit(item)
                continue
            children, place = item
            self._run(children, place + 1)
            _, child, tokens = children[place]
            if len(child.names) == self.space.arity:
                self._push(-minus, 1, child.names, Found(child.names, -minus, tokens))
            elif not self._exhausted(child.names):
                states.append((child, -minus, tokens))
                self.expansions += 1
        return [] if self.stopped else states

    def add(self, state: State, score: float, tokens: int, expansion: Expansion) -> None:
        children: list[tuple[float, State, int]] = []
        length = state.lengths[len(state.names)] if state.lengths else 0
        if state.used < (length or self.space.tokens):
            for piece, logprob in expansion.pieces.items():
                text = (state.open + piece).strip()
                child = state._replace(open=text, used=state.used + 1)
                if child.used == length:
                    self._close(children, child, min(score, logprob), tokens + 1)
                else:
                    children.append((min(score, logprob), child, tokens + 1))
        if state.used and not length:
            self._close(children, state, min(score, expansion.end), tokens + 1)
        self._run(sorted(children, key=lambda child: (-child[0], child[1])))

    def _close(self, children: list[tuple[float, State, int]], state: State, score: float, tokens: int) -> None:
        """The name is complete: it is kept, or refused with the reason."""
        if reason := self.space.fault(state.open, state.names):
            self.refused[reason, state.open] += 1
        else:
            children.append((score, State((*state.names, state.open), lengths=state.lengths), tokens))

    def _emit(self, found: Found) -> None:
        if found.names in self._seen:
            return
        self._seen.add(found.names)
        if self._exhausted(found.names):
            self.refused["repeats", " | ".join(found.names)] += 1
            return
        self.found.append(found)
        self._words.update({word for name in found.names for word in name.split()})

    def _exhausted(self, names: tuple[str, ...]) -> bool:
        words = (word for name in names for word in name.split())
        return bool(self.space.repeat) and any(self._words[word] >= self.space.repeat for word in words)

    def _run(self, children: list[tuple[float, State, int]], place: int = 0) -> None:
        """Put the best child that has not come yet into the heap; the others wait behind it."""
        if place < len(children):
            self._push(children[place][0], 0, (), (children, place))

    def _push(self, score: float, complete: int, names: tuple[str, ...], item: Any) -> None:
        self._serial += 1
        heapq.heappush(self._heap, (-score, complete, names, self._serial, item))

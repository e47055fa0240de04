"""Merges: apply the decisions that two names mean the same, and undo any of them by its id."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from kgdistill.records import Canonical, Claim, Merge, Reading, content_id

Kind = Literal["entity", "relation"]


class Links(Struct, frozen=True):
    """Where each merged name leads: name -> (canonical name, ids of the merges on the way)."""

    kind: Kind
    to: dict[str, tuple[str, tuple[str, ...]]]
    known: frozenset[str]
    """Ids of all merges of this kind, undone ones too."""

    def follow(self, name: str) -> tuple[str, tuple[str, ...]]:
        """The canonical name of `name` and the merges that led there; itself and none where it was never merged."""
        return self.to.get(name, (name, ()))


def merge(kind: Kind, name: str, into: str, reason: str, score: float) -> Merge:
    """A merge record; its id depends on kind and names alone, so that it survives another run over more text."""
    return Merge(content_id("merge", kind, name, into), kind, name, into, reason, min(1.0, max(0.0, score)))


def links(merges: Iterable[Merge], kind: Kind, without: frozenset[str] = frozenset()) -> Links:
    """Follow all merges of a kind but those in `without` to canonical names; the order of `merges` does not matter.

    The learners let each name lead to at most one preferred name, so what is left after undoing some is again a
    forest, and its roots are the canonical names. Hand-made merges may form any graph: names that hang together are
    then one, named by one that leads nowhere itself (the longest, then first in code point order).
    """
    found = {found.id: found for found in merges if found.kind == kind}
    neighbours: dict[str, list[tuple[str, str]]] = defaultdict(list)
    leading: set[str] = set()
    for edge in sorted(found.values(), key=lambda edge: (-edge.score, edge.id)):
        if edge.id in without or edge.name == edge.into:
            continue
        neighbours[edge.name].append((edge.into, edge.id))
        neighbours[edge.into].append((edge.name, edge.id))
        leading.add(edge.name)
    to: dict[str, tuple[str, tuple[str, ...]]] = {}
    seen: set[str] = set()
    for name in sorted(neighbours):
        if name in seen:
            continue
        paths = _paths(name, neighbours)
        seen.update(paths)
        root = min(paths, key=lambda member: (member in leading, -len(member), member))
        to.update((member, (root, path)) for member, path in _paths(root, neighbours).items() if member != root)
    return Links(kind, to, frozenset(found))


def _paths(root: str, neighbours: dict[str, list[tuple[str, str]]]) -> dict[str, tuple[str, ...]]:
    """Every name that hangs together with `root`, with the merges from it to the root on a shortest way."""
    paths: dict[str, tuple[str, ...]] = {root: ()}
    waiting = deque([root])
    while waiting:
        name = waiting.popleft()
        for other, edge in neighbours[name]:
            if other not in paths:
                paths[other] = (edge, *paths[name])
                waiting.append(other)
    return paths


def canonical(reading: Reading, rename: Callable[[Claim], Canonical], known: frozenset[str]) -> Reading:
    """The reading with the new names of `rename` in `claim.canonical`.

    Ids of merges in `known` are those of this kind: old ones are forgotten, those of the other kind stay. A claim
    that no merge touches has no canonical names, so that an undone merge leaves no trace.
    """

    def renamed(claim: Claim) -> Claim:
        old = claim.canonical.merges if claim.canonical else ()
        new = rename(claim)
        ids = tuple(dict.fromkeys([*(edge for edge in old if edge not in known), *new.merges]))
        return replace(claim, canonical=replace(new, merges=ids) if ids else None)

    chunks = tuple(replace(graph, claims=tuple(map(renamed, graph.claims))) for graph in reading.chunks)
    return replace(reading, chunks=chunks)


def remaining(merges: Iterable[Merge], mentions: Mapping[Kind, Mapping[str, int]]) -> list[Merge]:
    """The merges that are left when names are said no more: those without a mention go, the rest stays together.

    `mentions` says how often each name is still said. Where the name that led the others has gone, the one said most
    leads (then the longest, then the first in code point order), and the decisions about the others are repointed.
    """
    found = list(merges)
    gone = {merge for merge in found if not all(mentions[merge.kind].get(name) for name in (merge.name, merge.into))}
    left = [merge for merge in found if merge not in gone]
    for kind in dict.fromkeys(merge.kind for merge in found if merge in gone):
        before, after, said = links(found, kind), links(left, kind), mentions[kind]
        pieces: dict[str, set[str]] = defaultdict(set)
        for name in {name for merge in found if merge.kind == kind for name in (merge.name, merge.into)}:
            if said.get(name):
                pieces[before.follow(name)[0]].add(after.follow(name)[0])
        reasons = {merge.name: merge for merge in reversed(found) if merge.kind == kind and merge in gone}
        for root, heads in sorted(pieces.items()):
            lead = after.follow(root)[0] if said.get(root) else min(heads, key=lambda n: (-said[n], -len(n), n))
            for head in sorted(heads - {lead}):
                why = reasons.get(head)
                left.append(merge(kind, head, lead, why.reason if why else "", why.score if why else 0.0))
    return left


def retold(before: Reading, after: Reading) -> Reading:
    """`after`, the same reading under other canonical names, with the reasons of its drops in these names."""

    def told(old: Claim, new: Claim) -> Claim:
        if new.dropped is None or old.names == new.names:
            return new
        reason = new.dropped.reason
        for one, other in zip(old.names, new.names, strict=True):
            reason = reason.replace(repr(one), repr(other))
        return replace(new, dropped=replace(new.dropped, reason=reason))

    pairs = zip(before.chunks, after.chunks, strict=True)
    chunks = tuple(replace(new, claims=tuple(map(told, old.claims, new.claims))) for old, new in pairs)
    return replace(after, chunks=chunks)

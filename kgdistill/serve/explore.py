"""Exploring: entities with their facts, neighbourhoods, paths and merges, as the page shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pyoxigraph

from kgdistill.errors import UserError
from kgdistill.graph import iri
from kgdistill.graph.terms import KGD
from kgdistill.query.pool import Pool
from kgdistill.serve import questions
from kgdistill.serve.lookup import Lookup, Row, parted

EDGES = 4000
"""Claims that one look at the graph brings."""
LABELLED = 1000
"""Things whose labels are asked for at one time."""


class Explorer:
    """Questions to one graph. All raise UserError, in one line, where there is no answer.

    Things are named by their address without the base: `entity/Marie_Curie`, `relation/born_in`.
    """

    def __init__(self, pool: Pool, base: str) -> None:
        self._lookup, self._base = Lookup(pool, base), base

    def short(self, address: str) -> str:
        return address.removeprefix(self._base)

    def term(self, identity: str) -> str:
        """The thing's address as SPARQL has it. Raises UserError."""
        try:
            return str(pyoxigraph.NamedNode(self._base + identity))
        except ValueError as error:
            raise UserError(f"nothing has the address {identity!a}") from error

    async def entity(self, identity: str) -> dict[str, Any]:
        """Names, types, and in which relations it stands: (relation, which end, how many claims and kept ones)."""
        entity = self.term(identity)
        rows = await self._lookup.rows(questions.ENTITY.format(entity=entity))
        if not rows:
            raise UserError(f"no entity has the address {identity!a}")
        groups = [
            {
                "relation": self.short(row["predicate"]),
                "name": row["name"],
                "forward": row["forward"] == "true",
                "claims": int(row["claims"]),
                "kept": int(row["kept"]),
            }
            for row in await self._lookup.rows(questions.GROUPS.format(entity=entity))
        ]
        lists = {name: parted(rows[0].get(name)) for name in ("aliases", "types")}
        return {"id": identity, "name": rows[0]["name"], **lists, "groups": groups}

    async def facts(
        self, identity: str, relation: str, forward: bool, dropped: bool = False, limit: int = 20, offset: int = 0
    ) -> list[dict[str, Any]]:
        """Claims about the entity under one relation, the kept and best scored first, each with verdicts."""
        query = questions.FACTS.format(
            entity=self.term(identity),
            predicate=self.term(relation),
            place="kgd:subject" if forward else "kgd:object",
            passed="" if dropped else ", true",
            limit=limit,
            offset=offset,
        )
        rows = await self._lookup.rows(query)
        verdicts: dict[str, list[dict[str, Any]]] = {row["claim"]: [] for row in rows}
        if verdicts:
            asked = questions.VERDICTS.format(claims=" ".join(f"<{claim}>" for claim in verdicts))
            for row in await self._lookup.rows(asked):
                given = {"judge": row["judge"], "score": float(row["score"]), "reason": row.get("reason", "")}
                verdicts[row["claim"]].append(given)
        return [self._claim(row, verdicts[row["claim"]]) for row in rows]

    def _claim(self, row: Row, verdicts: list[dict[str, Any]]) -> dict[str, Any]:
        """A claim in the form that `records.claim_record` has too, with the addresses of its ends."""
        literal = "objectName" not in row
        return {
            "id": row["id"],
            "document": row["document"],
            "model": row["kind"] == KGD + "ModelClaim",
            "subject": row["subjectName"],
            "relation": row["relation"],
            "object": row["object"] if literal else row["objectName"],
            "said": [row["subjectText"], row["relationText"], row["objectText"]],
            "subjectId": self.short(row["subject"]),
            "objectId": "" if literal else self.short(row["object"]),
            "literal": literal,
            **{name: row[name] == "true" for name in ("kept", "negated", "hedged")},
            "score": float(row["score"]) if "score" in row else None,
            "quote": row.get("quote", ""),
            "sentence": _span(row, "start", "end"),
            "subjectSpan": _span(row, "subjectStart", "subjectEnd"),
            "objectSpan": _span(row, "objectStart", "objectEnd"),
            **{name: row.get(name, "") for name in ("rule", "reason", "proposition")},
            "verdicts": verdicts,
        }

    async def edges(self, entity: str = "", document: str = "", limit: int = EDGES) -> dict[str, Any]:
        """Asserted facts as nodes and edges: around an entity, of a document, or as many as there are, up to `limit`.

        Of an entity the best scored come. An edge has its best score, its documents, and whether a model alone says so.
        """
        start, order = "", ""
        if entity:
            term = self.term(entity)
            start = f"{{ ?claim kgd:subject {term} }} UNION {{ ?claim kgd:object {term} }}"
            order = "ORDER BY DESC(?score)"
        elif document:
            places = " ".join(self.term(mint("", document)) for mint in (iri.document_iri, iri.seed_iri))
            start = f"VALUES ?source {{ {places} }} ?claim prov:wasDerivedFrom ?source ."
        query = questions.EDGES.format(start=start, order=order, limit=min(limit, EDGES))
        rows = await self._lookup.rows(query)
        edges = self._edges(rows)
        return {"edges": edges, "nodes": await self._nodes(edges), "more": len(rows) == min(limit, EDGES)}

    def _edges(self, rows: Iterable[Row]) -> list[dict[str, Any]]:
        found: dict[tuple[str, ...], dict[str, Any]] = {}
        for row in rows:
            model = row["kind"] == KGD + "ModelClaim"
            target = self.short(row["object"]) if row["named"] == "true" else "value/" + row["object"]
            ends = self.short(row["subject"]), self.short(row["predicate"]), target
            names = ("source", "relation", "target")
            new: dict[str, Any] = {"model": model, "score": None, "documents": [], "claims": 0}
            edge = found.setdefault((*ends, str(model)), {**dict(zip(names, ends, strict=True)), **new})
            edge["claims"] += 1
            if row["document"] not in edge["documents"]:
                edge["documents"].append(row["document"])
            if "score" in row:
                edge["score"] = max(edge["score"] or 0.0, float(row["score"]))
        return list(found.values())

    async def _nodes(self, edges: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Label and type of every thing that the edges name, relations too."""
        things = dict.fromkeys(edge[end] for edge in edges for end in ("source", "relation", "target"))
        nodes = {thing: {"name": thing.partition("/")[2], "type": ""} for thing in things}
        asked = [thing for thing in things if not thing.startswith("value/")]
        for first in range(0, len(asked), LABELLED):
            part = " ".join(map(self.term, asked[first : first + LABELLED]))
            for row in await self._lookup.rows(questions.LABELS.format(things=part)):
                nodes[self.short(row["thing"])] = {"name": row["name"], "type": row.get("kind", "")}
        return nodes

    async def path(self, start: str, end: str, hops: int) -> dict[str, Any]:
        """A shortest chain of facts between two entities, as nodes and edges in order; empty where there is none."""
        steps = [tuple(step.values()) for step in await self._lookup.way([self.term(start)], {self.term(end)}, hops)]
        if not steps:
            return {"edges": [], "nodes": {}, "more": False}
        said = (f"{{ ?claim kgd:subject {s} ; kgd:predicate {p} ; kgd:object {o} }}" for s, p, o in steps)
        query = questions.EDGES.format(start=" UNION ".join(said), order="", limit=EDGES)
        edges = self._edges(await self._lookup.rows(query))
        place = {tuple(self.short(part.strip("<>")) for part in step): number for number, step in enumerate(steps)}
        edges.sort(key=lambda edge: place[edge["source"], edge["relation"], edge["target"]])
        return {"edges": edges, "nodes": await self._nodes(edges), "more": False}

    async def merge_exists(self, identity: str) -> bool:
        query = f"ASK {{ ?merge a kgd:Merge ; dcterms:identifier {pyoxigraph.Literal(identity)} }}"
        return bool(msgspec.json.decode(await self._lookup.sparql(query))["boolean"])

    async def merges(self, text: str, kind: str, limit: int, offset: int) -> list[dict[str, Any]]:
        """Which names were joined, the least certain first."""
        conditions = []
        if text:
            wanted = pyoxigraph.Literal(text.casefold())
            conditions.append(f"FILTER(CONTAINS(LCASE(?from), {wanted}) || CONTAINS(LCASE(?into), {wanted}))")
        if kind in ("entity", "relation"):
            conditions.append(f'FILTER(?kind = "{kind}")')
        query = questions.MERGES.format(filter=" ".join(conditions), limit=limit, offset=offset)
        return [
            {**row, "score": float(row["score"]), "address": self.short(row["address"])}
            for row in await self._lookup.rows(query)
        ]


def _span(row: Row, start: str, end: str) -> list[int] | None:
    return [int(row[start]), int(row[end])] if start in row else None

"""Lookups: what a program that is no SPARQL writer asks of a graph, as queries to its pool of workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import pyoxigraph

from kgdistill.errors import UserError
from kgdistill.graph import iri
from kgdistill.query.paths import steps_to
from kgdistill.query.pool import Pool
from kgdistill.query.worker import Task

JSON, TURTLE = "application/sparql-results+json", "text/turtle"
FRONTIER = 2000
"""Entities from which a path is looked for at one time."""
SEPARATOR = "\x1f"
"""Between the names that a query brings in one value."""

_SEARCH = """
SELECT ?name (GROUP_CONCAT(DISTINCT ?other; separator="\\u001F") AS ?aliases)
       (GROUP_CONCAT(DISTINCT ?kind; separator="\\u001F") AS ?types) WHERE {{
  {{ SELECT ?entity ?name (MIN(?place) AS ?rank) WHERE {{
    ?entity a skos:Concept ; skos:prefLabel ?name ; skos:prefLabel|skos:altLabel ?label .
    BIND(LCASE({text}) AS ?wanted) BIND(LCASE(?label) AS ?found)
    FILTER(CONTAINS(?found, ?wanted))
    BIND(IF(?found = ?wanted, 0, IF(STRSTARTS(?found, ?wanted), 1, 2)) AS ?place)
  }} GROUP BY ?entity ?name ORDER BY ?rank STRLEN(?name) ?name LIMIT {limit} }}
  OPTIONAL {{ ?entity skos:altLabel ?other }}
  OPTIONAL {{ ?entity a ?type . ?type a rdfs:Class ; rdfs:label ?kind }}
}} GROUP BY ?name ?rank ORDER BY ?rank STRLEN(?name) ?name"""
_ENTITY = "SELECT DISTINCT ?entity WHERE {{ ?entity a skos:Concept ; skos:prefLabel|skos:altLabel {name} }} LIMIT 20"
_ABOUT = "VALUES ?entity {{ {entities} }} {{ ?claim kgd:subject ?entity }} UNION {{ ?claim kgd:object ?entity }}"
_SAYING = "?claim a kgd:Claim ; kgd:subject {} ; kgd:predicate {} ; kgd:object {} ."
_FACTS = """
SELECT DISTINCT ?subject ?relation ?object ?score ?document ?start ?end ?quote ?from_model WHERE {{
  {claims}
  ?claim kgd:kept true ; kgd:negated false ; kgd:hedged false ; a ?class ;
         kgd:subject/skos:prefLabel ?subject ; kgd:predicate/rdfs:label ?relation ; kgd:object ?term ;
         prov:wasDerivedFrom/dcterms:identifier ?document .
  FILTER(?class IN (kgd:Claim, kgd:ModelClaim)) BIND(?class = kgd:ModelClaim AS ?from_model)
  OPTIONAL {{ ?claim kgd:start ?start ; kgd:end ?end ; kgd:quote ?quote }}
  OPTIONAL {{ ?claim kgd:score ?score }}
  OPTIONAL {{ ?term skos:prefLabel ?name }}
  BIND(COALESCE(?name, STR(?term)) AS ?object)
}} ORDER BY DESC(?score) ?document ?start LIMIT {limit}"""
_STEPS = """
SELECT DISTINCT ?from ?predicate ?to ?forward WHERE {{
  VALUES ?from {{ {entities} }}
  {{ GRAPH {facts} {{ ?from ?predicate ?to }} BIND(true AS ?forward) }}
  UNION {{ GRAPH {facts} {{ ?to ?predicate ?from }} BIND(false AS ?forward) }}
  FILTER(isIRI(?to))
}} ORDER BY ?from ?predicate ?to"""

Row = dict[str, str]
"""Values by variable, as text; what is unbound is left out."""
_Step = tuple[str, str, str]
"""(subject, predicate, object), as addresses."""


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity by its names."""

    name: str
    aliases: list[str]
    types: list[str]


@dataclass(frozen=True, slots=True)
class Fact:
    """An asserted claim with its evidence. Where no judge spoke there is no score, and of what a model alone says
    (`from_model`, `document` being what it was asked) no place and no quote."""

    subject: str
    relation: str
    object: str
    score: float | None
    document: str
    start: int | None
    end: int | None
    quote: str
    from_model: bool


class Lookup:
    """Questions to one graph. All raise UserError, in one line, where there is no answer."""

    def __init__(self, pool: Pool, base: str) -> None:
        self._pool, self._base = pool, base

    async def sparql(self, query: str) -> str:
        """The answer to any query: SPARQL 1.1 Query Results JSON, or Turtle."""
        answered = await self._pool.ask(Task(query, JSON, TURTLE, self._pool.limits.seconds))
        with answered.content as content:
            if answered.outcome.end != "answered":
                raise UserError(answered.outcome.message)
            return content.read().decode()

    async def search(self, text: str, limit: int = 10) -> list[Entity]:
        """Entities with `text` in their name or another of their names, in any case: the same, then as a start."""
        rows = await self.rows(_SEARCH.format(text=_literal(text.strip()), limit=limit))
        return [Entity(row["name"], parted(row.get("aliases")), parted(row.get("types"))) for row in rows]

    async def facts(self, name: str, limit: int = 50) -> list[Fact]:
        """Asserted claims about the entity of this name, each with its evidence; the best scored first."""
        return await self._facts(_ABOUT.format(entities=" ".join(await self._entities(name))), limit)

    async def path(self, start: str, end: str, hops: int = 4) -> list[Fact]:
        """A shortest chain of facts, in either direction, from one entity to the other; empty where there is none.

        Of the claims that say a step, the best scored stands for it.
        """
        steps = await self._way(await self._entities(start), set(await self._entities(end)), hops)
        return [fact for step in steps for fact in await self._facts(_SAYING.format(*step), 1)]

    async def _facts(self, claims: str, limit: int) -> list[Fact]:
        return [_fact(row) for row in await self.rows(_FACTS.format(claims=claims, limit=limit))]

    async def way(self, start: list[str], end: set[str], hops: int) -> list[Row]:
        """The same by addresses (`<…>`), and in addresses."""
        parts = ("subject", "relation", "object")
        return [dict(zip(parts, step, strict=True)) for step in await self._way(start, end, hops)]

    async def _way(self, first: list[str], last: set[str], hops: int) -> list[_Step]:
        reached: dict[str, tuple[str, _Step] | None] = dict.fromkeys(first)
        frontier = first
        for _ in range(hops):
            if last & reached.keys() or not frontier:
                break
            if len(frontier) > FRONTIER:
                raise UserError(f"more than {FRONTIER} entities lie between them: ask for fewer hops")
            frontier = await self._step(frontier, reached)
        found = next((entity for entity in reached if entity in last), None)
        return steps_to(found, reached) if found else []

    async def _step(self, frontier: list[str], reached: dict[str, tuple[str, _Step] | None]) -> list[str]:
        facts = f"<{iri.facts_iri(self._base)}>"
        new = []
        for row in await self.rows(_STEPS.format(entities=" ".join(frontier), facts=facts)):
            here, predicate, there = (f"<{row[name]}>" for name in ("from", "predicate", "to"))
            if there not in reached:
                step = (here, predicate, there) if row["forward"] == "true" else (there, predicate, here)
                reached[there] = here, step
                new.append(there)
        return new

    async def _entities(self, name: str) -> list[str]:
        rows = await self.rows(_ENTITY.format(name=_literal(name.strip())))
        if not rows:
            raise UserError(f'no entity is called "{name}": search for a part of the name')
        return [f"<{row['entity']}>" for row in rows]

    async def rows(self, query: str) -> list[Row]:
        """The rows of a query of our own."""
        found: dict[str, Any] = msgspec.json.decode(await self.sparql(query))
        return [{name: term["value"] for name, term in row.items()} for row in found["results"]["bindings"]]


def parted(names: str | None) -> list[str]:
    """What a query brought in one value, behind each other."""
    return [name for name in (names or "").split(SEPARATOR) if name]


def _fact(row: Row) -> Fact:
    return Fact(
        subject=row["subject"],
        relation=row["relation"],
        object=row["object"],
        score=float(row["score"]) if "score" in row else None,
        document=row["document"],
        start=int(row["start"]) if "start" in row else None,
        end=int(row["end"]) if "end" in row else None,
        quote=row.get("quote", ""),
        from_model=row["from_model"] == "true",
    )


def _literal(text: str) -> str:
    """Text as SPARQL has it; nothing in it can become syntax."""
    try:
        return str(pyoxigraph.Literal(text))
    except ValueError as error:
        raise UserError("the text is not valid Unicode") from error

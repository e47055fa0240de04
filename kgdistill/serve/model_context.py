"""MCP: a graph as tools of a language-model client, over standard input and output (Model Context Protocol)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from kgdistill.catalog import teacher_named
from kgdistill.errors import UserError
from kgdistill.graph.store import About, KnowledgeGraph
from kgdistill.query.answer import LONGEST
from kgdistill.query.pool import Limits, Pool
from kgdistill.serve.asking import Asker, Desk, reply
from kgdistill.serve.lookup import Lookup, Row
from kgdistill.storage.open_runs import kept_open

Result = TypeVar("Result")
LIMITS = Limits(workers=2, seconds=30.0, result_bytes=256 << 10)
"""An answer is read by a model: what it cannot read is not sent."""
ASKING_SECONDS = 180.0
"""For the first question the models must be loaded."""
READ_ONLY = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)

_INSTRUCTIONS = """A knowledge graph of {documents:,} documents with {facts:,} facts, "{run}". Every fact has
evidence: the document, and the sentence that says so. Start with `search` to find how an entity is named, then ask for
its `facts`, or for the `path` between two entities; `ask` takes a question in plain words. Say only what the facts say,
and name the documents that they come from.

`sparql` answers any SPARQL 1.1 query. Known prefixes: kgd, skos, rdfs, prov, dcterms, xsd, and the empty one for
{base}. A claim is a kgd:Claim with kgd:subject, kgd:predicate, kgd:object, kgd:kept, kgd:negated, kgd:hedged,
kgd:score, kgd:quote, kgd:start, kgd:end and prov:wasDerivedFrom; entities have skos:prefLabel and skos:altLabel,
relations rdfs:label. Plain triples of the facts stand in GRAPH <{base}graph/facts>."""

Name = Annotated[str, Field(description="Name of an entity, as `search` gives it.", min_length=1, max_length=500)]


def serve_tools(run: Path, teacher: str = "") -> None:
    """Answer a client until it closes the input. Raises UserError and RunFolderError before that."""
    desk = Desk(partial(Asker, run, teacher_named(teacher)), ASKING_SECONDS)
    with KnowledgeGraph.open(run) as graph, kept_open(run):
        about = graph.about
        pool = Pool(graph.folder / "oxigraph", graph.prefixes, LIMITS)
        asyncio.run(_serve(about, pool, desk))


async def _serve(about: About, pool: Pool, desk: Desk) -> None:
    async with pool:
        await tools(about, Lookup(pool, about.base), desk).run_stdio_async()


def tools(about: About, lookup: Lookup, desk: Desk) -> MCPServer:
    """The server with its five tools."""
    counts = about.counts
    told = _INSTRUCTIONS.format(documents=counts.documents, facts=counts.facts, run=about.run, base=about.base)
    server: MCPServer = MCPServer("kgdistill", instructions=told, log_level="WARNING")

    @server.tool(annotations=READ_ONLY)
    async def search(
        text: Annotated[str, Field(description="A name or a part of one, in any case.", min_length=1, max_length=500)],
        limit: Annotated[int, Field(ge=1, le=100)] = 10,
    ) -> list[Row]:
        """Find entities by name: the graph's name for each, its other names and its types."""
        return await _answered(lookup.search(text, limit))

    @server.tool(annotations=READ_ONLY)
    async def facts(entity: Name, limit: Annotated[int, Field(ge=1, le=200)] = 50) -> list[Row]:
        """Get what the documents say about an entity: facts with score, document, offsets and the sentence itself."""
        return await _answered(lookup.facts(entity, limit))

    @server.tool(annotations=READ_ONLY)
    async def path(start: Name, end: Name, hops: Annotated[int, Field(ge=1, le=6)] = 4) -> list[Row]:
        """Find a shortest chain of facts between two entities; an empty list where there is none so short."""
        return await _answered(lookup.path(start, end, hops))

    @server.tool(annotations=READ_ONLY)
    async def sparql(query: Annotated[str, Field(description="SELECT, ASK, CONSTRUCT or DESCRIBE.")]) -> str:
        """Ask the graph in SPARQL 1.1: results as JSON, graphs as Turtle. Read-only; add a LIMIT."""
        return await _answered(lookup.sparql(query))

    @server.tool(annotations=READ_ONLY)
    async def ask(
        question: Annotated[str, Field(description="A question in plain words.", min_length=1, max_length=LONGEST)],
        as_sparql: Annotated[bool, Field(description="Turn it into SPARQL, and run that.")] = False,
    ) -> dict[str, Any]:
        """Answer a question from the evidence alone. `kind` is "answer" (a small model's, borne by what it cites),
        "extract" (the evidence itself, since no answer was borne by it) or "absent" (not in the graph)."""
        return await _answered(reply(desk, lookup, question, as_sparql=as_sparql))

    return server


async def _answered(asked: Awaitable[Result]) -> Result:
    """What was asked for; a mistake becomes one line that the model can read, and mend its question by."""
    try:
        return await asked
    except UserError as error:
        raise ToolError(str(error)) from error

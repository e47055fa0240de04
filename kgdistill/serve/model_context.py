"""MCP: a graph as tools of a language-model client, over standard input and output (Model Context Protocol)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field, ValidationError

from kgdistill import __version__
from kgdistill.catalog import teacher_named
from kgdistill.errors import UserError
from kgdistill.graph.store import About, KnowledgeGraph
from kgdistill.query.answer import LONGEST
from kgdistill.query.pool import Limits, Pool
from kgdistill.serve.asking import Asker, Desk, reply
from kgdistill.serve.lookup import Entity, Fact, Lookup
from kgdistill.storage.open_runs import kept_open

Result = TypeVar("Result")
LIMITS = Limits(workers=2, seconds=30.0, result_bytes=256 << 10)
"""An answer is read by a model: what it cannot read is not sent."""
ASKING_SECONDS = 180.0
"""For the first question the models must be loaded."""
READ_ONLY = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)

_INSTRUCTIONS = """A knowledge graph of {documents:,} documents with {facts:,} facts, "{run}". Every fact has
evidence: the document, and the sentence that says so (`quote`, from `start` to `end` in code points of its text).
Start with `search` to find how an entity is named, then ask for its `facts`, or for the `path` between two entities;
`ask` takes a question in plain words. Say only what the facts say, and name the documents that they come from. A fact
with `from_model` stands in no document: a model said it when it was asked about what `document` names.

`sparql` answers any SPARQL 1.1 query. Known prefixes: kgd, skos, rdfs, prov, dcterms, xsd, and the empty one for
{base}. A claim is a kgd:Claim with kgd:subject, kgd:predicate, kgd:object, kgd:kept, kgd:negated, kgd:hedged,
kgd:score, kgd:quote, kgd:start, kgd:end and prov:wasDerivedFrom (whose dcterms:identifier is the document's name); only
claims that are kept, not negated and not hedged are facts. Entities have skos:prefLabel and skos:altLabel, relations
rdfs:label. Plain triples of the facts stand in GRAPH <{base}graph/facts>. For example, what is said most often:
SELECT ?name (COUNT(?c) AS ?n) {{ ?c a kgd:Claim ; kgd:kept true ; kgd:negated false ; kgd:hedged false ;
kgd:predicate/rdfs:label ?name }} GROUP BY ?name ORDER BY DESC(?n) LIMIT 10"""

Name = Annotated[
    str,
    Field(description="Name or other name of an entity, whole, as `search` gives it.", min_length=1, max_length=500),
]
Text = Annotated[str, Field(description="A name or a part of one, in any case.", min_length=1, max_length=500)]
Question = Annotated[str, Field(description="A question in plain words.", min_length=1, max_length=LONGEST)]
Query = Annotated[str, Field(description="The query; prefixes that the graph knows need not be declared.")]
AsSparql = Annotated[bool, Field(description="Turn the question into a SPARQL query, and run that.")]
MostEntities = Annotated[int, Field(description="How many entities at most.", ge=1, le=100)]
MostFacts = Annotated[int, Field(description="How many facts at most.", ge=1, le=200)]
Hops = Annotated[int, Field(description="How many steps at most.", ge=1, le=6)]


@dataclass(frozen=True)
class Entities:
    """Entities, and whether there are more of them."""

    entities: list[Entity]
    more: bool


@dataclass(frozen=True)
class Facts:
    """Facts, the best scored first, and whether there are more of them."""

    facts: list[Fact]
    more: bool


@dataclass(frozen=True)
class Chain:
    """Facts that lead from one entity to the other, in this order; none where there is no such chain."""

    steps: list[Fact]


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


class Server(MCPServer):
    """What is wrong with a call is one line that a model can mend it by."""

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Any = None) -> Any:
        offered = {tool.name: list(tool.input_schema["properties"]) for tool in await self.list_tools()}
        if name not in offered:
            raise ToolError(f"there is no tool {name[:50]!a}: choose from {', '.join(offered)}")
        takes = f"{name} takes {', '.join(offered[name])}"
        if unknown := [given for given in arguments if given not in offered[name]]:
            raise ToolError(f"there is no argument {unknown[0][:50]!a}: {takes}")
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            cause = error.__cause__
            if isinstance(cause, ValidationError):
                wrong = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in cause.errors())
                raise ToolError(f"{'; '.join(wrong)} ({takes})") from None
            if type(cause) is ToolError:
                raise cause from None  # ours, without the words that were put before it
            raise


def tools(about: About, lookup: Lookup, desk: Desk) -> MCPServer:
    """The server with its five tools."""
    counts = about.counts
    told = _INSTRUCTIONS.format(documents=counts.documents, facts=counts.facts, run=about.run, base=about.base)
    server = Server("kgdistill", version=__version__, instructions=told, log_level="WARNING")

    def offer(tool: Callable[..., Any]) -> None:
        server.add_tool(tool, description=" ".join(str(tool.__doc__).split()), annotations=READ_ONLY)

    @offer
    async def search(text: Text, limit: MostEntities = 10) -> Entities:
        """Find entities by name: the graph's name for each, its other names and its types. The same name comes first,
        then those that begin with the text, then those that hold it."""
        found = await _answered(lookup.search(text, limit + 1))
        return Entities(found[:limit], more=len(found) > limit)

    @offer
    async def facts(entity: Name, limit: MostFacts = 50) -> Facts:
        """Get what is said about an entity, as subject or as object, each with its score (from 0 to 1; null where
        nobody judged), document, offsets and the sentence itself. The best scored come first."""
        found = await _answered(lookup.facts(entity, limit + 1))
        return Facts(found[:limit], more=len(found) > limit)

    @offer
    async def path(start: Name, end: Name, hops: Hops = 4) -> Chain:
        """Find a shortest chain of facts between two entities, each step with its document and sentence. A step may be
        walked in either direction. No steps: there is no chain so short, or both names are of one entity."""
        return Chain(await _answered(lookup.path(start, end, hops)))

    @offer
    async def sparql(query: Query) -> str:
        """Ask the graph in SPARQL 1.1: SELECT and ASK give SPARQL results as JSON, CONSTRUCT and DESCRIBE Turtle.
        Read-only, without SERVICE. An answer that is too long is refused: add a LIMIT."""
        return await _answered(lookup.sparql(query))

    @offer
    async def ask(question: Question, as_sparql: AsSparql = False) -> dict[str, Any]:
        """Answer a question from the evidence alone. `kind` is "answer" (`text` is a model's, borne by what it cites),
        "extract" (no answer was borne out: `text` is the evidence itself) or "absent" (not in the graph). Each of
        `citations` has document, start, end, quote and address. With `as_sparql` there are the query in `sparql` and
        its results in `answer`, or in `refused` why there is no query."""
        return await _answered(reply(desk, lookup, question, as_sparql=as_sparql))

    return server


async def _answered(asked: Awaitable[Result]) -> Result:
    """What was asked for; a mistake becomes one line that the model can read, and mend its question by."""
    try:
        return await asked
    except UserError as error:
        raise ToolError(str(error)) from error

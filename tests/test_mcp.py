"""`kgdistill mcp` with the official client, over the standard input and output of the real command."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from readings import BASE, HOSTILE, MERGES, curie, event, hostile

import kgdistill
from kgdistill.graph.store import KnowledgeGraph, write_store
from kgdistill.query.sparql import query

ROOT = Path(__file__).parent.parent
KEYS = {"search": "entities", "facts": "facts", "path": "steps"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("mcp") / "store"
    write_store(folder, [curie(), curie("two.txt"), hostile(), event()], base=BASE, run="test", merges=MERGES)
    return folder


def talk(store: Path, conversation: Callable[[Client], Awaitable[None]]) -> None:
    """One conversation of the official client with the command."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "kgdistill.cli", "mcp", str(store)]
    server = StdioServerParameters(command=command[0], args=command[1:], env=environment)

    async def whole() -> None:
        async with asyncio.timeout(250), Client(server) as client:
            await conversation(client)

    asyncio.run(whole())


async def rows(client: Client, tool: str, **arguments: Any) -> list[dict[str, Any]]:
    """What was found; a client that knows no structured content reads the same in one text, even if it is nothing."""
    found = await client.call_tool(tool, arguments)
    assert not found.is_error, found.content
    [text] = found.content
    assert json.loads(text.text) == found.structured_content
    answer: list[dict[str, Any]] = found.structured_content[KEYS[tool]]
    return answer


async def mistake(client: Client, tool: str, **arguments: Any) -> str:
    found = await client.call_tool(tool, arguments)
    assert found.is_error
    [text] = found.content
    assert "\n" not in text.text and "pydantic" not in text.text and len(text.text) < 500
    return str(text.text)


def test_a_client_finds_its_way_through_the_graph(store: Path) -> None:
    with KnowledgeGraph.open(store) as graph:
        stored = {
            tuple(row)
            for row in graph.facts()[["subject", "relation", "object", "document", "quote"]].itertuples(index=False)
        }
        asked = "SELECT ?name { ?e skos:prefLabel ?name } ORDER BY ?name"
        named = [row[0].value for row in query(graph.store, asked, graph.prefixes).rows]

    async def conversation(client: Client) -> None:
        offered = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(offered) == {"search", "facts", "path", "sparql", "ask"}
        for tool in offered.values():
            assert tool.annotations.read_only_hint and "\n" not in str(tool.description)
            told = tool.input_schema["properties"].items()
            assert all(schema["description"] for _, schema in told), "each argument is explained"
        fact = offered["facts"].output_schema["$defs"]["Fact"]["properties"]
        assert fact["start"]["anyOf"] == [{"type": "integer"}, {"type": "null"}]
        assert (client.server_info.name, client.server_info.version) == ("kgdistill", kgdistill.__version__)
        assert "with 7 facts" in str(client.instructions)
        assert [row["name"] for row in await rows(client, "search", text="m. cur")] == ["Marie Curie"]
        [found] = await rows(client, "search", text="MARIE CURIE", limit=1)
        assert found == {"name": "Marie Curie", "aliases": ["M. Curie"], "types": ["Person"]}
        facts = await rows(client, "facts", entity="M. Curie")
        assert (
            len(facts) == 6
            and {tuple(row[key] for key in ("subject", "relation", "object", "document", "quote")) for row in facts}
            <= stored
        )
        text = curie().document.text
        assert all(text[row["start"] : row["end"]] == row["quote"] and row["score"] == 0.75 for row in facts)
        assert not any(row["from_model"] for row in facts)
        way = await rows(client, "path", start="Warsaw", end="Nobel Prizes")
        assert [(row["subject"], row["relation"], row["object"]) for row in way] == [
            ("Marie Curie", "born in", "Warsaw"),
            ("Marie Curie", "won", "Nobel Prizes"),
        ]
        assert [way[0] in facts, way[1] in facts] == [True, True], "each step has its document and its sentence"
        assert await rows(client, "path", start="Warsaw", end="Nobel Prizes", hops=1) == []
        assert await rows(client, "path", start="Warsaw", end=HOSTILE[:40]) == []
        assert await rows(client, "path", start="Warsaw", end="Warsaw") == []
        answer = json.loads((await client.call_tool("sparql", {"query": asked})).content[0].text)
        assert [row["name"]["value"] for row in answer["results"]["bindings"]] == named

    talk(store, conversation)


def test_what_a_model_says_by_itself_is_marked_and_more_is_said_to_be_there(store: Path) -> None:
    async def conversation(client: Client) -> None:
        [fact] = await rows(client, "facts", entity="PersonX buys a train ticket")
        assert fact == {
            "subject": "PersonX buys a train ticket",
            "relation": "xNeed",
            "object": "to check the timetable",
            "score": 0.9,
            "document": "PersonX buys a train ticket",
            "start": None,
            "end": None,
            "quote": "",
            "from_model": True,
        }
        for tool, arguments in (("search", {"text": "a"}), ("facts", {"entity": "Warsaw"})):
            every = await rows(client, tool, **arguments)
            for limit in (len(every) - 1, len(every)):
                found = (await client.call_tool(tool, {**arguments, "limit": limit})).structured_content
                assert found == {KEYS[tool]: every[:limit], "more": limit < len(every)}

    talk(store, conversation)


def test_a_wrong_call_says_in_one_line_what_would_be_right(store: Path) -> None:
    async def conversation(client: Client) -> None:
        assert await mistake(client, "fact") == "there is no tool 'fact': choose from search, facts, path, sparql, ask"
        said = "there is no argument 'name': facts takes entity, limit"
        assert await mistake(client, "facts", name="Warsaw", entity="Warsaw") == said
        assert await mistake(client, "facts") == "entity: Field required (facts takes entity, limit)"
        said = "limit: Input should be less than or equal to 200 (facts takes entity, limit)"
        assert await mistake(client, "facts", entity="Warsaw", limit=900) == said
        said = await mistake(client, "path", start=5, hops="far")
        assert said.startswith("start: Input should be a valid string; end: Field required; hops: Input should be")
        assert "\\n" in await mistake(client, "facts", **{"x\n" * 400: 1})
        assert (await mistake(client, "facts", entity="nobody")).startswith('no entity is called "nobody"')

    talk(store, conversation)


def test_a_client_asks_in_plain_words(store: Path) -> None:
    async def ask(client: Client, **arguments: Any) -> dict[str, Any]:
        found = await client.call_tool("ask", arguments)
        assert not found.is_error, found.content
        answer: dict[str, Any] = json.loads(found.content[0].text)
        return answer

    async def conversation(client: Client) -> None:
        told = await ask(client, question="Where was Marie Curie born?")
        assert told["kind"] in ("answer", "extract") and "born in Warsaw" in told["citations"][0]["quote"]
        text = curie().document.text
        assert all(text[one["start"] : one["end"]] == one["quote"] for one in told["citations"])
        nothing = await ask(client, question="Which team won the football cup of Brazil in 1994?")
        assert (nothing["kind"], nothing["text"], nothing["citations"]) == ("absent", "not in the graph", [])
        found = await ask(client, question="Where was Marie Curie born?", as_sparql=True)
        assert "FROM <" in found["sparql"] and found["answer"]
        assert "plain words" in await mistake(client, "ask", question="?!")
        assert await mistake(client, "ask", question="")

    talk(store, conversation)


def test_mistakes_and_hostile_text_are_one_line_and_the_next_question_is_answered(store: Path) -> None:
    async def conversation(client: Client) -> None:
        assert [row["name"] for row in await rows(client, "search", text=HOSTILE)] == [HOSTILE]
        assert [row["subject"] for row in await rows(client, "facts", entity=HOSTILE)] == [HOSTILE]
        assert "search for a part" in await mistake(client, "facts", entity='x" } DROP ALL #')
        assert "no SPARQL query" in await mistake(client, "sparql", query="SELECT nothing")
        assert "read-only" in await mistake(client, "sparql", query="DROP ALL")
        assert "SERVICE" in await mistake(client, "sparql", query="SELECT * { SERVICE <http://x.test/> { ?a ?b ?c } }")
        product = "SELECT * { ?a ?b ?c . ?d ?e ?f }"
        assert "ask for less, as with LIMIT" in await mistake(client, "sparql", query=product)
        assert await mistake(client, "search", text="Marie", limit=0)
        assert await mistake(client, "path", start="Warsaw", end="Nobel Prizes", hops=99)
        assert await rows(client, "search", text="nobody at all") == []
        assert len(await rows(client, "facts", entity="Warsaw", limit=1)) == 1

    talk(store, conversation)


def test_a_folder_without_a_graph_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kgdistill.cli", "mcp", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, input="", timeout=200, check=False, cwd=ROOT)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("kgdistill: ") and "no finished store" in ran.stderr and ran.stderr.count("\n") == 1

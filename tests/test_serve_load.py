"""The service under pressure: many clients at once, of which most behave badly."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import httpx
import pyoxigraph
import pytest
from readings import BASE, curie, hostile
from service import Served, descendants, served

from kgdistill.graph.store import KnowledgeGraph, write_store

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
CLIENTS = 64
ENDLESS = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l FILTER(?a != ?l) }"
LARGE = "SELECT * { ?a ?b ?c . ?d a kgd:Claim }"
QUESTIONS = {
    "SELECT ?c ?q { ?c kgd:quote ?q } ORDER BY ?c": "text/csv",
    "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }": "text/tab-separated-values",
    "SELECT ?e ?n { ?e skos:prefLabel ?n } ORDER BY ?e ?n": "application/sparql-results+json",
    "SELECT ?s (COUNT(*) AS ?n) { ?c kgd:subject ?s ; kgd:kept true } GROUP BY ?s ORDER BY ?s": "text/csv",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("load")
    write_store(folder, [hostile(), *(curie(f"{number}.txt") for number in range(40))], base=BASE, run="load")
    return folder


class Crowd:
    """Clients of one service, and what they saw."""

    def __init__(self, folder: Path, root: str, seed: int) -> None:
        self.root, self.chance = root, random.Random(seed)
        self.address = ("127.0.0.1", int(root.rpartition(":")[2].strip("/")))
        self.right = self.refused = self.lost = 0
        self.wrong: list[str] = []
        with KnowledgeGraph.open(folder) as graph:
            written = pyoxigraph.QueryResultsFormat.from_media_type
            self.answers = {text: graph.query(text).serialize(format=written(QUESTIONS[text])) for text in QUESTIONS}

    async def crowd(self, rounds: int) -> None:
        limits = httpx.Limits(max_connections=CLIENTS)
        async with httpx.AsyncClient(timeout=120, limits=limits) as client:
            await asyncio.gather(*(self.client(client, rounds) for _ in range(CLIENTS)))

    async def client(self, client: httpx.AsyncClient, rounds: int) -> None:
        deeds = [self.asks, self.asks, self.asks, self.mistakes, self.never_ends, self.leaves, self.floods, self.drips]
        done = 0
        while done < rounds:
            deed = self.chance.choice(deeds)
            try:
                await deed(client)
                done += 1
            except (httpx.TransportError, OSError, asyncio.IncompleteReadError):
                self.lost += 1
                await asyncio.sleep(0.2)

    async def asks(self, client: httpx.AsyncClient) -> None:
        text = self.chance.choice(list(QUESTIONS))
        answer = await client.post(self.root + "sparql", data={"query": text}, headers={"Accept": QUESTIONS[text]})
        if answer.status_code in (503, 504):  # the machine may have more to do than this
            self.refused += 1
        elif answer.status_code == 200 and answer.content == self.answers[text]:
            self.right += 1
        else:
            self.wrong.append(f"{answer.status_code} {text}: {answer.text[:200]}")

    async def mistakes(self, client: httpx.AsyncClient) -> None:
        text = self.chance.choice(["SELECT", "{}", "\x00", "ASK { SERVICE <http://127.0.0.1:9/> {} }", "DROP ALL"])
        self._expect(await client.get(self.root + "sparql", params={"query": text}), 400, 503)

    async def never_ends(self, client: httpx.AsyncClient) -> None:
        self._expect(await client.get(self.root + "sparql", params={"query": ENDLESS}), 504, 503)

    async def floods(self, client: httpx.AsyncClient) -> None:
        headers = {"Content-Type": "application/sparql-query"}
        self._expect(await client.post(self.root + "sparql", content=b"x" * 10_000_000, headers=headers), 413)

    async def leaves(self, client: httpx.AsyncClient) -> None:
        """Asks, and hangs up, some with a reset, before or while the answer comes."""
        _, writer = await asyncio.open_connection(*self.address)
        writer.write(request(self.chance.choice([ENDLESS, LARGE])))
        await asyncio.sleep(self.chance.random() * 0.3)
        if self.chance.random() < 0.5:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def drips(self, client: httpx.AsyncClient) -> None:
        """Speaks and listens slowly."""
        reader, writer = await asyncio.open_connection(*self.address, limit=1 << 12)
        text = request(LARGE)
        for start in range(0, len(text), 40):
            writer.write(text[start : start + 40])
            await writer.drain()
            await asyncio.sleep(0.01)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split()[0])
        for _ in range(5):
            length -= len(await reader.read(1 << 12))
            await asyncio.sleep(0.05)
        while length and (part := await reader.read(1 << 16)):
            length -= len(part)
        writer.close()
        if length:
            self.lost += 1

    def _expect(self, answer: httpx.Response, *statuses: int) -> None:
        if answer.status_code not in statuses:
            self.wrong.append(f"{answer.status_code} {answer.text[:200]}")


def request(text: str) -> bytes:
    return f"GET /sparql?query={quote(text)} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/csv\r\n\r\n".encode()


def handles(process: int) -> int:
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


def resident(process: int) -> int:
    """MiB of a process."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


def settles(service: Served, before: int) -> None:
    """Within ten seconds there are two free workers, and no handle more than before."""
    process, deadline = service.process.pid, time.monotonic() + 10
    while (handles(process) > before or len(descendants(process)) != 2) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(descendants(process)) == 2
    assert handles(process) <= before
    start = time.monotonic()
    for _ in range(20):
        assert httpx.get(service.sparql, params={"query": "ASK { ?c a kgd:Claim }"}).json()["boolean"]
    assert time.monotonic() - start < 5


def test_bad_company_harms_nobody(folder: Path) -> None:
    with served(folder, "--timeout", "0.5") as service:
        crowd = Crowd(folder, service.root, seed=1)
        asyncio.run(crowd.crowd(1))
        before = handles(service.process.pid)
        asyncio.run(crowd.crowd(2))
        assert not crowd.wrong
        assert not crowd.lost
        assert crowd.right >= 5
        settles(service, before)


@pytest.mark.slow
def test_hours_of_it_leak_nothing(folder: Path) -> None:
    with served(folder, "--timeout", "0.5") as service:
        crowd = Crowd(folder, service.root, seed=2)
        asyncio.run(crowd.crowd(5))
        before, memory = handles(service.process.pid), resident(service.process.pid)
        asyncio.run(crowd.crowd(30))
        assert not crowd.wrong
        assert not crowd.lost
        settles(service, before)
        assert resident(service.process.pid) < memory + 64


@pytest.mark.slow
def test_a_restart_under_load_gives_no_wrong_row(folder: Path) -> None:
    async def loaded(first: Served, crowd: Crowd, ending: signal.Signals) -> None:
        work = asyncio.create_task(crowd.crowd(8))
        await asyncio.sleep(3)
        workers = descendants(first.process.pid)
        first.process.send_signal(ending)
        await asyncio.to_thread(first.process.wait)
        port = int(first.root.rpartition(":")[2].strip("/"))
        await asyncio.sleep(1.5)  # a worker in the middle of a query ends at its deadline
        assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]
        with served(folder, "--timeout", "0.5", port=port) as second:
            right = crowd.right
            await work
            assert crowd.right > right + 5
            settles(second, handles(second.process.pid))

    for ending in (signal.SIGTERM, signal.SIGKILL):
        with served(folder, "--timeout", "0.5", ends=-ending) as service:
            crowd = Crowd(folder, service.root, seed=int(ending))
            asyncio.run(loaded(service, crowd, ending))
            assert not crowd.wrong

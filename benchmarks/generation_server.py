"""How much of an endpoint's capacity our driver uses, and what a request costs us in CPU.

An endpoint of fixed latency runs in a process of its own. A bare client (one raw connection per request under
way, nothing parsed) measures its capacity at this concurrency; then our dialogues go through the same endpoint.
Both take turns within one run; the ratio of the medians is printed, and our own CPU time per request.

    python benchmarks/generation_server.py
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from kgdistill.contracts import Dialogue, Request
from kgdistill.teacher.dialogue import Ledger, converse
from kgdistill.teacher.journal import Journal
from kgdistill.teacher.server import Server

TOKENS = 24
PROMPT = (
    "Name the entities of the text.\n" + "The bridge over the Rhine was built in 1880 by engineers from Basel. " * 12
)


def reply() -> bytes:
    """A chat completion with log-probabilities, as `vllm serve` sends it."""
    content = [{"token": " word", "logprob": -0.25, "bytes": [32, 119], "top_logprobs": []} for _ in range(TOKENS)]
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": " word" * TOKENS},
        "finish_reason": "stop",
        "logprobs": {"content": content},
    }
    usage = {"prompt_tokens": 200, "completion_tokens": TOKENS, "total_tokens": 200 + TOKENS}
    body = json.dumps({"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def serve(latency: float, port: Connection) -> None:
    """Answer every request on every connection after a fixed time."""
    answer = reply()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
                await reader.readexactly(length)
                await asyncio.sleep(latency)
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def endpoint(latency: float, port: Connection) -> None:
    asyncio.run(serve(latency, port))


async def bare(port: int, count: int, concurrency: int) -> float:
    """Requests per second of raw connections that send the same bytes again and again."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": PROMPT}]}).encode()
    message = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    size = len(reply())
    left = iter(range(count))

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in left:
            writer.write(message)
            await reader.readexactly(size)
        writer.close()

    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(concurrency)]
    started = time.perf_counter()
    await asyncio.gather(*(client(*connection) for connection in connections))
    return count / (time.perf_counter() - started)


def dialogue(number: int) -> Dialogue[str]:
    [[first]] = yield [Request("entities", f"{PROMPT}\n{number}")]
    [[second]] = yield [Request("propositions", f"{PROMPT}\n{number}\n{first.text}")]
    return second.text


def ours(port: int, count: int, concurrency: int, folder: Path) -> tuple[float, float]:
    """(Requests per second, own CPU seconds per request) of dialogues of two turns with journal and ledger."""
    ledger = Ledger()

    def talks() -> Iterator[Dialogue[str]]:
        return (dialogue(number) for number in range(count // 2))

    teacher = Server("m", base_url=f"http://127.0.0.1:{port}/v1", concurrency=concurrency).open()
    for ticket in range(concurrency):  # open the connections, as the bare client's are
        teacher.submit(ticket, Request("p", str(ticket)))
    warm = 0
    while warm < concurrency:
        warm += len(teacher.poll())
    started, worked = time.perf_counter(), time.process_time()
    with Journal(folder / f"{started}.jsonl", "benchmark") as journal:
        for text in converse(talks(), teacher, journal, stage="s", ledger=ledger, fail=lambda _: None):
            assert text == " word" * TOKENS
    seconds, cpu = time.perf_counter() - started, time.process_time() - worked
    teacher.close()
    assert ledger.account("s").kept == count
    return count / seconds, cpu / count


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--latency", type=float, default=0.5, help="seconds")
    options.add_argument("--concurrency", type=int, default=64)
    options.add_argument("--requests", type=int, default=3840)
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=endpoint, args=(chosen.latency, there), daemon=True)
    process.start()
    port = here.recv()
    bares, rates, costs = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(chosen.rounds):
            bares.append(asyncio.run(bare(port, chosen.requests, chosen.concurrency)))
            rate, cost = ours(port, chosen.requests, chosen.concurrency, Path(folder))
            rates.append(rate)
            costs.append(cost)
    process.terminate()
    capacity = chosen.concurrency / chosen.latency
    found = {
        "capacity_requests_per_second": capacity,
        "bare_requests_per_second": statistics.median(bares),
        "our_requests_per_second": statistics.median(rates),
        "ratio_to_capacity": statistics.median(rates) / capacity,
        "ratio_to_bare": statistics.median(rates) / statistics.median(bares),
        "cpu_milliseconds_per_request": 1000 * statistics.median(costs),
    }
    sys.stdout.write(json.dumps({name: round(value, 3) for name, value in found.items()}, indent=2) + "\n")


if __name__ == "__main__":
    main()

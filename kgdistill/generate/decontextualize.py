"""Rewrites each chunk so that it can be read on its own, with the chunk before it as context (SynthKG, step 2)."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from kgdistill.contracts import Dialogue, Reply, Request
from kgdistill.errors import ReplyError
from kgdistill.prompts.render import render, template_text
from kgdistill.prompts.schemas import Rewriting, read, schema
from kgdistill.records import Chunk, ChunkGraph, Failure, Reading, Rewrite
from kgdistill.text.overlap import rouge1


class Decontextualize(Struct, frozen=True):
    """Full names for pronouns and short names; a rewrite that strays too far is refused and the original kept.

    Source: Choubey et al., Distill-SynthKG (2024), section 3: refused below ROUGE-1 F1 0.70 against the original.
    """

    min_rouge: float = 0.70
    max_tokens: int = 512
    temperature: float = 0.0
    seed: int = 0
    brief: bool = False

    def texts(self) -> dict[str, str]:
        return {"rewrite": template_text("rewrite")}

    def __call__(self, reading: Reading) -> Dialogue[Reading]:
        previous = ""
        graphs: list[ChunkGraph] = []
        for graph in reading.chunks:
            if any(char.isalpha() for char in graph.chunk.text):
                request = self._ask(previous, graph.chunk)
                [replies] = yield [request]
                graph = self._rewritten(graph, replies, request)
            previous = graph.chunk.standalone.strip()
            graphs.append(graph)
        return msgspec.structs.replace(reading, chunks=tuple(graphs))

    def _ask(self, previous: str, chunk: Chunk) -> Request:
        return Request(
            purpose="rewrite",
            prompt=render("rewrite", brief=self.brief, previous=previous, text=chunk.text.strip()),
            schema=schema(Rewriting),
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            seed=self.seed,
        )

    def _rewritten(self, graph: ChunkGraph, replies: list[Reply], request: Request) -> ChunkGraph:
        """The graph with its chunk's rewrite, or with the reason why there is none."""
        if not replies:
            return graph
        chunk, raw = graph.chunk, replies[0].text
        failure = Failure(
            "decontextualise", chunk.document, "malformed", chunk=chunk.index, request=request.key, raw=raw
        )
        try:
            text = read(raw, Rewriting).text.strip()
        except ReplyError as error:
            failed = msgspec.structs.replace(failure, message=str(error))
            return msgspec.structs.replace(graph, failures=(*graph.failures, failed))
        rewrite = Rewrite(text, rouge := rouge1(chunk.text, text), refused=rouge < self.min_rouge)
        graph = msgspec.structs.replace(graph, chunk=msgspec.structs.replace(chunk, rewrite=rewrite))
        if not rewrite.refused:
            return graph
        refusal = msgspec.structs.replace(
            failure,
            reason="low rouge",
            kind="rejected",
            message=f"ROUGE-1 F1 {rouge:.2f} is below {self.min_rouge:.2f}: the original is kept",
        )
        return msgspec.structs.replace(graph, failures=(*graph.failures, refusal))

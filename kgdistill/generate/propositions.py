"""Propositions, sentence by sentence: atomic statements that can be read on their own, one block for each sentence.

Source: Hosseini et al., Scalable and Domain-General Abstractive Proposition Segmentation (2024). What the released
code leaves open is settled here: a sentence whose block is missing, empty, doubled or unreadable is asked about alone,
and in the end kept whole and flagged; every proposition has the offsets of its sentence; long documents are read in
windows with the sentences before them; repeats go; numbers and names that the text does not have are flagged.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from kgdistill.contracts import Dialogue, Reply, Request
from kgdistill.errors import RecipeError, ReplyError
from kgdistill.generate.triples import Triples
from kgdistill.prompts import schemas
from kgdistill.prompts.render import line, render, template_text
from kgdistill.records import (
    Chunk,
    ChunkGraph,
    Claim,
    Entity,
    Evidence,
    Failure,
    Proposition,
    Reading,
    Rewrite,
    Triple,
    Verdict,
    content_id,
)
from kgdistill.text.names import find, normal
from kgdistill.text.propositions import (
    Sentence,
    Window,
    distinct,
    read_marked,
    sentences_of,
    unsupported,
    windows,
    wrapped,
)

STAGE = METHOD = "propositions"
WHOLE = "sentence"
"""Method of a proposition that is the sentence itself, since no block was got for it."""
JUDGE = "names and numbers"
"""Its verdict is 0 where a proposition has a number or a name that the text does not have, with the first of them."""


class Propositions(Struct, frozen=True):
    """Propositions of a document's sentences, linked to the claims that they hold. Raises RecipeError."""

    form: Literal["", "grouped", "marked", "claims"] = ""
    """"grouped": JSON with a block for each numbered sentence; "marked": the notation of the released models, without
    an instruction; "claims": entities, then propositions with claims, a sentence at a time, as the embedded teacher has
    learnt it. Empty: "claims" for a teacher that was trained on these prompts, else "grouped"."""
    window: int = 8
    """Most sentences of a request."""
    longest: int = 2400
    """Most characters of them; a longer sentence stands alone."""
    context: int = 3
    """Sentences before a window that are shown."""
    again: int = 1
    """How often a sentence without a block is asked about alone."""
    again_temperature: float = 0.7
    temperature: float = 0.0
    max_tokens: int = 1536
    seed: int = 0
    brief: bool = False

    def __post_init__(self) -> None:
        if self.window < 1 or self.context < 0 or self.again < 0:
            raise RecipeError("propositions: window must be at least 1, context and again not negative")

    def texts(self) -> dict[str, str]:
        return {name: template_text(name) for name in ("segment", "entities", "propositions")}

    def __call__(self, reading: Reading) -> Dialogue[Reading]:
        work = _Work(reading)
        if (self.form or ("claims" if self.brief else "grouped")) == "claims":
            for place in range(len(work.sentences)):
                yield from self._claimed(work, place)
            return work.result()
        parts = list(windows([len(s.text) for s in work.sentences], self.window, self.longest, self.context))
        for number in range(self.again + 1):
            requests = [self._ask(work, part, number) for part in parts]
            answers = (yield requests) if requests else []
            for part, request, replies in zip(parts, requests, answers, strict=True):
                self._read(work, part, request, replies)
            missing = [place for place, group in enumerate(work.groups) if not group]
            parts = [Window(max(0, place - self.context), place, place + 1) for place in missing]
        return work.result()

    def _ask(self, work: _Work, part: Window, number: int) -> Request:
        shown = [sentence.standalone for sentence in work.sentences[part.context : part.end]]
        marked = self.form == "marked"
        before, asked = shown[: part.start - part.context], shown[part.start - part.context :]
        text = "\n".join(f"{place}. {line(said)}" for place, said in enumerate(asked, 1))
        return Request(
            purpose=METHOD,
            prompt=wrapped(shown)
            if marked
            else render("segment", brief=self.brief, previous=" ".join(before), text=text),
            schema="" if marked else schemas.schema(schemas.Segmentation),
            temperature=self.again_temperature if number else self.temperature,
            max_tokens=self.max_tokens,
            seed=self.seed + number,
        )

    def _read(self, work: _Work, part: Window, request: Request, replies: list[Reply]) -> None:
        """Take the blocks of a reply that are beyond doubt; what is wrong with the others is recorded."""
        for reply in replies[:1]:
            try:
                blocks = self._blocks(reply.text, part)
            except ReplyError as error:
                work.fail("malformed", str(error), place=part.start, raw=reply.text, request=request.key)
                return
            wanted = part.end - part.start
            for place, block in blocks.items():
                work.groups[part.start + place] = block
            if short := wanted - sum(map(bool, blocks.values())):
                message = f"{short} of {wanted} sentences have no block of their own"
                work.fail("blocks", message, "rejected", part.start, reply.text, request.key)

    def _blocks(self, text: str, part: Window) -> dict[int, tuple[str, ...]]:
        """The propositions of the window's sentences by their place in it, where exactly one block is theirs."""
        wanted = part.end - part.start
        if self.form == "marked":
            groups = read_marked(text)
            skipped = part.start - part.context
            # With one block too many or too few none can be trusted: they go by their order alone.
            return dict(enumerate(map(distinct, groups[skipped:]))) if len(groups) == skipped + wanted else {}
        found: dict[int, list[tuple[str, ...]]] = {}
        blocks = schemas.read(text, schemas.Segmentation).sentences
        for block in blocks:
            number = 1 if wanted == len(blocks) == 1 else block.number
            found.setdefault(number - 1, []).append(distinct(map(line, block.propositions)))
        return {place: groups[0] for place, groups in found.items() if place < wanted and len(groups) == 1}

    def _claimed(self, work: _Work, place: int) -> Dialogue[None]:
        """The propositions of one sentence with their claims."""
        sentence, chunk = work.sentences[place], work.chunk_of(place).chunk
        rewrite = Rewrite(sentence.standalone, 1.0) if sentence.standalone != sentence.text else None
        alone = Chunk(chunk.document, chunk.index, sentence.span.start, sentence.span.end, sentence.text, rewrite)
        for number in range(self.again + 1):
            temperature = self.again_temperature if number else self.temperature
            method = Triples(samples=1, temperature=temperature, seed=self.seed + number, brief=self.brief)
            found = yield from method(ChunkGraph(alone))
            work.failures += [(place, replace(failure, stage=STAGE)) for failure in found.failures]
            if found.claims:
                work.add_claims(place, found)
                return


class _Work:
    """What has been found of a document so far: a group of propositions for each sentence that has letters."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.sentences: list[Sentence] = []
        self._chunks: list[int] = []
        for number, graph in enumerate(reading.chunks):
            for sentence in sentences_of(graph.chunk, reading.document.language):
                if any(char.isalpha() for char in sentence.text):
                    self.sentences.append(sentence)
                    self._chunks.append(number)
        self.groups: list[tuple[str, ...]] = [()] * len(self.sentences)
        self.claims: dict[str, tuple[int, Claim]] = {}
        self.links: list[dict[str, list[str]]] = [{} for _ in self.sentences]
        self.entities: list[dict[str, Entity]] = [{normal(e.name): e for e in g.entities} for g in reading.chunks]
        self.failures: list[tuple[int, Failure]] = []

    def chunk_of(self, place: int) -> ChunkGraph:
        return self.reading.chunks[self._chunks[place]]

    def fail(
        self,
        reason: str,
        message: str,
        kind: Literal["failed", "rejected"] = "failed",
        place: int = 0,
        raw: str = "",
        request: str = "",
    ) -> None:
        chunk = self.chunk_of(place).chunk
        failure = Failure(STAGE, chunk.document, reason, kind, chunk.index, message, raw, request)
        self.failures.append((place, failure))

    def add_claims(self, place: int, found: ChunkGraph) -> None:
        """Claims of one sentence, each under the proposition that it was written with."""
        chunk = self._chunks[place]
        for entity in found.entities:
            self.entities[chunk].setdefault(normal(entity.name), entity)
        for claim in found.claims:
            self.claims.setdefault(claim.id, (chunk, claim))
            self.links[place].setdefault(normal(claim.proposition), []).append(claim.id)
        self.groups[place] = distinct(claim.proposition for claim in found.claims)

    def result(self) -> Reading:
        """The reading with a block for every sentence: those that have none are kept whole, and flagged."""
        made: list[list[Claim]] = [[] for _ in self.reading.chunks]
        for chunk, claim in self.claims.values():
            made[chunk].append(claim)
        for place, sentence in enumerate(self.sentences):
            if not self.groups[place]:
                message = f"kept whole: {sentence.text[:80]!r}"
                self.fail("no block", message, "rejected", place)
            method = METHOD if self.groups[place] else WHOLE
            for text in self.groups[place] or (line(sentence.standalone),):
                made[self._chunks[place]].append(self._proposition(text, place, method))
        graphs = []
        for number, graph in enumerate(self.reading.chunks):
            known = {claim.id for claim in graph.claims}
            new = tuple(claim for claim in made[number] if claim.id not in known)
            failed = tuple(failure for place, failure in self.failures if self._chunks[place] == number)
            graphs.append(
                replace(
                    graph,
                    entities=tuple(self.entities[number].values()),
                    claims=(*graph.claims, *new),
                    failures=(*graph.failures, *failed),
                    samples=graph.samples or 1,
                )
            )
        return replace(self.reading, chunks=tuple(graphs))

    def _proposition(self, text: str, place: int, method: str) -> Proposition:
        sentence, document = self.sentences[place], self.reading.document
        strange = unsupported(text, document.text, document.title, sentence.standalone)
        reason = f"{strange[0]!r} is not in the text" if strange else ""
        return Proposition(
            id=content_id("proposition", document.id, sentence.span.start, normal(text)),
            text=text,
            triples=self._triples(text, place),
            method=method,
            samples=(0,),
            evidence=Evidence(sentence.span),
            verdicts=(Verdict(JUDGE, 0.0 if strange else 1.0, reason),),
        )

    def _triples(self, text: str, place: int) -> tuple[str, ...]:
        """Claims that were written with the proposition, else those of the sentence whose ends it names."""
        if written := self.links[place].get(normal(text)):
            return tuple(dict.fromkeys(written))
        span = self.sentences[place].span
        return tuple(
            claim.id
            for claim in self.chunk_of(place).claims
            if isinstance(claim, Triple)
            and (claim.evidence is None or span.start <= claim.evidence.sentence.start < span.end)
            and find(claim.subject, text)
            and find(claim.object, text)
        )

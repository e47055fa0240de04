"""Contexts, and many next sentences for each: what pairs of texts that say the same are looked for among."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from kgdistill.contracts import Dialogue, Reply, Request
from kgdistill.errors import RecipeError
from kgdistill.prompts.render import render, template_text
from kgdistill.records import (
    Asked,
    Document,
    Failure,
    Passage,
    Reading,
    Rewording,
    Sentence,
    Utterance,
    content_id,
)
from kgdistill.text.names import normal
from kgdistill.text.overlap import words
from kgdistill.text.sentences import sentence_spans

METHOD = "sentences"
"""Name of the pairs that are made of a teacher's sentences."""
ENDS = ".?!"


class ContextWriter(Struct, frozen=True):
    """Contexts that a plain language model writes behind prefixes ("London, England (BBC) --").

    Each is cut behind its last finished sentence; one without any is refused. Raises RecipeError for no prefixes.
    Source: Jung et al., Impossible Distillation (2024), section 2.1.
    """

    prefixes: tuple[str, ...]
    sequences: int = 100
    """Contexts asked for behind each prefix."""
    temperature: float = 1.0
    top_p: float = 0.9
    max_tokens: int = 150
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.prefixes or not all(prefix.strip() for prefix in self.prefixes) or self.sequences < 1:
            raise RecipeError("contexts: prefixes must not be empty, and sequences at least 1")

    def __call__(self, prefix: str) -> Dialogue[Contexts]:
        request = Request(
            "context", prefix, temperature=self.temperature, top_p=self.top_p, max_tokens=self.max_tokens,
            samples=self.sequences, seed=self.seed, open_ended=True,
        )  # fmt: skip
        [replies] = yield [request]
        found = [(reply, finished(_joined(prefix, reply.text))) for reply in replies]
        texts = dict.fromkeys(text for _, text in found if text and normal(text) != normal(prefix))
        refused = [_refused("context", "", "no sentence", reply) for reply, text in found if text not in texts]
        documents = [Document(f"context/{content_id(text)}", text, "model") for text in texts]
        return Contexts(tuple(documents), tuple(refused))


class Contexts(Struct, frozen=True):
    """What came behind one prefix."""

    documents: tuple[Document, ...]
    failures: tuple[Failure, ...] = ()


class NextSentences(Struct, frozen=True):
    """For each chunk of a reading, `samples` sentences that could come next; pairs are looked for among these.

    The teacher need not know what a paraphrase is. A plain language model is given the context alone (behind
    `opening`), and its first sentence counts; a model that follows instructions is asked (`instruct`). A sentence has
    at least `shortest` characters, ends, and says no `no_repeat` words twice; what is none is refused with the reason.
    Contexts that are empty or longer than `longest` characters are recorded failures, and so is one behind which no
    sentence comes.
    Source: Jung et al., Impossible Distillation (2024), section 2.1; its code's temperature is 0.5.
    """

    samples: int = 100
    temperature: float = 0.7
    top_p: float = 0.9
    max_tokens: int = 100
    shortest: int = 3
    no_repeat: int = 3
    """No run of so many words stands twice in a sentence; 0: no such rule. (The paper forbids it while sampling; as a
    rule it holds for any teacher.)"""
    longest: int = 4000
    """Most characters of a context."""
    opening: str = ""
    """What a plain language model reads before the context."""
    closing: str = " "
    """What it reads behind it; a space that belongs to the next token is better left out."""
    instruct: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples < 2 or self.longest < 1:
            raise RecipeError("sentences: a pair needs at least two samples, and longest must be positive")

    def texts(self) -> dict[str, str]:
        return {"next_sentence": template_text("next_sentence")}

    def __call__(self, reading: Reading) -> Dialogue[Rewording]:
        contexts = [graph.chunk.text.strip() for graph in reading.chunks] or [reading.document.text.strip()]
        faults = [self._fault(context) for context in contexts]
        asked = [self._request(context) for context, fault in zip(contexts, faults, strict=True) if not fault]
        answers = iter((yield asked) if asked else [])
        passages: list[Passage] = []
        failures: list[Failure] = []
        for number, (context, fault) in enumerate(zip(contexts, faults, strict=True)):
            if fault:
                reason = fault.split(":")[0]
                failures.append(Failure(METHOD, reading.document.id, reason, "rejected", number, fault, context[:200]))
                continue
            request = self._request(context)
            sentences, refused = self._read(next(answers), request, reading.document.id, number)
            failures += refused
            if len(sentences) < 2:
                message = f"{len(sentences)} usable sentences behind the context; a pair needs two"
                failures.append(Failure(METHOD, reading.document.id, "no pair", "rejected", number, message))
            passages.append(Passage(context, sentences, asked=(Asked(request.key, request.prompt),)))
        return Rewording(reading.document, tuple(passages), tuple(failures))

    def _fault(self, context: str) -> str:
        if not any(letter.isalnum() for letter in context):
            return "empty: the context says nothing"
        if len(context) > self.longest:
            return f"overlong: {len(context):,} characters; a context has at most {self.longest:,} (split it)"
        return ""

    def _request(self, context: str) -> Request:
        prompt = f"{self.opening}{context}{self.closing}"
        return Request(
            METHOD,
            render("next_sentence", text=context) if self.instruct else prompt,
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            samples=self.samples,
            seed=self.seed,
            open_ended=True,
        )

    def _read(
        self, replies: Sequence[Reply], request: Request, document: str, number: int
    ) -> tuple[tuple[Sentence, ...], list[Failure]]:
        """The sentences, each once whatever its case and spacing, and what was refused."""
        found: dict[str, Sentence] = {}
        refused: list[Failure] = []
        for sample, reply in enumerate(replies):
            text = first_sentence(reply.text)
            if fault := sentence_fault(text, self.shortest, self.no_repeat):
                refused.append(_refused(METHOD, document, fault, reply, number))
                continue
            said = Utterance(request.key, sample, reply.logprob, reply.tokens)
            known = found.get(normal(text), Sentence(text, ()))
            found[normal(text)] = Sentence(known.text, (*known.said, said))
        return tuple(found.values()), refused


def _refused(stage: str, document: str, reason: str, reply: Reply, chunk: int = -1) -> Failure:
    return Failure(stage, document, reason, "rejected", chunk, reply.text[:200], reply.text, reply.request)


def _joined(prefix: str, said: str) -> str:
    return f"{prefix.rstrip()} {said.strip()}"


def first_sentence(text: str) -> str:
    """The first sentence of a reply, on one line; a line break ends it."""
    line = text.strip().split("\n")[0].strip().strip('"“”').strip()
    spans = sentence_spans(line)
    return " ".join(line[spans[0].start : spans[0].end].split()) if spans else ""


def finished(text: str) -> str:
    """The text up to the end of its last finished sentence, or empty."""
    ends = [span.end for span in sentence_spans(text) if text[: span.end].rstrip()[-1:] in tuple(ENDS)]
    return text[: ends[-1]].rstrip() if ends else ""


def sentence_fault(text: str, shortest: int, no_repeat: int) -> str:
    """Why a text is no sentence to pair, or empty."""
    if not any(letter.isalnum() for letter in text):
        return "no sentence"
    if len(text) < shortest:
        return "too short"
    if text.rstrip('"”’)')[-1:] not in tuple(ENDS):
        return "unfinished"
    found = words(text.casefold())
    runs = list(zip(*(found[place:] for place in range(no_repeat)), strict=False)) if no_repeat else []
    return "repeats itself" if len(set(runs)) < len(runs) else ""

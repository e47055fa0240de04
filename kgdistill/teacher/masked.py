"""A masked language model on this machine: it writes nothing, but says what fits a blank, and how well a text does."""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

from kgdistill.contracts import BLANK, HIDDEN, Answer, Card, Reply, Request
from kgdistill.errors import ModelError, NumericalError, TeacherError
from kgdistill.teacher.settled import Settled, deciding
from kgdistill.teacher.tokens import PromptTooLongError, plain_tokens, written
from kgdistill.teacher.weighing import parts_of
from kgdistill.teacher.weights import find_folder, fingerprint, load_masked, read_card

if TYPE_CHECKING:
    from torch import Tensor


class Masked(Struct, frozen=True, tag_field="kind", tag="masked", forbid_unknown_fields=True):
    """A folder (or hub name whose files are here) with a masked model and its head: BERT, RoBERTa and the like."""

    model: str
    """Folder or hub name."""
    revision: str = ""
    """Revision of a hub name."""
    device: str = "auto"
    """ "auto" (a GPU where there is one), "cpu", "cuda", "cuda:1" ..."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """ "auto": float32 on a CPU, the stored type on a GPU."""
    threads: int = 1
    """Threads of one worker on a CPU."""
    trust_remote_code: bool = False

    def blueprint(self) -> dict[str, Any]:
        """What decides replies; reads and hashes the folder once per process. Raises `ModelError`."""
        return {"weights": fingerprint(self._folder()), **deciding(self, "device", "dtype", "threads")}

    def card(self) -> Card:
        """What the folder says of itself, and that it fills blanks. Raises `ModelError`."""
        return msgspec.structs.replace(read_card(self._folder(), self.model), fills=True)

    def open(self) -> MaskedTeacher:
        """Load the model. Raises `ModelError`, also for one without a head for masked tokens."""
        return MaskedTeacher(self, self._folder())

    def _folder(self) -> Path:
        return find_folder(self.model, self.revision)


class _Plan(NamedTuple):
    """Rows of one length to compute, and for each the place that is read, with the token there (-1: any)."""

    rows: list[list[int]]
    reads: list[tuple[int, int]]
    owners: list[int]
    """For each row the text of `Request.weigh` that its token belongs to."""


class MaskedTeacher(Settled[Masked]):
    """A loaded model. On a CPU each request is computed by itself, so that its bits never depend on its company;
    elsewhere requests of one length are computed together."""

    window = 64

    def __init__(self, settings: Masked, folder: Path) -> None:
        import torch

        super().__init__(settings)
        self._model, self._tokenizer = load_masked(
            folder, device=settings.device, dtype=settings.dtype, trust_remote_code=settings.trust_remote_code
        )
        if self._tokenizer.mask_token_id is None:
            raise ModelError(f"{settings.model}: its tokenizer has no mask token")
        if self._model.device.type == "cpu":
            torch.set_num_threads(settings.threads)
        self._mask = int(self._tokenizer.mask_token_id)
        self._start, self._end = _around(self._tokenizer)
        self._writes = lru_cache(maxsize=1 << 16)(lambda token: written(self._tokenizer, token))
        self._waiting: deque[tuple[int, Request]] = deque()

    def submit(self, ticket: int, request: Request) -> None:
        self._waiting.append((ticket, request))

    def poll(self) -> list[tuple[int, Answer | Exception]]:
        most = 1 if self._model.device.type == "cpu" else self.window
        done: list[tuple[int, Answer | Exception]] = []
        plans: list[tuple[int, Request, _Plan]] = []
        while self._waiting and len(plans) < most and (plans or not done):
            ticket, request = self._waiting.popleft()
            try:
                plans.append((ticket, request, self._plan(request)))
            except TeacherError as error:
                done.append((ticket, error))
        by_length: dict[int, list[tuple[int, Request, _Plan]]] = {}
        for planned in plans:
            by_length.setdefault(len(planned[2].rows[0]), []).append(planned)
        for group in by_length.values():
            found = self._logprobs([plan for _, _, plan in group])
            for (ticket, request, plan), logprobs in zip(group, found, strict=True):
                done.append((ticket, self._answer(request, plan, logprobs)))
        return done

    def count_tokens(self, text: str) -> int:
        return len(plain_tokens(self._tokenizer, text))

    def close(self) -> None:
        self._waiting.clear()
        del self._model

    def _plan(self, request: Request) -> _Plan:
        if request.weigh:
            return self._weighing(request)
        if request.prompt.count(BLANK) != 1 or not request.top_logprobs or request.schema or request.constraints:
            raise TeacherError("a masked model fills one blank of a prompt; it writes no replies")
        before, _, after = request.prompt.partition(BLANK)
        tokens = [*self._start, *self._tokens(before)]
        place = len(tokens)
        tokens += [self._mask, *self._tokens(after), *self._end]
        return _Plan([self._fitting(tokens)], [(place, -1)], [0])

    def _weighing(self, request: Request) -> _Plan:
        """A row for each token, left to right: it and all that follow it are masked, those before it are there."""
        first, *rest = parts_of(request)
        tokens = [*self._start, *self._tokens(first)]
        blanks: list[tuple[int, int]] = []
        for number, (text, before, after) in enumerate(zip(request.weigh, (first, *rest), rest, strict=False)):
            own = self._tokens(f" {text}" if before.endswith(" ") else text)
            if not own:
                raise TeacherError(f"{text!r} has no token")
            blanks += [(len(tokens) + place, number) for place in range(len(own))]
            tokens += [*own, *self._tokens(after)]
        tokens = self._fitting([*tokens, *self._end])
        places = [place for place, _ in blanks]
        rows = [
            [self._mask if place in places[copy:] else token for place, token in enumerate(tokens)]
            for copy in range(len(places))
        ]
        return _Plan(rows, [(place, tokens[place]) for place in places], [number for _, number in blanks])

    def _tokens(self, text: str) -> list[int]:
        """Tokens of a prompt's part. The space before a blank belongs to what fills it."""
        found: list[int] = []
        for number, part in enumerate(text.split(HIDDEN)):
            if number:
                found.append(self._mask)
            if part.strip():
                found += plain_tokens(self._tokenizer, part.rstrip(" "))
        return found

    def _fitting(self, tokens: list[int]) -> list[int]:
        limit = self.card.context
        if limit and len(tokens) > limit:
            raise PromptTooLongError(f"the prompt has {len(tokens)} tokens, the model's context {limit}")
        return tokens

    def _logprobs(self, plans: list[_Plan]) -> list[Tensor]:
        """For each plan (rows, vocabulary): log-probabilities in float32 at the places that are read."""
        import torch

        rows = torch.tensor([row for plan in plans for row in plan.rows], device=self._model.device)
        places = [place for plan in plans for place, _ in plan.reads]
        with torch.inference_mode():
            logits = self._model(input_ids=rows, attention_mask=torch.ones_like(rows)).logits
            found = logits[torch.arange(len(places)), places].float().cpu().log_softmax(-1)
        return list(found.split([len(plan.rows) for plan in plans]))

    def _answer(self, request: Request, plan: _Plan, logprobs: Tensor) -> Answer | TeacherError:
        if not bool(logprobs.isfinite().all()):
            return NumericalError("the model produced a NaN or infinite logit")
        size = len(plan.rows[0])
        if not request.weigh:
            best = logprobs[0].topk(min(request.top_logprobs, logprobs.shape[-1]))
            top = tuple(zip(map(self._writes, best.indices.tolist()), best.values.tolist(), strict=True))
            return Answer((Reply(top[0][0], tokens=1, logprob=top[0][1], top=top),) * request.samples, size)
        said: list[list[float]] = [[] for _ in request.weigh]
        for row, ((_, token), owner) in enumerate(zip(plan.reads, plan.owners, strict=True)):
            said[owner].append(float(logprobs[row, token]))
        flat = [logprob for found in said for logprob in found]
        reply = Reply("", tokens=len(flat), logprob=sum(flat), weighed=tuple(map(tuple, said)))
        return Answer((reply,) * request.samples, size)


def _around(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The tokens that a tokenizer puts before and behind a text. Raises `ModelError`."""
    bare, dressed = tokenizer.encode("a", add_special_tokens=False), tokenizer.encode("a", add_special_tokens=True)
    for place in range(len(dressed) - len(bare) + 1):
        if dressed[place : place + len(bare)] == bare:
            return dressed[:place], dressed[place + len(bare) :]
    raise ModelError("the tokenizer does not keep a text whole between its special tokens")

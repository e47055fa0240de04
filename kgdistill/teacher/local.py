"""The teacher on this machine: any Hugging Face causal model through transformers, on a CPU or a GPU.

Its replies are a pure function of the request: requests run alone (alone.py), or together in a way that no row sees its
company (together.py); prompts run in fixed blocks (blocks.py), and draws come from the request's own generator
(sampling.py). A request asked again after a crash, in any company, is therefore answered with the same bits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from msgspec import Struct

from kgdistill.contracts import Answer, Card, Reply, Request
from kgdistill.errors import ModelError, NumericalError, TeacherError
from kgdistill.teacher.alone import Alone
from kgdistill.teacher.constrained import clause_grammar, obeying, rows_wanted, searched
from kgdistill.teacher.drafts import Draft, Running
from kgdistill.teacher.grammar import Grammars
from kgdistill.teacher.packed import pack
from kgdistill.teacher.sampling import choose, uniform
from kgdistill.teacher.settled import Settled, deciding
from kgdistill.teacher.together import Together, suits
from kgdistill.teacher.tokens import PromptTooLongError, control_tokens, plain_tokens, prompt_tokens
from kgdistill.teacher.vocabulary import Vocabulary, vocabulary_of
from kgdistill.teacher.weighing import laid_out
from kgdistill.teacher.weights import EMBEDDED, find_folder, fingerprint, load, read_card

if TYPE_CHECKING:
    from torch import Tensor

_CACHE_BYTES = {"cpu": 256 << 20, "cuda": 2 << 30}


class Local(Struct, frozen=True, tag_field="kind", tag="local", forbid_unknown_fields=True):
    """A model folder (or a hub name whose files are here) run by transformers."""

    model: str = EMBEDDED
    """Folder, hub name, or "kgdistill-mini": the model that ships with the package."""
    revision: str = ""
    """Revision of a hub name."""
    device: str = "auto"
    """ "auto" (a GPU where there is one), "cpu", "cuda", "cuda:1" ..."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """ "auto": float32 on a CPU, the stored type on a GPU. "bfloat16" on a CPU is for linear layers only."""
    chat: Literal["auto", "yes", "no"] = "auto"
    """Put prompts into the tokenizer's chat template; "auto" where it has one."""
    threads: int = 1
    """Threads of one worker on a CPU."""
    trust_remote_code: bool = False

    def blueprint(self) -> dict[str, Any]:
        """What decides replies; reads and hashes the folder once per process. Raises `ModelError`."""
        # Threads: the order of summation, and so the last bit, may depend on them.
        return {"weights": fingerprint(self._folder()), **deciding(self, "device", "dtype", "chat", "threads")}

    def card(self) -> Card:
        """What the folder's kgdistill.json says, else name and context. Raises `ModelError`."""
        return read_card(self._folder(), self.model)

    def open(self) -> LocalTeacher:
        """Load the model. Raises `ModelError`."""
        return LocalTeacher(self, self._folder())

    def _folder(self) -> Path:
        return find_folder(self.model, self.revision)


class Engine(Protocol):
    """What computes logits: `Alone` or `Together`."""

    rows: int
    """How many rows may run at a time; 0: one request at a time, however many rows it has."""

    def begin(self, tokens: Sequence[int], capacity: int) -> tuple[Any, Tensor, int]: ...

    def step(self, running: Sequence[tuple[Any, Sequence[int]]]) -> list[Tensor]: ...


class LocalTeacher(Settled[Local]):
    """A loaded model behind the teacher's seam; `submit` queues, `poll` computes until a request is done."""

    window = 24

    def __init__(self, settings: Local, folder: Path) -> None:
        import torch

        super().__init__(settings)
        model, self._tokenizer = load(
            folder,
            device=settings.device,
            dtype=settings.dtype,
            trust_remote_code=settings.trust_remote_code,
        )
        self._config = model.config.get_text_config(decoder=True)
        size = int(model.get_output_embeddings().weight.shape[0])
        self._stops = self._stop_tokens(model.generation_config.eos_token_id)
        self._grammars = Grammars(self._tokenizer, size, sorted(self._stops))
        self._chat = settings.chat == "yes" or (settings.chat == "auto" and bool(self._tokenizer.chat_template))
        if model.device.type == "cpu":
            torch.set_num_threads(settings.threads)
        with torch.inference_mode():
            self._engine = self._make_engine(model)
        self._waiting: deque[tuple[int, Request]] = deque()
        self._running: list[Running] = []

    def _make_engine(self, model: Any) -> Engine:
        room = _CACHE_BYTES.get(model.device.type, 256 << 20)
        brief = self._settings.dtype == "bfloat16"
        if suits(model):
            return Together(model, room, brief=brief)
        if model.device.type == "cpu":
            pack(model, brief=brief)
        try:
            return Alone(model, room)
        except ValueError as error:
            name = self._settings.model
            raise ModelError(f"{name}: {error}; use a `vllm` or `server` teacher for this model") from error

    def _stop_tokens(self, declared: Any) -> frozenset[int]:
        stops = set(declared if isinstance(declared, list) else [declared])
        return frozenset(int(token) for token in {*stops, self._tokenizer.eos_token_id} if token is not None)

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return vocabulary_of(self._grammars.written, self._stops, control_tokens(self._tokenizer))

    def submit(self, ticket: int, request: Request) -> None:
        self._waiting.append((ticket, request))

    def poll(self) -> list[tuple[int, Answer | Exception]]:
        import torch

        done: list[tuple[int, Answer | Exception]] = []
        with torch.inference_mode():
            while not done and (self._waiting or self._running):
                while self._waiting and self._has_room(self._waiting[0][1]):
                    done += self._start(*self._waiting.popleft())
                if self._running and not done:
                    done += self._step()
        return done

    def count_tokens(self, text: str) -> int:
        return len(plain_tokens(self._tokenizer, text))

    def close(self) -> None:
        self._waiting.clear()
        self._running.clear()
        del self._engine

    def _has_room(self, request: Request) -> bool:
        if not self._running:
            return True
        taken = sum(len(running.live) for running in self._running)
        return taken + rows_wanted(request) <= self._engine.rows

    def _start(self, ticket: int, request: Request) -> list[tuple[int, Answer | Exception]]:
        """Read a request's prompt and draw its first tokens; it is answered at once where that is all."""
        try:
            running, tokens = self._prepared(ticket, request)
            begun = self._engine.begin(tokens, len(tokens) + running.limit)
            running.memory, logits, running.cached_tokens = begun
            if request.constraints and request.beams:
                found = searched(request, self._vocabulary, self._engine, begun, running.limit, self._chat)
                return [(ticket, Answer(found, running.prompt_tokens, running.cached_tokens))]
            running.top = self._alternatives(logits, request.top_logprobs)
            self._extend(request, running.live, logits.repeat(len(running.live), 1), running.limit)
        except TeacherError as error:
            return [(ticket, error)]
        if all(draft.finish for draft in running.drafts):
            return [(ticket, self._answer(running))]
        if len(running.live) > 1:
            running.memory.spread(len(running.live))
        running.prune()
        self._running.append(running)
        return []

    def _prepared(self, ticket: int, request: Request) -> tuple[Running, list[int]]:
        if request.weigh:
            return self._weighing(ticket, request)
        tokens = prompt_tokens(self._tokenizer, request.prompt, self._chat)
        if not tokens:
            raise TeacherError("the prompt is empty")
        limit = request.max_tokens
        if self._context:
            limit = min(limit, self._context - len(tokens))
        if limit < 1:
            raise PromptTooLongError(f"the prompt has {len(tokens)} tokens, the model's context {self._context}")
        greedy = request.temperature <= 0  # all samples are the same: one is computed
        ebnf = clause_grammar(request, self._chat) if not request.beams else ""
        drafts = [
            Draft(sample, self._grammars.matcher(request.schema, ebnf) if request.schema or ebnf else None)
            for sample in range(1 if greedy else request.samples)
        ]
        running = Running(ticket, request, drafts, limit)
        running.prompt_tokens = len(tokens)
        return running, tokens

    def _weighing(self, ticket: int, request: Request) -> tuple[Running, list[int]]:
        """A draft that is given its tokens, up to the last one that is weighed; chat templates play no part."""
        start = next((t for t in (self._tokenizer.bos_token_id, self._config.bos_token_id) if t is not None), None)
        found = laid_out(request, lambda text: prompt_tokens(self._tokenizer, text, False), start)
        if self._context and found.last >= self._context:
            raise PromptTooLongError(f"the prompt has {found.last + 1} tokens, the model's context {self._context}")
        given = found.tokens[found.first : found.last + 1]
        running = Running(ticket, request, [Draft(0, given=given)], len(given))
        running.weighed, running.prompt_tokens = found, found.last + 1
        return running, found.tokens[: found.first]

    def _step(self) -> list[tuple[int, Answer | Exception]]:
        """One more token for everything under way; what is done by that."""
        all_logits = self._engine.step([(r.memory, [draft.tokens[-1] for draft in r.live]) for r in self._running])
        done: list[tuple[int, Answer | Exception]] = []
        going: list[Running] = []
        for running, logits in zip(self._running, all_logits, strict=True):
            try:
                self._extend(running.request, running.live, logits, running.limit)
            except TeacherError as error:
                done.append((running.ticket, error))
                continue
            if all(draft.finish for draft in running.drafts):
                done.append((running.ticket, self._answer(running)))
                continue
            running.prune()
            going.append(running)
        self._running = going
        return done

    def _answer(self, running: Running) -> Answer | TeacherError:
        replies = tuple(self._reply(draft, running) for draft in running.drafts)
        if len(replies) == 1:
            replies *= running.request.samples
        try:
            replies = obeying(running.request, replies)
        except TeacherError as error:
            return error
        return Answer(replies, running.prompt_tokens, running.cached_tokens)

    @property
    def _context(self) -> int:
        limits = (self.card.context, getattr(self._config, "max_position_embeddings", 0) or 0)
        return min((limit for limit in limits if limit > 0), default=0)

    def _extend(self, request: Request, live: list[Draft], logits: Tensor, limit: int) -> None:
        """Draw the next token of every live draft."""
        normal = logits.logsumexp(-1)
        if not bool(normal.isfinite().all()):
            raise NumericalError("the model produced a NaN or infinite logit")
        allowed = logits
        if any(draft.matcher for draft in live):
            allowed = logits.clone()
            for row, draft in enumerate(live):
                if draft.matcher:
                    draft.matcher.forbid(allowed[row : row + 1])
        key = request.key
        draws = [uniform(request.seed, key, draft.sample, len(draft.tokens)) for draft in live]
        chosen = choose(allowed, request.temperature, request.top_p, draws)
        for row, (draft, token) in enumerate(zip(live, chosen, strict=True)):
            token = draft.given[len(draft.tokens)] if draft.given else token
            draft.take(token, float(logits[row, token] - normal[row]), self._stops, limit)

    def _alternatives(self, logits: Tensor, count: int) -> tuple[tuple[str, float], ...]:
        """The likeliest first tokens with their log-probabilities, as (text, natural logarithm)."""
        if count < 1:
            return ()
        best = logits[0].log_softmax(-1).topk(min(count, logits.shape[-1]))
        texts = (self._grammars.written[token].decode("utf-8", "replace") for token in best.indices.tolist())
        return tuple(zip(texts, best.values.tolist(), strict=True))

    def _reply(self, draft: Draft, running: Running) -> Reply:
        if found := running.weighed:
            return found.reply(lambda place: draft.logprobs[place - found.first])
        text = self._tokenizer.decode(
            [token for token in draft.tokens if token not in self._stops],
            skip_special_tokens=True,
            clean_up_tokenization_spaces=False,
        )
        return Reply(text, draft.finish or "length", len(draft.tokens), draft.logprob, running.top)

"""The teacher on this machine: any Hugging Face causal model through transformers, on a CPU or a GPU.

Its replies are a pure function of the request: one request is computed at a time, its samples form the batch,
prompts run in fixed blocks (see blocks.py) and draws come from the request's own generator (see sampling.py). A
request asked again after a crash, in any company, is therefore answered with the same bits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from kgdistill.contracts import Answer, Card, Finish, Reply, Request
from kgdistill.errors import ModelError, NumericalError, TeacherError
from kgdistill.teacher.blocks import BLOCK, BlockCache, Memory, block_names
from kgdistill.teacher.grammar import Grammars, Matcher
from kgdistill.teacher.packed import pack
from kgdistill.teacher.sampling import choose, uniform
from kgdistill.teacher.tokens import PromptTooLongError, plain_tokens, prompt_tokens
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
        return {
            "kind": "local",
            "weights": fingerprint(self._folder()),
            "device": self.device,
            "dtype": self.dtype,
            "chat": self.chat,
            "threads": self.threads,  # the order of summation, and so the last bit, may depend on it
        }

    def card(self) -> Card:
        """What the folder's kgdistill.json says, else name and context. Raises `ModelError`."""
        return read_card(self._folder(), self.model)

    def open(self) -> LocalTeacher:
        """Load the model. Raises `ModelError`."""
        return LocalTeacher(self, self._folder())

    def _folder(self) -> Path:
        return find_folder(self.model, self.revision)


class _Draft:
    """A reply in the making."""

    def __init__(self, sample: int, matcher: Matcher | None) -> None:
        self.sample = sample
        self.matcher = matcher
        self.tokens: list[int] = []
        self.logprob = 0.0
        self.finish: Finish | None = None

    def take(self, token: int, logprob: float, stops: frozenset[int], limit: int) -> None:
        self.tokens.append(token)
        self.logprob += logprob
        if token in stops:
            self.finish = "stop"
            return
        if self.matcher:
            self.matcher.accept(token)
            if self.matcher.complete:
                self.finish = "stop"
                return
        if len(self.tokens) >= limit:
            self.finish = "length"


class LocalTeacher:
    """A loaded model behind the teacher's seam; `submit` queues, `poll` computes one request."""

    window = 4

    def __init__(self, settings: Local, folder: Path) -> None:
        import torch

        self._settings = settings
        self.card = settings.card()
        self._model, self._tokenizer = load(
            folder,
            device=settings.device,
            dtype=settings.dtype,
            trust_remote_code=settings.trust_remote_code,
        )
        self._device = self._model.device
        vocabulary = int(self._model.get_output_embeddings().weight.shape[0])
        if self._device.type == "cpu":
            torch.set_num_threads(settings.threads)
            pack(self._model, brief=settings.dtype == "bfloat16")
        self._chat = settings.chat == "yes" or (settings.chat == "auto" and bool(self._tokenizer.chat_template))
        try:
            self._memory = Memory(self._model)
        except ValueError as error:
            raise ModelError(f"{settings.model}: {error}; use a `vllm` or `server` teacher for this model") from error
        self._cache = BlockCache(_CACHE_BYTES.get(self._device.type, 256 << 20))
        self._stops = self._stop_tokens()
        self._grammars = Grammars(self._tokenizer, vocabulary, sorted(self._stops))
        self._waiting: deque[tuple[int, Request]] = deque()

    def _stop_tokens(self) -> frozenset[int]:
        declared = self._model.generation_config.eos_token_id
        stops = set(declared if isinstance(declared, list) else [declared])
        return frozenset(int(token) for token in {*stops, self._tokenizer.eos_token_id} if token is not None)

    @property
    def blueprint(self) -> Mapping[str, Any]:
        return self._settings.blueprint()

    def submit(self, ticket: int, request: Request) -> None:
        self._waiting.append((ticket, request))

    def poll(self) -> list[tuple[int, Answer | Exception]]:
        if not self._waiting:
            return []
        ticket, request = self._waiting.popleft()
        try:
            return [(ticket, self._answer(request))]
        except TeacherError as error:
            return [(ticket, error)]

    def count_tokens(self, text: str) -> int:
        return len(plain_tokens(self._tokenizer, text))

    def close(self) -> None:
        self._waiting.clear()
        del self._model, self._memory, self._cache

    def _answer(self, request: Request) -> Answer:
        import torch

        tokens = prompt_tokens(self._tokenizer, request.prompt, self._chat)
        if not tokens:
            raise TeacherError("the prompt is empty")
        limit = request.max_tokens
        if self._context:
            limit = min(limit, self._context - len(tokens))
        if limit < 1:
            raise PromptTooLongError(f"the prompt has {len(tokens)} tokens, the model's context {self._context}")
        greedy = request.temperature <= 0  # all samples are the same: one is computed
        drafts = [
            _Draft(sample, self._grammars.matcher(request.schema) if request.schema else None)
            for sample in range(1 if greedy else request.samples)
        ]
        with torch.inference_mode():
            logits, cached = self._read(tokens, len(tokens) + limit)
            top = self._alternatives(logits, request.top_logprobs)
            self._write(request, drafts, logits, limit)
        replies = tuple(self._reply(draft, top) for draft in drafts)
        return Answer(replies * request.samples if greedy else replies, len(tokens), cached)

    @property
    def _context(self) -> int:
        config = self._model.config.get_text_config(decoder=True)
        limits = (self.card.context, getattr(config, "max_position_embeddings", 0) or 0)
        return min((limit for limit in limits if limit > 0), default=0)

    def _read(self, tokens: list[int], capacity: int) -> tuple[Tensor, int]:
        """Logits after the prompt, shape (1, vocabulary), and how many prompt tokens the cache knew."""
        self._memory.begin(capacity)
        names = block_names(tokens)
        cached = 0
        for number, name in enumerate(names):
            block = self._cache.get(name)
            if block is None:
                self._forward(self._model.base_model, [tokens[number * BLOCK : (number + 1) * BLOCK]])
                self._cache.put(name, self._memory.last_block())
            else:
                self._memory.add(block)
                cached += BLOCK
        return self._logits([tokens[len(names) * BLOCK :]]), cached

    def _forward(self, model: Any, rows: list[list[int]], **options: Any) -> Any:
        import torch

        ids = torch.tensor(rows, device=self._device)
        return model(input_ids=ids, past_key_values=self._memory.cache, use_cache=True, **options)

    def _logits(self, rows: list[list[int]]) -> Tensor:
        """Next-token logits (rows, vocabulary) in float32 on the CPU, where draws are the same for every device."""
        output = self._forward(self._model, rows, logits_to_keep=1)
        logits: Tensor = output.logits[:, -1].float().cpu()
        return logits

    def _write(self, request: Request, drafts: list[_Draft], logits: Tensor, limit: int) -> None:
        """Sample all drafts to their ends, from the logits after the prompt.

        A finished draft leaves the batch. That may change the last bits of those that stay, but it happens at the
        same step whenever the request is computed.
        """
        live = list(drafts)
        logits = logits.repeat(len(live), 1)
        spread = False
        while True:
            self._extend(request, live, logits, limit)
            if all(draft.finish for draft in live):
                return
            if not spread and len(live) > 1:
                self._memory.spread(len(live))
            spread = True
            for row in reversed(range(len(live))):
                if live[row].finish:
                    self._memory.drop(row)
                    live[row] = live[-1]
                    live.pop()
            logits = self._logits([[draft.tokens[-1]] for draft in live])

    def _extend(self, request: Request, live: list[_Draft], logits: Tensor, limit: int) -> None:
        """Draw the next token of every live draft."""
        normal = logits.logsumexp(-1)
        if not bool(normal.isfinite().all()):
            raise NumericalError("the model produced a NaN or infinite logit")
        allowed = logits
        if request.schema:
            allowed = logits.clone()
            for row, draft in enumerate(live):
                if draft.matcher:
                    draft.matcher.forbid(allowed[row : row + 1])
        key = request.key
        draws = [uniform(request.seed, key, draft.sample, len(draft.tokens)) for draft in live]
        chosen = choose(allowed, request.temperature, request.top_p, draws)
        for row, (draft, token) in enumerate(zip(live, chosen, strict=True)):
            draft.take(token, float(logits[row, token] - normal[row]), self._stops, limit)

    def _alternatives(self, logits: Tensor, count: int) -> tuple[tuple[str, float], ...]:
        """The likeliest first tokens with their log-probabilities, as (text, natural logarithm)."""
        if count < 1:
            return ()
        best = logits[0].log_softmax(-1).topk(min(count, logits.shape[-1]))
        texts = self._tokenizer.batch_decode([[token] for token in best.indices.tolist()])
        return tuple(zip(texts, best.values.tolist(), strict=True))

    def _reply(self, draft: _Draft, top: tuple[tuple[str, float], ...]) -> Reply:
        text = self._tokenizer.decode(
            [token for token in draft.tokens if token not in self._stops],
            skip_special_tokens=True,
            clean_up_tokenization_spaces=False,
        )
        return Reply(text, draft.finish or "length", len(draft.tokens), draft.logprob, top)

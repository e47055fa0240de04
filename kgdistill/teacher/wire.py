"""How requests and replies look on an OpenAI-compatible wire; pure functions, no network."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from kgdistill.contracts import Answer, Finish, Reply, Request
from kgdistill.errors import EndpointError, TeacherError
from kgdistill.teacher.constrained import clause_grammar


class _Alternative(Struct):
    token: str
    logprob: float


class _Token(_Alternative):
    top_logprobs: list[_Alternative] | None = None


class _ChatLogprobs(Struct):
    content: list[_Token] | None = None


class _TextLogprobs(Struct):
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None


class _Message(Struct):
    content: str | None = None


class _ChatChoice(Struct):
    message: _Message
    finish_reason: str | None = None
    logprobs: _ChatLogprobs | None = None


class _TextChoice(Struct):
    text: str
    finish_reason: str | None = None
    logprobs: _TextLogprobs | None = None


class _Details(Struct):
    cached_tokens: int | None = None


class _Usage(Struct):
    prompt_tokens: int = 0
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None


class _ChatBody(Struct):
    choices: list[_ChatChoice]
    usage: _Usage | None = None


class _TextBody(Struct):
    choices: list[_TextChoice]
    usage: _Usage | None = None


_encoder = msgspec.json.Encoder()
_chat_decoder = msgspec.json.Decoder(_ChatBody)
_text_decoder = msgspec.json.Decoder(_TextBody)


def write(
    request: Request, *, model: str, chat: bool, samples: int, seed: int, logprobs: bool, extra: dict[str, Any]
) -> bytes:
    """The body that asks `samples` replies to the request; log-probabilities of what is sampled where wanted.

    Raises TeacherError for clauses that no grammar can hold, and for texts to weigh.
    """
    if request.weigh:
        raise TeacherError("an endpoint does not weigh given texts: use a teacher of kind local, vllm or masked")
    body: dict[str, Any] = {
        "model": model,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_tokens": request.max_tokens,
        "n": samples,
        "seed": seed,
    }
    if chat:
        body["messages"] = [{"role": "user", "content": request.prompt}]
        if logprobs or request.top_logprobs:
            body["logprobs"] = True
        if request.top_logprobs:
            body["top_logprobs"] = request.top_logprobs
    else:
        body["prompt"] = request.prompt
        if logprobs or request.top_logprobs:
            body["logprobs"] = request.top_logprobs
    if request.schema:
        schema = msgspec.Raw(request.schema.encode())
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "reply", "strict": True, "schema": schema},
        }
    if request.constraints or request.grammar:
        # vLLM's own field; endpoints that do not know it refuse the request or ignore it.
        body["structured_outputs"] = {"grammar": clause_grammar(request, chat)}
    return _encoder.encode(body | extra)


def read(content: bytes, *, chat: bool) -> Answer:
    """The answer in a response's body. Raises EndpointError when it has another shape, or a choice has no text."""
    body: _ChatBody | _TextBody
    try:
        body = _chat_decoder.decode(content) if chat else _text_decoder.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EndpointError(f"a response that is no completion: {error}: {_excerpt(content)}") from error
    replies = [
        _chat_reply(choice) if isinstance(choice, _ChatChoice) else _text_reply(choice) for choice in body.choices
    ]
    if not replies:
        raise EndpointError(f"a response without choices: {_excerpt(content)}")
    usage = body.usage or _Usage()
    if usage.completion_tokens and not all(reply.tokens for reply in replies):
        replies = _share(replies, usage.completion_tokens)
    cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else 0
    return Answer(tuple(replies), usage.prompt_tokens, cached or 0)


def refusal(content: bytes) -> str:
    """What a refusing endpoint says, in one line."""
    try:
        said = msgspec.json.decode(content)
        inner = said.get("error", said) if isinstance(said, dict) else said
        message = inner.get("message", inner) if isinstance(inner, dict) else inner
        return " ".join(str(message).split())[:300]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _excerpt(content)


def _chat_reply(choice: _ChatChoice) -> Reply:
    if choice.message.content is None:
        raise EndpointError(f"a choice without text, finish reason {choice.finish_reason!r}")
    tokens = (choice.logprobs.content if choice.logprobs else None) or []
    top = tokens[0].top_logprobs if tokens else None
    return Reply(
        choice.message.content,
        finish=_finish(choice.finish_reason),
        tokens=len(tokens),
        logprob=sum(token.logprob for token in tokens),
        top=tuple((entry.token, entry.logprob) for entry in top or ()),
    )


def _text_reply(choice: _TextChoice) -> Reply:
    found = choice.logprobs or _TextLogprobs()
    tokens = found.token_logprobs or []
    top = found.top_logprobs[0] if found.top_logprobs else None
    ranked = sorted((top or {}).items(), key=lambda entry: -entry[1])
    return Reply(
        choice.text,
        finish=_finish(choice.finish_reason),
        tokens=len(tokens),
        logprob=sum(logprob or 0.0 for logprob in tokens),
        top=tuple(ranked),
    )


def _finish(reason: str | None) -> Finish:
    return "length" if reason == "length" else "stop"


def _share(replies: list[Reply], total: int) -> list[Reply]:
    """Replies without log-probabilities do not say their own number of tokens: share out the sum."""
    each, rest = divmod(total, len(replies))
    return [msgspec.structs.replace(reply, tokens=each + (n < rest)) for n, reply in enumerate(replies)]


def _excerpt(content: bytes) -> str:
    return " ".join(content[:300].decode("utf-8", "replace").split())

"""Prompt text to token ids, so that nothing written in a document can ever become a control token."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from kgdistill.errors import ModelError, TeacherError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_PLACE = "\ue000prompt\ue000"
"""Stands for the prompt while a chat template is rendered: private-use characters, in no template."""


class PromptTooLongError(TeacherError):
    """The prompt leaves no room in the model's context."""

    reason = "too long"


class _Frame(NamedTuple):
    """What stands around every prompt of a tokenizer, and what must never come out of the prompt itself."""

    start: tuple[int, ...]
    """Tokens up to the template's last control token before the prompt."""
    lead: str
    """The template's plain text from there to the prompt."""
    trail: str
    """The template's plain text from the prompt to the next control token."""
    end: tuple[int, ...]
    control: frozenset[int]
    spelled: re.Pattern[str] | None


def prompt_tokens(tokenizer: PreTrainedTokenizerBase, prompt: str, chat: bool) -> list[int]:
    """Token ids of a whole request: the prompt in the tokenizer's chat template, or after its start token.

    Only the template's own text is read for control tokens. Raises `ModelError` when the template cannot take a
    single user message.
    """
    frame = _frame(tokenizer, chat)
    return [*frame.start, *_plain(tokenizer, frame.lead + prompt + frame.trail, frame), *frame.end]


def plain_tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token ids of text alone: no start token, no control tokens whatever the text says."""
    return _plain(tokenizer, text, _frame(tokenizer, False))


def control_tokens(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """What must never come out of plain text, nor stand in a reply."""
    return _frame(tokenizer, False).control


def written(tokenizer: Any, token: int) -> str:
    """What a token writes inside a text, with the space before it where it has one, whatever the kind of tokenizer."""
    [first, *_] = tokenizer.encode("a", add_special_tokens=False)
    options = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
    before = str(tokenizer.decode([first], **options))
    return str(tokenizer.decode([first, token], **options)).removeprefix(before)


def _plain(tokenizer: Any, text: str, frame: _Frame) -> list[int]:
    """Encode, cutting through every spelled control token: most tokenizers know a switch for "special" tokens,
    but added ones that are not called special (`<tool_call>`) would still slip through it."""
    cuts = [match.start() + 1 for match in frame.spelled.finditer(text)] if frame.spelled else []
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    found = [
        token
        for piece in pieces
        if piece
        for token in tokenizer.encode(piece, add_special_tokens=False, split_special_tokens=True)
    ]
    return [token for token in found if token not in frame.control]


@lru_cache(maxsize=8)
def _frame(tokenizer: Any, chat: bool) -> _Frame:
    # Some tokenizers keep runs of spaces or single characters as added tokens: those are plain text. So is the
    # unknown token: it stands for characters that the vocabulary lacks.
    spelled = {token: str(entry) for token, entry in tokenizer.added_tokens_decoder.items()}
    spelled = {token: text for token, text in spelled.items() if len(text.strip()) > 1}
    spelled.update(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))
    texts = sorted((text for text in spelled.values() if len(text) > 1), key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, texts))) if texts else None
    control = set(spelled)
    if tokenizer.unk_token_id not in {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id}:
        control.discard(tokenizer.unk_token_id)
    if not chat:
        return _Frame(_start(tokenizer), "", "", (), frozenset(control), pattern)
    before, after = _template(tokenizer)
    opening = max((match.end() for match in pattern.finditer(before)), default=0) if pattern else 0
    closing = next((match.start() for match in pattern.finditer(after)), len(after)) if pattern else len(after)
    return _Frame(
        tuple(tokenizer.encode(before[:opening], add_special_tokens=False)),
        before[opening:],
        after[:closing],
        tuple(tokenizer.encode(after[closing:], add_special_tokens=False)),
        frozenset(control),
        pattern,
    )


def _start(tokenizer: Any) -> tuple[int, ...]:
    """The tokens that the tokenizer itself puts before a text."""
    bare = tokenizer.encode("a", add_special_tokens=False)
    dressed = tokenizer.encode("a", add_special_tokens=True)
    for place in range(len(dressed) - len(bare) + 1):
        if dressed[place : place + len(bare)] == bare:
            return tuple(dressed[:place])
    return ()


def _template(tokenizer: Any) -> tuple[str, str]:
    """What the chat template writes before and after a single user message."""
    try:
        rendered = tokenizer.apply_chat_template(
            [{"role": "user", "content": _PLACE}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,  # known to some templates only, ignored by the others
        )
    except Exception as error:  # a template is a program of the model's author: anything may come out of it
        raise ModelError(f'the model\'s chat template fails ({error}): set chat = "no"') from error
    if rendered.count(_PLACE) != 1:
        raise ModelError('the model\'s chat template does not repeat the prompt exactly once: set chat = "no"')
    before, after = rendered.split(_PLACE)
    return before, after

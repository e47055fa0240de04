"""How students are made and trained: the settings of both families, read without torch."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Rate = Annotated[float, Meta(gt=0)]


class Learning(Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    """What both families are told of learning."""

    epochs: Count
    """Most passes over the training documents."""
    batch: Count = 4
    """Documents per step; of a span student windows of documents."""
    learning_rate: Rate
    warmup: Share
    """Share of the steps over which the rate rises."""
    patience: Count
    """Epochs without a better result on the validation documents before training stops."""
    seed: int = 0


class SpanSettings(Learning, frozen=True, kw_only=True, tag="span"):
    """How a span student is made and trained."""

    encoder: str = ""
    """Folder to start from: an encoder, or a span student whose learning goes on with new documents."""
    epochs: Count = 30
    learning_rate: Rate = 1e-4
    head_rate: Rate = 8e-4
    warmup: Share = 0.1
    weight_decay: Annotated[float, Meta(ge=0)] = 0.01
    varied: Share = 0.6
    """Share of documents read with names and numbers swapped."""
    silence: Share = 1.0
    """How much it counts where a graph says nothing of two things; less where graphs are known to leave much out."""
    patience: Count = 8
    check_every: Count = 2
    """Epochs from one look at the validation documents to the next."""
    width: Annotated[int, Meta(ge=2, multiple_of=2)] = 256
    """Size of a span's vector."""
    least_support: Count = 1
    """How many facts must use a relation name for it to be learnt."""


class GenerativeSettings(Learning, frozen=True, kw_only=True, tag="generative"):
    """How a generative student is made and trained; lengths in tokens."""

    model: str
    """Folder (or hub name) of the causal or sequence-to-sequence model to start from."""
    rank: Annotated[int, Meta(ge=0)] = 16
    """Of the LoRA adapters on all linear layers; 0 trains every weight."""
    epochs: Count = 5
    learning_rate: Rate = 2e-4
    warmup: Share = 0.05
    patience: Count = 2
    max_source: Count = 1024
    max_target: Count = 1024


Settings = SpanSettings | GenerativeSettings
FAMILIES: dict[str, type[SpanSettings] | type[GenerativeSettings]] = {
    "span": SpanSettings,
    "generative": GenerativeSettings,
}

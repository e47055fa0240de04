"""The span student: an encoder that marks spans and scores every pair of them, in one pass per window."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import torch
from msgspec import Struct
from msgspec.structs import replace
from safetensors import SafetensorError

from kgdistill.distill.relations import name_for
from kgdistill.distill.settings import SpanSettings
from kgdistill.distill.student import FILE
from kgdistill.distill.students import span_training, span_weights
from kgdistill.distill.students.bert import Bert, read_shape
from kgdistill.distill.students.pieces import WordPieces
from kgdistill.distill.students.span_network import SpanNetwork
from kgdistill.distill.students.span_passages import Marks, read_passages
from kgdistill.distill.students.span_reading import Curve, Names, Seen, gather, read_window
from kgdistill.distill.students.span_weighing import Asked, Lines, weigh
from kgdistill.distill.students.words import Window, Words, read_words, windows
from kgdistill.errors import ModelError
from kgdistill.records import Extraction, Pair, Span
from kgdistill.text.sentences import sentence_spans, trimmed

_MOST = 254
"""Word pieces of a window beside [CLS] and [SEP]."""
_SHARED = 64
_BATCH = 8


class SpanConfig(Struct, frozen=True):
    """What a saved span student says of itself."""

    family: str
    width: int
    relations: tuple[str, ...]
    types: tuple[str, ...]
    raw: tuple[float, ...] = (0.0, 1.0)
    """Knots of the isotonic calibration: raw scores and what they are worth."""
    calibrated: tuple[float, ...] = (0.0, 1.0)
    threshold: float = 0.5
    """Least calibrated score of a fact, unless another is asked for."""
    least: float = 0.02
    """Raw scores below this are never looked at."""
    most_overlap: float = 0.3
    lines: Lines = ((0.4, 1.6), (1.1, 8.0), (0.8, 0.0))
    """What its opinion of claims that others made is worth (see `span_scaling`); until they are fitted, as in ours."""


class SpanStudent:
    """Network, tokeniser and names; see `Student` for what it promises."""

    def __init__(self, network: SpanNetwork, pieces: WordPieces, config: SpanConfig, vectors: tuple[Any, Any]) -> None:
        self.network, self.pieces, self.config = network, pieces, config
        self.relations = Names(config.relations, vectors[0].to(network.device))
        self.types = Names(config.types, vectors[1].to(network.device))
        self.settings = SpanSettings(width=config.width)
        self._asked = lru_cache(maxsize=64)(self._embed_names)

    @classmethod
    def start(cls, settings: SpanSettings, relations: Sequence[str], types: Sequence[str]) -> SpanStudent:
        """An untrained student on the encoder in `settings.encoder`; a student there keeps what it has learnt.

        Raises ModelError where that folder holds neither.
        """
        if (Path(settings.encoder) / FILE).is_file():
            return cls._go_on(settings, relations, types)
        from transformers import AutoConfig, AutoModel, AutoTokenizer  # seconds of imports that reading can do without

        try:
            shape = AutoConfig.from_pretrained(settings.encoder, local_files_only=True)
            # Dropping attention weights costs a fifth of the time on a CPU; hidden states are dropped all the same.
            shape.attention_probs_dropout_prob = 0.0
            encoder = AutoModel.from_pretrained(
                settings.encoder, config=shape, add_pooling_layer=False, local_files_only=True, dtype=torch.float32
            )
            with TemporaryDirectory() as folder:
                AutoTokenizer.from_pretrained(settings.encoder, local_files_only=True).save_pretrained(folder)
                pieces = WordPieces.from_pretrained(Path(folder))
        except (OSError, ValueError) as error:
            raise ModelError(f"no encoder in {settings.encoder!r}: give a folder with model and tokenizer") from error
        except TypeError as error:
            raise ModelError(f"{settings.encoder!r} is no encoder like BERT, RoBERTa or MPNet: give one") from error
        torch.manual_seed(settings.seed)
        network = SpanNetwork(encoder, settings.width).to("cuda" if torch.cuda.is_available() else "cpu")
        vectors = tuple(embed_names(network, pieces, names) for names in (relations, types))
        config = SpanConfig("span", settings.width, tuple(relations), tuple(types))
        student = cls(network, pieces, config, (vectors[0], vectors[1]))
        student.settings = settings
        return student

    @classmethod
    def _go_on(cls, settings: SpanSettings, relations: Sequence[str], types: Sequence[str]) -> SpanStudent:
        """The student in `settings.encoder`, with the new names beside those that it knows."""
        torch.manual_seed(settings.seed)
        old = cls.from_pretrained(Path(settings.encoder))
        known = tuple(dict.fromkeys((*old.config.relations, *relations)))
        kinds = tuple(dict.fromkeys((*old.config.types, *types)))
        vectors = (embed_names(old.network, old.pieces, known), embed_names(old.network, old.pieces, kinds))
        config = replace(old.config, relations=known, types=kinds)
        student = cls(old.network, old.pieces, config, vectors)
        student.settings = replace(settings, width=old.config.width)
        return student

    def fit(self, train: Sequence[Pair], validation: Sequence[Pair], folder: Path) -> dict[str, Any]:
        """Train, keep the weights best on `validation`, then calibrate there; see `span_training`."""
        self._asked.cache_clear()
        return span_training.fit(self, train, validation, folder)

    def prepare(self, text: str) -> tuple[Words, tuple[Window, ...], tuple[Span, ...]]:
        """Words, windows and sentences of `text`."""
        sentences = sentence_spans(text)
        words = read_words(text, sentences, self.pieces)
        room = int(getattr(self.network.encoder.config, "max_position_embeddings", 512)) - 4
        return words, tuple(windows(words, min(_MOST, room), _SHARED)), sentences

    def extract(
        self, text: str, min_score: float | None = None, relations: Sequence[str] | None = None, *, id: str = ""
    ) -> Extraction:
        """See `Student.extract`; a text of any length is read in overlapping windows."""
        return next(self.extract_all([(id, text)], min_score, relations))

    def extract_all(
        self,
        texts: Iterable[tuple[str, str]],
        min_score: float | None = None,
        relations: Sequence[str] | None = None,
    ) -> Iterator[Extraction]:
        """Extractions of (id, text) in their order, several windows at a time."""
        least = self.config.threshold if min_score is None else min_score
        curve = Curve(self.config.raw, self.config.calibrated)
        for id_, text in texts:
            raw = self.read(id_, text, relations, curve.least(least))
            facts = curve.apply(raw.facts)
            yield replace(raw, facts=tuple(f for f in facts if f.score >= least))

    def read(self, id_: str, text: str, relations: Sequence[str] | None = None, least: float = 0.0) -> Extraction:
        """Candidate facts of a text with raw scores (probabilities before calibration) of `least` and more."""
        words, cut, sentences = self.prepare(text)
        least = max(least, self.config.least)
        names = self.named(relations) if relations else self.relations
        seen = Seen({}, [])
        self.network.eval()
        for batch in batches(cut):
            with torch.inference_mode():
                passages = self.passages([(words, window) for window in batch])
            for window, passage in zip(batch, passages, strict=True):
                read_window(self.network, passage, words, window, text, names, self.types, least, seen)
        found = gather(id_, seen, [trimmed(text, s.start, s.end) for s in sentences], self.config.most_overlap, least)
        if relations:
            return found
        return replace(found, facts=tuple(replace(f, relation=name_for(f.relation, f.object)) for f in found.facts))

    def support(self, text: str, claims: Sequence[Asked]) -> list[float | None]:
        """For each claim how far `text` supports it, in [0, 1]; None where the text does not name both its ends."""
        return [found and found.worth(self.config.lines) for found in weigh(self, text, claims)]

    def named(self, names: Sequence[str]) -> Names:
        """Names with their points in the student's space of names, whether it has learnt them or not."""
        return self._asked(tuple(names))

    def passages(self, parts: Sequence[tuple[Words, Window]]) -> list[Any]:
        """One encoder pass over windows."""
        return read_passages(self.network, parts, self.marks)

    @property
    def marks(self) -> Marks:
        """The special pieces of its encoder."""
        return Marks(self.pieces.start, self.pieces.stop, self.pieces.padding)

    def save_pretrained(self, folder: Path) -> None:
        """Write weights (word embeddings as 8-bit rows, the rest as bfloat16), tokeniser and configuration."""
        folder.mkdir(parents=True, exist_ok=True)
        span_weights.save(self.network, {"relations": self.relations.vectors, "types": self.types.vectors}, folder)
        self.network.encoder.config.to_json_file(folder / "config.json")
        self.pieces.save_pretrained(folder)
        (folder / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(self.config)) + b"\n")

    @classmethod
    def from_pretrained(cls, folder: Path) -> SpanStudent:
        """The student in `folder`, on the GPU where there is one. Raises ModelError where the folder is not one."""
        try:
            config = msgspec.json.decode((folder / FILE).read_bytes(), type=SpanConfig)
            network = SpanNetwork(_encoder(folder), config.width)
            pieces = WordPieces.from_pretrained(folder)
            names = span_weights.load(network, folder)
            vectors = names["relations"], names["types"]
        except (OSError, ValueError, KeyError, msgspec.DecodeError, RuntimeError, SafetensorError) as error:
            raise ModelError(f"{folder} is no span student: {str(error).splitlines()[0]}") from error
        network = network.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        return cls(network, pieces, config, vectors)

    def _embed_names(self, names: tuple[str, ...]) -> Names:
        return Names(names, embed_names(self.network, self.pieces, names).to(self.network.device))


def _encoder(folder: Path) -> Any:
    """The encoder of a student's folder, not yet filled."""
    if shape := read_shape(folder / "config.json"):
        return Bert(shape)
    from transformers import AutoConfig, AutoModel

    return AutoModel.from_config(AutoConfig.from_pretrained(folder), add_pooling_layer=False)


def batches(cut: Sequence[Window]) -> Iterator[Sequence[Window]]:
    """Windows that are read together. The last one goes alone: it is shorter, and padding costs as much as words."""
    for position in range(0, len(cut) - 1, _BATCH):
        yield cut[position : min(position + _BATCH, len(cut) - 1)]
    if cut:
        yield cut[-1:]


@torch.no_grad()  # type: ignore[untyped-decorator]
def embed_names(network: SpanNetwork, pieces: WordPieces, names: Sequence[str]) -> torch.Tensor:
    """Unit vectors (names, hidden), float32."""
    was = network.training
    network.eval()
    rows = []
    for position in range(0, len(names), 256):
        ids, mask = pieces.of_texts(names[position : position + 256], 32)
        rows.append(network.embed(ids.to(network.device), mask.to(network.device)))
    network.train(was)
    return torch.cat(rows) if rows else torch.zeros(0, network.kind.in_features)

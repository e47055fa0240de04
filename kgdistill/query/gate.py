"""The gate: decides which of the passages found for a question enter the prompt, and whether any says enough.

Amar (2025) lets entities, relations and subgraphs through a gate before the reader sees them, each by its likeness to
the question. Its gate scales soft prompts inside one model; this one scores plain text, so that any teacher can read
what passes: a logistic regression over ten features of those aspects and the retrieval (gate_training.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from kgdistill.contracts import Encoder
from kgdistill.errors import ModelError
from kgdistill.query.found import Found
from kgdistill.query.wording import content, named
from kgdistill.text.names import normal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHIPPED = Path(__file__).parent.parent / "models" / "gate" / "gate.json"
MOST = 10
"""Passages that a prompt holds."""
FEATURES = (
    "entities: share of the question's names that the passage has",
    "entities: how much of one end of a fact the question names",
    "relations: cosine of a relation and the question without its names",
    "relations: share of a relation's words in the question",
    "subgraph: cosine of the text and the question",
    "subgraph: share of the question's words that the passage has",
    "subgraph: share of its names that a passage about the same entity has",
    "subgraph: cosine of such a passage's text",
    "retrieval: one over the place",
    "retrieval: score beside the best one's",
)


class Gate(Struct, frozen=True, forbid_unknown_fields=True):
    """A trained gate; `gate.json` holds it. Arrays run over `features`."""

    features: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    admits: float
    """A passage of at least this relevance (0 to 1) passes."""
    answers: float
    """Where no passage reaches this relevance, none passes: the graph does not say it."""
    encoder: str
    """Name of the encoder whose cosines it was trained on."""
    made: dict[str, str | int | float]
    """What it was trained on, and how it did there."""

    def relevance(self, table: NDArray[np.float64]) -> NDArray[np.float64]:
        """Relevance of each row of `table`, shape (passages, features): a probability, shape (passages,)."""
        import numpy as np

        scaled = (table - np.array(self.means)) / np.array(self.scales)
        logits: NDArray[np.float64] = np.clip(scaled @ np.array(self.weights) + self.bias, -50.0, 50.0)
        return 1.0 / (1.0 + np.exp(-logits))


class Gated(Struct, frozen=True):
    """A passage that passed, and how relevant it is."""

    found: Found
    relevance: float


def load_gate(path: Path | None = None) -> Gate:
    """The gate in a file, or the one that ships. Raises ModelError where there is none of this version's features."""
    path = path or SHIPPED
    try:
        gate = msgspec.json.decode(path.read_bytes(), type=Gate)
    except (OSError, msgspec.DecodeError) as error:
        raise ModelError(
            f"{path} holds no gate ({error}): train one with `python -m kgdistill.engine.gating`"
        ) from error
    sizes = {len(part) for part in (gate.features, gate.means, gate.scales, gate.weights)}
    if gate.features != FEATURES or sizes != {len(FEATURES)} or 0.0 in gate.scales:
        raise ModelError(f"{path} is of another version: train it again with `python -m kgdistill.engine.gating`")
    return gate


def admitted(gate: Gate, question: str, found: Sequence[Found], encoder: Encoder, most: int = MOST) -> list[Gated]:
    """The passages that may enter the prompt, the most relevant first; none where the graph does not say it.

    Raises ModelError for an encoder that the gate does not know.
    """
    if encoder.name != gate.encoder:
        raise ModelError(f"the gate was trained with {gate.encoder}, not with {encoder.name}")
    if not found:
        return []
    relevance = gate.relevance(measure(question, found, encoder)).tolist()
    ranked = sorted(map(Gated, found, relevance), key=lambda one: -one.relevance)
    if ranked[0].relevance < gate.answers:
        return []
    return [one for one in ranked if one.relevance >= gate.admits][:most]


def measure(question: str, found: Sequence[Found], encoder: Encoder) -> NDArray[np.float64]:
    """The features of each passage, shape (len(found), len(FEATURES)); the passages are looked at together."""
    import numpy as np

    asked, names = set(content(question)), set(named(question))
    words = [_words(one) for one in found]
    shared = [len(asked & own) / max(1, len(asked)) for own in words]
    has = [len(names & own) / len(names) if names else share for own, share in zip(words, shared, strict=True)]
    texts = _cosines(question, [[one.text] for one in found], encoder)
    without = " ".join(word for word in question.split() if not set(named(word)) & names) or question
    relations = _cosines(without, [[relation for _, relation, _ in one.facts] for one in found], encoder)
    best = max((one.score for one in found), default=0.0)
    near = _neighbours(found)
    rows = [
        (
            has[place],
            max((_covered(end, asked) for s, _, o in one.facts for end in (s, o)), default=0.0),
            relations[place],
            max((_covered(relation, asked) for _, relation, _ in one.facts), default=0.0),
            texts[place],
            shared[place],
            max((has[other] for other in near[place]), default=0.0),
            max((texts[other] for other in near[place]), default=0.0),
            1.0 / (1 + place),
            one.score / best if best > 0 else 0.0,
        )
        for place, one in enumerate(found)
    ]
    return np.array(rows, dtype=np.float64).reshape(len(found), len(FEATURES))


def _words(one: Found) -> set[str]:
    return {word for text in (one.text, *(part for fact in one.facts for part in fact)) for word in content(text)}


def _covered(name: str, asked: set[str]) -> float:
    own = set(content(name))
    return len(own & asked) / len(own) if own else 0.0


def _cosines(question: str, groups: Sequence[Sequence[str]], encoder: Encoder) -> list[float]:
    """For each group of texts the best cosine with the question; 0.0 for an empty one."""
    flat = [text for group in groups for text in group]
    vectors = encoder.encode([question, *flat])
    scores = iter((vectors[1:] @ vectors[0]).tolist())
    return [max((next(scores) for _ in group), default=0.0) for group in groups]


def _neighbours(found: Sequence[Found]) -> list[set[int]]:
    """For each passage the others that have a fact about one of its entities."""
    about: dict[str, set[int]] = {}
    ends = [{normal(end) for s, _, o in one.facts for end in (s, o)} for one in found]
    for place, names in enumerate(ends):
        for name in names:
            about.setdefault(name, set()).add(place)
    return [{other for name in names for other in about[name]} - {place} for place, names in enumerate(ends)]

"""How much of what multi-hop questions need is found: supporting passages, and answers in what would be read."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from msgspec import Struct

from kgdistill.evaluate.match import Score
from kgdistill.evaluate.resampling import bootstrap
from kgdistill.evaluate.sets.multihop import Question
from kgdistill.text.names import find

AT = (2, 5, 10)


class Piece(Struct, frozen=True):
    """What a method found at one place of its list: a passage, or a sentence of one."""

    document: str
    text: str


class Outcome(Struct, frozen=True):
    """What one method found for one question, the best first, and the milliseconds that it took."""

    question: Question
    pieces: tuple[Piece, ...]
    milliseconds: float


class Share(Struct, frozen=True):
    """A mean over questions with its 95 % interval (bootstrap over questions)."""

    value: float
    low: float
    high: float
    questions: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


class Line(Struct, frozen=True):
    """One method on one set."""

    method: str
    passages: dict[int, Share]
    """Share of the supporting passages among the first k that are spoken of, by k."""
    answers: dict[int, Share]
    """Share of the questions whose answer stands in the first k pieces, by k; of those that ask for more than yes."""
    characters: float
    """Mean length of the first ten pieces together."""
    milliseconds: float
    """Median for a question."""


def passages_found(outcome: Outcome, most: int) -> float:
    """Share of the question's supporting passages among the first `most` different ones."""
    first = list(dict.fromkeys(piece.document for piece in outcome.pieces))[:most]
    return len(set(first) & set(outcome.question.supporting)) / len(outcome.question.supporting)


def answer_found(outcome: Outcome, most: int) -> float:
    """1 where an answer stands, word for word, in one of the first `most` pieces; case and kinds of dash aside."""
    texts = [piece.text for piece in outcome.pieces[:most]]
    return float(any(find(answer, text) for answer in outcome.question.answers for text in texts))


def line(method: str, outcomes: Sequence[Outcome]) -> Line:
    """The figures of a method over all questions; at least one."""
    worded = [outcome for outcome in outcomes if outcome.question.worded]
    return Line(
        method,
        {most: share(passages_found(outcome, most) for outcome in outcomes) for most in AT},
        {most: share(answer_found(outcome, most) for outcome in worded) for most in AT},
        statistics.mean(sum(len(piece.text) for piece in outcome.pieces[: AT[-1]]) for outcome in outcomes),
        statistics.median(outcome.milliseconds for outcome in outcomes),
    )


def share(values: Iterable[float]) -> Share:
    """The mean of values from 0 to 1, with its interval."""
    scores = [Score(value, 1, 1) for value in values]
    low, high = bootstrap(scores, lambda score: score.recall)
    return Share(sum(scores, Score()).recall, low, high, len(scores))


def markdown(lines: Iterable[Line]) -> str:
    """The lines as a Markdown table."""
    heads = [f"passages @{most}" for most in AT] + [f"answer @{most}" for most in AT]
    rows = [["method", *heads, "characters read"]]
    rows += [
        [one.method, *map(str, (*one.passages.values(), *one.answers.values())), f"{one.characters:.0f}"]
        for one in lines
    ]
    body = [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join([body[0], "|---" * len(rows[0]) + "|", *body[1:]])

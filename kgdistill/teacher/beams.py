"""Beam search under clauses: drafts that have met different clauses, or are about different things, live side by side.

Source: NeuroLogic (Lu et al., NAACL 2021) in the ordered and diversified form of NeuroComparatives (Howard et al. 2024,
section 3.2). Constraints are followed in the text and not in token numbers, so any model's vocabulary will do; a
draft may end only when every clause is met; and each draw comes from the request's own generator.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain, zip_longest
from math import inf, log
from typing import TYPE_CHECKING, NamedTuple

from kgdistill.contracts import Beams
from kgdistill.errors import NumericalError
from kgdistill.teacher.vocabulary import Vocabulary
from kgdistill.text.clauses import Course, Draft, ends_in_word

if TYPE_CHECKING:
    from torch import Tensor

Step = Callable[[Sequence[int], Sequence[int]], "Tensor"]
"""(row that each new row goes on from, its next token) to next-token logits (rows, vocabulary)."""


class Found(NamedTuple):
    """A finished reply; `logprob` is the sum over its tokens, its end among them, under the unconstrained model."""

    text: str
    tokens: int
    logprob: float


class _Candidate(NamedTuple):
    draft: Draft
    logprob: float
    row: int
    token: int
    met: tuple[bool, ...]
    bucket: tuple[object, ...]
    topic: tuple[str, ...]


class Search:
    """One request's search; `run` gives the best finished replies."""

    def __init__(self, course: Course, vocabulary: Vocabulary, beams: Beams, *, glued: bool, seed: int) -> None:
        """`glued`: the prompt ends inside a word, so that a reply must not begin with a letter."""
        self._course, self._vocabulary, self._beams = course, vocabulary, beams
        self._chance = random.Random(seed)
        clauses = course.constraints.clauses
        spellings = [[" " + " ".join(phrase.split()) for phrase in clause.phrases] for clause in clauses]
        self._openings = [sorted({vocabulary.longest(spelled) for spelled in found} - {-1}) for found in spellings]
        self._parts: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for number, found in enumerate(spellings):
            for spelled in found:
                for size in range(1, len(spelled)):
                    self._parts[spelled[:size].casefold()].append((number, spelled[size:]))
        self._longest = max(map(len, self._parts), default=0)
        self._glued = glued
        ends = course.constraints.ends
        self._ends = {n for n, piece in enumerate(vocabulary.pieces) if piece and piece.endswith(ends)}
        self._ends |= vocabulary.stops

    def run(self, logits: Tensor, step: Step, samples: int, max_tokens: int) -> list[Found]:
        """At most `samples` replies of at most `max_tokens` tokens, best first. `logits`, of shape (1, vocabulary), are
        those after the prompt. Raises NumericalError."""
        live = [_Candidate(self._course.begin(), 0.0, 0, -1, (), (), ())]
        finished: dict[str, Found] = {}
        for length in range(1, max_tokens + 1):
            if not bool(logits.logsumexp(-1).isfinite().all()):
                raise NumericalError("the model produced a NaN or infinite logit")
            candidates: dict[str, _Candidate] = {}
            for row, logprobs in enumerate(logits.log_softmax(-1)):
                for found in self._row(live[row], row, logprobs, length):
                    kept = finished if isinstance(found, Found) else candidates
                    text = found.text if isinstance(found, Found) else found.draft.text
                    if text not in kept or kept[text].logprob < found.logprob:  # the same text in other tokens
                        kept[text] = found  # type: ignore[assignment]
            live = self._chosen(self._near_the_best(list(candidates.values())))
            if not live or length == max_tokens or self._over(live, finished, samples, max_tokens):
                break
            logits = step([beam.row for beam in live], [beam.token for beam in live])
        return sorted(finished.values(), key=lambda found: (-self._rank(found), found.text))[:samples]

    def _rank(self, found: Found) -> float:
        return found.logprob / float(found.tokens**self._beams.length_penalty)

    def _over(self, live: list[_Candidate], finished: dict[str, Found], samples: int, most: int) -> bool:
        """Nothing that still lives can become as good as what is finished."""
        if len(finished) < samples:
            return False
        worst = sorted(map(self._rank, finished.values()), reverse=True)[samples - 1]
        return max(beam.logprob for beam in live) / float(most**self._beams.length_penalty) <= worst

    def _row(self, beam: _Candidate, row: int, logprobs: Tensor, length: int) -> Iterator[_Candidate | Found]:
        """What a draft may become by one token: its likeliest ways on and to an end, and what its clauses propose."""
        proposed = self._proposals(beam.draft, logprobs)
        best = logprobs.topk(min(self._beams.reach or len(logprobs), len(logprobs)))
        likely = dict(zip(best.indices.tolist(), best.values.tolist(), strict=True))
        for token in self._ends & likely.keys():
            piece = self._vocabulary.pieces[token]
            if not self._course.finish(beam.draft, piece):
                yield Found(beam.draft.text + piece, length, beam.logprob + likely[token])
        left = 2 * self._beams.beams
        for token, logprob in likely.items():
            if not left:
                break
            if token in self._ends:
                continue
            if candidate := self._candidate(beam, row, token, logprob, proposed.get(token, ())):
                yield candidate
                left -= 1
        for token, clauses in proposed.items():
            if candidate := self._candidate(beam, row, token, float(logprobs[token]), clauses):
                yield candidate

    def _candidate(
        self, beam: _Candidate, row: int, token: int, logprob: float, proposed: Collection[int]
    ) -> _Candidate | None:
        """The draft with one more token, unless that may not be; `proposed`: by the clauses that ask for it."""
        piece = self._vocabulary.pieces[token]
        if not piece or logprob == -inf or (self._glued and not beam.draft.text and ends_in_word(piece[0])):
            return None
        draft = self._course.extend(beam.draft, piece)
        if isinstance(draft, str):
            return None
        whole = self._course.whole(draft)
        place, words = (draft.place, draft.words) if isinstance(whole, str) else (whole.place, whole.words)
        begun = tuple(clause for clause in sorted(proposed) if not place.met[clause])
        bucket = (place.met, begun)
        return _Candidate(draft, beam.logprob + logprob, row, token, place.met, bucket, self._topic(words))

    def _topic(self, words: Sequence[str]) -> tuple[str, ...]:
        """The first words that carry content: of more than three letters, and asked for by no clause."""
        content = (word for word in words if len(word) > 3 and word not in self._course.named)
        return tuple(word for word, _ in zip(content, range(self._beams.distinct), strict=False))

    def _proposals(self, draft: Draft, logprobs: Tensor) -> dict[int, set[int]]:
        """The likeliest tokens that begin or go on with a phrase of a clause whose turn it is, with these clauses."""
        proposed: dict[int, set[int]] = defaultdict(set)
        whole = self._course.whole(draft)
        if isinstance(whole, str):
            return proposed
        tail = (draft.text if draft.text or self._glued else " ")[-self._longest :].casefold()
        begun = [part for size in range(1, len(tail) + 1) for part in self._parts.get(tail[-size:], ())]
        for clause in self._course.wanted(whole.place):
            going = {self._vocabulary.longest(missing) for number, missing in begun if number == clause}
            tokens = sorted({*self._openings[clause], *going} - {-1})
            ranked = sorted(zip(logprobs[tokens].tolist(), tokens, strict=True), key=lambda pair: -pair[0])
            for _, token in ranked[: self._course.constraints.clauses[clause].best or len(ranked)]:
                proposed[token].add(clause)
        return proposed

    def _near_the_best(self, candidates: list[_Candidate]) -> list[_Candidate]:
        most = max((sum(candidate.met) for candidate in candidates), default=0)
        return [candidate for candidate in candidates if sum(candidate.met) >= most - self._beams.tolerance]

    def _chosen(self, candidates: list[_Candidate]) -> list[_Candidate]:
        """The next beams: one after the other from every bucket, in each round the likelier first."""
        buckets: dict[tuple[object, ...], list[_Candidate]] = defaultdict(list)
        for candidate in sorted(candidates, key=lambda candidate: (-candidate.logprob, candidate.draft.text)):
            buckets[candidate.bucket].append(candidate)
        rounds = zip_longest(*(self._in_turn(self._drawn(bucket)) for bucket in buckets.values()))
        chosen: list[_Candidate] = []
        for turn in rounds:
            chosen += sorted((found for found in turn if found), key=lambda found: -found.logprob)
            if len(chosen) >= self._beams.beams:
                break
        return chosen[: self._beams.beams]

    def _drawn(self, bucket: list[_Candidate]) -> list[_Candidate]:
        """The bucket in random order, drawn without replacement by exp(log-probability / temperature)."""
        temperature = self._beams.temperature
        if temperature <= 0:
            return bucket
        # Adding Gumbel noise and sorting is such a draw.
        noisy = [found.logprob / temperature - log(-log(self._chance.random() or 0.5)) for found in bucket]
        return [found for _, found in sorted(zip(noisy, bucket, strict=True), key=lambda pair: -pair[0])]

    def _in_turn(self, bucket: list[_Candidate]) -> Iterator[_Candidate]:
        """The drafts of a bucket, those about different things taking turns."""
        topics: dict[tuple[str, ...], list[_Candidate]] = defaultdict(list)
        for found in bucket:
            topics[found.topic].append(found)
        return (found for found in chain.from_iterable(zip_longest(*topics.values())) if found)

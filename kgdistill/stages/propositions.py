"""Propositions of documents, sentence by sentence: cut by a teacher, and judged by entailment."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import ClassVar

from msgspec.structs import replace

from kgdistill.contracts import Bench, ShardStage
from kgdistill.generate.propositions import JUDGE, WHOLE, Propositions
from kgdistill.judge.combine import Combine, combine
from kgdistill.judge.entailment import EMBEDDED, NAME
from kgdistill.records import Claim, Proposition, Reading, Verdict
from kgdistill.stages.build import TEACHER, booked, per_reading, reclaimed, settled
from kgdistill.stages.entailment import entailment_fingerprint, open_entailment
from kgdistill.text.propositions import sentences_of


class SegmentText(Propositions, ShardStage, frozen=True, forbid_unknown_fields=True):
    """Propositions of each sentence, with the claims that they hold; see generate/propositions."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "readings"
    uses: ClassVar[frozenset[str]] = TEACHER

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        method = settled(self, bench)
        for reading in per_reading(records, method, bench):
            found = [claim for claim in reading.claims if isinstance(claim, Proposition)]
            bench.note("propositions", len(found))
            bench.note("sentences kept whole", sum(claim.method == WHOLE for claim in found))
            bench.note("propositions with a strange number or name", sum(claim.verdict(JUDGE) == 0 for claim in found))
            yield booked(reading, bench)


class JudgePropositions(ShardStage, frozen=True, forbid_unknown_fields=True):
    """P(the text entails it) as a verdict on propositions, and on claims by the proposition that says them."""

    version: ClassVar[int] = 2
    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "readings"

    entailment: str = EMBEDDED
    """Folder or hub name of a classifier of text pairs; "words": a statement is entailed by a text with its words."""
    context: int = 2
    """Sentences before a claim's own that the text to entail it may begin with."""
    combine: Combine = Combine(weights={NAME: 1.0, JUDGE: 1.0}, how="minimum")
    """How a proposition's score is made."""
    combine_claims: Combine = Combine(weights={NAME: 0.7, "grounding": 0.3})
    """How a claim's is."""
    threads: int = 0
    """CPU threads; 0: all cores."""

    def fingerprint(self) -> str:
        return entailment_fingerprint(self.entailment)

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        import torch

        torch.set_num_threads(self.threads or len(os.sched_getaffinity(0)))
        model = open_entailment(self.entailment)
        for reading in records:
            asked = list(self._asked(reading))
            best: dict[str, float] = {}
            pairs = list(dict.fromkeys((premise, claim.proposition) for claim, premise in asked))
            scores = dict(zip(pairs, model.score(pairs), strict=True))
            for claim, premise in asked:
                best[claim.id] = max(best.get(claim.id, 0.0), scores[premise, claim.proposition][0])
            yield reclaimed(reading, self._judged(best))

    def _asked(self, reading: Reading) -> Iterator[tuple[Claim, str]]:
        """Each claim with the texts that may entail it: its sentence by itself, and after those before it."""
        for graph in reading.chunks:
            sentences = sentences_of(graph.chunk, reading.document.language)
            places = {sentence.span.start: place for place, sentence in enumerate(sentences)}
            for claim in graph.claims:
                if claim.evidence is None or not claim.proposition:
                    continue
                place = places.get(claim.evidence.sentence.start)
                if place is None:
                    continue
                yield claim, sentences[place].standalone
                yield claim, " ".join(s.text for s in sentences[max(0, place - self.context) : place + 1])

    def _judged(self, scores: dict[str, float]) -> Callable[[Claim], Claim]:
        def judged(claim: Claim) -> Claim:
            if claim.id not in scores:
                return claim
            verdict = Verdict(NAME, round(scores[claim.id], 4))
            rule = self.combine if isinstance(claim, Proposition) else self.combine_claims
            return combine(replace(claim, verdicts=(*claim.verdicts, verdict)), rule)

        return judged

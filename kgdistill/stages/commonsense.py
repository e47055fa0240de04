"""Event commonsense: events and inferences from a teacher, and a critic that says which of them are plausible."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from msgspec.structs import replace

from kgdistill.contracts import Bench, CorpusStage, ShardStage, SourceStage
from kgdistill.encoders.minilm import model_folder
from kgdistill.errors import RecipeError, SourceError
from kgdistill.evaluate.review import said_by_reviewers
from kgdistill.generate.events import STAGE, Drafts, EventWriter, likelihood, select
from kgdistill.generate.inferences import Inferences
from kgdistill.judge.combine import Combine, combine
from kgdistill.judge.critic import NAME, CriticSettings, Said
from kgdistill.judge.plausibility import PlausibilityJudge
from kgdistill.judge.teacher import NAME as PLAUSIBLE
from kgdistill.records import Claim, EventSeed, Failure, Inference, Reading, Verdict, content_id
from kgdistill.stages.build import TEACHER, booked, per_chunk, reclaimed, settled
from kgdistill.stages.seeds import seed_reading
from kgdistill.storage.inferences import read_labelled
from kgdistill.storage.review import read_review, review_fingerprint
from kgdistill.storage.seeds import read_seeds
from kgdistill.storage.sources import fingerprint
from kgdistill.teacher import weights


class Events(EventWriter, SourceStage, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Seed events, and new ones that the teacher makes up in their style; see generate/events."""

    gives: ClassVar[str] = "readings"
    uses: ClassVar[frozenset[str]] = TEACHER

    path: str
    """A file of seed events, as for the stage `seeds`."""
    with_seeds: bool = True
    """Ask about the seed events too."""
    most: int = 0
    """How many new events to take, the likeliest; 0: all that are kept."""

    def fingerprint(self) -> str:
        return fingerprint(self.path)

    def run(self, bench: Bench) -> Iterator[Reading]:
        seeds: list[EventSeed] = []
        for seed in read_seeds(self.path, "event", note=bench.note):
            if isinstance(seed, EventSeed):
                seeds.append(seed)
            elif isinstance(seed, Failure):
                bench.fail(seed)
        if len(seeds) < 2:
            raise SourceError(f"{self.path} holds {len(seeds)} usable events; new ones need at least two to go by")
        yield from (seed_reading(seed, Path(self.path).name) for seed in seeds if self.with_seeds)
        yield from (seed_reading(seed, "model") for seed in self._written([seed.event for seed in seeds], bench))

    def _written(self, known: list[str], bench: Bench) -> list[EventSeed]:
        """The new events that are kept; every other is a recorded failure with its reason."""
        method = settled(self, bench)
        found = list(bench.converse(method(shown) for shown in method.showings(known)))
        drafts = [drafts for drafts in found if isinstance(drafts, Drafts)]
        for failure in (failure for part in drafts for failure in part.failures):
            bench.fail(failure)
        kept, refused = select([event for part in drafts for event in part.events], known, self.share)
        for draft, reason in refused:
            request = draft.said.request if draft.said else ""
            bench.fail(Failure(STAGE, "", reason, "rejected", message=draft.event, request=request))
        bench.note("events made up", len(kept))
        best = {draft.event for draft in sorted(kept, key=likelihood, reverse=True)[: self.most or len(kept)]}
        return [draft for draft in kept if draft.event in best]


class Infer(Inferences, ShardStage, frozen=True, forbid_unknown_fields=True):
    """What follows from each event under each relation, several samples; see generate/inferences."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "readings"
    uses: ClassVar[frozenset[str]] = TEACHER

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        method = settled(self, bench)
        for reading in per_chunk(map(about_an_event, records), method, bench):
            yield booked(reading, bench)


def about_an_event(reading: Reading) -> Reading:
    """The reading. Raises RecipeError where it is not about an event."""
    if not isinstance(reading.seed, EventSeed):
        raise RecipeError(f'infer: {reading.document.id!r} is no event; read them by "events", or by "seeds" as events')
    return reading


class JudgeInferences(PlausibilityJudge, ShardStage, frozen=True, forbid_unknown_fields=True):
    """The teacher's P(yes) for each inference: a verdict, and labels for a critic where people gave none."""

    needs: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "readings"
    uses: ClassVar[frozenset[str]] = TEACHER

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        method = settled(self, bench)
        for reading in per_chunk(records, method, bench):
            yield booked(reclaimed(reading, lambda claim: combine(claim, Combine({PLAUSIBLE: 1.0}))), bench)


class TrainCritic(CorpusStage, frozen=True, forbid_unknown_fields=True):
    """A critic from labelled inferences of a file, or from the teacher's own verdicts; see judge/critic."""

    wants: ClassVar[tuple[str, ...]] = ("readings",)
    gives: ClassVar[str] = "critic"

    labels: str = ""
    """Labelled inferences (.csv or .jsonl); empty and no review: the teacher's verdicts of this run."""
    review: str = ""
    """A run's review log (`review.jsonl`): what people accepted and rejected on the page, besides `labels`."""
    folder: str = ""
    """A critic that was trained before: it is taken as it is."""
    unsure: float = 0.2
    """Verdicts of the teacher nearer than this to 0.5 teach nothing."""
    encoder: str = ""
    """Folder or hub name of the encoder to start from; empty: all-MiniLM-L6-v2."""
    settings: CriticSettings = CriticSettings()
    threads: int = 0
    """CPU threads; 0: all cores."""

    def fingerprint(self) -> str:
        if self.folder:
            return fingerprint(self.folder)
        labels = fingerprint(self.labels) if self.labels else ""
        reviewed = (review_fingerprint(self.review),) if self.review else ()
        return content_id(labels, weights.fingerprint(self._encoder()), *reviewed)

    def _encoder(self) -> Path:
        return weights.find_folder(self.encoder) if self.encoder else model_folder()

    def run(self, records: Iterator[object], bench: Bench) -> None:
        import torch

        from kgdistill.judge.critic_network import Critic, train_critic

        if self.folder:
            critic, about = Critic.from_pretrained(Path(self.folder))
            critic.save_pretrained(bench.folder, about)
            return
        torch.set_num_threads(self.threads or len(os.sched_getaffinity(0)))
        rows, labels = self._labelled(bench)
        settings = replace(self.settings, seed=self.settings.seed or bench.seed)
        try:
            critic, about = train_critic(rows, labels, self._encoder(), settings)
        except ValueError as error:
            raise RecipeError(f"critic: {error}") from error
        critic.save_pretrained(bench.folder, about)
        bench.note("labelled inferences learnt", about.trained)
        bench.note("labelled inferences validated on", about.validated)
        bench.note("area under the ROC curve, validation", round(about.area, 4))

    def _labelled(self, bench: Bench) -> tuple[list[Said], list[bool]]:
        """What people labelled (test rows left out), or what the teacher is sure of."""
        if self.labels or self.review:
            known = [row for row in read_labelled(self.labels) if row.split != "test"] if self.labels else []
            reviewed = said_by_reviewers(read_review(self.review).decisions) if self.review else {}
            rows = [((row.head, row.relation, row.tail), row.valid) for row in known]
            rows = [(said, label) for said, label in rows if said not in reviewed] + list(reviewed.items())
            return [said for said, _ in rows], [label for _, label in rows]
        if not bench.has("readings"):
            raise RecipeError(
                "critic: name `labels` or a `review`, or let the stage stand after one that judges inferences"
            )
        judged = [(claim.stated, claim.verdict(PLAUSIBLE)) for r in bench.records("readings") for claim in r.claims]
        sure = [(said, score) for said, score in judged if score is not None and abs(score - 0.5) >= self.unsure]
        return [said for said, _ in sure], [score > 0.5 for _, score in sure]


class Criticise(ShardStage, frozen=True, forbid_unknown_fields=True):
    """The critic's P(valid) as a verdict on every inference, and as its combined score."""

    needs: ClassVar[tuple[str, ...]] = ("readings", "critic")
    gives: ClassVar[str] = "readings"

    threads: int = 0
    """CPU threads; 0: all cores."""

    def run(self, records: Iterator[Reading], bench: Bench) -> Iterator[Reading]:
        import torch

        from kgdistill.judge.critic_network import Critic

        torch.set_num_threads(self.threads or len(os.sched_getaffinity(0)))
        critic, _ = Critic.from_pretrained(bench.upstream("critic"))
        for reading in records:
            said = [claim.stated for claim in reading.claims if isinstance(claim, Inference)]
            found = dict(zip(said, critic.score(said), strict=True))

            def judged(claim: Claim, found: dict[Said, float] = found) -> Claim:
                if claim.stated not in found:
                    return claim
                verdict = Verdict(NAME, found[claim.stated])
                return combine(replace(claim, verdicts=(*claim.verdicts, verdict)), Combine({NAME: 1.0}))

            yield reclaimed(reading, judged)

"""How long artefacts took for each of their shards, from the reports beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct, field

from kgdistill.storage.artifact import Artifact


class _Account(Struct):
    cached: int = 0


class _Ledger(Struct):
    stages: dict[str, _Account] = field(default_factory=dict)


class _Report(Struct):
    """What is read of a report."""

    seconds: float = 0.0
    ledger: _Ledger = field(default_factory=_Ledger)


def shard_seconds(folders: Sequence[Path]) -> dict[str, float]:
    """Seconds of one worker that each shard took in all these artefacts together.

    Left out are shards for which a reply came from the journal: they were worked on before, and that time is lost.
    """
    seconds: dict[str, float] = {}
    disturbed: set[str] = set()
    for folder in folders:
        artifact = Artifact(folder)
        for name in artifact.reported():
            report = msgspec.json.decode(artifact.report_file(name).read_bytes(), type=_Report)
            seconds[name] = seconds.get(name, 0.0) + report.seconds
            if any(account.cached for account in report.ledger.stages.values()):
                disturbed.add(name)
    return {name: spent for name, spent in seconds.items() if name not in disturbed}

"""What travels between the driver and a worker: plain records, sent as JSON."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from kgdistill.teacher.ledger import Account, Ledger


class Setting(Struct, frozen=True):
    """A settings struct, as the name of its class and its plain values."""

    implementation: str
    values: dict[str, Any]


class Setup(Struct, frozen=True):
    """What a worker needs once."""

    teacher: Setting
    encoder: Setting


class Job(Struct, frozen=True):
    """One shard of one stage (or a whole source or corpus stage, whose shard is named after it)."""

    stage: str
    setting: Setting
    shard: str
    folder: str
    """The stage's artefact folder."""
    journal: str
    """The folder of the stage's journals."""
    base: str
    seed: int
    run: str
    upstream: dict[str, str] = field(default_factory=dict)
    """Folder of each kind of artefact that the stage may read."""
    through: tuple[str, ...] = ()
    """Folders of the shard stages that the records fed have come through, the nearest last."""
    fed: str = ""
    """The kind whose records the stage is fed."""
    source: str = ""
    """The file with these records, or empty: all shards of the kind."""
    allowance: int | None = None
    """How many tokens may be paid for."""
    forgotten: tuple[str, ...] = ()
    """Ids of documents that are not to be read again."""


class Report(Struct, omit_defaults=True):
    """How a shard went: `reports/<shard>.json`, written after the shard itself."""

    records: int = 0
    failed: int = 0
    rejected: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    """Failures and rejections by reason."""
    notes: dict[str, float] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    seconds: float = 0.0

    def add(self, other: Report) -> None:
        """Add another shard's numbers to these."""
        self.records += other.records
        self.failed += other.failed
        self.rejected += other.rejected
        self.seconds += other.seconds
        for mine, others in ((self.reasons, other.reasons), (self.notes, other.notes)):
            for name, amount in others.items():
                mine[name] = mine.get(name, 0) + amount  # type: ignore[assignment]
        self.ledger.merge(other.ledger)


class Outcome(Struct, frozen=True, tag="outcome"):
    """A job that ended: its report, or the error that ended it."""

    shard: str
    spent: int = 0
    """Tokens paid for, whatever the end."""
    report: Report | None = None
    error: str = ""
    """Name of the error's class in `kgdistill.errors`, or of any other exception."""
    message: str = ""
    trace: str = ""


class Tick(Struct, frozen=True, tag="tick"):
    """Where a job stands."""

    account: Account


Message = Outcome | Tick

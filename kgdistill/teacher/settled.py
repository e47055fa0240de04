"""What a teacher says of itself is what its settings say: its blueprint and its card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, Protocol, TypeVar

from kgdistill.contracts import Card


class Settings(Protocol):
    """What the settings of every teacher can say before it is opened."""

    def blueprint(self) -> dict[str, Any]: ...

    def card(self) -> Card: ...


Chosen = TypeVar("Chosen", bound=Settings)


class Settled(Generic[Chosen]):
    """The part that all teachers share."""

    def __init__(self, settings: Chosen) -> None:
        self._settings = settings

    @property
    def blueprint(self) -> Mapping[str, Any]:
        """See `Teacher.blueprint`."""
        return self._settings.blueprint()

    @property
    def card(self) -> Card:
        """See `Teacher.card`."""
        return self._settings.card()


def deciding(settings: Any, *names: str) -> dict[str, Any]:
    """A blueprint's entries: the kind of teacher, and those of its settings that decide replies."""
    kind = str(settings.__struct_config__.tag)
    return {"kind": kind, **{name: getattr(settings, name) for name in names}}

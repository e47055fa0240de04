"""What can go wrong, as one tree.

KgdistillError
├── UserError              the person can mend it: one clear line, exit code 2
│   ├── RecipeError        a recipe that does not decode or does not fit together
│   ├── SourceError        input that is missing, empty or of no known format
│   ├── RunFolderError     a run folder that is busy, unfinished or not a run
│   ├── ModelError         a model folder or name that cannot be loaded
│   └── MissingExtra       an optional library that this use needs
├── TeacherError           a request that got no usable reply (recorded, never fatal by itself)
│   ├── EndpointError      the endpoint refused, timed out or is dead
│   └── NumericalError     a NaN or infinite logit
├── ReplyError             a reply that cannot be read (recorded with its raw text)
├── ToleranceExceeded      too large a share of a stage's requests failed: the stage stops, exit code 3
├── BudgetSpent            --max-tokens is used up: stops cleanly, the same command resumes, exit code 4
└── StorageError           the disk is full or a stored file is damaged
"""

from __future__ import annotations


class KgdistillError(Exception):
    """Root of every error that kgdistill raises on purpose; its text is one line for a person."""

    exit_code = 1


class UserError(KgdistillError):
    """A mistake that the person can mend; the text names the way out."""

    exit_code = 2


class RecipeError(UserError):
    """A recipe that does not decode or whose stages do not fit together."""


class SourceError(UserError):
    """Input that is missing, empty or of no known format."""


class RunFolderError(UserError):
    """A run folder that is busy, unfinished or not a run."""


class ModelError(UserError):
    """A model folder or name that cannot be loaded."""


class MissingExtra(UserError):
    """An optional library is absent; the text names the extra to install."""


class TeacherError(KgdistillError):
    """A request that got no usable reply; `reason` is the code under which it is recorded."""

    reason = "teacher"


class EndpointError(TeacherError):
    """The endpoint refused, timed out or is dead."""

    reason = "endpoint"


class NumericalError(TeacherError):
    """The model produced a NaN or infinite logit."""

    reason = "not a number"


class ReplyError(KgdistillError):
    """A reply that cannot be read: malformed JSON, or JSON of the wrong shape."""


class ToleranceExceeded(KgdistillError):
    """More requests of a stage failed than the recipe tolerates."""

    exit_code = 3


class BudgetSpent(KgdistillError):
    """The token budget of this command is used up; what was paid for is kept."""

    exit_code = 4


class StorageError(KgdistillError):
    """The disk is full, or a stored file is damaged."""

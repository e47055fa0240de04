"""How a command ends: whatever went wrong becomes one line for a person and an exit code."""

from __future__ import annotations

import sys
import traceback
from typing import Any

import typer

from kgdistill.errors import KgdistillError

INTERRUPTED = 130


def guarded(app: typer.Typer, arguments: list[str], debug: bool) -> int:
    """Run a command; returns its exit code. `debug` shows the traceback of what went wrong too."""
    try:
        code: Any = app(arguments, standalone_mode=False)
    except KeyboardInterrupt:
        return _end("interrupted; a run goes on when the same command is given again", INTERRUPTED, debug)
    except KgdistillError as error:
        return _end(str(error), error.exit_code, debug)
    except BrokenPipeError:
        sys.stderr.close()  # who read our output has had enough
        return 0
    except OSError as error:
        return _end(f"{error.strerror or error}: {error.filename}" if error.filename else str(error), 1, debug)
    except Exception as error:
        return _other(error, debug)
    if code == INTERRUPTED:  # typer has caught Ctrl-C first
        return _end("interrupted; a run goes on when the same command is given again", INTERRUPTED, debug)
    return code if isinstance(code, int) else 0


def _other(error: Exception, debug: bool) -> int:
    """Mistakes in the command itself, and mistakes of ours."""
    if isinstance(error, typer.Exit):
        return error.exit_code
    if isinstance(error, typer.Abort):
        return _end("interrupted; a run goes on when the same command is given again", INTERRUPTED, debug)
    code = getattr(error, "exit_code", None)
    if isinstance(code, int) and hasattr(error, "format_message"):
        return _end(f"{error.format_message().rstrip('.')}; `kgdistill --help` shows the commands", code, debug)
    return _end(f"kgdistill broke: {type(error).__name__}: {error}; --debug shows where", 1, debug)


def _end(line: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    typer.echo(f"kgdistill: {line}", err=True)
    return code

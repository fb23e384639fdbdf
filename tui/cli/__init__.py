"""The front door: arguments in, exit codes out. Imports nothing heavy before a command needs it."""

from __future__ import annotations

import sys
from typing import NoReturn

from tui.core.errors import RagfoodError
from tui.core.text import clean

INTERRUPTED = 130
"""Exit code after Ctrl+C, as shells expect it (128 + SIGINT)."""


def main() -> NoReturn:
    """Runs the command line and exits: 0 done, 1 failed, 2 usage or configuration. No traceback reaches the user."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs one command and returns its exit code."""
    import click

    from tui.cli.root import ragfood

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        result = ragfood.main(arguments, prog_name="ragfood", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show(sys.stderr)
        return 2 if isinstance(error, click.UsageError) else 1
    except RagfoodError as error:
        _say(error.message, error.hint)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("Stopped.")
        return INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return 1
    except Exception as error:  # noqa: BLE001 - the last line of defence: a person gets a sentence, the log gets the rest
        return _unexpected(error)
    return result if isinstance(result, int) else 0


def _say(message: str, hint: str = "") -> None:
    print(f"ragfood: {clean(message)}", file=sys.stderr)  # noqa: T201
    if hint:
        print(f"  {clean(hint)}", file=sys.stderr)  # noqa: T201


def _unexpected(error: Exception) -> int:
    import logging

    logging.getLogger("tui").critical("unexpected error", exc_info=error)
    _say(
        f"Something went wrong that ragfood did not expect ({type(error).__name__}: {error}).",
        hint="The log has the details: ragfood doctor says where it is. Nothing that was saved is affected.",
    )
    return 1


def _forget_stdout() -> None:
    """After the reader of a pipe left, Python would fail once more when it flushes stdout at exit."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

"""The front door: arguments in, exit codes out. Imports nothing heavy before a command needs it."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, NoReturn

from tui.cli.layout import LONGEST_LINE, pointed_at
from tui.cli.output import forget_stdout, note, prepare_streams, terminal_width, warn
from tui.core.errors import FilterSyntaxError, RagfoodError
from tui.core.files import NO_SPACE
from tui.core.text import clean_line, shorten

if TYPE_CHECKING:
    import click

INTERRUPTED = 130
"""Exit code after Ctrl+C, as shells expect it (128 + SIGINT)."""

_SECRETS = ("UPSTASH_VECTOR_REST_TOKEN", "OLLAMA_API_KEY")


def main() -> NoReturn:
    """Runs the command line and exits: 0 done, 1 failed, 2 usage or configuration. No traceback reaches the user."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs one command and returns its exit code."""
    prepare_streams()
    with ExitStack() as closing:
        try:
            return _run(arguments, closing)
        except RagfoodError as error:
            _say_error(error)
            return error.exit_code
        except KeyboardInterrupt:
            _say("Stopped.")
            return INTERRUPTED
        except BrokenPipeError:
            # Whoever read our output has seen enough: head, less.
            forget_stdout()
            return 1
        except OSError as error:
            if error.errno not in NO_SPACE:
                return _unexpected(error, closing)
            forget_stdout()
            _say(f"There is no room to write: {error.strerror}.", hint="Free some space, then try again.")
            return 1
        except Exception as error:  # noqa: BLE001 - the last line of defence: a person gets a sentence, the log the rest
            return _unexpected(error, closing)


def _run(arguments: list[str], closing: ExitStack) -> int:
    import click

    from tui.cli.root import ragfood

    try:
        result = ragfood.main(arguments, prog_name="ragfood", standalone_mode=False, obj=closing)
    except click.ClickException as error:
        return _misused(error)
    except click.Abort:
        raise KeyboardInterrupt from None
    except SystemExit as stop:
        # Click ends the program by itself when the reader of a pipe left.
        forget_stdout()
        return stop.code if isinstance(stop.code, int) else 1
    return result if isinstance(result, int) else 0


def _say(message: str, hint: str = "") -> None:
    note(f"ragfood: {message}")
    if hint:
        note(hint, "  ")


def _say_error(error: RagfoodError) -> None:
    if not isinstance(error, FilterSyntaxError):
        _say(error.message, error.hint)
        return
    _say(error.message)
    place = pointed_at(error.expression, error.position, terminal_width(sys.stderr) or LONGEST_LINE)
    warn("\n".join("    " + line for line in place.split("\n")))
    note(error.hint, "  ")


def _misused(error: click.ClickException) -> int:
    """Says what is wrong with the arguments, and where to read how they go."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        warn(error.format_message())
    else:
        message = clean_line(error.format_message())
        _say(message if message.endswith((".", "?", "!")) else f"{message}.")
        if context is not None:
            note(f"{context.command_path} --help explains it.", "  ")
    return error.exit_code


def _unexpected(error: Exception, closing: ExitStack) -> int:
    import logging

    where = _log_file(closing)
    logging.getLogger("tui").critical("unexpected error", exc_info=error)
    _say(
        f"Something went wrong that ragfood did not expect ({type(error).__name__}: {shorten(str(error), 300)}).",
        hint=f"Nothing that was saved is affected. {where}",
    )
    return 1


def _log_file(closing: ExitStack) -> str:
    """Makes sure that there is a log, also when the command failed before it opened one, and says where it is.

    Without a handler of ours logging would print the traceback on stderr.
    """
    import logging
    import os

    from tui.core.log import setup_log
    from tui.core.paths import Paths
    from tui.core.secret import Secret

    try:
        paths = Paths.from_environment(os.environ)
    except RagfoodError as error:
        logging.getLogger("tui").disabled = True
        return f"There is no log: {error.message}"
    if not logging.getLogger("tui").handlers:
        secrets = [Secret(os.environ.get(name, "")) for name in _SECRETS]
        log = setup_log(paths, secrets=secrets)
        closing.callback(log.close)
        if log.reason:
            return f"There is no log: {log.reason}"
    return f"The details are in {paths.log_file}."

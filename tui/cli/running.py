"""What every command does: find its options, open the services, run its coroutine."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tui.cli.output import note

if TYPE_CHECKING:
    from tui.cli.root import Run
    from tui.services.bundle import Services

T = TypeVar("T")

FILE_PATH = click.Path(path_type=Path, readable=False)
"""A file that is named in an argument; who opens it says what is wrong with it, better than Click does."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
filter_option = click.option(
    "--filter", "filter_", default="", metavar="EXPR", help="Only records that match, e.g. \"region = 'Japan'\"."
)


def current_run() -> Run:
    """Returns the options before the command, with the log open; raises `SettingsError`.

    A command calls this before it imports anything heavy, so that whatever fails afterwards can be logged.
    """
    run: Run = click.get_current_context().obj
    _ = run.log
    return run


@contextlib.asynccontextmanager
async def opened(run: Run, *, use_model: bool = True) -> AsyncIterator[Services]:
    """The services of this command, closed at its end whatever happens."""
    from tui.wiring import build_services

    services = build_services(run.settings, run.paths, use_model=use_model)
    if run.log.reason:
        note(f"There is no log: {run.log.reason}")
    try:
        yield services
    finally:
        await services.aclose()


def run_async(work: Callable[[], Coroutine[Any, Any, T]], *, if_stopped: str = "") -> T:
    """Runs a command's coroutine. Ctrl+C cancels it, so that it ends in order; `if_stopped` says what that means."""
    import asyncio

    try:
        return asyncio.run(work())
    except KeyboardInterrupt:
        if if_stopped:
            note(if_stopped)
        raise

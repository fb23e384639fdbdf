"""What commands print: one JSON document, or text for people; everything else goes to stderr."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tui.core.text import clean, clean_line

if TYPE_CHECKING:
    from tui.cli.root import Run
    from tui.core.events import Progress
    from tui.core.records import Hit
    from tui.services.bundle import Services

T = TypeVar("T")

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")


def print_json(document: Any) -> None:
    """Prints one JSON document: UTF-8 text, indented, with a final newline."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False))


def say(text: str = "") -> None:
    """Prints a line for people on stdout, made safe."""
    click.echo(clean(text))


def note(text: str) -> None:
    """Prints a line about the work itself on stderr, made safe."""
    click.echo(clean(text), err=True)


def hit_document(hit: Hit) -> dict[str, Any]:
    """The JSON shape of a source."""
    return {
        "id": hit.id,
        "score": hit.score,
        "relevance": None if hit.relevance is None else round(hit.relevance, 4),
        "text": hit.record.passage,
        "metadata": dict(hit.record.metadata),
    }


def describe_hit(number: int, hit: Hit) -> str:
    """Two lines for people: rank, relevance, heading, id; then region and type, and the text."""
    relevance = "    " if hit.relevance is None else f"{hit.relevance:.2f}"
    about = " · ".join(str(hit.record.metadata[key]) for key in ("region", "type") if hit.record.metadata.get(key))
    head = f"[{number}] {relevance}  {clean_line(hit.record.heading)}  ({clean_line(hit.id)})"
    tail = f"     {clean_line(about)}" if about else ""
    return "\n".join(filter(None, [head, tail, f"     {clean_line(hit.record.passage)}"]))


def current_run() -> Run:
    """The options before the command."""
    run: Run = click.get_current_context().obj
    return run


@contextlib.asynccontextmanager
async def opened(run: Run, *, use_model: bool = True) -> AsyncIterator[Services]:
    """The services of this command, closed at its end whatever happens."""
    from tui.wiring import build_services

    if run.log.reason:
        note(run.log.reason)
    services = build_services(run.settings, run.paths, use_model=use_model)
    try:
        yield services
    finally:
        await services.aclose()


def run_async(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Runs a command's coroutine; Ctrl+C cancels it, so that it can end in order."""
    return asyncio.run(work())


class ProgressLine:
    """A line on stderr that counts up while something runs; only on a terminal, so that logs stay readable."""

    def __init__(self) -> None:
        self._shown = 0
        self._live = sys.stderr.isatty()

    def show(self, progress: Progress) -> None:
        if not self._live:
            return
        rate = f" · {progress.done / progress.seconds:,.0f}/s" if progress.seconds > 0 and progress.done else ""
        text = f"{clean_line(progress.label)} {progress.done:,} of {progress.total:,}{rate}"
        click.echo("\r" + text.ljust(self._shown), err=True, nl=False)
        self._shown = len(text)

    def end(self) -> None:
        if self._shown:
            click.echo("\r" + " " * self._shown + "\r", err=True, nl=False)
            self._shown = 0

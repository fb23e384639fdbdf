"""The commands that run the index: plan, upsert, stats, list, delete, reset, export, restore."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tui.cli.output import ProgressLine, current_run, json_option, note, opened, print_json, run_async, say
from tui.core.errors import ConfigurationError
from tui.core.events import Finished, Progress, TransferEvent, Transferred
from tui.core.text import clean_line

if TYPE_CHECKING:
    from tui.core.events import Plan
    from tui.core.records import IndexInfo, Page
    from tui.services.bundle import Services

_SHOWN_ROWS = 20

_file = click.argument("file", required=False, type=click.Path(path_type=Path))
_first = click.option("--first", type=click.IntRange(1), help="Only the first N good rows.")


@click.group()
def index() -> None:
    """Run the index: what is in it, and what goes in and out."""


@index.command()
@_file
@_first
@json_option
def plan(file: Path | None, first: int | None, as_json: bool) -> None:
    """Say what an upsert of FILE would do, and change nothing."""
    run = current_run()

    async def work() -> Plan:
        async with opened(run, use_model=False) as services:
            return await services.ingestion.plan(file, first=first)

    made = run_async(work)
    if as_json:
        print_json(_plan_document(made))
    else:
        _show_plan(made)


@index.command()
@_file
@_first
@json_option
def upsert(file: Path | None, first: int | None, as_json: bool) -> int:
    """Write the new and changed foods of FILE (default: the data file of the settings)."""
    run = current_run()

    async def work() -> Finished:
        line = ProgressLine()
        finished: Finished | None = None
        async with (
            opened(run, use_model=False) as services,
            contextlib.aclosing(services.ingestion.upsert(file, first=first)) as events,
        ):
            async for event in events:
                if isinstance(event, Progress):
                    line.show(event)
                elif isinstance(event, Finished):
                    finished = event
        line.end()
        assert finished is not None  # noqa: S101 - `upsert` promises that Finished comes last
        return finished

    done = run_async(work)
    if as_json:
        failed = [{"id": id, "reason": reason} for id, reason in done.failed]
        print_json({**_plan_document(done.plan), "written": list(done.written), "failed": failed})
    else:
        _show_plan(done.plan)
        say(f"\nwritten {len(done.written):,} in {done.seconds:.1f} s")
        for id, reason in done.failed[:_SHOWN_ROWS]:
            say(f"failed {clean_line(id)}: {reason}")
    nothing_good = bool(done.plan.rejected) and not (done.plan.to_write or done.plan.unchanged)
    return 1 if done.failed or nothing_good else 0


@index.command()
@json_option
def stats(as_json: bool) -> None:
    """Say how many records there are, and of what kind."""
    run = current_run()

    async def work() -> IndexInfo:
        async with opened(run, use_model=False) as services:
            return await services.index.info()

    info = run_async(work)
    if as_json:
        print_json(dataclasses.asdict(info))
        return
    say(f"index       {info.kind.value}, {info.location}")
    say(f"namespace   {info.namespace or 'default'}")
    say(f"records     {info.records:,} ({info.pending:,} pending)")
    say(f"dense       {info.dimension}-d {info.similarity.lower()}, {info.model}")
    say(f"sparse      {info.sparse_model or 'none'}")
    say(f"size        {info.size / 1024:,.0f} KB")
    for name, counts in info.namespaces.items():
        say(f"  {clean_line(name) or 'default'}: {counts.records:,} records")


@index.command("list")
@click.option("--prefix", default="", help="Only ids that begin with this.")
@click.option("--filter", "filter_", default="", help="Only records that match, e.g. \"region = 'Japan'\".")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="Records at most.")
@click.option("--cursor", default="", help="Go on where another listing ended (its next_cursor).")
@json_option
def list_records(prefix: str, filter_: str, limit: int, cursor: str, as_json: bool) -> None:
    """List records in the order in which they were written."""
    run = current_run()

    async def work() -> Page:
        async with opened(run, use_model=False) as services:
            return await services.index.scan(cursor=cursor, limit=limit, prefix=prefix, filter=filter_)

    page = run_async(work)
    if as_json:
        records = [
            {"id": record.id, "text": record.passage, "metadata": dict(record.metadata)} for record in page.records
        ]
        print_json({"records": records, "next_cursor": page.next_cursor})
        return
    for record in page.records:
        say(f"{clean_line(record.id)}  {clean_line(record.heading)}")
    if page.next_cursor:
        note(f"There are more: --cursor {page.next_cursor}")


@index.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@json_option
def delete(ids: tuple[str, ...], as_json: bool) -> int:
    """Delete records by id."""
    run = current_run()

    async def work() -> tuple[int, list[str]]:
        async with opened(run, use_model=False) as services:
            held = await services.index.fetch(ids)
            missing = [id for id, record in zip(ids, held, strict=True) if record is None]
            return await services.index.delete(ids=ids), missing

    deleted, missing = run_async(work)
    if as_json:
        print_json({"deleted": deleted, "missing": missing})
    else:
        say(f"deleted {deleted:,}")
    for id in missing:
        note(f"There is no record {clean_line(id)}.")
    return 1 if not deleted else 0


@index.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(yes: bool) -> None:
    """Remove every record, after saving a snapshot."""
    run = current_run()
    _confirm_reset(yes)
    done = _transfer(lambda services: services.transfer.reset())
    say(f"removed {done.records:,} records")
    if done.path:
        say(f"snapshot: {done.path}")
        say(f"way back: ragfood {_same_place(run.settings.namespace)}index restore {_quoted(done.path)}")
    else:
        say("The index was empty, so there is no snapshot.")


@index.command()
@click.argument("file", type=click.Path(path_type=Path))
def export(file: Path) -> None:
    """Save every record with its vectors to FILE, as JSON Lines."""
    done = _transfer(lambda services: services.transfer.export(file))
    say(f"saved {done.records:,} records to {done.path}")


@index.command()
@click.argument("file", type=click.Path(path_type=Path))
def restore(file: Path) -> None:
    """Write every record of an export or snapshot back, exactly as it was."""
    done = _transfer(lambda services: services.transfer.restore(file))
    say(f"restored {done.records:,} records from {done.path}")


def _transfer(start: Callable[[Services], AsyncGenerator[TransferEvent]]) -> Transferred:
    run = current_run()

    async def work() -> Transferred:
        line = ProgressLine()
        done: Transferred | None = None
        async with opened(run, use_model=False) as services, contextlib.aclosing(start(services)) as events:
            async for event in events:
                if isinstance(event, Progress):
                    line.show(event)
                else:
                    done = event
        line.end()
        assert done is not None  # noqa: S101 - a transfer promises that Transferred comes last
        return done

    return run_async(work)


def _confirm_reset(yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError("A reset has to be confirmed, and nobody is there to ask.", hint="Add --yes.")
    if click.prompt("This removes every record. Type reset to go on", default="", show_default=False) != "reset":
        raise click.Abort


def _same_place(namespace: str) -> str:
    return f"--namespace {_quoted(namespace)} " if namespace else ""


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)


def _plan_document(made: Plan) -> dict[str, Any]:
    return {
        "new": list(made.new),
        "changed": list(made.changed),
        "unchanged": list(made.unchanged),
        "orphaned": list(made.orphaned),
        "rejected": [dataclasses.asdict(rejection) for rejection in made.rejected],
        "cost": dataclasses.asdict(made.cost),
    }


def _show_plan(made: Plan) -> None:
    say(f"file       {made.source}")
    for name in ("new", "changed", "unchanged", "orphaned", "rejected"):
        say(f"{name:10} {len(getattr(made, name)):,}")
    say(f"cost       {made.cost.writes:,} writes, {made.cost.requests:,} requests, ${made.cost.dollars:.2f}")
    for rejection in made.rejected[:_SHOWN_ROWS]:
        which = f" ({clean_line(rejection.id)})" if rejection.id else ""
        note(f"row {rejection.row}{which}: {rejection.reason}")
    if len(made.rejected) > _SHOWN_ROWS:
        note(f"... and {len(made.rejected) - _SHOWN_ROWS:,} more; --json lists them all")

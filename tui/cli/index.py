"""The commands that run the index: plan, upsert, stats, list, delete, reset, export, restore."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tui.cli.layout import cells
from tui.cli.output import StatusLine, note, print_json, say
from tui.cli.running import FILE_PATH, current_run, filter_option, json_option, opened, run_async
from tui.core.errors import ConfigurationError, RagfoodError
from tui.core.events import Finished, Progress, TransferEvent, Transferred
from tui.core.records import Page
from tui.core.text import clean_line

if TYPE_CHECKING:
    from tui.cli.root import Run
    from tui.core.events import Plan
    from tui.core.records import IndexInfo, Record
    from tui.index.base import VectorIndex
    from tui.services.bundle import Services

_SHOWN_ROWS = 20
_PAGE = 1000
_WIDEST_ID = 40
_RESUMES = "What was written before stays, and the same command goes on from there."

_file = click.argument("file", required=False, type=FILE_PATH)
_first = click.option("--first", type=click.IntRange(1), metavar="N", help="Only the first N good rows.")


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
        note_rejections(made)


@index.command()
@_file
@_first
@json_option
def upsert(file: Path | None, first: int | None, as_json: bool) -> int:
    """Write the new and changed foods of FILE (default: the data file of the settings)."""
    run = current_run()

    async def work() -> Finished:
        finished: Finished | None = None
        with StatusLine() as line:
            async with (
                opened(run, use_model=False) as services,
                contextlib.aclosing(services.ingestion.upsert(file, first=first)) as events,
            ):
                async for event in events:
                    if isinstance(event, Progress):
                        line.count(event)
                    elif isinstance(event, Finished):
                        finished = event
        if finished is None:
            raise AssertionError("upsert promises that Finished comes last")
        return finished

    done = run_async(work, if_stopped=_RESUMES)
    if as_json:
        failed = [{"id": id, "reason": reason} for id, reason in done.failed]
        print_json({**_plan_document(done.plan), "written": list(done.written), "failed": failed})
    else:
        _show_plan(done.plan)
        say(f"written    {len(done.written):,} in {done.seconds:.1f} s")
        note_rejections(done.plan, done.failed)
    nothing_good = bool(done.plan.rejected) and not (done.plan.to_write or done.plan.unchanged)
    return 1 if done.failed or nothing_good else 0


@index.command()
@json_option
def stats(as_json: bool) -> None:
    """Say how many records there are, and of what kind."""
    info = _info(current_run())
    if as_json:
        print_json(_info_document(info))
        return
    say(f"index      {info.kind.value}, {info.location}")
    say(f"namespace  {info.namespace or 'default'}")
    say(f"records    {info.records:,} ({info.pending:,} pending)")
    say(f"dense      {info.dimension}-d {info.similarity.lower()}, {info.model}")
    say(f"sparse     {info.sparse_model or 'none'}")
    say(f"size       {info.size / 1024:,.0f} KB")
    others = {name: counts for name, counts in info.namespaces.items() if name != info.namespace}
    for name, counts in others.items():
        say(f"beside it  {clean_line(name) or 'default'}: {counts.records:,} records")
    if info.unfinished is not None:
        say(f"unfinished {info.unfinished.sentence}")
        say(f"           {info.unfinished.hint}")


@index.command("list")
@click.option("--prefix", default="", metavar="P", help="Only ids that begin with this.")
@filter_option
@click.option("--limit", type=click.IntRange(1), default=100, metavar="N", show_default=True, help="Records at most.")
@click.option("--cursor", default="", metavar="C", help="Go on where another listing ended (its next_cursor).")
@json_option
def list_records(prefix: str, filter_: str, limit: int, cursor: str, as_json: bool) -> None:
    """List records in the order in which they were written."""
    run = current_run()

    async def work() -> Page:
        async with opened(run, use_model=False) as services:
            return await _read_pages(services.index, limit=limit, cursor=cursor, prefix=prefix, filter=filter_)

    page = run_async(work)
    if as_json:
        records = [
            {"id": record.id, "text": record.passage, "metadata": dict(record.metadata)} for record in page.records
        ]
        print_json({"records": records, "next_cursor": page.next_cursor})
        return
    rows = [(clean_line(record.id), clean_line(record.heading)) for record in page.records]
    widest = min(max((cells(id) for id, _ in rows), default=0), _WIDEST_ID)
    if rows:
        say("\n".join(f"{id}{' ' * (widest - cells(id))}  {heading}" for id, heading in rows))
    if page.next_cursor:
        note(f"There are more: --cursor {shlex.quote(page.next_cursor)}")


async def _read_pages(index: VectorIndex, *, limit: int, cursor: str, prefix: str, filter: str) -> Page:
    """Reads pages until there are `limit` records or none are left."""
    records: list[Record] = []
    while True:
        size = min(limit - len(records), _PAGE)
        page = await index.scan(cursor=cursor, limit=size, prefix=prefix, filter=filter)
        records += page.records
        cursor = page.next_cursor
        if not cursor or len(records) == limit:
            return Page(tuple(records), cursor)


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
        say(f"deleted {_count(deleted, 'record')}")
    for id in missing:
        note(f"There is no record {clean_line(id)}.")
    return 1 if not deleted else 0


@index.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(yes: bool) -> None:
    """Remove every record, after saving a snapshot."""
    run = current_run()
    if not yes:
        _confirm_reset(run)
    done = _transfer(run, lambda services: services.transfer.reset(), if_stopped="Nothing is half-done.")
    say(f"removed {_count(done.records, 'record')}")
    if done.path:
        say(f"snapshot: {done.path}")
        say(f"way back: ragfood {_same_place(run)}index restore {shlex.quote(done.path)}")
    elif done.note:
        note(done.note)


@index.command()
@click.argument("file", type=FILE_PATH)
def export(file: Path) -> None:
    """Save every record with its vectors to FILE, as JSON Lines."""
    done = _transfer(current_run(), lambda services: services.transfer.export(file), if_stopped="No file was left.")
    say(f"saved {_count(done.records, 'record')} to {done.path}")


@index.command()
@click.argument("file", type=FILE_PATH)
def restore(file: Path) -> None:
    """Write every record of an export or snapshot back, exactly as it was."""
    done = _transfer(current_run(), lambda services: services.transfer.restore(file), if_stopped=_RESUMES)
    say(f"restored {_count(done.records, 'record')} from {done.path}")
    if done.note:
        note(done.note)


def note_rejections(made: Plan, failed: Sequence[tuple[str, str]] = ()) -> None:
    """Names on stderr the rows that a plan refused, and the records that could not be written, the first of each."""
    for rejection in made.rejected[:_SHOWN_ROWS]:
        which = f" ({clean_line(rejection.id)})" if rejection.id else ""
        note(f"row {rejection.row}{which}: {rejection.reason}")
    for id, reason in failed[:_SHOWN_ROWS]:
        note(f"failed {clean_line(id)}: {reason}")
    more = max(len(made.rejected) - _SHOWN_ROWS, 0) + max(len(failed) - _SHOWN_ROWS, 0)
    if more:
        note(f"... and {more:,} more; ragfood index plan --json lists every refused row.")


def _info(run: Run) -> IndexInfo:
    async def work() -> IndexInfo:
        async with opened(run, use_model=False) as services:
            return await services.index.info()

    return run_async(work)


def _info_document(info: IndexInfo) -> dict[str, Any]:
    document = dataclasses.asdict(info)
    if info.unfinished is not None:
        document["unfinished"] |= {"sentence": info.unfinished.sentence, "hint": info.unfinished.hint}
    return document


def _transfer(run: Run, start: Callable[[Services], AsyncGenerator[TransferEvent]], *, if_stopped: str) -> Transferred:
    async def work() -> Transferred:
        done: Transferred | None = None
        with StatusLine() as line:
            async with opened(run, use_model=False) as services, contextlib.aclosing(start(services)) as events:
                async for event in events:
                    if isinstance(event, Progress):
                        line.count(event)
                    else:
                        done = event
        if done is None:
            raise AssertionError("a transfer promises that Transferred comes last")
        return done

    return run_async(work, if_stopped=if_stopped)


def _confirm_reset(run: Run) -> None:
    """Raises `RagfoodError` unless a person types the word."""
    if not (sys.stdin and sys.stdin.isatty()):
        raise ConfigurationError("A reset has to be confirmed, and nobody is there to ask.", hint="Add --yes.")
    info = _info(run)
    where = f"namespace {clean_line(info.namespace)}" if info.namespace else "default namespace"
    note(f"This removes {_count(info.records, 'record')} from the {where}, after saving a snapshot.")
    if click.prompt("Type reset to go on", default="", show_default=False, err=True).strip() != "reset":
        raise RagfoodError("Nothing was removed.")


def _same_place(run: Run) -> str:
    """The options that make another command work on the same namespace."""
    return f"--namespace {shlex.quote(run.settings.namespace)} " if run.settings.namespace else ""


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' if number != 1 else ''}"


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
    cost = made.cost
    say(f"cost       {_count(cost.writes, 'write')}, {_count(cost.requests, 'request')}, ${cost.dollars:.2f}")

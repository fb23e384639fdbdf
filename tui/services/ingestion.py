"""From a foods file into an index: plan by content hash, write in batches, tell how far it came."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tui.core.batches import batches
from tui.core.checkpoints import Checkpoint, no_checkpoint
from tui.core.errors import InvalidRecord, StorageFull, VectorIndexError
from tui.core.events import Cost, Finished, IngestEvent, Plan, Planned, Progress
from tui.core.foods import FoodsFile, content_hash, read_foods, to_record
from tui.services.batch_writer import BatchWriter

if TYPE_CHECKING:
    from tui.core.clock import Clock
    from tui.core.records import Food, Record
    from tui.index.base import VectorIndex

Write = Callable[[Sequence["Record"]], Awaitable[bool]]
"""Writes one batch, all or nothing; false when no more is wanted."""

BATCH_RECORDS = 200
BATCH_CHARACTERS = 400_000
"""A batch ends at either limit. Measured 2026-11 on the embedded index: larger ones gain under 3 %, and lose more work
when they are interrupted."""

_IN_FLIGHT = 1
"""Batches written at a time: a local index takes one after the other, and one keeps the order of the file."""
_SCAN_PAGE = 500
_EVENT_SECONDS = 0.1
_COMPARED_AT_ONCE = 200
_BREATH_SECONDS = 0.0002


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A plan with the foods that it writes, in the order of the file."""

    plan: Plan
    foods: tuple[Food, ...]


@dataclass(slots=True)
class _Outcome:
    written: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    stopped: bool = False

    @property
    def done(self) -> int:
        return len(self.written) + len(self.failed)

    def add(self, other: _Outcome) -> None:
        self.written += other.written
        self.failed += other.failed
        self.stopped |= other.stopped


class IngestService:
    """Plans and carries out upserts of foods files into one index.

    `default_file` is read when no other is named; `in_flight` batches of at most `batch_records` are written at a time.
    Nothing is ever deleted: records whose food is gone from the file are reported as orphaned.
    """

    def __init__(
        self,
        index: VectorIndex,
        default_file: Path,
        clock: Clock,
        *,
        checkpoint: Checkpoint = no_checkpoint,
        in_flight: int = _IN_FLIGHT,
        batch_records: int = BATCH_RECORDS,
    ) -> None:
        self._index = index
        self._default_file = default_file
        self._clock = clock
        self._checkpoint = checkpoint
        self._in_flight = in_flight
        self._batch_records = batch_records

    async def plan(self, file: Path | None = None, *, first: int | None = None) -> Plan:
        """Returns what an upsert would do now; changes nothing.

        `first` limits it to the first good rows of the file. Raises `FoodsFileError` when the file cannot be read.
        """
        return (await self._prepare(file, first)).plan

    async def upsert(self, file: Path | None = None, *, first: int | None = None) -> AsyncGenerator[IngestEvent]:
        """Yields `Planned`, then `Progress`, then `Finished`; writes what is new or changed.

        A record that does not fit is reported in `Finished.failed` and the others go on. Closing the iterator or
        cancelling its task stops after the batch under way; an upsert of the same file then continues where it stopped.
        Raises `StorageFull`, `IndexChanged` and other faults of the index after the last `Progress`.
        """
        writer = await BatchWriter.begin(self._index, "upsert", file or self._default_file)
        done = total = 0

        async def write(records: Sequence[Record]) -> bool:
            nonlocal done
            # Counted when it is handed over: the index writes batches in that order.
            done += len(records)
            try:
                await writer.write(records, done, total)
            except InvalidRecord:
                done -= len(records)
                raise
            return True

        async with contextlib.aclosing(self._run(file, first, write)) as events:
            async for event in events:
                if isinstance(event, Planned):
                    done = len(event.plan.unchanged)
                    total = done + event.plan.to_write
                elif isinstance(event, Finished) and (event.failed or not event.plan.to_write):
                    await writer.end()
                yield event

    async def ingest(self, write: Write) -> AsyncGenerator[IngestEvent]:
        """Does what `upsert` does with the default file, writing its batches by `write` (see `services.filling`)."""
        async with contextlib.aclosing(self._run(None, None, write)) as events:
            async for event in events:
                yield event

    async def _prepare(self, file: Path | None, first: int | None) -> _Prepared:
        source = await asyncio.to_thread(read_foods, file or self._default_file)
        held = await self._held_hashes()
        return await asyncio.to_thread(_compare, source, held, first, self._batch_records)

    async def _held_hashes(self) -> dict[str, str]:
        """Returns the content hash of every record that the index holds, by id, in insertion order."""
        held: dict[str, str] = {}
        cursor = ""
        while True:
            page = await self._index.scan(cursor=cursor, limit=_SCAN_PAGE)
            held.update((record.id, str(record.metadata.get("content_hash", ""))) for record in page.records)
            cursor = page.next_cursor
            if not cursor:
                return held

    async def _run(self, file: Path | None, first: int | None, write: Write) -> AsyncGenerator[IngestEvent]:
        started = self._clock.monotonic()
        prepared = await self._prepare(file, first)
        plan = prepared.plan
        yield Planned(plan)
        outcome = _Outcome()
        shown, shown_done = started, 0
        yield Progress("upsert", 0, plan.to_write, 0.0)
        try:
            async with contextlib.aclosing(self._write_all(prepared.foods, write, outcome)) as written:
                async for _ in written:
                    now = self._clock.monotonic()
                    if now - shown >= _EVENT_SECONDS:
                        shown, shown_done = now, outcome.done
                        yield Progress("upsert", outcome.done, plan.to_write, now - started)
        except VectorIndexError as error:
            yield Progress("upsert", outcome.done, plan.to_write, self._clock.monotonic() - started)
            if isinstance(error, StorageFull):
                raise _stopped(error, len(outcome.written), plan.to_write) from error
            raise
        seconds = self._clock.monotonic() - started
        if outcome.done > shown_done:
            yield Progress("upsert", outcome.done, plan.to_write, seconds)
        yield Finished(plan, tuple(outcome.written), tuple(outcome.failed), seconds)

    async def _write_all(self, foods: Sequence[Food], write: Write, outcome: _Outcome) -> AsyncGenerator[None]:
        """Writes `foods` in batches, several in flight, into `outcome`; yields after each batch, in their order."""
        waiting = _records(foods, self._batch_records)
        pending: deque[asyncio.Task[_Outcome]] = deque()
        try:
            while True:
                while len(pending) < self._in_flight and not outcome.stopped:
                    batch = await asyncio.to_thread(next, waiting, None)
                    if batch is None:
                        break
                    pending.append(asyncio.create_task(_write_batch(batch, write)))
                if not pending:
                    return
                result = await pending[0]
                pending.popleft()
                outcome.add(result)
                self._checkpoint("ingestion.batch_committed")
                yield
        except VectorIndexError:
            # The batches beside the one that failed may be in the index already: let them end, so that they count.
            await asyncio.wait(pending)
            raise
        finally:
            for task in pending:
                task.cancel()
            for ended in await asyncio.gather(*pending, return_exceptions=True):
                if isinstance(ended, _Outcome):
                    outcome.add(ended)


async def _write_batch(records: Sequence[Record], write: Write) -> _Outcome:
    """Writes one batch; when a record in it does not fit, the records one by one, so that only that one fails."""
    outcome = _Outcome()
    try:
        await _write_into(outcome, records, write)
    except InvalidRecord:
        for record in records:
            try:
                await _write_into(outcome, [record], write)
            except InvalidRecord as error:
                outcome.failed.append((record.id, error.message))
    return outcome


async def _write_into(outcome: _Outcome, records: Sequence[Record], write: Write) -> None:
    if outcome.stopped:
        return
    if await write(records):
        outcome.written.extend(record.id for record in records)
    else:
        outcome.stopped = True


def _records(foods: Iterable[Food], most: int) -> Iterator[list[Record]]:
    """Yields the records of foods in batches."""
    for batch in batches(foods, most=most, longest=BATCH_CHARACTERS, length=_length):
        yield list(map(to_record, batch))


def _length(food: Food) -> int:
    """About how many characters a food's record has: the text comes twice in it."""
    return 2 * len(food.text) + (len(str(food.extra)) if food.extra else 0)


def _compare(source: FoodsFile, held: Mapping[str, str], first: int | None, most: int) -> _Prepared:
    """Returns what to write, comparing content hashes. Runs beside the event loop and lets it breathe."""
    rows = source.foods if first is None else source.foods[: max(first, 0)]
    new: list[str] = []
    changed: list[str] = []
    unchanged: list[str] = []
    to_write: list[Food] = []
    for number, (_, food) in enumerate(rows):
        if number % _COMPARED_AT_ONCE == 0:
            time.sleep(_BREATH_SECONDS)
        known = held.get(food.id)
        if known is not None and known == content_hash(food):
            unchanged.append(food.id)
            continue
        (new if known is None else changed).append(food.id)
        to_write.append(food)
    # A row that is refused today is still in the file, and so are the rows beyond the first ones.
    in_file = {food.id for _, food in source.foods} | {rejection.id for rejection in source.rejected}
    plan = Plan(
        source=str(source.path),
        new=tuple(new),
        changed=tuple(changed),
        unchanged=tuple(unchanged),
        orphaned=tuple(id for id in held if id not in in_file),
        rejected=source.rejected,
        cost=Cost(writes=len(to_write), requests=math.ceil(len(to_write) / most)),
    )
    return _Prepared(plan, tuple(to_write))


def _stopped(error: StorageFull, written: int, total: int) -> StorageFull:
    return StorageFull(
        f"{error.message} {written:,} of {total:,} records were written before and stay in the index.",
        hint=error.hint or "Free some space, then upsert again: it continues where it stopped.",
    )

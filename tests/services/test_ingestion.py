from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.index.embedded_setup import food_rows, open_index, write_foods
from tui.core.clock import SystemClock
from tui.core.errors import FoodsFileError, IndexChanged, InvalidRecord, StorageFull
from tui.core.events import Finished, IngestEvent, Planned, Progress
from tui.core.foods import content_hash, read_foods
from tui.core.records import Record
from tui.index.embedded import EmbeddedIndex
from tui.services.ingestion import IngestService


@pytest_asyncio.fixture
async def index(tmp_path: Path) -> AsyncIterator[EmbeddedIndex]:
    made = open_index(tmp_path / "index.db")
    yield made
    await made.aclose()


@pytest.fixture
def foods(tmp_path: Path) -> Path:
    return write_foods(tmp_path / "foods.json", food_rows(25))


@pytest.fixture
def service(index: EmbeddedIndex, foods: Path) -> IngestService:
    return IngestService(index, foods, SystemClock(), batch_records=10)


async def collect(events: AsyncIterator[IngestEvent]) -> list[IngestEvent]:
    return [event async for event in events]


async def finish(events: AsyncIterator[IngestEvent]) -> Finished:
    last = (await collect(events))[-1]
    assert isinstance(last, Finished)
    return last


async def held(index: EmbeddedIndex) -> list[str]:
    return [record.id for record in (await index.scan(limit=1000)).records]


# Planning


async def test_a_plan_sorts_every_row_by_its_fate(service: IngestService, index: EmbeddedIndex, foods: Path) -> None:
    await finish(service.upsert())
    rows: list[Any] = [*food_rows(5, version=2), *food_rows(10, start=5), {"id": "food-20"}, *food_rows(2, start=90)]
    write_foods(foods, rows)
    plan = await service.plan()
    assert plan.changed == tuple(f"food-{n}" for n in range(5))
    assert plan.unchanged == tuple(f"food-{n}" for n in range(5, 15))
    assert plan.new == ("food-90", "food-91")
    assert [(rejection.row, rejection.id) for rejection in plan.rejected] == [(16, "food-20")]
    # The refused row is still in the file: its record is harmed by nobody and not called orphaned.
    assert plan.orphaned == tuple(f"food-{n}" for n in range(15, 25) if n != 20)
    assert (plan.cost.writes, plan.cost.requests, plan.cost.dollars) == (7, 1, 0.0)
    assert plan.source == str(foods)


@pytest.mark.parametrize("id", ["x" * 200, "two  blanks", " at the ends "])
async def test_the_record_of_a_refused_row_is_no_orphan_whatever_its_id(
    service: IngestService, foods: Path, id: str
) -> None:
    write_foods(foods, [{"id": id, "text": "A good soup."}])
    await finish(service.upsert())
    write_foods(foods, [{"id": id, "text": ""}])
    assert (await service.plan()).orphaned == ()


async def test_a_plan_changes_nothing(service: IngestService, index: EmbeddedIndex, tmp_path: Path) -> None:
    plan = await service.plan()
    assert len(plan.new) == 25
    assert not (tmp_path / "index.db").exists()


async def test_the_first_rows_only(service: IngestService, index: EmbeddedIndex, foods: Path) -> None:
    write_foods(foods, [{"id": "bad"}, *food_rows(25)])
    done = await finish(service.upsert(first=7))
    assert done.written == tuple(f"food-{n}" for n in range(7))
    await finish(service.upsert())
    plan = await service.plan(first=3)
    assert plan.unchanged == ("food-0", "food-1", "food-2")
    assert plan.orphaned == ()


async def test_a_record_without_a_content_hash_counts_as_changed(service: IngestService, index: EmbeddedIndex) -> None:
    await index.upsert([Record("food-3", "from elsewhere", {"original_text": "from elsewhere"})])
    assert (await service.plan()).changed == ("food-3",)


async def test_another_file_may_be_named(service: IngestService, tmp_path: Path) -> None:
    other = write_foods(tmp_path / "other.json", food_rows(2, start=50))
    assert (await service.plan(other)).new == ("food-50", "food-51")


async def test_a_file_that_cannot_be_read_harms_nothing(service: IngestService, index: EmbeddedIndex) -> None:
    await finish(service.upsert())
    with pytest.raises(FoodsFileError):
        await collect(service.upsert(Path("/nowhere/foods.json")))
    assert len(await held(index)) == 25


# Writing


async def test_an_upsert_writes_the_foods_in_their_order(
    service: IngestService, index: EmbeddedIndex, foods: Path
) -> None:
    events = await collect(service.upsert())
    assert isinstance(events[0], Planned)
    assert isinstance(events[-1], Finished)
    assert events[-1].written == tuple(f"food-{n}" for n in range(25))
    assert events[-1].failed == ()
    records = (await index.scan(limit=100)).records
    expected = [(food.id, content_hash(food)) for _, food in read_foods(foods).foods]
    assert [(record.id, record.metadata["content_hash"]) for record in records] == expected


async def test_a_second_upsert_writes_nothing(service: IngestService, index: EmbeddedIndex) -> None:
    await finish(service.upsert())
    version = await index.version()
    done = await finish(service.upsert())
    assert (done.written, len(done.plan.unchanged)) == ((), 25)
    assert await index.version() == version


async def test_changed_foods_keep_their_place_and_orphans_stay(
    service: IngestService, index: EmbeddedIndex, foods: Path
) -> None:
    await finish(service.upsert())
    write_foods(foods, list(reversed(food_rows(10, version=2))))
    done = await finish(service.upsert())
    assert sorted(done.written) == sorted(f"food-{n}" for n in range(10))
    assert await held(index) == [f"food-{n}" for n in range(25)]
    assert "year 2" in (await index.fetch(["food-4"]))[0].text  # type: ignore[union-attr]


async def test_progress_begins_at_nothing_and_ends_at_all(service: IngestService) -> None:
    steps = [event for event in await collect(service.upsert()) if isinstance(event, Progress)]
    assert (steps[0].done, steps[0].total) == (0, 25)
    assert (steps[-1].done, steps[-1].total) == (25, 25)
    assert [step.done for step in steps] == sorted(step.done for step in steps)


class StoppedClock(SystemClock):
    """A clock on which no time passes, so that no progress is due between the first and the last."""

    def monotonic(self) -> float:
        return 0.0


async def test_progress_is_throttled_by_the_clock(index: EmbeddedIndex, foods: Path) -> None:
    service = IngestService(index, foods, StoppedClock(), batch_records=2)
    steps = [event for event in await collect(service.upsert()) if isinstance(event, Progress)]
    assert [step.done for step in steps] == [0, 25]


class WriteLimits:
    """Writes into a real index, but refuses what a limit of the service behind it would."""

    def __init__(self, index: EmbeddedIndex, refuse: Callable[[Sequence[Record]], Exception | None]) -> None:
        self._index = index
        self._refuse = refuse
        self.batches: list[int] = []

    async def __call__(self, records: Sequence[Record]) -> bool:
        self.batches.append(len(records))
        if (error := self._refuse(records)) is not None:
            raise error
        await self._index.upsert(records)
        return True


async def test_one_bad_record_does_not_take_down_its_batch(service: IngestService, index: EmbeddedIndex) -> None:
    def refuse(records: Sequence[Record]) -> Exception | None:
        bad = [record.id for record in records if record.id in ("food-3", "food-14")]
        return InvalidRecord(f"{bad[0]} does not fit.") if bad else None

    done = await finish(service.ingest(WriteLimits(index, refuse)))
    assert done.failed == (("food-3", "food-3 does not fit."), ("food-14", "food-14 does not fit."))
    assert len(done.written) == 23
    assert await held(index) == [f"food-{n}" for n in range(25) if n not in (3, 14)]


async def test_a_full_disk_stops_it_and_says_how_far_it_came(service: IngestService, index: EmbeddedIndex) -> None:
    def refuse(records: Sequence[Record]) -> Exception | None:
        return StorageFull("The disk is full.") if records[0].id == "food-20" else None

    events: list[IngestEvent] = []

    async def watch() -> None:
        async for event in service.ingest(WriteLimits(index, refuse)):
            events.append(event)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(StorageFull, match="20 of 25 records were written") as caught:
        await watch()
    assert isinstance(events[-1], Progress)
    assert events[-1].done == 20
    assert caught.value.hint
    assert len(await held(index)) == 20


async def test_batches_beside_the_one_that_fails_are_finished_and_count(index: EmbeddedIndex, foods: Path) -> None:
    service = IngestService(index, foods, SystemClock(), batch_records=10, in_flight=2)
    second_began = asyncio.Event()

    async def write(records: Sequence[Record]) -> bool:
        if records[0].id == "food-0":
            await second_began.wait()
            raise StorageFull("The disk is full.")
        second_began.set()
        await index.upsert(records)
        return True

    with pytest.raises(StorageFull, match="10 of 25 records were written"):
        await collect(service.ingest(write))
    assert await held(index) == [f"food-{n}" for n in range(10, 20)]


async def test_a_real_full_disk_loses_nothing_that_was_committed(index: EmbeddedIndex, foods: Path) -> None:
    resource = pytest.importorskip("resource")
    import signal

    service = IngestService(index, foods, SystemClock(), batch_records=5)
    await finish(service.upsert(first=5))
    size = (await index.info()).size
    write_foods(foods, [{**row, "note": "x" * 20_000} for row in food_rows(100)])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 500_000, limits[1]))
    try:
        with pytest.raises(StorageFull, match="of 100 records were written before and stay") as caught:
            await collect(service.upsert())
        assert "nothing" not in caught.value.message
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    committed = len(await held(index))
    assert committed >= 5
    await finish(service.upsert())
    assert await held(index) == [f"food-{n}" for n in range(100)]


@pytest.mark.parametrize("in_flight", [1, 3])
async def test_several_batches_may_be_in_flight(index: EmbeddedIndex, foods: Path, in_flight: int) -> None:
    service = IngestService(index, foods, SystemClock(), batch_records=2, in_flight=in_flight)
    most = running = 0

    async def write(records: Sequence[Record]) -> bool:
        nonlocal most, running
        running += 1
        most = max(most, running)
        await index.upsert(records)
        running -= 1
        return True

    await finish(service.ingest(write))
    assert most == in_flight
    assert await held(index) == [f"food-{n}" for n in range(25)]


async def test_batches_end_at_their_limits(service: IngestService, index: EmbeddedIndex, foods: Path) -> None:
    write_foods(foods, [{**row, "text": "soup " * 4_000} if n % 2 else row for n, row in enumerate(food_rows(40))])
    writes = WriteLimits(index, lambda _: None)
    await finish(IngestService(index, foods, SystemClock(), batch_records=30).ingest(writes))
    assert sum(writes.batches) == 40
    assert max(writes.batches) < 30


async def test_an_ended_fill_writes_no_more(service: IngestService) -> None:
    batches = 0

    async def write(_records: Sequence[Record]) -> bool:
        nonlocal batches
        batches += 1
        return False

    done = await finish(service.ingest(write))
    assert (batches, done.written, done.failed) == (1, (), ())


# Stopping


async def stop_after(service: IngestService, batches: int, stop: Callable[[asyncio.Task[Any]], None]) -> None:
    """Cancels an upsert when a number of batches is committed."""
    committed = 0

    def checkpoint(name: str) -> None:
        nonlocal committed
        committed += name == "ingestion.batch_committed"
        if committed == batches:
            stop(task)

    service._checkpoint = checkpoint
    task = asyncio.create_task(collect(service.upsert()))
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancelled_upsert_stops_and_the_next_continues(service: IngestService, index: EmbeddedIndex) -> None:
    await stop_after(service, 1, lambda task: task.cancel())
    first = await held(index)
    assert 10 <= len(first) < 25
    done = await finish(service.upsert())
    assert len(done.plan.unchanged) == len(first)
    assert await held(index) == [f"food-{n}" for n in range(25)]


async def test_closing_the_iterator_stops_it_too(service: IngestService, index: EmbeddedIndex) -> None:
    async with aclosing(service.upsert()) as events:
        async for event in events:
            if isinstance(event, Progress):
                break
    before = await index.version()
    await asyncio.sleep(0)
    assert await index.version() == before
    assert len(await held(index)) < 25


async def test_an_upsert_whose_file_is_deleted_says_so_and_the_next_writes_all(
    index: EmbeddedIndex, foods: Path, tmp_path: Path
) -> None:
    def delete_file(name: str) -> None:
        if name == "ingestion.batch_committed":
            (tmp_path / "index.db").unlink(missing_ok=True)

    service = IngestService(index, foods, SystemClock(), checkpoint=delete_file, batch_records=10)
    with pytest.raises(IndexChanged, match="deleted or replaced") as caught:
        await collect(service.upsert())
    assert caught.value.hint
    await finish(IngestService(index, foods, SystemClock()).upsert())
    assert await held(index) == [f"food-{n}" for n in range(25)]

"""Work that was stopped or killed in the middle is on the record until it is done."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.index.embedded_setup import food_rows, open_index, write_foods
from tui.core.clock import SystemClock
from tui.core.events import Progress
from tui.core.paths import Paths
from tui.core.records import Record, Unfinished
from tui.index.embedded import EmbeddedIndex
from tui.services.filling import FirstFill
from tui.services.ingestion import IngestService
from tui.services.transfer import TransferService


@pytest_asyncio.fixture
async def index(tmp_path: Path) -> AsyncIterator[EmbeddedIndex]:
    made = open_index(tmp_path / "index.db")
    yield made
    await made.aclose()


@pytest.fixture
def foods(tmp_path: Path) -> Path:
    return write_foods(tmp_path / "foods.json", food_rows(25))


@pytest.fixture
def ingest(index: EmbeddedIndex, foods: Path) -> IngestService:
    return IngestService(index, foods, SystemClock(), batch_records=10)


@pytest.fixture
def transfer(index: EmbeddedIndex, tmp_path: Path) -> TransferService:
    return TransferService(index, Paths.below(tmp_path), SystemClock(), batch_records=10)


async def finish(events: AsyncGenerator[Any]) -> None:
    async for _ in events:
        pass


async def stop_after_first_batch(events: AsyncGenerator[Any], label: str) -> None:
    async with aclosing(events) as running:
        async for event in running:
            if isinstance(event, Progress) and event.label == label and event.done:
                return


async def exported(index: EmbeddedIndex, ingest: IngestService, transfer: TransferService, path: Path) -> Path:
    """An export of 25 records; the index is empty again."""
    await finish(ingest.upsert())
    await finish(transfer.export(path))
    await index.reset()
    return path


async def killed_upsert(index: EmbeddedIndex, foods: Path) -> None:
    """As a kill leaves it: the first batch of 10 is committed, and nothing came after."""
    stopped = IngestService(index, foods, SystemClock(), batch_records=10, checkpoint=_Kill())
    with pytest.raises(_Killed):
        await finish(stopped.upsert())


class _Killed(BaseException):
    pass


class _Kill:
    def __call__(self, name: str) -> None:
        if name == "ingestion.batch_committed":
            raise _Killed


async def unfinished(index: EmbeddedIndex) -> Unfinished | None:
    return (await index.info()).unfinished


async def test_an_upsert_that_was_killed_is_on_the_record_until_it_is_done(
    index: EmbeddedIndex, ingest: IngestService, foods: Path
) -> None:
    await killed_upsert(index, foods)
    found = await unfinished(index)
    assert found == Unfinished("upsert", str(foods), 10, 25)
    assert found.sentence == "An upsert of foods.json was interrupted after 10 of 25 records."
    assert f"ragfood index upsert {foods}" in found.hint
    await finish(ingest.upsert())
    assert await unfinished(index) is None


async def test_a_second_interruption_counts_what_the_first_had_written(index: EmbeddedIndex, foods: Path) -> None:
    await killed_upsert(index, foods)
    await killed_upsert(index, foods)
    assert await unfinished(index) == Unfinished("upsert", str(foods), 20, 25)


async def test_a_restore_that_was_stopped_is_on_the_record_until_it_is_done(
    index: EmbeddedIndex, ingest: IngestService, transfer: TransferService, tmp_path: Path
) -> None:
    path = await exported(index, ingest, transfer, tmp_path / "all the food.jsonl")
    await stop_after_first_batch(transfer.restore(path), "restoring")
    found = await unfinished(index)
    assert found == Unfinished("restore", str(path), 10, 25)
    assert found.sentence == "A restore of all the food.jsonl was interrupted after 10 of 25 records."
    assert f"ragfood index restore '{path}'" in found.hint
    findings = {finding.check: finding for finding in await index.diagnose()}
    assert findings["unfinished work"].severity == "warning"
    assert findings["unfinished work"].message == found.sentence
    await finish(transfer.restore(path))
    assert await unfinished(index) is None
    assert "unfinished work" not in {finding.check for finding in await index.diagnose()}


async def test_other_work_leaves_it_on_the_record(
    index: EmbeddedIndex, ingest: IngestService, transfer: TransferService, tmp_path: Path
) -> None:
    path = await exported(index, ingest, transfer, tmp_path / "one.jsonl")
    await stop_after_first_batch(transfer.restore(path), "restoring")
    await finish(ingest.upsert())
    await index.upsert([Record("mine", "a soup")])
    found = await unfinished(index)
    assert found is not None
    assert found.kind == "restore"


async def test_a_reset_takes_it_off_the_record(
    index: EmbeddedIndex, foods: Path, transfer: TransferService, tmp_path: Path
) -> None:
    other = open_index(tmp_path / "index.db", namespace="kitchen")
    await killed_upsert(index, foods)
    await killed_upsert(other, foods)
    await finish(transfer.reset())
    assert await unfinished(index) is None
    found = await unfinished(other)
    assert found is not None
    assert "--namespace kitchen" in found.hint
    await other.aclose()


async def test_it_ends_when_others_have_written_the_rest_or_the_last_record_does_not_fit(
    index: EmbeddedIndex, ingest: IngestService, foods: Path, tmp_path: Path
) -> None:
    await killed_upsert(index, foods)
    copy = write_foods(tmp_path / "copy.json", food_rows(25))
    await finish(ingest.upsert(copy))
    await finish(ingest.upsert())
    assert await unfinished(index) is None
    rows = food_rows(30, version=2)
    rows[-1]["text"] = "too long " * 300_000
    write_foods(foods, rows)
    await finish(ingest.upsert())
    assert await unfinished(index) is None


async def test_whoever_reads_a_record_of_a_later_version_or_a_damaged_one_goes_on(
    index: EmbeddedIndex, foods: Path
) -> None:
    await killed_upsert(index, foods)
    database = index._store._opened
    assert database is not None
    ((key, value),) = database.notes("work:").items()
    assert json.loads(value)["schema"] == 1
    for strange in ("{", "[]", '{"schema": 2}', '{"schema": 1, "kind": 3, "file": "x", "done": 1, "total": 2}'):
        database.set_note(key, strange)
        assert await unfinished(index) is None


async def test_a_first_fill_is_finished_by_itself_and_leaves_no_record(index: EmbeddedIndex, foods: Path) -> None:
    service = IngestService(index, foods, SystemClock(), batch_records=10, checkpoint=_Kill())
    with pytest.raises(_Killed):
        await FirstFill(index, service).wait()
    assert await unfinished(index) is None

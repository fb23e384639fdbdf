from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from tests.index.embedded_setup import food_rows, open_index, write_foods
from tests.index.test_embedded import LetterCounts
from tui.core.clock import SystemClock
from tui.core.errors import IndexChanged, StorageFull, TransferFileError
from tui.core.events import Progress, TransferEvent, Transferred
from tui.core.paths import Paths
from tui.core.records import Record
from tui.index.embedded import EmbeddedIndex
from tui.services.ingestion import IngestService
from tui.services.transfer import TransferService

NOON = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


class Noon(SystemClock):
    """A clock that shows noon and counts its ids, until a test moves it."""

    def __init__(self) -> None:
        self.seconds = 0
        self.ids = 0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)

    def new_id(self) -> str:
        self.ids += 1
        return f"{self.ids:04}"


@pytest.fixture
def clock() -> Noon:
    return Noon()


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths.below(tmp_path)


@pytest_asyncio.fixture
async def index(paths: Paths, tmp_path: Path) -> AsyncIterator[EmbeddedIndex]:
    """An index of 40 foods, some of them replaced and some deleted since, so that its slots have gaps."""
    made = open_index(paths.index_file)
    foods = write_foods(tmp_path / "foods.json", food_rows(45))
    async for _ in IngestService(made, foods, Noon()).upsert():
        pass
    await made.upsert([Record("food-7", "replaced", {"big": 2**70, "list": [1, None, {"a": 0.1}]})])
    await made.delete(ids=[f"food-{n}" for n in (0, 12, 13, 30, 44)])
    yield made
    await made.aclose()


@pytest.fixture
def service(index: EmbeddedIndex, paths: Paths, clock: Noon) -> TransferService:
    return TransferService(index, paths, clock, batch_records=8)


async def finish(events: AsyncIterator[TransferEvent]) -> Transferred:
    last = [event async for event in events][-1]
    assert isinstance(last, Transferred)
    return last


async def held(index: EmbeddedIndex) -> list[str]:
    return [record.id for record in (await index.scan(limit=1000)).records]


# Export


async def test_export_reset_restore_export_is_identical(
    service: TransferService, index: EmbeddedIndex, tmp_path: Path
) -> None:
    done = await finish(service.export(tmp_path / "one.jsonl"))
    assert (done.records, done.path) == (40, str(tmp_path / "one.jsonl"))
    await finish(service.reset())
    assert await held(index) == []
    assert (await finish(service.restore(tmp_path / "one.jsonl"))).records == 40
    await finish(service.export(tmp_path / "two.jsonl"))
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()


async def test_an_export_is_the_same_from_any_place_and_time(service: TransferService, tmp_path: Path) -> None:
    await finish(service.export(tmp_path / "one.jsonl"))
    kitchen = open_index(tmp_path / "elsewhere.db", namespace="kitchen")
    other = TransferService(kitchen, Paths.below(tmp_path / "elsewhere"), SystemClock())
    await finish(other.restore(tmp_path / "one.jsonl"))
    await finish(other.export(tmp_path / "two.jsonl"))
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    await kitchen.aclose()


async def test_the_lines_of_an_export(service: TransferService, tmp_path: Path) -> None:
    await finish(service.export(tmp_path / "one.jsonl"))
    lines = [json.loads(line) for line in (tmp_path / "one.jsonl").read_bytes().splitlines()]
    assert lines[0] == {
        "kind": "ragfood export",
        "schema": 1,
        "dimension": 256,
        "similarity": "COSINE",
        "model": "wordllama-l2-supercat-256",
        "sparse_model": "BM25",
    }
    assert [line["id"] for line in lines[1:-1]][:3] == ["food-1", "food-2", "food-3"]
    assert set(lines[1]) == {"id", "text", "metadata", "vector", "sparse"}
    assert lines[-1]["records"] == 40
    assert str(tmp_path) not in (tmp_path / "one.jsonl").read_text()


async def test_an_export_replaces_an_older_one_only(service: TransferService, tmp_path: Path) -> None:
    target = tmp_path / "one.jsonl"
    await finish(service.export(target))
    await finish(service.export(target))
    target.write_text("")
    await finish(service.export(target))
    foods = (tmp_path / "foods.json").read_bytes()
    for taken in (tmp_path / "foods.json", tmp_path / "data" / "index.db"):
        with pytest.raises(TransferFileError, match="not an export"):
            await finish(service.export(taken))
    assert (tmp_path / "foods.json").read_bytes() == foods


async def test_an_export_into_nowhere_says_so(service: TransferService, tmp_path: Path) -> None:
    for target in (tmp_path / "no" / "such" / "one.jsonl", tmp_path, tmp_path / ("x" * 300)):
        with pytest.raises(StorageFull):
            await finish(service.export(target))


async def test_an_export_keeps_to_its_moment(service: TransferService, index: EmbeddedIndex, tmp_path: Path) -> None:
    async with aclosing(service.export(tmp_path / "one.jsonl")) as events:
        async for event in events:
            if isinstance(event, Progress) and event.done:
                await index.reset()
    assert (tmp_path / "one.jsonl").read_bytes().count(b'"id":') == 40


async def test_a_stopped_export_leaves_nothing_behind(service: TransferService, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    async with aclosing(service.export(tmp_path / "out" / "one.jsonl")) as events:
        await anext(events)
    assert list((tmp_path / "out").iterdir()) == []
    task = asyncio.create_task(finish(service.export(tmp_path / "out" / "one.jsonl")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list((tmp_path / "out").iterdir()) == []


async def test_an_empty_index_has_an_export_too(paths: Paths, tmp_path: Path) -> None:
    empty = open_index(paths.index_file)
    service = TransferService(empty, paths, Noon())
    assert (await finish(service.export(tmp_path / "empty.jsonl"))).records == 0
    assert await empty.needs_first_fill()
    assert (await finish(service.restore(tmp_path / "empty.jsonl"))).records == 0
    assert not await empty.needs_first_fill()
    await empty.aclose()


# Restore


async def test_other_records_stay_and_are_counted(
    service: TransferService, index: EmbeddedIndex, tmp_path: Path
) -> None:
    await finish(service.export(tmp_path / "one.jsonl"))
    await index.upsert([Record("new-1", "a soup"), Record("food-7", "changed since"), Record("new-2", "a stew")])
    done = await finish(service.restore(tmp_path / "one.jsonl"))
    assert done.note == "2 other records stay in the index."
    assert len(await held(index)) == 42
    assert (await index.fetch(["food-7"]))[0].text == "replaced"  # type: ignore[union-attr]


async def test_a_restored_index_is_never_filled(service: TransferService, tmp_path: Path) -> None:
    await finish(service.export(tmp_path / "one.jsonl"))
    fresh = open_index(tmp_path / "fresh.db")
    await finish(TransferService(fresh, Paths.below(tmp_path), Noon()).restore(tmp_path / "one.jsonl"))
    assert not await fresh.needs_first_fill()
    await fresh.aclose()


async def test_nothing_is_written_from_a_damaged_file(
    service: TransferService, index: EmbeddedIndex, tmp_path: Path
) -> None:
    target = tmp_path / "one.jsonl"
    await finish(service.export(target))
    await finish(service.reset())
    whole = target.read_bytes()
    for damaged in (whole[:-200], whole + b"\n", whole.replace(b"token39", b"token93"), b"", b"[]"):
        target.write_bytes(damaged)
        with pytest.raises(TransferFileError) as caught:
            await finish(service.restore(target))
        assert caught.value.hint
        assert await held(index) == []


async def test_vectors_of_another_model_are_refused(service: TransferService, tmp_path: Path) -> None:
    await finish(service.export(tmp_path / "one.jsonl"))
    letters = open_index(tmp_path / "letters.db", dense=LetterCounts)
    with pytest.raises(TransferFileError, match="dimension 256, not 26; model wordllama-l2-supercat-256"):
        await finish(TransferService(letters, Paths.below(tmp_path), Noon()).restore(tmp_path / "one.jsonl"))
    assert not (tmp_path / "letters.db").exists()
    await letters.aclose()


async def test_a_file_that_is_not_there_or_cannot_be_read(service: TransferService, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for missing in (tmp_path / "nothing.jsonl", tmp_path, tmp_path / "pipe"):
        with pytest.raises(TransferFileError, match="cannot be read"):
            await finish(service.restore(missing))


async def test_a_cancelled_restore_is_completed_by_the_next(
    service: TransferService, index: EmbeddedIndex, tmp_path: Path
) -> None:
    await finish(service.export(tmp_path / "one.jsonl"))
    order = await held(index)
    await finish(service.reset())
    async with aclosing(service.restore(tmp_path / "one.jsonl")) as events:
        async for event in events:
            if isinstance(event, Progress) and event.label == "restoring" and event.done:
                break
    assert await held(index) == order[:8]
    await finish(service.restore(tmp_path / "one.jsonl"))
    assert await held(index) == order


async def test_a_restore_tells_how_far_it_is(service: TransferService, tmp_path: Path) -> None:
    await finish(service.export(tmp_path / "one.jsonl"))
    steps = [event async for event in service.restore(tmp_path / "one.jsonl") if isinstance(event, Progress)]
    assert {(step.label, step.total) for step in steps} == {("checking", 40), ("restoring", 40)}
    assert (steps[-1].label, steps[-1].done) == ("restoring", 40)


# Reset


async def test_a_reset_saves_a_snapshot_that_restores_exactly(
    service: TransferService, index: EmbeddedIndex, paths: Paths, tmp_path: Path
) -> None:
    await finish(service.export(tmp_path / "one.jsonl"))
    done = await finish(service.reset())
    assert done.records == 40
    assert Path(done.path).parent == paths.snapshots
    assert Path(done.path).name == "20261122T120000Z-0001-default.jsonl"
    snapshot = paths.snapshots / Path(done.path).name
    assert snapshot.read_bytes() == (tmp_path / "one.jsonl").read_bytes()
    assert await held(index) == []
    await finish(service.restore(snapshot))
    assert len(await held(index)) == 40


async def test_an_empty_index_is_reset_without_a_snapshot(service: TransferService, paths: Paths) -> None:
    await finish(service.reset())
    done = await finish(service.reset())
    assert (done.records, done.path) == (0, "")
    assert "no snapshot" in done.note
    assert len(list(paths.snapshots.iterdir())) == 1


async def test_snapshots_are_listed_newest_first(
    service: TransferService, index: EmbeddedIndex, paths: Paths, clock: Noon
) -> None:
    assert await service.snapshots() == []
    kitchen = open_index(paths.index_file, namespace="my/kitchen")
    await kitchen.upsert([Record("a", "soup")])
    for number, transfer in enumerate((service, TransferService(kitchen, paths, clock), service)):
        clock.seconds = number
        await index.upsert([Record("a", "soup")])
        await finish(transfer.reset())
    (paths.snapshots / "notes.txt").write_text("not a snapshot")
    (paths.snapshots / ".20261122T120000Z-9.jsonl.abc.ragfood-tmp").write_text("unfinished")
    listed = await service.snapshots()
    assert [(snapshot.namespace, snapshot.taken.second) for snapshot in listed] == [
        ("default", 2),
        ("my/kitchen", 1),
        ("default", 0),
    ]
    assert all(snapshot.size > 0 for snapshot in listed)
    await kitchen.aclose()


async def test_what_another_process_writes_meanwhile_is_in_the_snapshot(
    service: TransferService, index: EmbeddedIndex, paths: Paths
) -> None:
    other = open_index(paths.index_file)
    wrote = False
    async for event in service.reset():
        if isinstance(event, Progress) and event.done and not wrote:
            wrote = True
            await other.upsert([Record("late", "a soup written in between")])
    assert await held(index) == []
    (snapshot,) = await service.snapshots()
    assert b'"id":"late"' in snapshot.path.read_bytes()
    await other.aclose()


async def test_an_index_that_is_never_quiet_is_not_reset(
    service: TransferService, index: EmbeddedIndex, paths: Paths
) -> None:
    other = open_index(paths.index_file)
    writes = 0

    async def watch() -> None:
        nonlocal writes
        async for event in service.reset():
            if isinstance(event, Progress) and event.label == "saving a snapshot" and event.done:
                writes += 1
                await other.upsert([Record(f"late-{writes}", "a soup")])

    with pytest.raises(IndexChanged) as caught:
        await watch()
    assert caught.value.hint
    assert len(await held(index)) == 40 + writes
    assert await service.snapshots() == []
    await other.aclose()


async def test_a_stopped_reset_removes_nothing(service: TransferService, index: EmbeddedIndex) -> None:
    async with aclosing(service.reset()) as events:
        await anext(events)
    assert len(await held(index)) == 40


async def test_a_restore_whose_file_is_deleted_says_so(
    service: TransferService, index: EmbeddedIndex, paths: Paths, clock: Noon, tmp_path: Path
) -> None:
    def delete_file(name: str) -> None:
        if name == "restore.batch_committed":
            paths.index_file.unlink(missing_ok=True)

    await finish(service.export(tmp_path / "one.jsonl"))
    with pytest.raises(IndexChanged, match="deleted or replaced"):
        await finish(
            TransferService(index, paths, clock, checkpoint=delete_file, batch_records=15).restore(
                tmp_path / "one.jsonl"
            )
        )
    await finish(service.restore(tmp_path / "one.jsonl"))
    assert (await index.info()).records == 40


@pytest.mark.parametrize("write", ["export", "reset"])
async def test_what_killed_writes_left_long_ago_is_cleared_away(
    service: TransferService, paths: Paths, tmp_path: Path, write: str
) -> None:
    folder = tmp_path / "exports" if write == "export" else paths.snapshots
    old, new, other = leave_behind(folder)
    await finish(service.export(folder / "one.jsonl") if write == "export" else service.reset())
    assert not is_there(old)
    assert is_there(new)
    assert is_there(other)


def leave_behind(folder: Path) -> list[Path]:
    """An unfinished file of two days ago, one of an hour ago, and an old file of somebody else."""
    folder.mkdir(parents=True)
    made = [folder / name for name in (".a.jsonl.12.ragfood-tmp", ".b.jsonl.34.ragfood-tmp", ".c.tmp")]
    for path, age in zip(made, (timedelta(days=2), timedelta(hours=1), timedelta(days=2)), strict=True):
        path.touch()
        moment = (NOON - age).timestamp()
        os.utime(path, (moment, moment))
    return made


def is_there(path: Path) -> bool:
    return path.exists()

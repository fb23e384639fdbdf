"""The index file is deleted or replaced while the process runs: nothing is written into a file that nobody sees."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.index.embedded_setup import open_index
from tui.core.errors import IndexChanged
from tui.core.records import Record
from tui.index.embedded import EmbeddedIndex


def records(*ids: str) -> list[Record]:
    return [Record(id, f"{id} is a soup") for id in ids]


async def ids(index: EmbeddedIndex) -> list[str]:
    return [record.id for record in (await index.scan(limit=1000)).records]


async def ids_on_disk(path: Path) -> list[str]:
    """What another process finds at `path`."""
    other = open_index(path)
    try:
        return await ids(other)
    finally:
        await other.aclose()


def delete(path: Path) -> None:
    """Takes the file away and leaves its log, as `rm` and `mv` do."""
    path.unlink()


def is_there(path: Path) -> bool:
    return path.exists()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the `index` fixture has its file."""
    return tmp_path / "index.db"


async def test_after_the_file_is_deleted_writes_go_to_a_new_one(index: EmbeddedIndex, path: Path) -> None:
    await index.upsert(records("old"))
    delete(path)
    await index.upsert(records("new"))
    assert await ids(index) == ["new"]
    assert [hit.id for hit in await index.query("soup", top_k=5)] == ["new"]
    assert await ids_on_disk(path) == ["new"]


async def test_after_the_folder_is_deleted_too(tmp_path: Path) -> None:
    path = tmp_path / "data" / "index.db"
    index = open_index(path)
    await index.upsert(records("old"))
    shutil.rmtree(path.parent)
    assert (await index.info()).records == 0
    await index.upsert(records("new"))
    assert await ids_on_disk(path) == ["new"]
    await index.aclose()


async def test_reads_of_a_deleted_file_find_nothing_and_make_none(index: EmbeddedIndex, path: Path) -> None:
    await index.upsert(records("old"))
    await index.query("soup", top_k=5)
    delete(path)
    assert await index.query("soup", top_k=5) == []
    assert await index.fetch(["old"]) == [None]
    assert [page async for page in index.export_pages()] == []
    assert not is_there(path)
    assert await index.needs_first_fill()


async def test_a_file_that_takes_the_place_is_read_and_written(
    index: EmbeddedIndex, path: Path, tmp_path: Path
) -> None:
    await index.upsert(records("old"))
    other = open_index(tmp_path / "other.db")
    await other.upsert(records("other-1", "other-2"))
    await other.aclose()
    (tmp_path / "other.db").replace(path)
    assert await ids(index) == ["other-1", "other-2"]
    await index.upsert(records("new"))
    assert await ids_on_disk(path) == ["other-1", "other-2", "new"]


async def test_a_process_that_still_holds_the_deleted_file_harms_no_new_one(index: EmbeddedIndex, path: Path) -> None:
    await index.upsert(records(*(f"old-{n}" for n in range(50))))
    idle = open_index(path)
    assert len(await ids(idle)) == 50
    delete(path)
    fresh = open_index(path)
    await fresh.upsert(records("new-1"))
    await index.upsert(records("new-2"))
    await idle.aclose()
    await fresh.upsert(records("new-3"))
    assert await ids(index) == ["new-1", "new-2", "new-3"]
    await fresh.aclose()
    assert await ids_on_disk(path) == ["new-1", "new-2", "new-3"]


async def test_a_batch_that_belongs_to_a_deleted_file_is_refused(index: EmbeddedIndex, path: Path) -> None:
    assert await index.identity() == ""
    await index.upsert(records("first"))
    begun = await index.identity()
    await index.upsert(records("second"), identity=begun)
    delete(path)
    assert await index.identity() == ""
    with pytest.raises(IndexChanged) as caught:
        await index.upsert(records("third"), identity=begun)
    assert str(path) in caught.value.message
    assert caught.value.hint
    assert await ids(index) == []
    await index.upsert(records("third"))
    assert await index.identity() not in ("", begun)


async def test_a_reset_spares_a_file_that_took_the_place(index: EmbeddedIndex, path: Path, tmp_path: Path) -> None:
    await index.upsert(records("old"))
    version = await index.version()
    other = open_index(tmp_path / "other.db")
    await other.upsert(records("other"))
    await other.aclose()
    (tmp_path / "other.db").replace(path)
    with pytest.raises(IndexChanged):
        await index.reset(version=version)
    assert await ids(index) == ["other"]


async def test_a_batch_of_the_fill_goes_into_the_file_in_which_it_was_begun(index: EmbeddedIndex, path: Path) -> None:
    await index.begin_first_fill()
    assert await index.fill(records("one"))
    delete(path)
    assert not await index.fill(records("two"))
    await index.finish_first_fill()
    assert await index.needs_first_fill()
    assert await ids(index) == []

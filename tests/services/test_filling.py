from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from tests.index.embedded_setup import food_rows, open_index, write_foods
from tui.core.clock import SystemClock
from tui.core.errors import FoodsFileError
from tui.core.events import Finished, Planned, Progress
from tui.core.records import Record
from tui.index.embedded import EmbeddedIndex
from tui.services.filling import FirstFill
from tui.services.ingestion import IngestService


@pytest_asyncio.fixture
async def index(tmp_path: Path) -> AsyncIterator[EmbeddedIndex]:
    made = open_index(tmp_path / "index.db")
    yield made
    await made.aclose()


@pytest.fixture
def foods(tmp_path: Path) -> Path:
    return write_foods(tmp_path / "foods.json", food_rows(25))


def filling_of(index: EmbeddedIndex, foods: Path) -> FirstFill:
    return FirstFill(index, IngestService(index, foods, SystemClock(), batch_records=10))


async def held(index: EmbeddedIndex) -> list[str]:
    return [record.id for record in (await index.scan(limit=1000)).records]


ALL = [f"food-{n}" for n in range(25)]


async def test_a_new_index_is_filled_once(index: EmbeddedIndex, foods: Path) -> None:
    filling = filling_of(index, foods)
    assert await filling.needed()
    events = [event async for event in filling.run()]
    assert isinstance(events[0], Planned)
    assert isinstance(events[-1], Finished)
    assert any(isinstance(event, Progress) for event in events)
    assert await held(index) == ALL
    assert not await filling.needed()
    assert [event async for event in filling.run()] == []
    assert [event async for event in filling_of(index, foods).run()] == []


async def test_a_question_waits_for_the_fill_under_way(index: EmbeddedIndex, foods: Path) -> None:
    filling = filling_of(index, foods)
    async with aclosing(filling.run()) as events:
        assert isinstance(await anext(events), Planned)
        question = asyncio.create_task(filling.wait())
        async for _ in events:
            assert not question.done()
    await question
    assert await held(index) == ALL


async def test_a_question_fills_when_nobody_else_does(index: EmbeddedIndex, foods: Path) -> None:
    await filling_of(index, foods).wait()
    assert await held(index) == ALL


async def test_a_question_goes_on_with_a_fill_that_was_stopped(index: EmbeddedIndex, foods: Path) -> None:
    filling = filling_of(index, foods)
    async with aclosing(filling.run()) as events:
        assert isinstance(await anext(events), Planned)
        question = asyncio.create_task(filling.wait())
        await asyncio.sleep(0)
    await question
    assert await held(index) == ALL


async def test_two_that_fill_at_once_leave_every_food_once(index: EmbeddedIndex, foods: Path, tmp_path: Path) -> None:
    other = open_index(tmp_path / "index.db")
    await asyncio.gather(*(filling_of(each, foods).wait() for each in (index, other, index)))
    assert await held(index) == ALL
    await other.aclose()


async def test_what_stands_in_the_way_reaches_the_question(index: EmbeddedIndex, foods: Path) -> None:
    write_foods(foods, "not a list")
    filling = filling_of(index, foods)
    for _ in range(2):
        with pytest.raises(FoodsFileError) as caught:
            await filling.wait()
        assert caught.value.hint
    write_foods(foods, food_rows(25))
    await filling.wait()
    assert await held(index) == ALL


async def test_an_index_that_a_person_wrote_is_never_filled(index: EmbeddedIndex, foods: Path) -> None:
    await index.upsert([Record("mine", "my own soup")])
    filling = filling_of(index, foods)
    assert not await filling.needed()
    await filling.wait()
    assert await held(index) == ["mine"]


async def test_a_reset_index_is_never_filled(index: EmbeddedIndex, foods: Path) -> None:
    await index.reset()
    await filling_of(index, foods).wait()
    assert await held(index) == []


async def test_a_reset_in_the_middle_ends_the_fill(index: EmbeddedIndex, foods: Path, tmp_path: Path) -> None:
    other = open_index(tmp_path / "index.db")
    filling = filling_of(index, foods)
    async with aclosing(filling.run()) as events:
        assert isinstance(await anext(events), Planned)
        await other.reset()
        async for _ in events:
            pass
    assert await held(index) == []
    assert not await filling.needed()
    await other.aclose()


async def test_a_file_without_a_good_row_leaves_the_index_to_be_filled(index: EmbeddedIndex, foods: Path) -> None:
    write_foods(foods, [{"id": "no text"}])
    filling = filling_of(index, foods)
    await filling.wait()
    assert not await filling.needed()
    write_foods(foods, food_rows(25))
    await filling_of(index, foods).wait()
    assert await held(index) == ALL


async def test_an_index_of_another_kind_is_left_alone(index: EmbeddedIndex, foods: Path) -> None:
    filling = FirstFill(None, IngestService(index, foods, SystemClock()))
    assert not await filling.needed()
    await filling.wait()
    assert [event async for event in filling.run()] == []
    assert await held(index) == []


@pytest.mark.parametrize("asked_before", [True, False])
async def test_an_index_that_was_deleted_is_filled_again(
    index: EmbeddedIndex, foods: Path, tmp_path: Path, asked_before: bool
) -> None:
    filling = filling_of(index, foods)
    await filling.wait()
    assert not asked_before or not await filling.needed()
    (tmp_path / "index.db").unlink()
    assert await filling.needed()
    await filling.wait()
    assert await held(index) == ALL


async def test_a_fill_whose_file_is_deleted_starts_over(index: EmbeddedIndex, foods: Path, tmp_path: Path) -> None:
    batches = 0

    def checkpoint(name: str) -> None:
        nonlocal batches
        batches += name == "ingestion.batch_committed"
        if name == "ingestion.batch_committed" and batches == 2:
            (tmp_path / "index.db").unlink()

    service = IngestService(index, foods, SystemClock(), checkpoint=checkpoint, batch_records=10)
    await FirstFill(index, service).wait()
    other = open_index(tmp_path / "index.db")
    assert await held(other) == ALL
    assert not await other.needs_first_fill()
    await other.aclose()

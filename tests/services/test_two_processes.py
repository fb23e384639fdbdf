"""Two processes on one index file: no error, no lost record, no stale answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.index.embedded_setup import food_rows, open_index, write_foods
from tests.services.crash_lab import Lab, lab
from tui.core.errors import IndexChanged
from tui.core.records import Record


@pytest.fixture(scope="module")
def processes() -> Iterator[Lab]:
    with lab() as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_foods(tmp_path / "foods.json", food_rows(120))
    for writer in "ab":
        (tmp_path / f"progress-{writer}").write_bytes(bytes(8))
    return tmp_path


def job(action: str, home: Path) -> dict[str, Any]:
    return {"action": action, "home": str(home)}


def exported(processes: Lab, home: Path) -> list[dict[str, Any]]:
    assert processes.act("export", home).well
    return [json.loads(line) for line in (home / "export.jsonl").read_bytes().splitlines()[1:-1]]


def test_both_may_fill_a_new_index_at_once(processes: Lab, home: Path) -> None:
    ended = processes.run(job("fill", home), job("fill", home), job("fill", home))
    assert [one.status for one in ended] == [0, 0, 0]
    assert [record["id"] for record in exported(processes, home)] == [f"food-{n}" for n in range(120)]


def test_what_one_commits_the_other_finds_at_once(processes: Lab, home: Path) -> None:
    assert processes.act("fill", home).well
    ended = processes.run(
        job("write_a", home), job("read_a", home), job("write_b", home), job("read_b", home), job("read_a", home)
    )
    assert [one.status for one in ended] == [0] * 5
    ids = [record["id"] for record in exported(processes, home)]
    assert ids[:120] == [f"food-{n}" for n in range(120)]
    assert [id for id in ids if id.startswith("a-")] == [f"a-{n}" for n in range(60)]
    assert [id for id in ids if id.startswith("b-")] == [f"b-{n}" for n in range(60)]
    assert len(ids) == 240


def test_a_killed_writer_does_not_hold_up_the_other(processes: Lab, home: Path) -> None:
    killed = {**job("write_a", home), "kill_at": ["upsert.before_commit", 20]}
    first, second = processes.run(killed, job("write_b", home))
    assert first.killed
    assert second.well
    ids = [record["id"] for record in exported(processes, home)]
    assert sorted(ids) == sorted([f"a-{n}" for n in range(19)] + [f"b-{n}" for n in range(60)])


async def test_a_fill_stops_when_somebody_else_resets(home: Path) -> None:
    filler, other = (open_index(home / "data" / "index.db") for _ in range(2))
    await filler.begin_first_fill()
    assert await filler.fill([Record("one", "a soup")])
    await other.reset()
    assert not await filler.fill([Record("two", "a stew")])
    assert (await filler.info()).records == 0
    assert not await filler.needs_first_fill()
    await asyncio.gather(filler.aclose(), other.aclose())


async def test_an_index_that_was_written_meanwhile_is_not_reset(home: Path) -> None:
    mine, other = (open_index(home / "data" / "index.db") for _ in range(2))
    await mine.upsert([Record("one", "a soup")])
    version = await mine.version()
    await other.upsert([Record("two", "a stew")])
    with pytest.raises(IndexChanged):
        await mine.reset(version=version)
    assert (await mine.info()).records == 2
    await mine.reset(version=await mine.version())
    assert (await other.info()).records == 0
    await asyncio.gather(mine.aclose(), other.aclose())

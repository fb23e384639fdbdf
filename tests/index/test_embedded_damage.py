"""A few bytes of the index file are wrong, anywhere: whatever is asked of it, the error says that it is damaged."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.index.embedded_setup import open_index
from tui.core.errors import IndexCorrupt, IndexMismatch, SchemaTooNew
from tui.core.records import QueryMode, Record
from tui.engine.faults import CORRUPT_HINT
from tui.index.embedded import EmbeddedIndex

ROUNDS = 40
COUNT = 150


def record(number: int) -> Record:
    text = f"Dish {number} is a soup with herb{number}, crème fraîche and rice."
    return Record(f"dish-{number}", text, {"original_text": text, "region": f"Place {number % 7}", "n": number})


@pytest_asyncio.fixture
async def whole(tmp_path: Path) -> bytes:
    """The bytes of an index file in order."""
    index = open_index(tmp_path / "whole.db")
    await index.upsert([record(number) for number in range(COUNT)])
    await index.delete(ids=["dish-3"])
    await index.aclose()
    return read(tmp_path / "whole.db")


def read(path: Path) -> bytes:
    return path.read_bytes()


def damage(path: Path, whole: bytes, seed: int) -> None:
    """Writes the file with 1, 3 or 30 bytes changed."""
    chance = random.Random(seed)
    content = bytearray(whole)
    # The first page and the small ones with the schema are hit as often as all the rest.
    end = len(content) if chance.random() < 0.5 else min(len(content), 16 * 8192)
    for _ in range(chance.choice((1, 3, 30))):
        content[chance.randrange(end)] ^= chance.randrange(1, 256)
    for side in ("-wal", "-shm"):
        path.with_name(path.name + side).unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)


async def export(index: EmbeddedIndex) -> None:
    async for _ in index.export_pages(size=40):
        pass


ASKED: dict[str, Callable[[EmbeddedIndex], Awaitable[object]]] = {
    "stats": lambda index: index.info(),
    "list": lambda index: index.scan(limit=1000, include_vectors=True),
    "list by prefix": lambda index: index.scan(limit=1000, prefix="dish-1"),
    "list by filter": lambda index: index.scan(limit=1000, filter="region = 'Place 3' AND n > 5"),
    "fetch": lambda index: index.fetch(["dish-1", "dish-77", "nothing"]),
    "search": lambda index: index.query("a soup with herb7", top_k=5),
    "search by words": lambda index: index.query("rice herb9", top_k=5, mode=QueryMode.SPARSE),
    "search by filter": lambda index: index.query("a soup", top_k=5, filter="region = 'Place 2'"),
    "export": export,
    "first fill": lambda index: index.needs_first_fill(),
    "version": lambda index: index.version(),
}


@pytest.mark.parametrize("part", range(4))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
async def test_random_damage_is_named_or_does_no_harm(tmp_path: Path, whole: bytes, part: int) -> None:
    for seed in range(part * ROUNDS // 4, (part + 1) * ROUNDS // 4):
        damage(tmp_path / "index.db", whole, seed)
        index = open_index(tmp_path / "index.db")
        faults = {}
        for name, ask in ASKED.items():
            try:
                await ask(index)
            except (IndexCorrupt, SchemaTooNew, IndexMismatch) as error:
                faults[name] = error
            except Exception as error:
                raise AssertionError(f"seed {seed}: {name} raised {error!r}") from error
        assert {fault.exit_code for fault in faults.values()} <= {2}
        hints = {fault.hint for fault in faults.values() if isinstance(fault, IndexCorrupt)}
        assert hints <= {CORRUPT_HINT}, seed
        findings = await index.diagnose()
        if faults:
            assert "error" in {finding.severity for finding in findings}, (seed, faults)
        await index.aclose()

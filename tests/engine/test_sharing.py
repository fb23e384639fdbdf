"""Several connections to one file: each sees what the others wrote, and reads again only what changed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.engine.rows import ids, row, terms
from tui.engine.database import Database
from tui.engine.records import IndexConfig, Row

DIMENSION = 1024
"""Few vectors to a block, so that a small index has many blocks."""


def vector(number: int) -> list[float]:
    return [1.0, number / 1000, *[0.0] * (DIMENSION - 2)]


def make(number: int, mark: int = 0) -> Row:
    return row(f"id-{number}", vector(number), {number % 9: 1.0, 99: 1.0 + mark}, None, {"mark": mark, "n": number})


@pytest.fixture
def pair(path: Path) -> Iterator[tuple[Database, Database]]:
    config = IndexConfig(DIMENSION, sparse=True)
    with Database.open(path, config) as first, Database.open(path, config) as second:
        first.upsert("", [make(number) for number in range(400)])
        yield first, second


def views(database: Database) -> list[object]:
    """Everything that lives in memory, asked for."""
    return [
        [(hit.id, hit.score) for hit in database.query("", vector=vector(250), top_k=1000)],
        [(hit.id, hit.score) for hit in database.query("", sparse=terms({99: 1, 3: 0.5}), top_k=1000)],
        ids(database.query("", vector=vector(1), top_k=1000, filter="mark > 0 OR n < 20")),
        database.document_frequencies("", list(range(9)))[0].tolist(),
    ]


def test_random_writes_are_seen_by_both(pair: tuple[Database, Database], path: Path) -> None:
    source = random.Random(7)
    for turn in range(12):
        writer, reader = pair if turn % 2 else pair[::-1]
        views(reader)
        numbers = source.sample(range(430), 5)
        if turn % 3 == 0:
            writer.delete("", ids=[f"id-{number}" for number in numbers])
        elif turn % 3 == 1:
            writer.update("", f"id-{numbers[0]}", metadata={"mark": turn})
        else:
            writer.upsert("", [make(number, turn) for number in numbers])
        with Database.open(path) as fresh:
            assert views(reader) == views(writer) == views(fresh)


def test_a_small_change_rereads_few_blocks(pair: tuple[Database, Database]) -> None:
    first, second = pair
    views(second)
    loaded = second._memories[1]._dense
    first.upsert("", [make(7, 1), make(500)])
    first.update("", "id-300", metadata={"mark": 5})
    assert ids(second.query("", vector=vector(500), top_k=1)) == ["id-500"]
    assert second._memories[1]._dense is loaded


def test_own_writes_never_reload(pair: tuple[Database, Database]) -> None:
    first, _ = pair
    views(first)
    loaded = first._memories[1]._dense, first._memories[1]._sparse, first._memories[1]._columns
    first.upsert("", [make(number, 1) for number in range(390, 420)])
    first.delete("", prefix="id-1")
    views(first)
    assert (first._memories[1]._dense, first._memories[1]._sparse, first._memories[1]._columns) == loaded


def test_own_and_foreign_writes_between_two_queries(pair: tuple[Database, Database]) -> None:
    first, second = pair
    views(first)
    second.upsert("", [make(900, 1)])
    first.upsert("", [make(901, 1)])
    assert set(ids(first.query("", vector=vector(901), top_k=2))) == {"id-900", "id-901"}
    assert ids(first.query("", vector=vector(1), filter="mark = 1")) == ["id-900", "id-901"]


def test_a_foreign_reset_and_refill_is_seen(pair: tuple[Database, Database]) -> None:
    first, second = pair
    views(second)
    first.reset("")
    first.upsert("", [make(number, 3) for number in range(400, 800)])
    assert ids(second.query("", vector=vector(400), top_k=1)) == ["id-400"]
    assert len(second.query("", vector=vector(0), filter="mark = 3", top_k=1000)) == 400


def test_a_foreign_rename_is_seen(pair: tuple[Database, Database]) -> None:
    first, second = pair
    first.upsert("ns", [make(1)])
    assert len(second.query("ns", vector=vector(1))) == 1
    first.rename_namespace("ns", "other")
    assert second.query("ns", vector=vector(1)) == []
    assert len(second.query("other", vector=vector(1))) == 1


def test_many_namespaces_share_the_memory(opened: Callable[..., Database]) -> None:
    database = opened(IndexConfig(2))
    for number in range(40):
        database.upsert(f"ns-{number}", [row(f"id-{number}", [number, 1])])
    for number in [*range(40), *range(40)]:
        assert ids(database.query(f"ns-{number}", vector=[1, 1])) == [f"id-{number}"]
    assert len(database._memories) <= 16


def test_blocks_without_life_give_their_space_back(opened: Callable[..., Database]) -> None:
    database = opened(IndexConfig(DIMENSION))
    vectors = np.ones((200, DIMENSION), np.float32)
    for turn in range(6):
        database.upsert("", [Row(f"{turn}-{number}", each) for number, each in enumerate(vectors)])
        database.query("", vector=vectors[0])
        database.delete("", prefix=f"{turn}-1")
        database.delete("", prefix=f"{turn}-")
    assert database.info().total == 0
    assert database._file.connection.execute("SELECT count(*) FROM vectors").fetchone() == (0,)
    database.upsert("", [Row("last", vectors[0])])
    assert ids(database.query("", vector=vectors[0])) == ["last"]

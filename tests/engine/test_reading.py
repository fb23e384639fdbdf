"""Fetching, paging, snapshots."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from tests.engine.rows import ids, numbered, row
from tui.core.errors import FilterSyntaxError, InvalidQuery
from tui.engine.database import Database
from tui.engine.records import Include, IndexConfig


def pages(database: Database, limit: int, **selection: str) -> list[list[str]]:
    found, cursor = [], "0"
    while cursor:
        rows, cursor = database.range("", cursor, limit, **selection)
        found.append(ids(rows))
    return found


def test_fetch_keeps_the_order_asked(dense: Database) -> None:
    dense.upsert("", numbered(3))
    rows = dense.fetch("", ["id-2", "missing", "id-0", "id-2"])
    assert [found.id if found else None for found in rows] == ["id-2", None, "id-0", "id-2"]
    assert dense.fetch("elsewhere", ["id-0"]) == [None]


def test_only_what_is_asked_comes_back(hybrid: Database) -> None:
    hybrid.upsert("", [row("a", [1, 2], {1: 2}, "text", {"x": 1})])
    [bare] = hybrid.fetch("", ["a"], include=Include(metadata=False, data=False))
    assert bare is not None
    assert (bare.vector, bare.sparse, bare.data, bare.metadata) == (None, None, None, None)


def test_fetch_by_prefix_keeps_insertion_order(dense: Database) -> None:
    dense.upsert("", [row(id, [1, 1]) for id in ("b-2", "a-1", "b-1", "b", "c")])
    assert ids(dense.fetch_prefix("", "b")) == ["b-2", "b-1", "b"]
    assert ids(dense.fetch_prefix("", "b-")) == ["b-2", "b-1"]
    assert ids(dense.fetch_prefix("", "", limit=2)) == ["b-2", "a-1"]
    assert dense.fetch_prefix("elsewhere", "b") == []


@pytest.mark.parametrize("prefix", ["\U0010ffff", "a\U0010ffff", "\ud7ff", "%", "_", "é", "\x7f"])
def test_a_prefix_is_only_text(dense: Database, prefix: str) -> None:
    inside = [prefix, prefix + "x", prefix + "\U0010ffff"]
    dense.upsert("", [row(id, [1, 1]) for id in ["A", *inside, "\ue000", "b"]])
    assert ids(dense.fetch_prefix("", prefix)) == inside
    assert [id for page in pages(dense, 2, prefix=prefix) for id in page] == inside
    assert dense.delete("", prefix=prefix) == 3


def test_the_cursor_is_the_next_slot(dense: Database) -> None:
    dense.upsert("", numbered(20))
    assert dense.range("", "", 5)[1] == "5"


@pytest.mark.parametrize(("limit", "sizes"), [(8, [8, 8, 4]), (4, [4] * 5), (20, [20]), (19, [19, 1]), (1000, [20])])
def test_pages_end_with_the_last_row(dense: Database, limit: int, sizes: list[int]) -> None:
    dense.upsert("", numbered(20))
    found = pages(dense, limit)
    assert [len(page) for page in found] == sizes
    assert [id for page in found for id in page] == ids(numbered(20))


def test_pages_by_prefix_and_filter(dense: Database) -> None:
    dense.upsert("", [row(f"{'ab'[number % 2]}-{number}", [1, 1], metadata={"n": number}) for number in range(10)])
    assert pages(dense, 2, prefix="a-") == [["a-0", "a-2"], ["a-4", "a-6"], ["a-8"]]
    assert pages(dense, 2, filter="n >= 6") == [["a-6", "b-7"], ["a-8", "b-9"]]
    assert pages(dense, 9, filter="n >= 6", prefix="b") == [["b-7", "b-9"]]
    assert pages(dense, 9, filter="n > 99") == [[]]


def test_pages_leave_out_what_was_deleted_meanwhile(dense: Database) -> None:
    dense.upsert("", numbered(6, metadata={"x": 1}))
    _, cursor = dense.range("", "", 2)
    dense.delete("", ids=["id-0", "id-2", "id-5"])
    rows, cursor = dense.range("", cursor, 9, filter="x = 1")
    assert (ids(rows), cursor) == (["id-3", "id-4"], "")
    assert ids(dense.range("", filter="HAS NOT FIELD y")[0]) == ["id-1", "id-3", "id-4"]


def test_a_missing_namespace_has_no_rows(dense: Database) -> None:
    assert dense.range("elsewhere") == ([], "")
    assert dense.namespaces() == [""]


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "9" * 30, "²"])
def test_a_foreign_cursor_is_refused(dense: Database, cursor: str) -> None:
    with pytest.raises(InvalidQuery, match="cursor"):
        dense.range("", cursor)


def test_bad_selections_are_refused(dense: Database) -> None:
    dense.upsert("", numbered(1))
    with pytest.raises(InvalidQuery):
        dense.range("", limit=0)
    with pytest.raises(FilterSyntaxError):
        dense.range("", filter="x =")
    with pytest.raises(InvalidQuery, match="Unicode"):
        dense.fetch("", ["\ud800"])


def test_vectors_come_back_in_any_number(opened: Callable[..., Database]) -> None:
    database = opened(IndexConfig(300))
    vectors = np.random.default_rng(1).standard_normal((500, 300)).astype(np.float32)
    database.upsert("", [row(str(number), vector) for number, vector in enumerate(vectors)])  # type: ignore[arg-type]
    rows, _ = database.range("", "3", 400, include=Include(vectors=True))
    assert np.array_equal([found.vector for found in rows], vectors[3:403])
    some = database.fetch("", ["499", "0", "57"], include=Include(vectors=True))
    assert np.array_equal([found.vector for found in some if found], vectors[[499, 0, 57]])


def test_random_draws_rows(dense: Database) -> None:
    source = random.Random(5)
    assert dense.random("", source=source) is None
    assert dense.random("elsewhere", source=source) is None
    dense.upsert("", numbered(4))
    dense.delete("", ids=["id-3"])
    drawn = {found.id for _ in range(60) if (found := dense.random("", source=source))}
    assert drawn == {"id-0", "id-1", "id-2"}


def test_a_snapshot_stays_as_it_was(hybrid: Database) -> None:
    hybrid.upsert("", [row(f"id-{number}", [number, 1], {number: 1}, metadata={"n": number}) for number in range(100)])
    hybrid.set_note("state", "before")
    with hybrid.snapshot() as snapshot:
        first, cursor = snapshot.range("", "", 50, include=Include(vectors=True))
        hybrid.reset("", notes={"state": "after"})
        hybrid.upsert("new", [row("id", [1, 1], {1: 1})])
        rest, end = snapshot.range("", cursor, 50, include=Include(vectors=True))
        assert snapshot.counts() == {"": 100}
        assert snapshot.get_note("state") == "before"
        assert snapshot.range("new") == ([], "")
    assert end == ""
    assert ids(first + rest) == [f"id-{number}" for number in range(100)]
    assert all(found.vector[0] == number for number, found in enumerate(first + rest))
    assert hybrid.info().counts == {"": 0, "new": 1}

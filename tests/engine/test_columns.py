"""Filtering all records at once gives, row by row, what `matches` gives."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.filter_strategies import encode, filters, metadata
from tui.engine import columns as columns_module
from tui.engine.columns import MAX_PATHS, ColumnStore
from tui.engine.filters import Filter, parse
from tui.engine.matching import matches

Row = dict[str, Any] | None


class Table:
    """Rows by slot that a store loads from; counts how often it does."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.loads = 0

    def load(self) -> Iterator[tuple[int, bytes | None]]:
        self.loads += 1
        return ((slot, encode(row)) for slot, row in enumerate(self.rows))

    def expected(self, filter: Filter) -> list[bool]:
        return [matches(filter, row) for row in self.rows]


def many(count: int) -> Table:
    regions = ["x", "Japan", "Peru", "India", "Mali"]
    return Table(
        [{"region": regions[n % 5], "n": n * 0.5, "name": f"food {n}", "text": "word " * 40} for n in range(count)]
    )


class TestAgreesWithMatches:
    @given(st.lists(metadata, max_size=12), st.lists(filters, min_size=1, max_size=3))
    def test_for_any_rows_and_filters(self, rows: list[Row], asked: list[Filter]) -> None:
        table = Table(rows)
        store = ColumnStore(table.load)
        for filter in asked * 2:
            assert store.mask(filter, len(rows)).tolist() == table.expected(filter)

    @given(st.lists(metadata, max_size=12), st.lists(filters, min_size=1, max_size=3), st.integers(0, 2_000))
    def test_in_any_amount_of_memory(self, rows: list[Row], asked: list[Filter], max_bytes: int) -> None:
        table = Table(rows)
        store = ColumnStore(table.load, max_bytes=max_bytes)
        for filter in asked * 2:
            assert store.mask(filter, len(rows)).tolist() == table.expected(filter)

    @given(
        st.lists(metadata, min_size=1, max_size=6),
        filters,
        st.lists(st.tuples(st.integers(0, 9), metadata), max_size=8),
        st.sampled_from([1_000, 2_000, 1_000_000]),
    )
    def test_after_any_changes(
        self, rows: list[Row], filter: Filter, changes: list[tuple[int, Row]], room: int
    ) -> None:
        table = Table(rows)
        store = ColumnStore(table.load, max_bytes=room)
        store.mask(filter, len(rows))
        for slot, row in changes:
            table.rows.extend([None] * (slot + 1 - len(rows)))
            table.rows[slot] = row
            if row is None:
                store.discard(slot)
            else:
                store.set(slot, encode(row))
            assert store.mask(filter, len(rows)).tolist() == table.expected(filter)

    @pytest.mark.parametrize(
        "expression",
        [
            "n < 9007199254740993",
            "n <= 9007199254740993",
            "n > 9007199254740993",
            "n >= 9007199254740993",
            "n = 9007199254740993",
            "n != 9007199254740993",
            "n > 9007199254740992.0",
            "n < " + "9" * 320,
            "n = 1",
            "n = true",
        ],
    )
    def test_where_float64_cannot_tell(self, expression: str) -> None:
        numbers = [2**53 + n for n in range(-2, 4)] + [
            float(2**53),
            10**320,
            -(10**320),
            10**320 - 1,
            1e308,
            True,
            False,
            1,
            1.0,
        ]
        table = Table([{"n": number} for number in numbers])
        filter = parse(expression)
        assert ColumnStore(table.load).mask(filter, len(table.rows)).tolist() == table.expected(filter)

    def test_filters_that_python_takes_for_equal_are_kept_apart(self) -> None:
        store = ColumnStore(Table([{"a": 1}, {"a": True}, {"a": 1.0}, {"a": [1]}, {"a": [True]}]).load)
        assert store.mask(parse("a = 1"), 5).tolist() == [True, True, True, False, False]
        assert store.mask(parse("a = true"), 5).tolist() == [False, True, False, False, False]
        assert store.mask(parse("a CONTAINS true"), 5).tolist() == [False, False, False, False, True]
        assert store.mask(parse("a CONTAINS 1"), 5).tolist() == [False, False, False, True, True]


class TestSlots:
    def test_slots_may_be_sparse_and_unordered(self) -> None:
        store = ColumnStore(lambda: [(7, b'{"a":1}'), (2, b'{"a":2}'), (4, None)])
        assert np.flatnonzero(store.mask(parse("HAS FIELD a"), 10)).tolist() == [2, 7]
        assert np.flatnonzero(store.mask(parse("a = 1"), 5)).tolist() == []

    def test_a_slot_without_a_record_is_like_a_record_without_metadata(self) -> None:
        store = ColumnStore(lambda: [(1, b'{"a":1}')])
        assert store.mask(parse("HAS NOT FIELD a"), 3).tolist() == [True, False, True]
        assert store.mask(parse("a != 2"), 3).tolist() == [False, True, False]

    def test_an_empty_store_has_empty_masks(self) -> None:
        store = ColumnStore(list)
        assert store.mask(parse("a = 1"), 0).tolist() == []
        assert store.mask(parse("a = 1 OR HAS NOT FIELD b"), 2).tolist() == [True, True]

    def test_masks_are_boolean_and_read_only(self) -> None:
        store = ColumnStore(many(3).load)
        for expression in ("region = 'x'", "HAS FIELD n AND n < 1"):
            mask = store.mask(parse(expression), 3)
            assert mask.dtype == np.bool_
            assert mask.tolist() == [True, *mask.tolist()[1:]]
            with pytest.raises(ValueError, match="read-only"):
                mask[0] = False

    def test_a_mask_in_hand_does_not_change(self) -> None:
        store = ColumnStore(many(3).load)
        mask = store.mask(parse("region = 'x'"), 3)
        store.set(1, b'{"region":"x"}')
        assert mask.tolist() == [True, False, False]
        assert store.mask(parse("region = 'x'"), 3).tolist() == [True, True, False]


class TestLoading:
    def test_each_path_is_loaded_once(self) -> None:
        table = many(50)
        store = ColumnStore(table.load)
        for expression in ("region = 'x' AND n < 5", "n > 2", "region != 'x' OR n = 1", "region GLOB 'J*'"):
            store.mask(parse(expression), 50)
        assert table.loads == 1
        store.mask(parse("name = 'food 1'"), 50)
        assert table.loads == 2

    def test_changes_do_not_load_again(self) -> None:
        table = many(50)
        store = ColumnStore(table.load)
        store.mask(parse("region = 'x'"), 50)
        for slot in range(50):
            store.set(slot, b'{"region":"y"}')
        assert not store.mask(parse("region = 'x'"), 50).any()
        assert table.loads == 1

    def test_invalidate_loads_again(self) -> None:
        table = many(5)
        store = ColumnStore(table.load)
        store.mask(parse("region = 'x'"), 5)
        table.rows = [{"region": "x"}] * 5
        store.invalidate()
        assert store.mask(parse("region = 'x'"), 5).all()

    def test_metadata_that_is_no_object_is_refused(self) -> None:
        with pytest.raises(ValueError, match="object"):
            ColumnStore(lambda: [(0, b"[1]")]).mask(parse("a = 1"), 1)

    def test_keys_that_no_python_name_could_have(self) -> None:
        store = ColumnStore(lambda: [(0, b'{"industries#-1]":1,"class":2,"field_0":3,"__init__":4}')])
        for key, value in (("industries#-1]", 1), ("class", 2), ("field_0", 3), ("__init__", 4)):
            assert store.mask(parse(f"{key} = {value} AND region_{key} = 1 OR {key} = {value}"), 1).all()


class TestMemory:
    def test_a_path_of_long_different_texts_gets_no_column(self) -> None:
        table = Table([{"text": f"{n} " + "word " * 200, "region": "x"} for n in range(500)])
        store = ColumnStore(table.load, max_bytes=100_000)
        filter = parse("text GLOB '4 *' AND region = 'x'")
        assert np.flatnonzero(store.mask(filter, 500)).tolist() == [4]
        loads = table.loads
        store.set(7, encode({"text": "4 more", "region": "x"}))
        table.rows[7] = {"text": "4 more", "region": "x"}
        assert np.flatnonzero(store.mask(filter, 500)).tolist() == [4, 7]
        assert table.loads == loads + 1
        store.mask(parse("region = 'x'"), 500)
        assert store.mask(parse("region != 'x'"), 500).sum() == 0
        assert table.loads == loads + 1

    def test_columns_used_longest_ago_make_room(self) -> None:
        table = Table([dict.fromkeys("abcd", n) for n in range(1_000)])
        store = ColumnStore(table.load, max_bytes=300_000)
        for key in "abcd":
            assert store.mask(parse(f"{key} < 10"), 1_000).sum() == 10
        assert table.loads == 4
        store.mask(parse("d < 20"), 1_000)
        assert table.loads == 4
        store.mask(parse("a < 20"), 1_000)
        assert table.loads == 5

    def test_replaced_values_do_not_pile_up(self) -> None:
        table = many(10)
        store = ColumnStore(table.load)
        filter = parse("name = 'food 1'")
        store.mask(filter, 10)
        for n in range(5_000):
            store.set(1, encode({"name": f"other {n}"}))
        assert store.mask(filter, 10).tolist() == [False, *[matches(filter, row) for row in table.rows][1:]]
        assert table.loads == 2

    def test_a_filter_of_very_many_paths_reads_the_rows(self) -> None:
        table = Table([{f"k{n}": n} for n in range(100)])
        filter = parse(" OR ".join(f"k{n} = {n}" for n in range(MAX_PATHS + 1)))
        store = ColumnStore(table.load)
        assert store.mask(filter, 100).tolist() == table.expected(filter)

    def test_results_are_remembered_within_bounds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(columns_module, "MAX_MASK_BYTES", 1_000)
        store = ColumnStore(many(400).load)
        first = store.mask(parse("n = 1"), 400)
        assert store.mask(parse("n = 1"), 400) is first
        store.mask(parse("n = 2"), 400)
        store.mask(parse("n = 3"), 400)
        assert store.mask(parse("n = 1"), 400) is not first


class TestSpeed:
    """Generous multiples of what was measured, so that only a wrong turn shows."""

    def test_a_warm_filter_is_an_array_lookup(self) -> None:
        store = ColumnStore(many(10_000).load)
        best = min(self._seconds(store, n) for n in range(50))
        assert best < 0.000_5

    @staticmethod
    def _seconds(store: ColumnStore, slot: int) -> float:
        filter = parse("region = 'x'")
        store.mask(filter, 10_000)
        store.set(slot, b'{"region":"x"}')
        started = time.perf_counter()
        store.mask(filter, 10_000)
        return time.perf_counter() - started

    def test_a_column_is_built_in_one_quick_pass(self) -> None:
        data = list(many(20_000).load())
        started = time.process_time()
        ColumnStore(lambda: data).mask(parse("region = 'x'"), 20_000)
        assert time.process_time() - started < 0.5

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tui.core.batches import batches


@given(st.lists(st.text(max_size=6)), st.integers(1, 4), st.integers(1, 10))
def test_batches_hold_everything_in_order_within_both_limits(items: list[str], most: int, longest: int) -> None:
    cut = list(batches(items, most=most, longest=longest, length=len))
    assert [item for batch in cut for item in batch] == items
    for batch in cut:
        assert 1 <= len(batch) <= most
        assert len(batch) == 1 or sum(map(len, batch)) <= longest


def test_batches_are_as_full_as_they_can_be() -> None:
    assert list(batches("abcdefg", most=3, longest=9, length=len)) == [["a", "b", "c"], ["d", "e", "f"], ["g"]]
    assert list(batches(["aa", "a", "aaaa", "a"], most=9, longest=3, length=len)) == [["aa", "a"], ["aaaa"], ["a"]]


def test_items_are_taken_no_earlier_than_needed() -> None:
    source = iter(range(10))
    next(batches(source, most=2, longest=99, length=lambda _: 1))
    assert next(source) == 3

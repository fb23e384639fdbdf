"""Cutting a sequence into pieces that are bounded both in number and in length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def batches(items: Iterable[T], *, most: int, longest: int, length: Callable[[T], int]) -> Iterator[list[T]]:
    """Yields the items in order, in lists of at most `most` whose lengths add up to at most `longest`.

    An item that is longer than that is in a list of its own.
    """
    batch: list[T] = []
    total = 0
    for item in items:
        size = length(item)
        if batch and (len(batch) == most or total + size > longest):
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += size
    if batch:
        yield batch

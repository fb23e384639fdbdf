"""Work of several batches, all of which have to end up in the same index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.core.records import Record
    from tui.index.base import VectorIndex


class BatchWriter:
    """Writes the batches of one piece of work into the index that was there when it began.

    Make one by `begin`, before the index is asked what it holds.
    """

    def __init__(self, index: VectorIndex, identity: str) -> None:
        self._index = index
        self._identity = identity

    @classmethod
    async def begin(cls, index: VectorIndex) -> BatchWriter:
        """Remembers which index is there now."""
        return cls(index, await index.identity())

    async def write(self, records: Sequence[Record]) -> None:
        """Writes one batch. Raises `IndexChanged` when another index has taken the place, and what `upsert` raises."""
        await self._index.upsert(records, identity=self._identity)
        if not self._identity:
            # The first batch has made the index.
            self._identity = await self._index.identity()

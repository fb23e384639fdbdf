"""Work of several batches: all in the same index, and on the record until the last one is in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tui.core.records import Unfinished

if TYPE_CHECKING:
    from tui.core.records import Record
    from tui.index.base import VectorIndex


class BatchWriter:
    """Writes the batches of one piece of work into the index that was there when it began.

    Make one by `begin`, before the index is asked what it holds. Each batch says in its own transaction how far the
    work has come, so that work which is killed, or stopped, is still known to be unfinished.
    """

    def __init__(self, index: VectorIndex, kind: str, file: Path, identity: str) -> None:
        self._index = index
        self._kind = kind
        self._file = file
        self._identity = identity

    @classmethod
    async def begin(cls, index: VectorIndex, kind: str, file: Path) -> BatchWriter:
        """Remembers which index is there now; `kind` and `file` as in `Unfinished`."""
        return cls(index, kind, file, await index.identity())

    async def write(self, records: Sequence[Record], done: int, total: int) -> None:
        """Writes one batch, after which `done` of `total` records are in.

        Raises `IndexChanged` when another index has taken the place, and what `VectorIndex.upsert` raises.
        """
        await self._index.upsert(records, identity=self._identity, work=self._work(done, total))
        if not self._identity:
            # The first batch has made the index.
            self._identity = await self._index.identity()

    async def end(self) -> None:
        """Takes the work off the record where the last batch could not: there was none, or it held a bad record."""
        await self._index.end_work(self._work(0, 0))

    def _work(self, done: int, total: int) -> Unfinished:
        return Unfinished(self._kind, str(self._file.absolute()), done, total)

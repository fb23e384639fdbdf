"""The first fill: an index that was never written is filled from the foods file, once, by whoever needs it first."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from tui.core.checkpoints import Checkpoint, no_checkpoint
from tui.core.events import Finished, IngestEvent

if TYPE_CHECKING:
    from tui.index.base import FillableIndex
    from tui.services.ingestion import IngestService


class FirstFill:
    """Fills an embedded index that has never been written.

    `index` is None where the index cannot be filled this way (Upstash): then nothing ever happens. A fill that was
    interrupted is finished by the next run, in this process or another. A reset or any write by a person ends it for
    good. Two processes may fill at once: records are written by id, so each is there once in the end.
    """

    def __init__(
        self, index: FillableIndex | None, ingest: IngestService, *, checkpoint: Checkpoint = no_checkpoint
    ) -> None:
        self._index = index
        self._ingest = ingest
        self._checkpoint = checkpoint
        self._turn = asyncio.Lock()
        self._settled = ""

    async def needed(self) -> bool:
        """Whether a first fill has to be begun or finished."""
        if self._index is None:
            return False
        # "Not needed" is for ever, as long as no other index takes the place of this one.
        identity = await self._index.identity()
        if identity and identity == self._settled:
            return False
        if await self._index.needs_first_fill():
            return True
        self._settled = identity
        return False

    async def run(self) -> AsyncGenerator[IngestEvent]:
        """Yields the events of the fill, or nothing when none is needed; a second caller waits for the first.

        It starts over when the index is deleted or replaced meanwhile and the one that is there then is new too. Close
        the iterator or cancel its task to stop. Raises what `IngestService.upsert` raises.
        """
        if not await self.needed():
            return
        async with self._turn:
            finished: Finished | None = None
            while self._index is not None and await self.needed():
                await self._index.begin_first_fill()
                self._checkpoint("first_fill.begun")
                async with contextlib.aclosing(self._ingest.ingest(self._index.fill)) as events:
                    async for event in events:
                        if isinstance(event, Finished):
                            finished = event
                        else:
                            yield event
                if finished is not None:
                    await self._finish(self._index, finished)
            if finished is not None:
                yield finished

    async def _finish(self, index: FillableIndex, finished: Finished) -> None:
        if finished.plan.to_write or finished.plan.unchanged:
            await index.finish_first_fill()
        else:
            # With not one good row nothing was written, and a corrected file should still be able to fill the index:
            # the next run tries, this one does not ask again and again.
            self._settled = await index.identity()
        self._checkpoint("first_fill.finished")

    async def wait(self) -> None:
        """Returns when no first fill is needed any more, doing it when nobody does.

        A question asked meanwhile waits here. Raises what stands in the way of the fill.
        """
        async with contextlib.aclosing(self.run()) as events:
            async for _ in events:
                pass

"""Searching the index, and the gate that holds back what is not close enough to answer from."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tui.core.events import Waiting
from tui.core.records import Hit, QueryMode
from tui.core.text import clean, clean_json

if TYPE_CHECKING:
    from tui.core.clock import Clock
    from tui.index.base import VectorIndex
    from tui.services.filling import FirstFill
    from tui.services.rate_limit import SlidingWindow

FIRST_FILL: Final = "the first fill"
RATE_LIMIT: Final = "the rate limit"


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What a search found.

    `hits` passed the gate, best first; `dropped` did not. `total` counts the records of the namespace; `seconds` is
    what the index took, without any wait for the rate limit or the first fill.
    """

    query: str
    hits: tuple[Hit, ...]
    dropped: tuple[Hit, ...]
    total: int
    seconds: float


def split_by_gate(hits: Sequence[Hit], min_relevance: float) -> tuple[tuple[Hit, ...], tuple[Hit, ...]]:
    """Returns (kept, dropped) in order: a hit is dropped when its relevance is known and below `min_relevance`."""
    kept: list[Hit] = []
    dropped: list[Hit] = []
    for hit in hits:
        (dropped if hit.relevance is not None and hit.relevance < min_relevance else kept).append(hit)
    return tuple(kept), tuple(dropped)


class Retriever:
    """Searches one index within the rate limit, after any first fill.

    `min_relevance` is the gate: hits whose relevance is known and lower are dropped. Where the index gives no
    relevance the gate is open.
    """

    def __init__(
        self,
        index: VectorIndex,
        filling: FirstFill,
        limit: SlidingWindow,
        clock: Clock,
        *,
        top_k: int,
        min_relevance: float,
    ) -> None:
        self._index = index
        self._filling = filling
        self._limit = limit
        self._clock = clock
        self.top_k = top_k
        self.min_relevance = min_relevance

    async def admit(self) -> AsyncGenerator[Waiting]:
        """Waits until a search may go and counts it, yielding what is waited for before each wait.

        Raises what stands in the way of the first fill.
        """
        if await self._filling.needed():
            yield Waiting(FIRST_FILL)
            await self._filling.wait()
        seconds = self._limit.wait_needed()
        if seconds > 0:
            yield Waiting(RATE_LIMIT, seconds)
        await self._limit.take()

    async def retrieve(
        self,
        question: str,
        *,
        top_k: int | None = None,
        filter: str = "",
        mode: QueryMode = QueryMode.HYBRID,
        min_relevance: float | None = None,
    ) -> Retrieval:
        """Does what `search` does as soon as `admit` lets it."""
        async with contextlib.aclosing(self.admit()) as waits:
            async for _ in waits:
                pass
        return await self.search(question, top_k=top_k, filter=filter, mode=mode, min_relevance=min_relevance)

    async def search(
        self,
        question: str,
        *,
        top_k: int | None = None,
        filter: str = "",
        mode: QueryMode = QueryMode.HYBRID,
        min_relevance: float | None = None,
    ) -> Retrieval:
        """Returns at most `top_k` hits for a question; `min_relevance` 0 opens the gate. Only for who was admitted.

        Their texts and metadata are safe to show, whoever wrote them to the index; ids are keys and stay as they are.
        Raises what `VectorIndex.query` raises.
        """
        query = clean(question).strip()
        started = self._clock.monotonic()
        wanted = self.top_k if top_k is None else top_k
        found = await self._index.query(query, top_k=wanted, filter=filter, mode=mode)
        seconds = self._clock.monotonic() - started
        info = await self._index.info()
        gate = self.min_relevance if min_relevance is None else min_relevance
        kept, dropped = split_by_gate([_made_safe(hit) for hit in found], gate)
        return Retrieval(query, kept, dropped, info.records, seconds)


def _made_safe(hit: Hit) -> Hit:
    record = hit.record
    return replace(hit, record=replace(record, text=clean(record.text), metadata=clean_json(record.metadata)))

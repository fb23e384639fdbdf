"""The embedded index: the engine on one thread of its own, with embedders, behind the contract of every index."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tui.core.checkpoints import Checkpoint, no_checkpoint
from tui.core.errors import IndexUnavailable, InvalidQuery
from tui.core.records import Finding, Hit, IndexInfo, Page, QueryMode, Record, Unfinished
from tui.index.embedded_store import EmbeddedStore
from tui.index.worker import WorkerThread

if TYPE_CHECKING:
    from tui.embed.base import Embedder, SparseEmbedder
    from tui.embed.relevance import Relevance

_CLOSING_PATIENCE = 10.0
"""Seconds that closing waits for the write under way; longer than any batch takes, shorter than people wait."""


class EmbeddedIndex:
    """A `FillableIndex` in a local file: dense and keyword search, no account, no server.

    Making one touches neither the file nor the embedders; both wait for the first call that needs them. `dense`,
    `sparse` and `relevance` load what embeds and judges, on the index's own thread. The file is created by the
    first write.

    A query waits for at most one step of a write: the embedding of a few texts, or one commit.
    """

    def __init__(
        self,
        path: Path,
        *,
        namespace: str = "",
        dense: Callable[[], Embedder],
        sparse: Callable[[], SparseEmbedder],
        relevance: Callable[[], Relevance],
        checkpoint: Checkpoint = no_checkpoint,
    ) -> None:
        self._store = EmbeddedStore(path, namespace, dense, sparse, relevance, checkpoint)
        self._thread = WorkerThread("ragfood-index")

    async def info(self) -> IndexInfo:
        """Returns counts, dimension, similarity, models and namespaces; of a missing file what it will be like."""
        return await self._thread.read(self._store.info)

    async def identity(self) -> str:
        """Returns a text that changes when the file is deleted or replaced by another; empty while there is none."""
        return await self._thread.read(self._store.identity)

    async def upsert(self, records: Sequence[Record], *, identity: str = "", work: Unfinished | None = None) -> None:
        """Writes one batch, all or nothing; a batch that has begun is finished even when the caller is cancelled."""
        await self._thread.write(lambda: self._store.write(records, identity=identity, work=work))

    async def end_work(self, work: Unfinished) -> None:
        """Takes a piece of work off the record, if it is on it."""
        await self._thread.write(lambda: self._store.end_work(work))

    async def query(self, text: str, *, top_k: int, filter: str = "", mode: QueryMode = QueryMode.HYBRID) -> list[Hit]:
        """Returns at most `top_k` hits with relevance, best first. Raises `FilterSyntaxError` or `InvalidQuery`."""
        if top_k < 1:
            raise InvalidQuery(f"At least 1 hit can be asked for, not {top_k}.")
        return await self._thread.read(lambda: self._store.query(text, top_k, filter.strip() and filter, mode))

    async def fetch(self, ids: Sequence[str], *, include_vectors: bool = False) -> list[Record | None]:
        """Returns one entry per id in the order asked, None where there is no such record."""
        return await self._thread.read(lambda: self._store.fetch(ids, include_vectors))

    async def scan(
        self, *, cursor: str = "", limit: int = 100, prefix: str = "", filter: str = "", include_vectors: bool = False
    ) -> Page:
        """Returns the next page in insertion order of the records whose id begins with `prefix` and match `filter`."""
        return await self._thread.read(
            lambda: self._store.scan(cursor, limit, prefix, filter.strip() and filter, include_vectors)
        )

    async def export_pages(self, *, size: int = 500) -> AsyncGenerator[Page]:
        """Yields every record with its vectors as of the moment of the first page, whatever is written meanwhile."""
        view, cursor = object(), ""
        try:
            while (page := await self._thread.read(partial(self._store.view_page, view, cursor, size))) is not None:
                yield page
                cursor = page.next_cursor
                if not cursor:
                    return
        finally:
            # An open view keeps the write-ahead log from being cut, so a second cancellation must not leave it open.
            with contextlib.suppress(IndexUnavailable):
                await asyncio.shield(self._thread.read(partial(self._store.close_view, view)))

    async def delete(self, *, ids: Sequence[str] = (), prefix: str = "", filter: str = "") -> int:
        """Deletes by exactly one selector and returns how many records existed. Raises `InvalidQuery`."""
        if sum(map(bool, (ids, prefix, filter))) != 1:
            raise InvalidQuery("Records are deleted by ids, by a prefix or by a filter: exactly one of them.")
        return await self._thread.write(lambda: self._store.delete(ids, prefix, filter))

    async def version(self) -> str:
        """Returns a text that changes with every write to the namespace, by whatever process."""
        return await self._thread.read(self._store.version)

    async def reset(self, *, version: str = "") -> None:
        """Removes every record of the namespace, only if `version` is current when given. Raises `IndexChanged`."""
        await self._thread.write(lambda: self._store.reset(version))

    async def diagnose(self) -> list[Finding]:
        """Returns what is right and wrong with the file, each fault with its fix. Raises nothing."""
        return await self._thread.read(self._store.diagnose)

    async def needs_first_fill(self) -> bool:
        """Whether a first fill has to be begun or finished."""
        return await self._thread.read(self._store.needs_first_fill)

    async def begin_first_fill(self) -> None:
        """Remembers durably that a first fill is under way, unless none is needed any more."""
        await self._thread.write(self._store.begin_first_fill)

    async def fill(self, records: Sequence[Record]) -> bool:
        """Writes one batch of the first fill; false when it is not wanted any more."""
        return await self._thread.write(lambda: self._store.write(records, filling=True))

    async def finish_first_fill(self) -> None:
        """Remembers durably that the first fill is complete."""
        await self._thread.write(self._store.end_first_fill)

    async def aclose(self) -> None:
        """Finishes the write under way, closes the file and ends the thread. Safe to call twice."""
        await self._thread.aclose(self._store.close, patience=_CLOSING_PATIENCE)

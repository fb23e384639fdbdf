"""The contract of every index adapter: one namespace of one index, asynchronous, in records and hits."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from tui.core.records import Finding, Hit, IndexInfo, Page, QueryMode, Record, Unfinished


class VectorIndex(Protocol):
    """Where records live, bound to one namespace.

    Every method may raise `IndexUnavailable`, `IndexBusy`, `IndexCorrupt`, `SchemaTooNew` or `StorageFull`. Cancelling
    a read abandons it; cancelling a write lets the batch under way finish, so that no batch is ever half-written.
    """

    async def info(self) -> IndexInfo:
        """Returns counts, dimension, similarity, models and namespaces."""
        ...

    async def identity(self) -> str:
        """Returns a text that changes when another index takes the place of this one, as when its file is replaced.

        Empty while there is none, and where that cannot happen.
        """
        ...

    async def upsert(self, records: Sequence[Record], *, identity: str = "", work: Unfinished | None = None) -> None:
        """Writes one batch, all or nothing, replacing whole records with equal ids.

        Records without vectors are embedded from their `text`. An empty batch writes nothing, and like any other ends a
        first fill. Raises `InvalidRecord` when a record does not fit, and with an `identity` that is not the current
        one `IndexChanged`, so that work of several batches never ends up in two places. `work` says how far the work
        has come with this batch: where the index can, `info` shows it from then on, until all of it is done.
        """
        ...

    async def end_work(self, work: Unfinished) -> None:
        """Takes a piece of work off the record (see `upsert`), if it is on it, whatever it has come to."""
        ...

    async def query(self, text: str, *, top_k: int, filter: str = "", mode: QueryMode = QueryMode.HYBRID) -> list[Hit]:
        """Returns at most `top_k` hits, best first. Raises `FilterSyntaxError` or `InvalidQuery`."""
        ...

    async def fetch(self, ids: Sequence[str], *, include_vectors: bool = False) -> list[Record | None]:
        """Returns one entry per id in the order asked, None where the index has no such record."""
        ...

    async def scan(
        self, *, cursor: str = "", limit: int = 100, prefix: str = "", filter: str = "", include_vectors: bool = False
    ) -> Page:
        """Returns the next page in insertion order of the records whose id begins with `prefix` and match `filter`."""
        ...

    def export_pages(self, *, size: int = 500) -> AsyncGenerator[Page]:
        """Yields every record with its vectors, in insertion order, `size` at a time.

        Where the index can, all pages show one moment, whatever is written meanwhile. Close the generator when not
        reading it to the end.
        """
        ...

    async def delete(self, *, ids: Sequence[str] = (), prefix: str = "", filter: str = "") -> int:
        """Deletes by exactly one selector and returns how many records existed."""
        ...

    async def version(self) -> str:
        """Returns a text that changes with every write to the namespace; empty where the index cannot tell."""
        ...

    async def reset(self, *, version: str = "") -> None:
        """Removes every record of the namespace, and takes all work on it off the record.

        With a `version`, raises `IndexChanged` and removes nothing when it is not the current one any more.
        """
        ...

    async def diagnose(self) -> list[Finding]:
        """Returns what is right and wrong with the index, each fault with its fix. Raises nothing."""
        ...

    async def aclose(self) -> None:
        """Releases files, threads and connections. Safe to call twice."""
        ...


class FillableIndex(VectorIndex, Protocol):
    """An index that can be filled from the foods file when it has never been written (see `services.filling`)."""

    async def needs_first_fill(self) -> bool:
        """Whether a first fill has to be begun or finished: true until `finish_first_fill`, false after any reset or
        any other write.
        """
        ...

    async def begin_first_fill(self) -> None:
        """Remembers durably that a first fill is under way, so that an interrupted one is finished by the next run.

        Does nothing when a first fill is no longer needed.
        """
        ...

    async def fill(self, records: Sequence[Record]) -> bool:
        """Writes one batch of the first fill as `upsert` does, and returns true.

        Writes nothing and returns false once the fill is not wanted any more: another process finished it, a person
        wrote, deleted or reset, or another index took the place of the one in which it was begun.
        """
        ...

    async def finish_first_fill(self) -> None:
        """Remembers durably that the first fill is complete, unless it was not begun in the index that is there now."""
        ...

"""Reading records: by id, by prefix, page by page. Serves the database and its snapshots alike."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tui.core.errors import InvalidQuery
from tui.engine import faults, schema, store
from tui.engine.blocks import Blocks
from tui.engine.records import PREFIX_FETCH_LIMIT, Include, IndexConfig, Row
from tui.engine.scoring import Mask
from tui.engine.store import Namespace, Stored

_MAX_CURSOR_DIGITS = 10
_FILTER_CHUNK = 500


class Reader:
    """Reads through one connection, within a transaction of the caller."""

    def __init__(self, connection: sqlite3.Connection, config: IndexConfig, blocks: Blocks) -> None:
        self._connection = connection
        self._config = config
        self._blocks = blocks

    def by_slots(self, namespace: Namespace, slots: NDArray[np.int64], include: Include) -> list[Row]:
        """Returns the records in `slots`, which must exist, in the order given."""
        found = self._rows(namespace, store.select(self._connection, namespace, slots.tolist(), include), include)
        if len(found) != len(slots):
            raise faults.corrupt(self._blocks.path, "records are missing")
        places = np.argsort(np.argsort(slots))
        return [found[place] for place in places.tolist()]

    def by_ids(self, namespace: Namespace, ids: Sequence[str], include: Include) -> list[Row | None]:
        """Returns one entry per id in the order asked, None where there is no such record."""
        slots = store.slots_by_id(self._connection, namespace, list(dict.fromkeys(ids)))
        found = self._rows(namespace, store.select(self._connection, namespace, list(slots.values()), include), include)
        rows = {row.id: row for row in found}
        return [rows.get(id) for id in ids]

    def by_prefix(self, namespace: Namespace, prefix: str, limit: int, include: Include) -> list[Row]:
        """Returns the first `limit` records whose id begins with `prefix`, in insertion order."""
        limit = max(0, min(limit, PREFIX_FETCH_LIMIT))
        return self._rows(namespace, store.select_page(self._connection, namespace, 0, limit, prefix, include), include)

    def page(
        self, namespace: Namespace, cursor: str, limit: int, prefix: str, mask: Mask | None, include: Include
    ) -> tuple[list[Row], str]:
        """Returns the next `limit` records in insertion order, and the cursor behind them (empty when nothing is left).

        `mask` has shape (next slot,) and says which slots may appear.
        """
        start = parse_cursor(cursor)
        if limit < 1:
            raise InvalidQuery(f"A page holds at least one record, not {limit}.")
        if mask is None:
            found = store.select_page(self._connection, namespace, start, limit + 1, prefix, include)
        else:
            found = self._masked(namespace, start, limit + 1, prefix, mask, include)
        more = len(found) > limit
        rows = self._rows(namespace, found[:limit], include)
        return rows, str(schema.slot_of(found[limit - 1][0]) + 1) if more else ""

    def _masked(
        self, namespace: Namespace, start: int, limit: int, prefix: str, mask: Mask, include: Include
    ) -> list[Stored]:
        slots = np.flatnonzero(mask[start:]) + start
        found: list[Stored] = []
        for first in range(0, len(slots), _FILTER_CHUNK):
            some = store.select(self._connection, namespace, slots[first : first + _FILTER_CHUNK].tolist(), include)
            found += [stored for stored in some if str(stored[1]).startswith(prefix)]
            if len(found) >= limit:
                break
        return found[:limit]

    def _rows(self, namespace: Namespace, found: list[Stored], include: Include) -> list[Row]:
        vectors: list[NDArray[np.float32] | None] = [None] * len(found)
        if include.vectors and self._config.dense and found:
            slots = np.array([schema.slot_of(stored[0]) for stored in found], np.int64)
            vectors = list(self._blocks.read(namespace.id, slots))
        return [
            store.row_of(stored, vector, sparse=include.vectors) for stored, vector in zip(found, vectors, strict=True)
        ]


def parse_cursor(cursor: str) -> int:
    """Returns the slot a page starts at; an empty cursor is the beginning. Raises `InvalidQuery`."""
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _MAX_CURSOR_DIGITS):
        raise InvalidQuery(f"Not a cursor of this index: {cursor!r}.", "Start with an empty cursor.")
    return int(cursor)

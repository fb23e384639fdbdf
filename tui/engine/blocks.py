"""Vectors and life bits on disk, a block of consecutive slots at a time (see `tui.engine.schema`)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tui.engine import faults, schema
from tui.engine.codec import STORED_FLOAT


@dataclass(frozen=True, slots=True)
class Block:
    """A block's living `slots`, ascending, and the change that last moved a vector in it."""

    number: int
    moved: int
    slots: NDArray[np.int64]


class Blocks:
    """Reads and writes blocks through one connection, always within a transaction of the caller."""

    def __init__(self, connection: sqlite3.Connection, path: Path, *, rows: int, dimension: int) -> None:
        self._connection = connection
        self.path = path
        self._rows = rows
        self._dimension = dimension

    def changed_since(self, namespace: int, change: int) -> list[Block]:
        """Returns the blocks that a later change than `change` touched; all of them for -1."""
        found = self._connection.execute(
            "SELECT key, moved, alive FROM block WHERE key >= ? AND key < ? AND change > ? ORDER BY key",
            (schema.first_key(namespace), schema.end_key(namespace), change),
        ).fetchall()
        return [self._block(*row) for row in found]

    def reach(self, namespace: int) -> int:
        """Returns the slot behind the last block: no record can lie beyond."""
        (last,) = self._connection.execute(
            "SELECT max(key) FROM block WHERE key >= ? AND key < ?",
            (schema.first_key(namespace), schema.end_key(namespace)),
        ).fetchone()
        return 0 if last is None else (schema.slot_of(last) + 1) * self._rows

    def all_slots(self, block: Block) -> NDArray[np.int64]:
        """Returns every slot of a block, used or not."""
        return np.arange(block.number * self._rows, (block.number + 1) * self._rows, dtype=np.int64)

    def vectors(self, namespace: int) -> Iterator[tuple[Block, NDArray[np.float32]]]:
        """Yields every block that has living slots, with their vectors."""
        cursor = self._connection.execute(
            "SELECT block.key, block.moved, block.alive, vectors.data FROM block JOIN vectors USING (key)"
            " WHERE block.key >= ? AND block.key < ? ORDER BY block.key",
            (schema.first_key(namespace), schema.end_key(namespace)),
        )
        for key, moved, alive, data in cursor:
            block = self._block(key, moved, alive)
            matrix = self._matrix(data)
            full = len(block.slots) == self._rows
            yield block, matrix if full else matrix[block.slots - block.number * self._rows]

    def read(self, namespace: int, slots: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns the vectors of living `slots`, in their order, reading no more of each block than the span asked."""
        vectors = np.empty((len(slots), self._dimension), np.float32)
        width = self._dimension * STORED_FLOAT.itemsize
        numbers = slots // self._rows
        for number in np.unique(numbers).tolist():
            wanted = np.flatnonzero(numbers == number)
            offsets = slots[wanted] - number * self._rows
            low, high = int(offsets.min()), int(offsets.max()) + 1
            with self._connection.blobopen(
                "vectors", "data", schema.first_key(namespace) + number, readonly=True
            ) as blob:
                blob.seek(low * width)
                data = blob.read((high - low) * width)
            if len(data) != (high - low) * width:
                raise faults.corrupt(self.path, "a block of vectors is cut short")
            vectors[wanted] = np.frombuffer(data, STORED_FLOAT).reshape(-1, self._dimension)[offsets - low]
        return vectors

    def write(
        self, namespace: int, change: int, slots: NDArray[np.int64], vectors: NDArray[np.float32] | None, *, moved: bool
    ) -> None:
        """Marks unique `slots` as alive and stores their vectors when given.

        `moved` is false when these slots had the same vectors before.
        """
        order = np.argsort(slots)
        slots = slots[order]
        for number, start, end in self._runs(slots):
            key = schema.first_key(namespace) + number
            offsets = slots[start:end] - number * self._rows
            empty = self._mark(key, change, offsets, alive=True, moved=moved)
            if vectors is not None:
                self._store(key, offsets, vectors[order[start:end]], fresh=empty)

    def remove(self, namespace: int, change: int, slots: NDArray[np.int64]) -> None:
        """Marks unique `slots` as removed; a block without life gives its vectors' space back."""
        slots = np.sort(slots)
        for number, start, end in self._runs(slots):
            key = schema.first_key(namespace) + number
            self._mark(key, change, slots[start:end] - number * self._rows, alive=False, moved=True)

    def clear(self, namespace: int) -> None:
        """Removes every block of a namespace."""
        for table in ("block", "vectors"):
            self._connection.execute(
                f"DELETE FROM {table} WHERE key >= ? AND key < ?",  # noqa: S608 - the names are the two above
                (schema.first_key(namespace), schema.end_key(namespace)),
            )

    def _runs(self, slots: NDArray[np.int64]) -> list[tuple[int, int, int]]:
        """Returns (block, start, end) for each block in ascending `slots`."""
        numbers, starts = np.unique(slots // self._rows, return_index=True)
        bounds = [*starts.tolist(), len(slots)]
        return list(zip(numbers.tolist(), bounds, bounds[1:], strict=False))

    def _mark(self, key: int, change: int, offsets: NDArray[np.int64], *, alive: bool, moved: bool) -> bool:
        """Sets the life bits of one block and returns whether it had none before."""
        found = self._connection.execute("SELECT alive FROM block WHERE key = ?", (key,)).fetchone()
        bits = np.unpackbits(np.frombuffer(found[0], np.uint8), bitorder="little") if found else None
        if bits is None:
            bits = np.zeros(self._rows, np.uint8)
        empty = not bits.any()
        bits[offsets] = alive
        self._connection.execute(
            "INSERT INTO block VALUES (?1, ?2, ?2, ?3) ON CONFLICT (key) DO UPDATE SET"
            " change = ?2, moved = iif(?4, ?2, moved), alive = ?3",
            (key, change, np.packbits(bits, bitorder="little").tobytes(), moved),
        )
        if not bits.any():
            self._connection.execute("DELETE FROM vectors WHERE key = ?", (key,))
        return empty

    def _store(self, key: int, offsets: NDArray[np.int64], vectors: NDArray[np.float32], *, fresh: bool) -> None:
        stored = vectors.astype(STORED_FLOAT, copy=False)
        if fresh:
            matrix = np.zeros((self._rows, self._dimension), STORED_FLOAT)
            matrix[offsets] = stored
            self._connection.execute("INSERT INTO vectors VALUES (?, ?)", (key, matrix.tobytes()))
            return
        breaks = [0, *(np.flatnonzero(np.diff(offsets) != 1) + 1).tolist(), len(offsets)]
        with self._connection.blobopen("vectors", "data", key) as blob:
            for start, end in pairwise(breaks):
                blob.seek(int(offsets[start]) * self._dimension * STORED_FLOAT.itemsize)
                blob.write(stored[start:end].tobytes())

    def _block(self, key: int, moved: Any, alive: Any) -> Block:
        if not isinstance(alive, bytes) or not isinstance(moved, int) or len(alive) * 8 != self._rows:
            raise faults.corrupt(self.path, "a block of records has the wrong size")
        number = schema.slot_of(key)
        bits = np.unpackbits(np.frombuffer(alive, np.uint8), bitorder="little")
        return Block(number, moved, np.flatnonzero(bits) + number * self._rows)

    def _matrix(self, data: Any) -> NDArray[np.float32]:
        if not isinstance(data, bytes) or len(data) != self._rows * self._dimension * STORED_FLOAT.itemsize:
            raise faults.corrupt(self.path, "a block of vectors has the wrong size")
        return np.frombuffer(data, STORED_FLOAT).reshape(self._rows, self._dimension)

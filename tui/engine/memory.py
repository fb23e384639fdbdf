"""What is kept in memory of one namespace, brought up to date before every search.

A part (dense vectors, sparse vectors, filter columns) is loaded when a query first needs it. After that own writes are
applied to it directly; what other processes wrote is found by the change counters of the blocks, and only those blocks
are read again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tui.engine import faults, store
from tui.engine.blocks import Block, Blocks
from tui.engine.columns import ColumnStore
from tui.engine.dense import DenseIndex
from tui.engine.faults import Damage
from tui.engine.records import IndexConfig
from tui.engine.sparse import SparseIndex
from tui.engine.store import Namespace

_RELOAD_SHARE = 2
"""When others changed more than one block in so many, loading anew is cheaper."""


@dataclass(frozen=True, slots=True)
class Change:
    """A committed write: the namespace `before` and `after`, and what happened to which slots.

    `vectors`, `sparse` and `metadata` are parallel to `put`; `vectors` and `sparse` are None when they stayed as they
    were.
    """

    before: Namespace
    after: Namespace
    put: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    vectors: NDArray[np.float32] | None = None
    sparse: list[bytes] | None = None
    metadata: list[bytes | None] | None = None
    removed: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))


class NamespaceMemory:
    """The searchable parts of one namespace. Every method runs within a transaction of the caller.

    What is stored and cannot be right raises `Damage`, or `IndexCorrupt`.
    """

    def __init__(
        self, connection: sqlite3.Connection, config: IndexConfig, blocks: Blocks, namespace: Namespace
    ) -> None:
        self._connection = connection
        self._config = config
        self._blocks = blocks
        self._namespace = namespace
        self._dense: DenseIndex | None = None
        self._sparse: SparseIndex | None = None
        self._columns: ColumnStore | None = None
        if namespace.next_slot > blocks.reach(namespace.id):
            raise Damage("the table of namespaces")

    def refresh(self, namespace: Namespace) -> None:
        """Takes in what has been written since, `namespace` being the state of the file now."""
        before, self._namespace = self._namespace, namespace
        if namespace.change == before.change:
            return
        if namespace.epoch != before.epoch:
            self._forget()
            return
        blocks = self._blocks.changed_since(namespace.id, before.change)
        if len(blocks) * _RELOAD_SHARE > len(self._blocks.changed_since(namespace.id, -1)):
            self._forget()
            return
        self._reread(blocks, before.change)

    def apply(self, change: Change) -> None:
        """Takes in an own write, unless others have written in between: then the next `refresh` finds both."""
        before = self._namespace
        if (change.before.epoch, change.before.change) != (before.epoch, before.change):
            return
        if change.after.epoch != before.epoch:
            self._forget()
        if self._dense is not None:
            self._dense.drop(change.removed)
            if change.vectors is not None:
                self._dense.put(change.put, change.vectors)
        if self._sparse is not None:
            self._sparse.drop(change.removed)
            if change.sparse is not None:
                self._sparse.put(change.put, change.sparse)
        if self._columns is not None:
            for slot in change.removed.tolist():
                self._columns.discard(slot)
            for slot, metadata in zip(change.put.tolist(), change.metadata or (), strict=False):
                self._columns.set(slot, metadata)
        self._namespace = change.after

    def dense(self) -> DenseIndex:
        """Returns the dense vectors."""
        if self._dense is None or self._dense.wasted * 2 > len(self._dense) + 4096:
            self._dense = None
            self._dense = self._load_dense()
        return self._dense

    def sparse(self) -> SparseIndex:
        """Returns the sparse vectors."""
        if self._sparse is None:
            sparse = SparseIndex()
            sparse.load(store.scan_sparse(self._connection, self._namespace))
            if self._config.sparse and len(sparse) != self._namespace.records:
                raise faults.corrupt(self._blocks.path, "sparse vectors are missing")
            self._sparse = sparse
        return self._sparse

    def columns(self) -> ColumnStore:
        """Returns the filter columns."""
        if self._columns is None:
            self._columns = ColumnStore(self._scan_metadata)
        return self._columns

    def _scan_metadata(self) -> Iterable[tuple[int, bytes | None]]:
        return store.scan_metadata(self._connection, self._namespace)

    def _load_dense(self) -> DenseIndex:
        dense = DenseIndex(self._config.similarity, self._config.dimension, capacity=self._namespace.records)
        for block, vectors in self._blocks.vectors(self._namespace.id):
            self._check(block)
            dense.put(block.slots, vectors)
        if len(dense) != self._namespace.records:
            raise faults.corrupt(self._blocks.path, "vectors are missing")
        return dense

    def _check(self, block: Block) -> None:
        if len(block.slots) and int(block.slots[-1]) >= self._namespace.next_slot:
            raise Damage("the table of blocks")

    def _forget(self) -> None:
        self._dense, self._sparse, self._columns = None, None, None

    def _reread(self, blocks: list[Block], since: int) -> None:
        for block in blocks:
            self._check(block)
            every = self._blocks.all_slots(block)
            gone = np.setdiff1d(every, block.slots, assume_unique=True)
            if self._dense is not None and block.moved > since:
                self._dense.drop(gone)
                self._dense.put(block.slots, self._blocks.read(self._namespace.id, block.slots))
            if self._sparse is None and self._columns is None:
                continue
            records = store.scan_slots(self._connection, self._namespace, int(every[0]), int(every[-1]) + 1)
            if self._sparse is not None:
                self._sparse.drop(gone)
                held = [(slot, sparse) for slot, sparse, _ in records if sparse is not None]
                self._sparse.put(np.array([slot for slot, _ in held], np.int64), [sparse for _, sparse in held])
            if self._columns is not None:
                for slot in gone.tolist():
                    self._columns.discard(slot)
                for slot, _, metadata in records:
                    self._columns.set(slot, metadata)

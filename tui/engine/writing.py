"""Changing records. Every method runs within a write transaction of the caller and returns what it changed."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import Any

import numpy as np

from tui.core.errors import InvalidQuery, InvalidRecord, NamespaceNotFound, StorageFull
from tui.engine import codec, schema, store
from tui.engine.blocks import Blocks
from tui.engine.codec import Batch
from tui.engine.memory import Change
from tui.engine.records import DenseVector, Include, UpdateMode
from tui.engine.store import Namespace


class Writer:
    """Writes through one connection."""

    def __init__(self, connection: sqlite3.Connection, blocks: Blocks) -> None:
        self._connection = connection
        self._blocks = blocks

    def upsert(self, name: str, batch: Batch) -> Change:
        """Writes a batch, making the namespace when it is missing; known ids keep their slots."""
        before = store.find_namespace(self._connection, name) or store.create_namespace(self._connection, name)
        known = store.slots_by_id(self._connection, before, batch.ids)
        slots, end = [], before.next_slot
        for id in batch.ids:
            slot = known.get(id, end)
            end += slot == end
            slots.append(slot)
        if end > schema.MAX_SLOTS:
            raise StorageFull("This namespace has used up its slots.", "Export it, reset it and restore the export.")
        after = self._advance(before, records=before.records + len(batch.ids) - len(known), next_slot=end)
        store.insert(self._connection, before, batch, slots, known)
        put = np.array(slots, np.int64)
        self._blocks.write(before.id, after.change, put, batch.vectors, moved=True)
        sparse = [blob for blob in batch.sparse if blob is not None]
        return Change(
            before,
            after,
            put=put,
            vectors=batch.vectors,
            sparse=sparse if len(sparse) == len(batch.ids) else None,
            metadata=batch.metadata,
        )

    def update(
        self,
        name: str,
        id: str,
        vector: DenseVector | None,
        sparse: bytes | None,
        data: str | None,
        metadata: Any,
        mode: UpdateMode,
    ) -> Change | None:
        """Changes parts of one record; None when there is no such record."""
        before = store.find_namespace(self._connection, name)
        slot = store.slots_by_id(self._connection, before, [id]).get(id) if before else None
        if before is None or slot is None:
            return None
        _, _, old_sparse, old_metadata, old_data = store.select(
            self._connection, before, [slot], Include(vectors=True)
        )[0]
        if metadata is not None and mode is UpdateMode.PATCH:
            metadata = codec.merge_patch(codec.decode_metadata(old_metadata), metadata)
        encoded = old_metadata if metadata is None else codec.encode_metadata(id, metadata)
        batch = Batch(
            [id], None, [old_sparse if sparse is None else sparse], [encoded], [old_data if data is None else data]
        )
        after = self._advance(before)
        store.insert(self._connection, before, batch, [slot], {id: slot})
        put = np.array([slot], np.int64)
        vectors = None if vector is None else vector[np.newaxis]
        self._blocks.write(before.id, after.change, put, vectors, moved=vector is not None)
        return Change(
            before, after, put=put, vectors=vectors, sparse=None if sparse is None else [sparse], metadata=[encoded]
        )

    def delete(self, before: Namespace, slots: list[int]) -> Change:
        """Removes the records in `slots`, all of which exist."""
        after = self._advance(before, records=before.records - len(slots))
        removed = np.array(slots, np.int64)
        store.delete(self._connection, before, slots)
        self._blocks.remove(before.id, after.change, removed)
        return Change(before, after, removed=removed)

    def reset(self, before: Namespace) -> Change:
        """Removes every record of a namespace and begins a new epoch."""
        store.clear_records(self._connection, before)
        self._blocks.clear(before.id)
        after = self._advance(before, records=0, next_slot=0, epoch=before.epoch + 1)
        return Change(before, after)

    def delete_namespace(self, name: str) -> None:
        """Removes a namespace and all it holds."""
        namespace = self._existing(name)
        if name == schema.DEFAULT_NAMESPACE:
            raise InvalidQuery("The default namespace cannot be deleted.", "Reset it instead.")
        store.clear_records(self._connection, namespace)
        self._blocks.clear(namespace.id)
        store.remove_namespace(self._connection, namespace)

    def rename_namespace(self, name: str, new_name: str, *, delete_existing: bool) -> bool:
        """Renames a namespace; false when the new name is taken and may not be replaced."""
        if schema.DEFAULT_NAMESPACE in (name, new_name):
            raise InvalidQuery("The default namespace cannot be renamed or replaced.")
        namespace = self._existing(name)
        if name == new_name:
            return True
        if store.find_namespace(self._connection, new_name) is not None:
            if not delete_existing:
                return False
            self.delete_namespace(new_name)
        store.save_namespace(self._connection, replace(namespace, name=new_name))
        return True

    def _existing(self, name: str) -> Namespace:
        namespace = store.find_namespace(self._connection, name)
        if namespace is None:
            raise NamespaceNotFound(f"Namespace {name} does not exist")
        return namespace

    def _advance(self, namespace: Namespace, **fields: int) -> Namespace:
        after = replace(namespace, change=namespace.change + 1, **fields)  # type: ignore[arg-type]
        store.save_namespace(self._connection, after)
        return after


def check_name(name: str) -> None:
    """Raises `InvalidRecord` unless `name` can be a namespace: text that is valid Unicode."""
    try:
        name.encode()
    except (AttributeError, UnicodeEncodeError) as error:
        raise InvalidRecord(f"Not a namespace: {name!r}.") from error

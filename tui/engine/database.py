"""The embedded vector database: one SQLite file, Upstash Vector's semantics, synchronous and without HTTP."""

from __future__ import annotations

import random as random_module
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tui.core.checkpoints import Checkpoint, no_checkpoint
from tui.core.errors import InvalidQuery
from tui.core.records import SparseVector
from tui.engine import codec, faults, store
from tui.engine.blocks import Blocks
from tui.engine.files import IndexFile
from tui.engine.filters import parse
from tui.engine.memory import Change, NamespaceMemory
from tui.engine.reading import Reader
from tui.engine.records import (
    PAYLOAD,
    PREFIX_FETCH_LIMIT,
    Fusion,
    Include,
    IndexConfig,
    Info,
    Row,
    Scored,
    UpdateMode,
    Weighting,
)
from tui.engine.scoring import Found
from tui.engine.searching import dense_query, make_query, search
from tui.engine.snapshot import Snapshot
from tui.engine.store import Namespace
from tui.engine.verifying import verify
from tui.engine.writing import Writer, check_name

BUSY_TIMEOUT = 10.0
"""Seconds to wait for another process's write before `IndexBusy`."""

WRITES = (
    "create",
    "upsert",
    "update",
    "delete",
    "reset",
    "reset_all",
    "delete_namespace",
    "rename_namespace",
    "set_note",
)

CHECKPOINTS = tuple(f"{write}.{moment}" for write in WRITES for moment in ("before_commit", "committed"))
"""Every name that a `Checkpoint` hears: just before and just after each commit."""

ONE_SELECTOR = "Only and only one of the ids, prefix, or filter must be provided."
"""The service's own words (tests of upstash/vector-js, 2026-03)."""

_KEPT_NAMESPACES = 16
"""Namespaces kept in memory; the one used longest ago goes first."""


class Database:
    """An index in a file.

    May be used from any thread, by one at a time: calls wait for each other. Every method may raise `IndexBusy`,
    `IndexCorrupt`, `IndexUnavailable` or `StorageFull`. Namespaces come into being with their first record; reading a
    missing one finds nothing.
    """

    def __init__(self, file: IndexFile, *, checkpoint: Checkpoint = no_checkpoint) -> None:
        self._file = file
        self._checkpoint = checkpoint
        self._lock = RLock()
        self._blocks = Blocks(file.connection, file.path, rows=file.block_rows, dimension=file.config.dimension)
        self._reader = Reader(file.connection, file.config, self._blocks)
        self._writer = Writer(file.connection, self._blocks)
        self._data_version = -1
        self._namespaces: dict[str, Namespace | None] = {}
        self._memories: OrderedDict[int, NamespaceMemory] = OrderedDict()

    @classmethod
    def open(
        cls,
        path: Path | str,
        config: IndexConfig | None = None,
        *,
        checkpoint: Checkpoint = no_checkpoint,
        busy_timeout: float = BUSY_TIMEOUT,
    ) -> Database:
        """Opens the file at `path`; with a `config` it is created when missing, folders included.

        `busy_timeout` is in seconds. Raises `IndexMismatch` when the file was created with another configuration,
        `SchemaTooNew` and `IndexCorrupt` without touching the file.
        """
        file = IndexFile.open(Path(path), config, checkpoint=checkpoint, busy_timeout=busy_timeout)
        return cls(file, checkpoint=checkpoint)

    @property
    def config(self) -> IndexConfig:
        """The shape the index was created with."""
        return self._file.config

    @property
    def path(self) -> Path:
        """The database file."""
        return self._file.path

    def is_current(self) -> bool:
        """Whether the path still names the file that was opened; when not, close this and open what is there now."""
        with faults.translated(self.path):
            return self._file.is_current()

    def close(self) -> None:
        """Releases the file and the memory. Safe to call twice."""
        with self._lock:
            self._memories.clear()
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def upsert(self, namespace: str, rows: Sequence[Row], *, notes: Mapping[str, str | None] | None = None) -> None:
        """Writes rows in one transaction, all or nothing, replacing whole rows with equal ids.

        Of rows with the same id the last wins. A known id keeps its place in the insertion order. `notes` are set in
        the same transaction, or removed where they are None. Raises `InvalidRecord`.
        """
        check_name(namespace)
        batch = codec.encode_batch(self.config, rows)
        with self._writing("upsert", notes) as changes:
            if batch.ids:
                changes.append(self._writer.upsert(namespace, batch))

    def update(
        self,
        namespace: str,
        id: str,
        *,
        vector: Any = None,
        sparse: SparseVector | None = None,
        data: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        mode: UpdateMode = UpdateMode.OVERWRITE,
    ) -> int:
        """Changes the given parts of one row and returns 1, or 0 when there is no such row.

        Metadata is replaced or, with `UpdateMode.PATCH`, merged (RFC 7396). A hybrid index takes both vector kinds or
        neither. Raises `InvalidRecord`.
        """
        codec.check_update(self.config, id, dense=vector is not None, sparse=sparse is not None)
        codec.check_data(id, data)
        codec.encode_metadata(id, metadata)
        dense = None if vector is None else codec.encode_vector(self.config.dimension, vector)
        encoded = codec.encode_sparse([sparse], codec.record_refusal([id]))[0]
        with self._writing("update") as changes:
            change = self._writer.update(namespace, id, dense, encoded, data, metadata, mode)
            if change is not None:
                changes.append(change)
        return 0 if change is None else 1

    def delete(
        self,
        namespace: str,
        *,
        ids: Sequence[str] | None = None,
        prefix: str | None = None,
        filter: str | None = None,
        notes: Mapping[str, str | None] | None = None,
    ) -> int:
        """Deletes by exactly one selector and returns how many rows existed. `notes` as in `upsert`.

        Raises `InvalidQuery` for none or several selectors, `FilterSyntaxError`.
        """
        if sum(bool(selector) for selector in (ids, prefix, filter)) != 1:
            raise InvalidQuery(ONE_SELECTOR)
        condition = parse(filter) if filter else None
        with self._writing("delete", notes) as changes:
            found = store.find_namespace(self._file.connection, namespace)
            if found is None:
                return 0
            if condition is not None:
                mask = self._memory(found).columns().mask(condition, found.next_slot)
                slots = store.existing_slots(self._file.connection, found, np.flatnonzero(mask).tolist())
            elif ids:
                slots = sorted(store.slots_by_id(self._file.connection, found, list(dict.fromkeys(ids))).values())
            else:
                slots = store.slots_by_prefix(self._file.connection, found, prefix or "")
            if slots:
                changes.append(self._writer.delete(found, slots))
        return len(slots)

    def reset(self, namespace: str, *, notes: Mapping[str, str | None] | None = None) -> None:
        """Removes every row of a namespace, which stays; a missing one is left missing. `notes` as in `upsert`."""
        with self._writing("reset", notes) as changes:
            found = store.find_namespace(self._file.connection, namespace)
            if found is not None:
                changes.append(self._writer.reset(found))
        self._shrink()

    def reset_all(self, *, notes: Mapping[str, str | None] | None = None) -> None:
        """Removes every row of every namespace; the namespaces stay. `notes` as in `upsert`."""
        with self._writing("reset_all", notes) as changes:
            changes += [self._writer.reset(found) for found in store.all_namespaces(self._file.connection)]
        self._shrink()

    def delete_namespace(self, namespace: str) -> None:
        """Removes a namespace and its rows. Raises `NamespaceNotFound`, `InvalidQuery` for the default one."""
        with self._writing("delete_namespace"):
            self._writer.delete_namespace(namespace)
        self._shrink()

    def rename_namespace(self, namespace: str, new_name: str, *, delete_existing: bool = False) -> bool:
        """Renames a namespace; false when the new name is taken and `delete_existing` is not set.

        Raises `NamespaceNotFound`, `InvalidQuery` for the default one.
        """
        check_name(new_name)
        with self._writing("rename_namespace"):
            return self._writer.rename_namespace(namespace, new_name, delete_existing=delete_existing)

    def set_note(self, key: str, value: str | None) -> None:
        """Remembers a fact beside the records, or forgets it when it is None; see also the `notes` of `upsert`."""
        with self._writing("set_note", {key: value}):
            pass

    def get_note(self, key: str) -> str | None:
        """Returns a remembered fact, or None."""
        with self._reading():
            return store.read_note(self._file.connection, key)

    def notes(self, prefix: str) -> dict[str, str]:
        """Returns the remembered facts whose keys begin with `prefix`."""
        with self._reading():
            return store.read_notes(self._file.connection, prefix)

    def fetch(self, namespace: str, ids: Sequence[str], *, include: Include = PAYLOAD) -> list[Row | None]:
        """Returns one entry per id in the order asked, None where there is no such row."""
        with self._reading():
            found = self._find(namespace)
            return [None] * len(ids) if found is None else self._reader.by_ids(found, ids, include)

    def fetch_prefix(
        self, namespace: str, prefix: str, *, limit: int = PREFIX_FETCH_LIMIT, include: Include = PAYLOAD
    ) -> list[Row]:
        """Returns the first rows whose id begins with `prefix`, at most 1,000, in insertion order."""
        with self._reading():
            found = self._find(namespace)
            return [] if found is None else self._reader.by_prefix(found, prefix, limit, include)

    def range(
        self,
        namespace: str,
        cursor: str = "",
        limit: int = 100,
        *,
        prefix: str = "",
        filter: str = "",
        include: Include = PAYLOAD,
    ) -> tuple[list[Row], str]:
        """Returns the next `limit` rows in insertion order and the next cursor, empty when nothing is left.

        A cursor is a decimal slot; ``""`` and ``"0"`` start. Raises `FilterSyntaxError`, `InvalidQuery`.
        """
        condition = parse(filter) if filter else None
        with self._reading():
            found = self._find(namespace)
            if found is None:
                return [], ""
            mask = None if condition is None else self._memory(found).columns().mask(condition, found.next_slot)
            return self._reader.page(found, cursor, limit, prefix, mask, include)

    def random(self, namespace: str, *, include: Include = PAYLOAD, source: random_module.Random) -> Row | None:
        """Returns a row drawn by `source`, None from an empty namespace."""
        with self._reading():
            found = self._find(namespace)
            if found is None or not found.records:
                return None
            start = source.randrange(found.next_slot)
            rows, _ = self._reader.page(found, str(start), 1, "", None, include)
            return (rows or self._reader.page(found, "", 1, "", None, include)[0])[0]

    def query(
        self,
        namespace: str,
        *,
        vector: Any = None,
        sparse: SparseVector | None = None,
        top_k: int = 10,
        filter: str = "",
        weighting: Weighting | None = None,
        fusion: Fusion = Fusion.RRF,
        depth: int | None = None,
        include: Include = PAYLOAD,
    ) -> list[Scored]:
        """Returns at most `top_k` rows, best first, equal scores in insertion order.

        With both vectors the rankings of each are fused, `depth` candidates from each (`top_k` unless given, as Upstash
        does); with one of them the scores are that component's own. Raises `FilterSyntaxError`, `InvalidQuery`.
        """
        wanted = make_query(
            self.config,
            vector,
            sparse,
            top_k=top_k,
            depth=depth,
            filter=filter,
            weighting=weighting,
            fusion=fusion,
        )
        with self._reading():
            found = self._find(namespace)
            if found is None or not found.records:
                return []
            return self._scored(found, search(self._memory(found), found, wanted), include)

    def similarities(self, namespace: str, ids: Sequence[str], vector: Any) -> NDArray[np.float64]:
        """Returns the cosine of each id's vector with `vector`, -1 to 1 (the dot product under DOT_PRODUCT).

        NaN where there is no such row. Raises `InvalidQuery`.
        """
        query = dense_query(self.config, vector)
        result = np.full(len(ids), np.nan)
        with self._reading():
            found = self._find(namespace)
            if found is None:
                return result
            slots = store.slots_by_id(self._file.connection, found, list(dict.fromkeys(ids)))
            known = [position for position, id in enumerate(ids) if id in slots]
            wanted = np.array([slots[ids[position]] for position in known], np.int64)
            result[known] = self._memory(found).dense().similarities(wanted, query)
            return result

    def document_frequencies(self, namespace: str, indices: Sequence[int]) -> tuple[NDArray[np.int64], int]:
        """Returns how many rows have each sparse index, and how many rows there are: n and N of IDF."""
        with self._reading():
            found = self._find(namespace)
            if found is None or not self.config.sparse:
                return np.zeros(len(indices), np.int64), 0
            frequencies = self._memory(found).sparse().document_frequencies(np.array(indices, np.int64))
            return frequencies, found.records

    def namespaces(self) -> list[str]:
        """Returns all namespaces, the default one (an empty name) first."""
        with self._reading():
            return [found.name for found in store.all_namespaces(self._file.connection)]

    def info(self) -> Info:
        """Returns the counts per namespace and the size on disk."""
        with self._reading():
            counts = {found.name: found.records for found in store.all_namespaces(self._file.connection)}
            return Info(counts, self._file.size())

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Gives a view of the file as it is now, for as long as the context is open, whoever writes meanwhile."""
        file = self._file.second()
        try:
            blocks = Blocks(file.connection, file.path, rows=file.block_rows, dimension=file.config.dimension)
            with file.reading():
                yield Snapshot(file.connection, Reader(file.connection, file.config, blocks), file.path)
        finally:
            file.close()

    def verify(self) -> None:
        """Reads all of the file, every namespace; raises `IndexCorrupt` when anything in it is damaged."""
        file = self._file.second()
        try:
            verify(file)
        finally:
            file.close()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock, self._file.reading():
            self._notice_others()
            yield

    @contextmanager
    def _writing(self, name: str, notes: Mapping[str, str | None] | None = None) -> Iterator[list[Change]]:
        """One write transaction. The changes appended to the list are taken into memory once they are committed."""
        changes: list[Change] = []
        with self._lock:
            self._namespaces.clear()
            with self._file.writing(name, self._checkpoint) as connection:
                self._notice_others()
                yield changes
                if notes:
                    store.write_notes(connection, notes)
            for change in changes:
                self._take_in(change)
            self._checkpoint(f"{name}.committed")

    def _take_in(self, change: Change) -> None:
        memory = self._memories.get(change.before.id)
        if memory is None:
            return
        try:
            memory.apply(change)
        except BaseException:
            del self._memories[change.before.id]
            raise

    def _notice_others(self) -> None:
        """Forgets the namespaces' counters when another connection has committed, so that memory is refreshed."""
        version = self._file.data_version()
        if version != self._data_version:
            self._data_version = version
            self._namespaces.clear()

    def _find(self, name: str) -> Namespace | None:
        if name not in self._namespaces:
            self._namespaces[name] = store.find_namespace(self._file.connection, name)
        return self._namespaces[name]

    def _memory(self, namespace: Namespace) -> NamespaceMemory:
        memory = self._memories.get(namespace.id)
        if memory is None:
            memory = NamespaceMemory(self._file.connection, self.config, self._blocks, namespace)
            self._memories[namespace.id] = memory
            while len(self._memories) > _KEPT_NAMESPACES:
                self._memories.popitem(last=False)
        self._memories.move_to_end(namespace.id)
        memory.refresh(namespace)
        return memory

    def _scored(self, namespace: Namespace, found: Found, include: Include) -> list[Scored]:
        rows = self._reader.by_slots(namespace, found.slots, include)
        return [Scored(row, score) for row, score in zip(rows, codec.shortest(found.scores), strict=True)]

    def _shrink(self) -> None:
        with self._lock:
            self._file.shrink()

"""Namespaces, records and notes in SQLite. Every function runs within a transaction of the caller."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tui.engine import schema
from tui.engine.codec import Batch, decode_metadata, decode_sparse
from tui.engine.faults import Damage
from tui.engine.records import Include, Row

_MAX_VARIABLES = 900
"""Values bound in one statement; below SQLite's oldest limit of 999."""

_LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace's row: how many records, the slot the next one gets, and its counters (see `tui.engine.schema`)."""

    id: int
    name: str
    records: int
    next_slot: int
    epoch: int
    change: int

    @property
    def bounds(self) -> tuple[int, int]:
        """The lowest key of the namespace and the lowest above it."""
        return schema.first_key(self.id), schema.end_key(self.id)


Connection = sqlite3.Connection
Stored = tuple[int, Any, Any, Any, Any]
"""A record as selected: key, id, sparse, metadata, data. Damage may have changed all but the key; see `row_of`."""


def find_namespace(connection: Connection, name: str) -> Namespace | None:
    """Returns the namespace called `name`, or None."""
    found = connection.execute(
        "SELECT id, name, records, next_slot, epoch, change FROM namespace WHERE name = ?", (name,)
    ).fetchone()
    return _namespace(found) if found else None


def all_namespaces(connection: Connection) -> list[Namespace]:
    """Returns all namespaces in the order of their creation, the default one first."""
    found = connection.execute(
        "SELECT id, name, records, next_slot, epoch, change FROM namespace ORDER BY id"
    ).fetchall()
    return [_namespace(row) for row in found]


def _namespace(row: tuple[Any, ...]) -> Namespace:
    """Returns a selected row. Raises `Damage` when it cannot be one that was written."""
    namespace = Namespace(*row)
    _, name, *counters = row
    if (
        not isinstance(name, str)
        or any(type(counter) is not int or counter < 0 for counter in counters)
        or not namespace.records <= namespace.next_slot <= schema.MAX_SLOTS
    ):
        raise Damage("the table of namespaces")
    return namespace


def create_namespace(connection: Connection, name: str) -> Namespace:
    """Makes an empty namespace."""
    id = connection.execute("INSERT INTO namespace (name) VALUES (?)", (name,)).lastrowid
    return Namespace(int(id or 0), name, 0, 0, 0, 0)


def save_namespace(connection: Connection, namespace: Namespace) -> None:
    """Writes a namespace's counters."""
    connection.execute(
        "UPDATE namespace SET name = ?, records = ?, next_slot = ?, epoch = ?, change = ? WHERE id = ?",
        (
            namespace.name,
            namespace.records,
            namespace.next_slot,
            namespace.epoch,
            namespace.change,
            namespace.id,
        ),
    )


def remove_namespace(connection: Connection, namespace: Namespace) -> None:
    """Removes a namespace's row; its records are the caller's to clear first."""
    connection.execute("DELETE FROM namespace WHERE id = ?", (namespace.id,))


def clear_records(connection: Connection, namespace: Namespace) -> None:
    """Removes every record of a namespace, and its trained cells."""
    connection.execute("DELETE FROM record WHERE key >= ? AND key < ?", namespace.bounds)
    connection.execute("DELETE FROM cells WHERE namespace = ?", (namespace.id,))


def slots_by_id(connection: Connection, namespace: Namespace, ids: Sequence[str]) -> dict[str, int]:
    """Returns the slots of those `ids` that exist."""
    found: dict[str, int] = {}
    for start in range(0, len(ids) if namespace.records else 0, _MAX_VARIABLES):
        some = ids[start : start + _MAX_VARIABLES]
        statement = f"SELECT id, key FROM record WHERE namespace = ? AND id IN ({_marks(len(some))})"  # noqa: S608
        rows = connection.execute(statement, (namespace.id, *some)).fetchall()
        found.update((id, _slot(namespace, key)) for id, key in rows)
    return found


def slots_by_prefix(connection: Connection, namespace: Namespace, prefix: str) -> list[int]:
    """Returns the slots of all records whose id begins with `prefix`, ascending."""
    clause, values = _prefix_clause(prefix)
    statement = f"SELECT key FROM record WHERE key >= ? AND key < ?{clause} ORDER BY key"  # noqa: S608
    return [schema.slot_of(key) for (key,) in connection.execute(statement, (*namespace.bounds, *values)).fetchall()]


def existing_slots(connection: Connection, namespace: Namespace, slots: Sequence[int]) -> list[int]:
    """Returns those of `slots` that hold a record."""
    return [
        schema.slot_of(stored[0])
        for stored in select(connection, namespace, slots, Include(metadata=False, data=False))
    ]


def insert(
    connection: Connection, namespace: Namespace, batch: Batch, slots: Sequence[int], known: Mapping[str, int]
) -> None:
    """Writes the records of a batch into their slots, replacing those whose ids are in `known`."""
    base = schema.first_key(namespace.id)
    rows = zip(batch.ids, slots, batch.sparse, batch.metadata, batch.data, strict=True)
    fresh, old = [], []
    for id, slot, sparse, metadata, data in rows:
        if id in known:
            old.append((sparse, metadata, data, base + slot))
        else:
            fresh.append((base + slot, namespace.id, id, sparse, metadata, data))
    connection.executemany("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?)", fresh)
    connection.executemany("UPDATE record SET sparse = ?, metadata = ?, data = ? WHERE key = ?", old)


def delete(connection: Connection, namespace: Namespace, slots: Sequence[int]) -> None:
    """Removes the records in `slots`."""
    base = schema.first_key(namespace.id)
    connection.executemany("DELETE FROM record WHERE key = ?", [(base + slot,) for slot in slots])


def select(connection: Connection, namespace: Namespace, slots: Sequence[int], include: Include) -> list[Stored]:
    """Returns the records in `slots` that exist, in ascending slot order."""
    base = schema.first_key(namespace.id)
    found: list[Stored] = []
    for start in range(0, len(slots), _MAX_VARIABLES):
        some = slots[start : start + _MAX_VARIABLES]
        statement = f"SELECT {_columns(include)} FROM record WHERE key IN ({_marks(len(some))})"  # noqa: S608
        found += connection.execute(statement, [base + slot for slot in some]).fetchall()
    found.sort(key=lambda stored: stored[0])
    return found


def select_page(
    connection: Connection, namespace: Namespace, start: int, limit: int, prefix: str, include: Include
) -> list[Stored]:
    """Returns up to `limit` records from slot `start` on whose ids begin with `prefix`, in ascending slot order."""
    low, high = namespace.bounds
    clause, values = _prefix_clause(prefix)
    statement = f"SELECT {_columns(include)} FROM record WHERE key >= ? AND key < ?{clause} ORDER BY key LIMIT ?"  # noqa: S608
    return connection.execute(statement, (low + start, high, *values, limit)).fetchall()


def scan_metadata(connection: Connection, namespace: Namespace) -> Iterator[tuple[int, bytes | None]]:
    """Yields (slot, metadata JSON) of every record."""
    cursor = connection.execute("SELECT key, metadata FROM record WHERE key >= ? AND key < ?", namespace.bounds)
    for key, metadata in cursor:
        if not isinstance(metadata, bytes | None):
            raise Damage("the metadata of a record")
        yield _slot(namespace, key), metadata


def scan_sparse(connection: Connection, namespace: Namespace) -> Iterator[tuple[int, bytes]]:
    """Yields (slot, sparse vector as stored) of every record that has one, as far as its slot was ever given out."""
    low, _ = namespace.bounds
    cursor = connection.execute(
        "SELECT key, sparse FROM record WHERE key >= ? AND key < ? AND typeof(sparse) = 'blob'",
        (low, low + namespace.next_slot),
    )
    return ((schema.slot_of(key), sparse) for key, sparse in cursor)


def scan_slots(
    connection: Connection, namespace: Namespace, start: int, end: int
) -> list[tuple[int, bytes | None, bytes | None]]:
    """Returns (slot, sparse, metadata) of the records from slot `start` to before `end`."""
    base = schema.first_key(namespace.id)
    rows = connection.execute(
        "SELECT key, sparse, metadata FROM record WHERE key >= ? AND key < ? ORDER BY key", (base + start, base + end)
    ).fetchall()
    return [(schema.slot_of(key), sparse, metadata) for key, sparse, metadata in rows]


def read_note(connection: Connection, key: str) -> str | None:
    """Returns a note's value, or None."""
    found = connection.execute("SELECT value FROM note WHERE key = ?", (key,)).fetchone()
    return str(found[0]) if found else None


def read_notes(connection: Connection, prefix: str) -> dict[str, str]:
    """Returns the notes whose keys begin with `prefix`, in the order of their keys."""
    found = connection.execute(
        "SELECT key, value FROM note WHERE substr(key, 1, ?) = ? ORDER BY key", (len(prefix), prefix)
    ).fetchall()
    return {str(key): str(value) for key, value in found}


def write_notes(connection: Connection, notes: Mapping[str, str | None]) -> None:
    """Sets notes, and removes those whose value is None."""
    kept = [(key, value) for key, value in notes.items() if value is not None]
    connection.executemany("INSERT OR REPLACE INTO note VALUES (?, ?)", kept)
    connection.executemany("DELETE FROM note WHERE key = ?", [(key,) for key, value in notes.items() if value is None])


def _slot(namespace: Namespace, key: int) -> int:
    """Returns the slot in a key. Raises `Damage` for one that was never given out."""
    slot = schema.slot_of(key)
    if slot >= namespace.next_slot:
        raise Damage("the key of a record")
    return slot


def row_of(stored: Stored, vector: NDArray[np.float32] | None = None, *, sparse: bool = False) -> Row:
    """Returns a selected record as a row. Raises `Damage`, and what `codec.decode_metadata` raises."""
    _, id, encoded_sparse, metadata, data = stored
    if not isinstance(id, str) or not id or not isinstance(data, str | None):
        raise Damage("the id or the text of a record")
    if not isinstance(encoded_sparse, bytes | None) or not isinstance(metadata, bytes | None):
        raise Damage("the metadata or the sparse vector of a record")
    return Row(id, vector, decode_sparse(encoded_sparse) if sparse else None, data, decode_metadata(metadata))


def _columns(include: Include) -> str:
    sparse = "sparse" if include.vectors else "NULL"
    metadata = "metadata" if include.metadata else "NULL"
    return f"key, id, {sparse}, {metadata}, {'data' if include.data else 'NULL'}"


def _marks(count: int) -> str:
    return ",".join("?" * count)


def _prefix_clause(prefix: str) -> tuple[str, tuple[str, ...]]:
    """Returns the SQL for ids that begin with `prefix`, and its values. Text is compared by its UTF-8 bytes."""
    if not prefix:
        return "", ()
    stem = prefix.rstrip(_LAST_CHARACTER)
    if not stem:
        return " AND id >= ?", (prefix,)
    following = ord(stem[-1]) + 1
    following = 0xE000 if following == 0xD800 else following
    return " AND id >= ? AND id < ?", (prefix, stem[:-1] + chr(following))

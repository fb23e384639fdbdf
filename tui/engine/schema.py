"""The tables of an index file and their version.

A record lives in a *slot* of its namespace: slots count up from 0 in insertion order, a record keeps its slot for
life, and a slot is never given out twice within an *epoch* (which ends when the namespace is emptied). `key` packs a
namespace and a slot, or a namespace and a block, into one integer.

Vectors lie in *blocks* of `block_rows` consecutive slots, so that a hundred thousand of them load with a thousand reads
and one of them changes in place. Every write to a namespace takes the next number of its `change` counter and marks the
blocks it touched: that is how a process finds out what another one changed.
"""

from __future__ import annotations

APPLICATION_ID = 0x52664F44
"""`PRAGMA application_id` of our files: "RfOD"."""

VERSION = 1
"""`PRAGMA user_version`: the schema written by this release."""

DEFAULT_NAMESPACE = ""

SLOT_BITS = 32
"""Bits of a key that hold the slot or block; the rest is the namespace's id."""

MAX_SLOTS = 1 << 31
"""Slots of a namespace; in memory they are 32-bit numbers."""

BLOCK_BYTES = 64 * 1024
"""Aimed size of a block of vectors. Measured 2026-11: 64 to 256 KiB load equally fast, and smaller wastes less."""

BLOCK_MIN_ROWS = 8
BLOCK_MAX_ROWS = 1024

STATEMENTS = (
    "CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE note (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE namespace (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        records INTEGER NOT NULL DEFAULT 0,
        next_slot INTEGER NOT NULL DEFAULT 0,
        epoch INTEGER NOT NULL DEFAULT 0,
        change INTEGER NOT NULL DEFAULT 0
    )""",
    """CREATE TABLE record (
        key INTEGER PRIMARY KEY,
        namespace INTEGER NOT NULL,
        id TEXT NOT NULL,
        sparse BLOB,
        metadata BLOB,
        data TEXT,
        UNIQUE (namespace, id)
    )""",
    """CREATE TABLE block (
        key INTEGER PRIMARY KEY,
        change INTEGER NOT NULL,
        moved INTEGER NOT NULL,
        alive BLOB NOT NULL
    )""",
    "CREATE TABLE vectors (key INTEGER PRIMARY KEY, data BLOB NOT NULL)",
    """CREATE TABLE cells (
        namespace INTEGER PRIMARY KEY,
        epoch INTEGER NOT NULL,
        change INTEGER NOT NULL,
        slack REAL NOT NULL,
        probes INTEGER NOT NULL,
        centroids BLOB NOT NULL,
        assigned BLOB NOT NULL
    )""",
    "INSERT INTO namespace (name) VALUES ('')",
)
"""`block.change` is the last write that touched a record of the block, `block.moved` the last that changed a vector or
removed one; `block.alive` has a bit per slot. `cells` holds the trained partition of a large namespace."""


def block_rows(dimension: int) -> int:
    """Returns how many slots make a block of vectors of `dimension` floats; a multiple of 8."""
    rows = BLOCK_BYTES // (4 * max(dimension, 1))
    return max(BLOCK_MIN_ROWS, min(BLOCK_MAX_ROWS, rows // 8 * 8))


def first_key(namespace: int) -> int:
    """Returns the lowest key of a namespace."""
    return namespace << SLOT_BITS


def end_key(namespace: int) -> int:
    """Returns the lowest key above a namespace."""
    return (namespace + 1) << SLOT_BITS


def slot_of(key: int) -> int:
    """Returns the slot, or block, in a key."""
    return key & ((1 << SLOT_BITS) - 1)

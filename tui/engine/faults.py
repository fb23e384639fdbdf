"""What SQLite complains about, said for people: the only place where its errors become ours."""

from __future__ import annotations

import errno
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tui.core.errors import (
    IndexBusy,
    IndexCorrupt,
    IndexMissing,
    IndexUnavailable,
    InvalidQuery,
    SchemaTooNew,
    StorageFull,
    VectorIndexError,
)
from tui.core.files import NO_SPACE


class DamagedRecord(Exception):
    """Stored bytes that cannot be what was written. Never leaves the engine: `translated` makes it `IndexCorrupt`."""


CORRUPT_HINT = (
    "Move the file away. The next question then fills a new index from the foods file; "
    "an export or a snapshot goes back in with `ragfood index restore`."
)
_FULL_HINT = "Free some space and try again; everything that was committed before is still there."
_READ_ONLY_HINT = "Make the folder writable for this user, or set RAGFOOD_HOME to one that is."
_BUSY_HINT = "Wait for the other ragfood to finish, or close it, and try again."

_PERMISSION_ERRNOS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_WRITE_FAILURES = frozenset(
    {
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_IOERR_FSYNC,
        sqlite3.SQLITE_IOERR_DIR_FSYNC,
        sqlite3.SQLITE_IOERR_TRUNCATE,
        sqlite3.SQLITE_IOERR_SHMSIZE,
    }
)
"""Input/output errors that can only come from writing: SQLite reports a file size limit or a quota this way."""


def corrupt(path: Path, reason: str) -> IndexCorrupt:
    """Returns the error for a file that is not one of ours or is damaged."""
    return IndexCorrupt(f"The index file {path} cannot be used: {reason}.", CORRUPT_HINT)


def too_new(path: Path, found: int, known: int) -> SchemaTooNew:
    """Returns the error for a file of a later schema, which stays untouched."""
    return SchemaTooNew(
        f"The index file {path} was written by a newer ragfood (schema {found}, this one knows up to {known}); "
        "it has been left untouched.",
        "Update ragfood, or set RAGFOOD_HOME to another folder to work with a new index.",
    )


def missing(path: Path) -> IndexMissing:
    """Returns the error for a file that has to exist and does not."""
    return IndexMissing(f"There is no index file {path}.", "Run `ragfood index upsert` to create it.")


def from_sqlite(error: sqlite3.Error, path: Path) -> VectorIndexError:
    """Returns our error for one of SQLite's. `path` is the database file."""
    code = getattr(error, "sqlite_errorcode", 0) or 0
    primary = code & 0xFF
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return IndexBusy(f"Another process is writing to the index file {path} and did not finish in time.", _BUSY_HINT)
    if primary == sqlite3.SQLITE_FULL or code in _WRITE_FAILURES:
        return StorageFull(f"The disk has no room left for the index file {path}; nothing was changed.", _FULL_HINT)
    if primary == sqlite3.SQLITE_READONLY:
        return StorageFull(f"The index file {path} cannot be written; nothing was changed.", _READ_ONLY_HINT)
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT):
        return corrupt(path, "it is damaged, or not a database of ours")
    return IndexUnavailable(f"The index file {path} cannot be opened or read ({error}).", _READ_ONLY_HINT)


def from_os(error: OSError, path: Path) -> VectorIndexError:
    """Returns our error for one of the operating system's, met while preparing the file at `path`."""
    if error.errno in NO_SPACE:
        return StorageFull(f"The disk has no room left for the index file {path}.", _FULL_HINT)
    if error.errno in _PERMISSION_ERRNOS:
        return StorageFull(f"The index file {path} cannot be written ({error.strerror}).", _READ_ONLY_HINT)
    return IndexUnavailable(f"The index file {path} cannot be opened ({error.strerror or error}).", _READ_ONLY_HINT)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raises our errors in place of SQLite's and the operating system's for everything inside."""
    try:
        yield
    except sqlite3.Error as error:
        raise from_sqlite(error, path) from error
    except OSError as error:
        raise from_os(error, path) from error
    except (json.JSONDecodeError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise corrupt(path, "the metadata of a record is damaged") from error
    except DamagedRecord as error:
        raise corrupt(path, "a sparse vector is damaged") from error
    except UnicodeEncodeError as error:
        raise InvalidQuery("An id, a prefix or a namespace holds text that is not valid Unicode.") from error

"""What SQLite complains about, said for people: the only place where its errors become ours."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tui.core.errors import (
    IndexBusy,
    IndexCorrupt,
    IndexForbidden,
    IndexMissing,
    IndexUnavailable,
    InvalidQuery,
    SchemaTooNew,
    StorageFull,
    VectorIndexError,
)
from tui.core.files import NO_SPACE


class Damage(Exception):
    """Something stored that cannot be what was written; its text names it. Never leaves the engine: `translated` makes
    it `IndexCorrupt`.
    """


CORRUPT_HINT = (
    "Move the file away. The next question then fills a new index from the foods file; "
    "an export or a snapshot goes back in with `ragfood index restore`."
)
_FULL_HINT = "Free some space and try again; everything that was committed before is still there."
_READ_ONLY_HINT = "Make the folder writable for this user, or set RAGFOOD_HOME to one that is."
_FORBIDDEN_HINT = (
    "Let this user read and write the file and its folder (chmod u+rw), or set RAGFOOD_HOME to another folder."
)
_DISK_HINT = "Check the disk and what else uses the file, then try again."
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

_DAMAGE = frozenset({sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_DATA, sqlite3.SQLITE_IOERR_CORRUPTFS})
_SURROUNDINGS = frozenset(
    {
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_ABORT,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_NOLFS,
        sqlite3.SQLITE_PROTOCOL,
    }
)
"""Failures that say nothing about what is in the file. Our statements are always the same, so that everything else that
SQLite, or Python in decoding a text, finds wrong with them is the file's fault."""

_FORMAT_BYTES = slice(18, 20)
_FORMATS = (1, 2)
"""Where the header has the versions of the file format, and what they can be (SQLite's file format, section 1.3)."""


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


def forbidden(path: Path) -> IndexForbidden:
    """Returns the error for a file, or a folder, that this user may not read and write."""
    return IndexForbidden(f"The index file {path} cannot be opened: its permissions forbid it.", _FORBIDDEN_HINT)


def from_sqlite(error: sqlite3.Error, path: Path) -> VectorIndexError:
    """Returns our error for one of SQLite's. `path` is the database file."""
    code = getattr(error, "sqlite_errorcode", 0) or 0
    primary = code & 0xFF
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return IndexBusy(f"Another process is writing to the index file {path} and did not finish in time.", _BUSY_HINT)
    if primary == sqlite3.SQLITE_FULL or code in _WRITE_FAILURES:
        return StorageFull(
            f"The disk has no room left for the index file {path}; the write under way was undone.", _FULL_HINT
        )
    if primary == sqlite3.SQLITE_READONLY and not _has_sound_header(path):
        return corrupt(path, "it is damaged")
    if primary == sqlite3.SQLITE_READONLY:
        return StorageFull(f"The index file {path} cannot be written; the write under way was undone.", _READ_ONLY_HINT)
    if primary in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return forbidden(path) if os.path.lexists(path) else missing(path)
    if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError):
        return IndexUnavailable(f"The index file {path} is not open ({error}).", "Start ragfood again.")
    if primary in _SURROUNDINGS and code not in _DAMAGE:
        return IndexUnavailable(f"The index file {path} cannot be read ({error}).", _DISK_HINT)
    return corrupt(path, "it is damaged, or not a database of ours")


def _has_sound_header(path: Path) -> bool:
    """Tells a file that may not be written from one whose header says so by damage."""
    try:
        with path.open("rb") as file:
            return all(version in _FORMATS for version in file.read(_FORMAT_BYTES.stop)[_FORMAT_BYTES])
    except OSError:
        return True


def from_os(error: OSError, path: Path) -> VectorIndexError:
    """Returns our error for one of the operating system's, met while preparing the file at `path`."""
    if error.errno in NO_SPACE:
        return StorageFull(f"The disk has no room left for the index file {path}.", _FULL_HINT)
    if error.errno in _PERMISSION_ERRNOS:
        return forbidden(path)
    return IndexUnavailable(f"The index file {path} cannot be opened ({error.strerror or error}).", _DISK_HINT)


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
    except Damage as error:
        raise corrupt(path, f"{error} is damaged") from error
    except UnicodeEncodeError as error:
        raise InvalidQuery("An id, a prefix or a namespace holds text that is not valid Unicode.") from error

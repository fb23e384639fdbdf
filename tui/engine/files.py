"""The index file: opening it safely, and its transactions."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from tui.core.checkpoints import Checkpoint
from tui.core.errors import IndexMismatch, InvalidQuery
from tui.engine import faults, schema
from tui.engine.records import IndexConfig, Similarity

WAL_LIMIT = 8 * 1024 * 1024
"""Bytes to which the write-ahead log is cut after a checkpoint."""

PAGE_SIZE = 8192
"""Bytes of a database page. Measured 2026-11: bulk writes gain 15 % over 4,096, larger pages gain no more."""

_WAL_RETRY_SECONDS = 0.01

FileId = tuple[int, int]
"""Device and number of a file."""


class IndexFile:
    """One connection to an index file.

    Writing is done in WAL mode with `synchronous=FULL`: readers never wait, a killed process loses nothing committed,
    and neither does a power cut (the sync costs about a millisecond a batch, measured 2026-11). Where the file system
    has no shared memory for the log (some network drives), SQLite's rollback journal takes its place, as durable.
    """

    def __init__(self, path: Path, *, busy_timeout: float) -> None:
        self.path = path
        self._busy_timeout = busy_timeout
        self._id = _file_id(path)
        self._side_ids: dict[Path, FileId] = {}
        # "rw" never makes a file: whoever is to make one does so in `_prepare`.
        self.connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=busy_timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        self.config = IndexConfig(dimension=1)
        self.block_rows = 0

    @classmethod
    def open(cls, path: Path, config: IndexConfig | None, *, checkpoint: Checkpoint, busy_timeout: float) -> IndexFile:
        """Opens the file at `path`, creating it and its folders when `config` is given.

        Raises `IndexUnavailable`, `IndexCorrupt`, `SchemaTooNew`, `StorageFull`, `IndexBusy`, and `IndexMismatch` when
        `config` contradicts what the file was created with.
        """
        with faults.translated(path):
            _prepare(path, create=config is not None)
            file = cls(path, busy_timeout=busy_timeout)
            try:
                file._set_up(config, checkpoint)
            except BaseException:
                file.close()
                raise
            return file

    def second(self) -> IndexFile:
        """Opens another connection to the same file, for a view of its own."""
        with faults.translated(self.path):
            other = IndexFile(self.path, busy_timeout=self._busy_timeout)
            other.config, other.block_rows = self.config, self.block_rows
            return other

    def close(self) -> None:
        """Closes the connection. Safe to call twice.

        A file that is not at its path any more takes its log with it: left beside another file it would be taken for
        the log of that one.
        """
        orphans: list[Path] = []
        # Where the folder cannot be looked at any more, what lies in it stays as it is.
        with suppress(OSError):
            if not self.is_current():
                orphans = [side for side, id in self._side_ids.items() if _file_id(side) == id]
        self.connection.close()
        for side in orphans:
            with suppress(OSError):
                side.unlink(missing_ok=True)

    def is_current(self) -> bool:
        """Whether the path still names the file that was opened: it may have been deleted or replaced meanwhile.

        While it is open its number cannot be given to another file. Raises `OSError` when the path cannot be looked at.
        """
        return _file_id(self.path) == self._id

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent view of the file for everything inside."""
        with faults.translated(self.path):
            self.connection.execute("BEGIN")
            try:
                yield self.connection
            finally:
                self._end("COMMIT")

    @contextmanager
    def writing(self, name: str, checkpoint: Checkpoint) -> Iterator[sqlite3.Connection]:
        """One transaction, all or nothing; `checkpoint` hears ``<name>.before_commit`` before the commit."""
        with faults.translated(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                checkpoint(f"{name}.before_commit")
                self.connection.execute("COMMIT")
            except BaseException:
                self._end("ROLLBACK")
                raise

    def data_version(self) -> int:
        """Returns a number that changes when another connection has committed to the file."""
        return int(self.connection.execute("PRAGMA data_version").fetchone()[0])

    def size(self) -> int:
        """Returns the bytes on disk, the write-ahead log included."""
        paths = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(path.stat().st_size for path in paths if path.exists())

    def shrink(self) -> None:
        """Gives free pages back to the file system when most of the file is free. Does nothing while others write."""
        pages, free = (self._number(f"PRAGMA {name}") for name in ("page_count", "freelist_count"))
        if free * PAGE_SIZE < WAL_LIMIT or free * 4 < pages * 3:
            return
        with suppress(sqlite3.OperationalError):
            self.connection.execute("VACUUM")
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _end(self, statement: str) -> None:
        if self.connection.in_transaction:
            self.connection.execute(statement)

    def _number(self, statement: str) -> int:
        return int(self.connection.execute(statement).fetchone()[0])

    def _set_up(self, config: IndexConfig | None, checkpoint: Checkpoint) -> None:
        with self.reading():
            # In one transaction: another process may be creating the file between two looks at it.
            state = self._recognise()
        if state == "empty" and config is None:
            raise faults.missing(self.path)
        if state == "empty":
            self.connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        self._use_wal()
        self.connection.execute("PRAGMA synchronous = FULL")
        self.connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}")
        if state == "empty" and config is not None:
            self._create(config, checkpoint)
        self._read_settings(config)
        found = {side: _file_id(side) for side in _sides(self.path)}
        self._side_ids = {side: id for side, id in found.items() if id is not None}

    def _recognise(self) -> str:
        """Returns ``empty`` or ``ours``; raises when the file is neither. Changes nothing."""
        application = self._number("PRAGMA application_id")
        version = self._number("PRAGMA user_version")
        if application == schema.APPLICATION_ID:
            if version > schema.VERSION:
                raise faults.too_new(self.path, version, schema.VERSION)
            return "ours"
        if application or version or self._number("SELECT count(*) FROM sqlite_master"):
            raise faults.corrupt(self.path, "it is a database of another program")
        return "empty"

    def _use_wal(self) -> None:
        """Switches to the write-ahead log if the file system allows, waiting while another process does."""
        deadline = time.monotonic() + self._busy_timeout
        while True:
            try:
                self.connection.execute("PRAGMA journal_mode = WAL").fetchone()
                return
            except sqlite3.OperationalError as error:
                code = error.sqlite_errorcode & 0xFF
                if code in (sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_IOERR):
                    self.connection.execute("PRAGMA journal_mode = DELETE").fetchone()
                    return
                if code != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(_WAL_RETRY_SECONDS)

    def _create(self, config: IndexConfig, checkpoint: Checkpoint) -> None:
        with self.writing("create", checkpoint):
            if self._recognise() == "empty":
                for statement in schema.STATEMENTS:
                    self.connection.execute(statement)
                settings = {
                    "config": json.dumps(asdict(config)),
                    "block_rows": str(schema.block_rows(config.dimension)),
                }
                self.connection.executemany("INSERT INTO setting VALUES (?, ?)", settings.items())
                self.connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
                self.connection.execute(f"PRAGMA user_version = {schema.VERSION}")
        checkpoint("create.committed")

    def _read_settings(self, wanted: IndexConfig | None) -> None:
        settings = dict(self.connection.execute("SELECT key, value FROM setting"))
        try:
            stored = json.loads(settings["config"])
            stored["similarity"] = Similarity(stored["similarity"])
            self.config = IndexConfig(**stored)
            self.block_rows = int(settings["block_rows"])
            if not schema.BLOCK_MIN_ROWS <= self.block_rows <= schema.BLOCK_MAX_ROWS or self.block_rows % 8:
                raise ValueError(f"{self.block_rows} rows a block")
        except (KeyError, TypeError, ValueError, InvalidQuery) as error:
            raise faults.corrupt(self.path, "its settings cannot be read") from error
        if wanted is not None and wanted != self.config:
            differences = "; ".join(self.config.differences(wanted))
            raise IndexMismatch(
                f"The index file {self.path} was created differently: it has {differences}.",
                "Use the settings it was created with, or export it, move the file away and restore into a new one.",
            )


def _prepare(path: Path, *, create: bool) -> None:
    """Makes the folders (0700) and the file (0600) when they are missing and wanted."""
    if path.exists():
        if not path.is_file():
            raise faults.corrupt(path, "it is not a file")
        return
    if not create:
        raise faults.missing(path)
    missing = [folder for folder in path.parents if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
    with _sole_maker(path.parent):
        if path.exists():
            return
        for side in _sides(path):
            # Left by a file that was deleted or moved away, perhaps while a process had it open.
            side.unlink(missing_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _sides(path: Path) -> list[Path]:
    """Returns where SQLite keeps what belongs to the file at `path`: its log, the log's index, its journal."""
    return [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", "-journal")]


def _file_id(path: Path) -> FileId | None:
    """Returns the device and number of what is at `path`, None where there is nothing."""
    try:
        about = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return about.st_dev, about.st_ino


@contextmanager
def _sole_maker(folder: Path) -> Iterator[None]:
    """Lets one process at a time make the file, where the platform and the file system can."""
    with ExitStack() as stack:
        with suppress(ImportError, OSError):
            import fcntl

            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield

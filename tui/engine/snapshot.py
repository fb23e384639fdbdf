"""A view of the index as it was at one moment: what an export reads."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tui.engine import faults, store
from tui.engine.reading import Reader
from tui.engine.records import PAYLOAD, Include, Row


class Snapshot:
    """Reads the file as it was when the snapshot was taken. Valid inside `Database.snapshot` only.

    Every method may raise `IndexCorrupt` and `IndexUnavailable`.
    """

    def __init__(self, connection: sqlite3.Connection, reader: Reader, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._reader = reader
        self._counts = {found.name: found.records for found in store.all_namespaces(connection)}

    def counts(self) -> dict[str, int]:
        """Returns the records per namespace, the default one first."""
        return dict(self._counts)

    def get_note(self, key: str) -> str | None:
        """Returns a remembered fact, or None."""
        with faults.translated(self._path):
            return store.read_note(self._connection, key)

    def version(self, namespace: str) -> str:
        """Returns a text that is different after every write to the namespace; empty for a missing one."""
        with faults.translated(self._path):
            found = store.find_namespace(self._connection, namespace)
            return "" if found is None else f"{found.id}.{found.change}"

    def range(
        self, namespace: str, cursor: str = "", limit: int = 100, *, prefix: str = "", include: Include = PAYLOAD
    ) -> tuple[list[Row], str]:
        """Returns the next `limit` rows in insertion order and the next cursor, empty when nothing is left."""
        with faults.translated(self._path):
            found = store.find_namespace(self._connection, namespace)
            return ([], "") if found is None else self._reader.page(found, cursor, limit, prefix, None, include)

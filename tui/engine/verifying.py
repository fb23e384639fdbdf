"""Reading all of an index file, to find out whether something in it is damaged."""

from __future__ import annotations

import msgspec

from tui.core.text import shorten
from tui.engine import faults, store
from tui.engine.blocks import Blocks
from tui.engine.files import IndexFile
from tui.engine.memory import NamespaceMemory
from tui.engine.reading import Reader
from tui.engine.records import Include
from tui.engine.store import Namespace

_PAGE = 500


def verify(file: IndexFile) -> None:
    """Reads everything that any command could read, through a connection of the caller's own.

    Takes about 2 s for 100,000 records of 256 dimensions. Raises `IndexCorrupt`, `IndexUnavailable`.
    """
    blocks = Blocks(file.connection, file.path, rows=file.block_rows, dimension=file.config.dimension)
    with file.reading() as connection:
        # Pages, cells and their order; what is written in them it does not look at.
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise faults.corrupt(file.path, f"it is damaged ({shorten(str(found))})")
        for namespace in store.all_namespaces(connection):
            _verify_records(file, blocks, namespace)
            memory = NamespaceMemory(connection, file.config, blocks, namespace)
            if file.config.dense:
                memory.dense()
            if file.config.sparse:
                memory.sparse()


def _verify_records(file: IndexFile, blocks: Blocks, namespace: Namespace) -> None:
    reader = Reader(file.connection, file.config, blocks)
    decode = msgspec.json.Decoder().decode
    for _, metadata in store.scan_metadata(file.connection, namespace):
        # Filters read metadata by another decoder, and one that allows less.
        if metadata is not None:
            decode(metadata)
    count, cursor = 0, ""
    while True:
        rows, cursor = reader.page(namespace, cursor, _PAGE, "", None, Include(vectors=True))
        count += len(rows)
        found = store.slots_by_id(file.connection, namespace, [row.id for row in rows])
        if len(found) != len(rows):
            raise faults.corrupt(file.path, "ids are missing from their table")
        if not cursor:
            break
    if count != namespace.records:
        raise faults.corrupt(file.path, "records are missing")

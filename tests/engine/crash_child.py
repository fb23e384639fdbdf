"""Runs in a process of its own, to be killed: ``python crash_child.py MODE PATH [NAME]``."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.engine.rows import row
from tui.core.checkpoints import Checkpoint, no_checkpoint
from tui.core.errors import StorageFull
from tui.engine.database import Database
from tui.engine.records import Include, IndexConfig

CONFIG = IndexConfig(16, sparse=True)
BATCH = 700

Step = Callable[[Database], object]


def batch(first: int, size: int = BATCH, text: str = "") -> list[object]:
    return [
        row(f"id-{n}", [n + 1.0, *[0.5] * 15], {n % 50: 1.0, 60: 0.5}, f"{text}{n}", {"n": n, "even": n % 2 == 0})
        for n in range(first, first + size)
    ]


STEPS: list[tuple[str, Step]] = [
    ("create", lambda _: None),
    ("upsert", lambda database: database.upsert("", batch(0), notes={"fill": "running"})),
    ("upsert", lambda database: database.upsert("ns", batch(0))),
    ("upsert", lambda database: database.upsert("", batch(350, text="again "), notes={"fill": "done"})),
    ("update", lambda database: database.update("", "id-3", metadata={"changed": True})),
    ("delete", lambda database: database.delete("", filter="even = TRUE AND n > 600")),
    ("set_note", lambda database: database.set_note("seen", "yes")),
    ("rename_namespace", lambda database: database.rename_namespace("ns", "other")),
    ("reset", lambda database: database.reset("", notes={"fill": "never"})),
    ("upsert", lambda database: database.upsert("", batch(2, 5))),
    ("delete_namespace", lambda database: database.delete_namespace("other")),
    ("reset_all", lambda database: database.reset_all(notes={"seen": "no"})),
]
"""What the child does, step by step: the name of the write and the write."""


def everything(database: Database) -> dict[str, object]:
    """Returns all that the database holds, also as a query sees it."""
    found: dict[str, object] = {note: database.get_note(note) for note in ("fill", "seen")}
    for namespace in database.namespaces():
        rows, cursor = database.range(namespace, "", 5000, include=Include(vectors=True))
        assert not cursor
        assert database.info().counts[namespace] == len(rows)
        hits = database.query(namespace, vector=[1.0] * 16, top_k=5000, include=Include(metadata=False, data=False))
        found[f"rows of {namespace!r}"] = [
            (hit.id, hit.data, hit.metadata, hit.sparse, hit.vector.tolist())  # type: ignore[union-attr]
            for hit in rows
        ]
        assert sorted(hit.id for hit in hits) == sorted(hit.id for hit in rows)
        assert database.document_frequencies(namespace, [60])[0].tolist() == [len(rows)]
    return found


def kill_at(name: str, occurrence: int) -> Checkpoint:
    """Returns a checkpoint that kills the process when `name` comes by for the given time, counted from 0."""
    seen = [0]

    def strike(passed: str) -> None:
        if passed == name:
            seen[0] += 1
            if seen[0] > occurrence:
                os.kill(os.getpid(), signal.SIGKILL)

    return strike


def run_steps(path: Path, checkpoint: Checkpoint = no_checkpoint) -> None:
    with Database.open(path, CONFIG, checkpoint=checkpoint) as database:
        for _, step in STEPS:
            step(database)


def write_batches(path: Path, prefix: str, count: int) -> None:
    """Upserts batches of ten and says after each that it is committed."""
    with Database.open(path, CONFIG, busy_timeout=60) as database:
        for number in range(count):
            rows = [
                row(f"{prefix}-{number}-{n}", [1.0 + n] * 16, {n: 1.0, 60: 0.5}, metadata={"n": n}) for n in range(10)
            ]
            database.upsert("", rows)
            print(number, flush=True)  # noqa: T201 - the parent reads it


def fill_until_full(path: Path, limit: int) -> None:
    """Upserts under a file size limit until there is no room, and says how many batches went in."""
    with Database.open(path, CONFIG) as database:
        database.upsert("", batch(0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        done = 1
        try:
            while True:
                database.upsert("", batch(done * BATCH))
                done += 1
        except StorageFull:
            print(done, flush=True)  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    mode, target, *rest = sys.argv[1:]
    if mode == "steps":
        run_steps(Path(target), kill_at(rest[0], int(rest[1])))
    elif mode == "batches":
        write_batches(Path(target), rest[0], int(rest[1]))
    else:
        fill_until_full(Path(target), int(rest[0]))

"""Killed at any commit, full disk, damaged and foreign files: nothing committed is lost, nothing is harmed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine import crash_child
from tests.engine.crash_child import CONFIG, STEPS, everything
from tests.engine.rows import ids, numbered, row, terms
from tui.core.checkpoints import no_checkpoint
from tui.core.errors import (
    IndexBusy,
    IndexCorrupt,
    IndexMismatch,
    IndexUnavailable,
    SchemaTooNew,
    StorageFull,
    VectorIndexError,
)
from tui.engine.database import CHECKPOINTS, Database
from tui.engine.files import IndexFile
from tui.engine.records import IndexConfig, Similarity


def child(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, crash_child.__file__, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def strikes() -> list[tuple[str, int, int]]:
    """Every (checkpoint, occurrence, steps that are done when it strikes) of the child's run."""
    found, seen = [], dict.fromkeys(CHECKPOINTS, 0)
    for position, (write, _) in enumerate(STEPS):
        for done, moment in enumerate(("before_commit", "committed")):
            name = f"{write}.{moment}"
            found.append((name, seen[name], position + done))
            seen[name] += 1
    return found


def open_and_use(path: Path) -> None:
    with Database.open(path) as database:
        database.query("", vector=[1, 1])
        database.query("", vector=[1, 1], filter="x = 1")


def test_every_checkpoint_is_struck() -> None:
    assert {name for name, _, _ in strikes()} == set(CHECKPOINTS)


def test_a_kill_at_any_commit_leaves_the_state_before_or_after(tmp_path: Path) -> None:
    with Database.open(tmp_path / "whole.db", CONFIG) as database:
        states = [everything(database)] * 2
        for _, step in STEPS[1:]:
            step(database)
            states.append(everything(database))
    children = {strike: child("steps", tmp_path / f"{strike[0]}-{strike[1]}.db", *strike[:2]) for strike in strikes()}
    for (name, occurrence, done), process in children.items():
        process.communicate()
        assert process.returncode == -signal.SIGKILL, name
        with Database.open(tmp_path / f"{name}-{occurrence}.db", CONFIG) as database:
            assert everything(database) == states[done], name
            for _, step in STEPS[done:]:
                step(database)
            assert everything(database) == states[-1], name


@pytest.mark.parametrize("heard", [1, 3, 8])
def test_a_kill_at_random_loses_no_committed_batch(path: Path, heard: int) -> None:
    process = child("batches", path, "a", 10_000)
    assert process.stdout is not None
    for _ in range(heard):
        process.stdout.readline()
    process.kill()
    process.communicate()
    with Database.open(path) as database:
        count = database.info().counts[""]
        assert count >= heard * 10
        assert count % 10 == 0
        everything(database)


def test_two_processes_write_while_a_third_reads(path: Path) -> None:
    with Database.open(path, CONFIG) as database:
        writers = [child("batches", path, name, 40) for name in "ab"]
        seen = 0
        while any(writer.poll() is None for writer in writers):
            hits = database.query("", vector=[1.0] * 16, top_k=2000)
            assert len(hits) >= seen
            assert len(hits) % 10 == 0
            seen = len(hits)
        for writer in writers:
            writer.communicate()
            assert writer.returncode == 0
        assert len(database.query("", vector=[1.0] * 16, top_k=2000)) == 800
        assert len(everything(database)["rows of ''"]) == 800  # type: ignore[arg-type]


def test_processes_that_create_the_same_file_share_it(path: Path) -> None:
    writers = [child("batches", path, name, 3) for name in "abcd"]
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    with Database.open(path, CONFIG) as database:
        assert database.info().counts == {"": 120}
        everything(database)


def test_a_file_system_without_shared_memory_gets_a_rollback_journal(path: Path) -> None:
    class NoSharedMemory(sqlite3.Connection):
        def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:  # type: ignore[override]
            if sql == "PRAGMA journal_mode = WAL":
                error = sqlite3.OperationalError("locking protocol")
                error.sqlite_errorcode = sqlite3.SQLITE_PROTOCOL
                raise error
            return super().execute(sql, *parameters)

    path.parent.mkdir()
    path.touch()
    file = IndexFile(path, busy_timeout=1)
    file.close()
    file.connection = sqlite3.connect(path, isolation_level=None, factory=NoSharedMemory)
    file._set_up(IndexConfig(2), no_checkpoint)
    with Database(file) as database:
        database.upsert("", numbered(3))
        assert file.connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    with Database.open(path) as database:
        assert database.info().total == 3


def test_who_cannot_write_in_time_is_told(dense: Database, opened: Callable[..., Database]) -> None:
    dense.upsert("", numbered(2))
    impatient = opened(busy_timeout=0.01)
    other = sqlite3.connect(dense.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(IndexBusy):
        impatient.upsert("", numbered(1))
    assert len(impatient.query("", vector=[1, 1])) == 2
    other.execute("ROLLBACK")
    other.close()
    impatient.upsert("", [row("now", [1, 1])])
    assert len(dense.query("", vector=[1, 1])) == 3


def test_a_full_disk_keeps_what_was_committed(path: Path) -> None:
    process = child("fill", path, 1_500_000)
    output, _ = process.communicate()
    assert process.returncode == 0
    with Database.open(path) as database:
        assert database.info().counts == {"": int(output) * crash_child.BATCH}
        everything(database)
        database.upsert("", [row("after", [1.0] * 16, {1: 1})])


def test_no_room_for_more_pages(dense: Database) -> None:
    dense.upsert("", numbered(10))
    connection = dense._file.connection
    connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.raises(StorageFull) as caught:
        dense.upsert("", [row(f"x-{number}", [1, 1], data="x" * 10_000) for number in range(50)])
    assert caught.value.hint
    assert len(dense.query("", vector=[1, 1], top_k=99)) == 10
    connection.execute("PRAGMA max_page_count = 1000000")
    dense.upsert("", [row("x", [1, 1])])
    assert len(dense.query("", vector=[1, 1], top_k=99)) == 11


def test_a_file_that_cannot_be_written(dense: Database) -> None:
    dense.upsert("", numbered(1))
    dense._file.connection.execute("PRAGMA query_only = 1")
    with pytest.raises(StorageFull, match="cannot be written"):
        dense.reset("")
    assert len(dense.query("", vector=[1, 1])) == 1


def test_folders_and_file_are_for_the_user_alone(dense: Database) -> None:
    assert dense.path.parent.stat().st_mode & 0o777 == 0o700
    assert dense.path.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(IndexUnavailable):
        Database.open(tmp_path / "file" / "index.db", IndexConfig(2))


def test_a_missing_file_is_not_made_without_a_configuration(path: Path) -> None:
    with pytest.raises(IndexUnavailable, match="no index file"):
        Database.open(path)
    assert not path.parent.exists()


def test_an_empty_file_becomes_an_index(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with pytest.raises(IndexUnavailable):
        Database.open(path)
    with Database.open(path, IndexConfig(2)) as database:
        database.upsert("", numbered(1))


def test_a_newer_file_is_left_untouched(dense: Database) -> None:
    dense.upsert("", numbered(1))
    dense._file.connection.execute("PRAGMA user_version = 99")
    dense.close()
    before = dense.path.read_bytes()
    with pytest.raises(SchemaTooNew) as caught:
        Database.open(dense.path, IndexConfig(2))
    assert "99" in str(caught.value)
    assert dense.path.read_bytes() == before


@pytest.mark.parametrize("content", [b"not a database at all", b"x" * 100_000, b"SQLite format 3\x00" + b"\x00" * 5000])
def test_a_file_of_something_else_is_left_untouched(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(IndexCorrupt) as caught:
        Database.open(path, IndexConfig(2))
    assert caught.value.hint
    assert path.read_bytes() == content


def test_another_program_s_database_is_left_untouched(path: Path) -> None:
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(IndexCorrupt, match="another program"):
        Database.open(path, IndexConfig(2))
    assert path.read_bytes() == before


def test_a_folder_is_not_an_index(tmp_path: Path) -> None:
    with pytest.raises(IndexCorrupt, match="not a file"):
        Database.open(tmp_path, IndexConfig(2))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_file_cut_short_is_reported(path: Path, share: float) -> None:
    with Database.open(path, CONFIG) as database:
        database.upsert("", crash_child.batch(0, 3000))
    os.truncate(path, int(path.stat().st_size * share))
    with pytest.raises(IndexCorrupt) as caught, Database.open(path) as database:
        everything(database)
    assert caught.value.hint


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE record SET metadata = CAST('{\"broken' AS BLOB)",
        "UPDATE vectors SET data = x'00'",
        "UPDATE block SET alive = x'00'",
        "DELETE FROM setting",
        "UPDATE setting SET value = '{}' WHERE key = 'config'",
        "DROP TABLE record",
        "DELETE FROM record WHERE id = 'id-1'",
        "DELETE FROM vectors",
    ],
)
def test_damage_inside_is_reported(path: Path, damage: str) -> None:
    with Database.open(path, IndexConfig(2)) as database:
        database.upsert("", numbered(3, metadata={"x": 1}))
    other = sqlite3.connect(path)
    other.execute(damage)
    other.commit()
    other.close()
    with pytest.raises(VectorIndexError) as caught:
        open_and_use(path)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        (IndexConfig(3), ["dimension 2, not 3"]),
        (IndexConfig(2, Similarity.EUCLIDEAN), ["COSINE", "EUCLIDEAN"]),
        (IndexConfig(2, sparse=True, model="other"), ["sparse", "other", "builtin"]),
    ],
)
def test_a_contradicting_configuration_is_refused(path: Path, wanted: IndexConfig, named: list[str]) -> None:
    Database.open(path, IndexConfig(2, model="builtin")).close()
    wanted = IndexConfig(wanted.dimension, wanted.similarity, wanted.sparse, wanted.model or "builtin")
    with pytest.raises(IndexMismatch) as caught:
        Database.open(path, wanted)
    assert all(word in str(caught.value) for word in named)


def test_the_configuration_is_remembered(path: Path) -> None:
    config = IndexConfig(7, Similarity.DOT_PRODUCT, sparse=True, model="a", sparse_model="b")
    Database.open(path, config).close()
    with Database.open(path, checkpoint=no_checkpoint) as database:
        assert database.config == config


def test_close_twice(dense: Database) -> None:
    dense.close()
    dense.close()
    with pytest.raises(IndexUnavailable):
        dense.query("", vector=[1, 1])


def test_ids_survive_reopening(path: Path) -> None:
    with Database.open(path, IndexConfig(2)) as database:
        database.upsert("", numbered(3))
        database.delete("", ids=["id-1"])
    with Database.open(path) as database:
        database.upsert("", [row("id-1", [1, 1])])
        assert ids(database.range("")[0]) == ["id-0", "id-2", "id-1"]


def test_a_damaged_sparse_vector_is_reported(path: Path) -> None:
    with Database.open(path, IndexConfig(0, sparse=True)) as database:
        database.upsert("", [row("a", sparse={1: 1.0})])
    other = sqlite3.connect(path)
    other.execute("UPDATE record SET sparse = x'010203'")
    other.commit()
    other.close()
    with Database.open(path) as database, pytest.raises(IndexCorrupt, match="sparse vector"):
        database.query("", sparse=terms({1: 1.0}), top_k=1)

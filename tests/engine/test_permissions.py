"""An index file, or its folder, that this user may not read: one error, one exit code, one hint."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.rows import numbered
from tui.core.errors import IndexForbidden
from tui.engine import faults
from tui.engine.database import Database
from tui.engine.records import IndexConfig

NOBODY = 65534

SCRIPT = """
import os, sys
from tui.core.errors import RagfoodError
from tui.engine.database import Database
if not os.geteuid():
    os.setuid(int(sys.argv[2]))
try:
    Database.open(sys.argv[1])
except RagfoodError as error:
    print(type(error).__name__, error.exit_code, error.hint)
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other users may enter, unlike pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        inner = Path(folder, "data")
        inner.mkdir(mode=0o755)
        yield inner
        inner.chmod(0o755)


def open_as_user(path: Path) -> str:
    """What opening says to a user who is not root."""
    command = [sys.executable, "-c", SCRIPT, str(path), str(NOBODY)]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path.cwd()).stdout


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
@pytest.mark.parametrize("closed", ["file", "folder"])
def test_what_may_not_be_read_is_said_alike(place: Path, closed: str) -> None:
    path = place / "index.db"
    with Database.open(path, IndexConfig(2)) as database:
        database.upsert("", numbered(1))
    (path if closed == "file" else place).chmod(0)
    said = open_as_user(path)
    assert said.startswith("IndexForbidden 2 ")
    assert "chmod u+rw" in said


def test_a_file_that_sqlite_may_not_open_is_forbidden(tmp_path: Path) -> None:
    (tmp_path / "index.db").touch()
    error = sqlite3.OperationalError("unable to open database file")
    error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
    assert isinstance(faults.from_sqlite(error, tmp_path / "index.db"), IndexForbidden)

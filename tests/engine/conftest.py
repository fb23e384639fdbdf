from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tui.engine.database import Database
from tui.engine.records import IndexConfig


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "index.db"


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[..., Database]]:
    """Opens databases at `path` (or another) and closes them after the test."""
    databases: list[Database] = []

    def open_database(config: IndexConfig | None = None, at: Path = path, **options: object) -> Database:
        databases.append(Database.open(at, config, **options))  # type: ignore[arg-type]
        return databases[-1]

    yield open_database
    for database in databases:
        database.close()


@pytest.fixture
def dense(opened: Callable[..., Database]) -> Database:
    """An empty dense index of two dimensions."""
    return opened(IndexConfig(2))


@pytest.fixture
def hybrid(opened: Callable[..., Database]) -> Database:
    """An empty hybrid index of two dimensions."""
    return opened(IndexConfig(2, sparse=True))


@pytest.fixture
def sparse(opened: Callable[..., Database]) -> Database:
    """An empty sparse index."""
    return opened(IndexConfig(0, sparse=True))

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.index.embedded_setup import open_index
from tui.index.embedded import EmbeddedIndex


@pytest_asyncio.fixture
async def index(tmp_path: Path) -> AsyncIterator[EmbeddedIndex]:
    """An embedded index whose file does not exist yet."""
    made = open_index(tmp_path / "index.db")
    yield made
    await made.aclose()

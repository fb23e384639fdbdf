from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tui.core.errors import IndexUnavailable
from tui.core.paths import Paths
from tui.core.settings import Settings
from tui.llm.extractive import ExtractiveAnswerer
from tui.wiring import build_services


class StuckAnswerer(ExtractiveAnswerer):
    """Fails to close, as a connection can."""

    async def aclose(self) -> None:
        raise OSError("the connection is gone")


async def test_an_answerer_that_fails_to_close_leaves_no_index_open(tmp_path: Path) -> None:
    services = build_services(Settings(), Paths.below(tmp_path), use_model=False)
    stuck = dataclasses.replace(services, answerer=StuckAnswerer(lambda: None))  # type: ignore[arg-type,return-value]
    await stuck.index.info()
    with pytest.raises(OSError, match="gone"):
        await stuck.aclose()
    with pytest.raises(IndexUnavailable, match="closed"):
        await stuck.index.info()

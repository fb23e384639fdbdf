from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.index.embedded_setup import open_index
from tests.index.test_embedded import LetterCounts
from tui.core.records import Finding, Record
from tui.index import embedded_health
from tui.index.embedded import EmbeddedIndex


async def findings(index: EmbeddedIndex) -> dict[str, Finding]:
    return {finding.check: finding for finding in await index.diagnose()}


async def test_a_missing_file_is_no_fault(index: EmbeddedIndex) -> None:
    found = await findings(index)
    assert {finding.severity for finding in found.values()} == {"ok"}
    assert "no index file yet" in found["index file"].message


async def test_a_filled_index_is_well(index: EmbeddedIndex) -> None:
    await index.upsert([Record("pho", "a soup")])
    found = await findings(index)
    assert {finding.severity for finding in found.values()} == {"ok"}
    assert found["records"].message == "1 record in the default namespace."
    assert "256 dimensions" in found["embedding model"].message


async def test_an_empty_index_is_a_warning_with_the_fix(index: EmbeddedIndex) -> None:
    await index.reset()
    found = await findings(index)
    assert found["records"].severity == "warning"
    assert "ragfood index upsert" in found["records"].hint


async def test_a_file_that_is_no_index_is_an_error_and_stays_as_it_is(index: EmbeddedIndex, tmp_path: Path) -> None:
    (tmp_path / "index.db").write_bytes(b"my shopping list" * 100)
    found = await findings(index)
    assert found["index file"].severity == "error"
    assert found["index file"].hint
    assert (tmp_path / "index.db").read_bytes() == b"my shopping list" * 100


async def test_a_file_of_a_newer_schema_is_an_error(index: EmbeddedIndex, tmp_path: Path) -> None:
    await index.upsert([Record("pho", "a soup")])
    await index.aclose()
    with sqlite3.connect(tmp_path / "index.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    again = open_index(tmp_path / "index.db")
    found = await findings(again)
    assert found["index file"].severity == "error"
    assert "newer" in found["index file"].message
    await again.aclose()


async def test_another_model_is_an_error_with_the_fix(index: EmbeddedIndex, tmp_path: Path) -> None:
    await index.upsert([Record("pho", "a soup")])
    other = open_index(tmp_path / "index.db", dense=LetterCounts)
    found = await findings(other)
    assert found["embedding model"].severity == "error"
    assert "RAGFOOD_EMBED_MODEL" in found["embedding model"].hint
    await other.aclose()


async def test_a_file_in_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    index = open_index(tmp_path / "data" / "index.db")
    assert "error" in [finding.severity for finding in await index.diagnose()]
    await index.aclose()


async def test_damage_inside_is_an_error(index: EmbeddedIndex, tmp_path: Path) -> None:
    await index.upsert([Record("pho", "a soup", {"region": "Vietnam"})])
    with sqlite3.connect(tmp_path / "index.db") as connection:
        connection.execute("UPDATE record SET metadata = CAST('{\"broken' AS BLOB)")
    connection.close()
    found = await findings(index)
    assert found["index file"].severity == "error"
    assert "metadata" in found["index file"].message
    assert found["index file"].hint


async def test_a_very_large_file_is_not_read_through_and_that_is_said(
    index: EmbeddedIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_health, "READ_THROUGH", 1000)
    await index.upsert([Record("pho", "a soup")])
    found = await findings(index)
    assert found["index file"].severity == "ok"
    assert "too much to be read through" in found["index file"].message

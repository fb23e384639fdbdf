from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.index.embedded_setup import food_rows, load_dense, open_index
from tui.core.errors import (
    FilterSyntaxError,
    IndexChanged,
    IndexMismatch,
    IndexUnavailable,
    InvalidQuery,
    InvalidRecord,
)
from tui.core.records import IndexKind, QueryMode, Record
from tui.embed.builtin import BuiltinEmbedder
from tui.index.embedded import EmbeddedIndex

RECORDS = [Record(row["id"], row["text"], {"region": row["region"], "n": n}) for n, row in enumerate(food_rows(40))]


class LetterCounts:
    """A model of 26 dimensions: how often each letter comes."""

    name = "letter-counts"
    dimension = 26

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        counts = np.array([[text.lower().count(chr(97 + n)) for n in range(26)] for text in texts], np.float32)
        return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return self.embed_documents([text])[0]


class Loader:
    """Loads the built-in model and counts how often."""

    def __init__(self) -> None:
        self.threads: list[str] = []

    def __call__(self) -> Any:
        self.threads.append(threading.current_thread().name)
        return load_dense()


async def ids(index: EmbeddedIndex, **options: Any) -> list[str]:
    return [record.id for record in (await index.scan(limit=1000, **options)).records]


# Opening


async def test_making_one_touches_nothing(tmp_path: Path) -> None:
    loader = Loader()
    index = open_index(tmp_path / "folder" / "index.db", dense=loader)
    assert not (tmp_path / "folder").exists()
    assert await ids(index) == []
    assert await index.fetch(["a"]) == [None]
    assert await index.query("soup", top_k=3) == []
    assert loader.threads == []
    assert not (tmp_path / "folder").exists()
    await index.aclose()


async def test_a_missing_index_says_what_it_will_be_like(index: EmbeddedIndex, tmp_path: Path) -> None:
    info = await index.info()
    assert (info.kind, info.records, info.dimension, info.similarity) == (IndexKind.EMBEDDED, 0, 256, "COSINE")
    assert info.sparse_model == "BM25"
    assert info.location == str(tmp_path / "index.db")


async def test_counting_and_listing_load_no_model(index: EmbeddedIndex, tmp_path: Path) -> None:
    await index.upsert(RECORDS)
    loader = Loader()
    second = open_index(tmp_path / "index.db", dense=loader)
    assert (await second.info()).records == 40
    assert len(await ids(second, filter="region = 'Peru'")) == 6
    assert await second.delete(ids=["food-1"]) == 1
    assert [finding.severity for finding in await second.diagnose()] == ["ok"] * 5
    await second.reset()
    await second.aclose()


async def test_the_model_is_loaded_once_on_the_index_thread(tmp_path: Path) -> None:
    loader = Loader()
    index = open_index(tmp_path / "index.db", dense=loader)
    await index.upsert(RECORDS[:3])
    await index.query("soup", top_k=1)
    await index.query("stew", top_k=1)
    assert loader.threads == ["ragfood-index"]
    await index.aclose()


async def test_vectors_of_another_model_are_refused_with_the_fix(index: EmbeddedIndex, tmp_path: Path) -> None:
    await index.upsert(RECORDS[:3])
    other = open_index(tmp_path / "index.db", dense=LetterCounts)
    for call in (other.query("soup", top_k=1), other.upsert(RECORDS[3:5])):
        with pytest.raises(IndexMismatch, match="letter-counts") as caught:
            await call
        assert "RAGFOOD_EMBED_MODEL" in caught.value.hint
    assert len(await ids(other)) == 3
    await other.aclose()


async def test_any_model_may_fill_a_new_index(tmp_path: Path) -> None:
    index = open_index(tmp_path / "index.db", dense=LetterCounts)
    await index.upsert([Record("b", "bbb"), Record("c", "ccc")])
    info = await index.info()
    assert (info.dimension, info.model) == (26, "letter-counts")
    assert [hit.id for hit in await index.query("b", top_k=1, mode=QueryMode.DENSE)] == ["b"]
    await index.aclose()


# Asking


async def test_each_mode_finds_what_it_should(index: EmbeddedIndex) -> None:
    await index.upsert(RECORDS)
    for mode in QueryMode:
        hits = await index.query(RECORDS[17].text, top_k=3, mode=mode)
        assert hits[0].id == "food-17"
        assert len(hits) == 3


async def test_a_hybrid_score_is_the_fused_one(index: EmbeddedIndex) -> None:
    await index.upsert(RECORDS)
    best = (await index.query("token17", top_k=1))[0]
    assert 1 / 60 < best.score <= 2 / 60 + 1e-6


async def test_a_hit_carries_the_evidence_that_ranks_it(index: EmbeddedIndex) -> None:
    await index.upsert(RECORDS)
    for mode in QueryMode:
        for hit in await index.query("a noodle dish from Japan", top_k=5, mode=mode):
            assert hit.similarity is not None
            assert -1 <= hit.similarity <= 1
            assert hit.coverage is not None
            assert 0 <= hit.coverage <= 1
            assert hit.relevance is not None
            assert 0 <= hit.relevance <= 1
    found = await index.query("a noodle dish from Japan", top_k=5)
    assert [hit.relevance for hit in found] == sorted((hit.relevance for hit in found), reverse=True)


async def test_a_record_is_found_by_its_name(index: EmbeddedIndex) -> None:
    await index.upsert([*RECORDS, Record("named", "A quiet plate for the evening.", {"name": "Gado-gado"})])
    assert (await index.query("What is gado-gado?", top_k=1))[0].id == "named"


async def test_a_filter_narrows_and_a_broken_one_is_shown(index: EmbeddedIndex) -> None:
    with pytest.raises(FilterSyntaxError):
        await index.query("soup", top_k=3, filter="region = ")
    with pytest.raises(FilterSyntaxError):
        await index.scan(filter="region = ")
    await index.upsert(RECORDS)
    hits = await index.query("soup", top_k=10, filter="region = 'Ghana'")
    assert {hit.record.metadata["region"] for hit in hits} == {"Ghana"}
    with pytest.raises(FilterSyntaxError):
        await index.query("soup", top_k=3, filter="region = ")


async def test_a_text_without_any_word_finds_nothing(index: EmbeddedIndex) -> None:
    await index.upsert([*RECORDS, Record("wordless", "!!!"), Record("empty", "")])
    for mode in QueryMode:
        assert await index.query("!!!", top_k=3, mode=mode) == []
    with pytest.raises(FilterSyntaxError):
        await index.query("!!!", top_k=3, filter="(")


async def test_at_least_one_hit_must_be_asked_for(index: EmbeddedIndex) -> None:
    with pytest.raises(InvalidQuery):
        await index.query("soup", top_k=0)


async def test_a_query_goes_before_the_rest_of_an_upsert(index: EmbeddedIndex) -> None:
    await index.upsert(RECORDS)
    many = [Record(f"more-{n}", f"{record.text} again") for n in range(10) for record in RECORDS]
    upsert = asyncio.create_task(index.upsert(many))
    await asyncio.sleep(0)
    hits = await index.query("token17", top_k=1)
    assert not upsert.done()
    assert hits[0].id == "food-17"
    await upsert


# Writing


async def test_records_come_back_as_they_were(index: EmbeddedIndex) -> None:
    await index.upsert(RECORDS)
    (record, missing) = await index.fetch(["food-7", "nobody"], include_vectors=True)
    assert missing is None
    assert record is not None
    assert (record.text, dict(record.metadata)) == (RECORDS[7].text, dict(RECORDS[7].metadata))
    assert record.vector is not None
    assert record.vector.shape == (256,)
    assert record.sparse is not None
    assert (await index.fetch(["food-7"]))[0].vector is None  # type: ignore[union-attr]


async def test_vectors_that_are_given_are_kept(index: EmbeddedIndex) -> None:
    await index.upsert(RECORDS[:2])
    (first, second) = await index.fetch(["food-0", "food-1"], include_vectors=True)
    assert first is not None
    assert second is not None
    await index.upsert([Record("swapped", first.text, {}, second.vector, second.sparse)])
    (swapped,) = await index.fetch(["swapped"], include_vectors=True)
    assert swapped is not None
    np.testing.assert_array_equal(swapped.vector, second.vector)  # type: ignore[arg-type]


async def test_a_batch_is_written_whole_or_not_at_all(index: EmbeddedIndex) -> None:
    with pytest.raises(InvalidRecord):
        await index.upsert([*RECORDS, Record("", "no id")])
    assert await ids(index) == []


async def test_a_cancelled_upsert_leaves_all_of_its_batch_or_nothing(index: EmbeddedIndex) -> None:
    for turns in range(12):
        batch = [Record(f"batch-{turns}-{n}", record.text) for n, record in enumerate(RECORDS)]
        task = asyncio.create_task(index.upsert(batch))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(await ids(index, prefix=f"batch-{turns}-")) in (0, len(RECORDS))


async def test_pages_follow_each_other_in_insertion_order(index: EmbeddedIndex) -> None:
    await index.upsert(RECORDS)
    await index.upsert([Record("food-3", "a new text")])
    found, cursor = [], ""
    while True:
        page = await index.scan(cursor=cursor, limit=7)
        found += [record.id for record in page.records]
        cursor = page.next_cursor
        if not cursor:
            break
    assert found == [record.id for record in RECORDS]


async def test_deleting_takes_exactly_one_selector(index: EmbeddedIndex) -> None:
    await index.upsert(RECORDS)
    assert await index.delete(ids=["food-1", "food-1", "nobody"]) == 1
    assert await index.delete(prefix="food-3") == 11
    assert await index.delete(filter="region = 'Peru'") == 5
    assert len(await ids(index)) == 40 - 17
    for selectors in ({}, {"ids": ["a"], "prefix": "b"}, {"prefix": "a", "filter": "n = 1"}):
        with pytest.raises(InvalidQuery):
            await index.delete(**selectors)  # type: ignore[arg-type]
    with pytest.raises(FilterSyntaxError):
        await index.delete(filter="n =")


async def test_namespaces_keep_to_themselves(index: EmbeddedIndex, tmp_path: Path) -> None:
    kitchen = open_index(tmp_path / "index.db", namespace="kitchen")
    await index.upsert(RECORDS[:5])
    await kitchen.upsert(RECORDS[:2])
    info = await kitchen.info()
    assert info.records == 2
    assert {name: counts.records for name, counts in info.namespaces.items()} == {"": 5, "kitchen": 2}
    await kitchen.reset()
    assert len(await ids(index)) == 5
    await kitchen.aclose()


@pytest.mark.parametrize("namespace", ["", "kitchen"])
async def test_a_reset_with_a_version_spares_what_another_process_wrote_first(tmp_path: Path, namespace: str) -> None:
    mine, other = (open_index(tmp_path / "index.db", namespace=namespace) for _ in range(2))
    elsewhere = open_index(tmp_path / "index.db", namespace="elsewhere")
    await elsewhere.upsert(RECORDS[:1])
    seen = await mine.version()
    await other.upsert(RECORDS)
    with pytest.raises(IndexChanged):
        await mine.reset(version=seen)
    assert len(await ids(mine)) == 40
    await mine.reset(version=await mine.version())
    assert await ids(mine) == []
    for index in (mine, other, elsewhere):
        await index.aclose()


async def test_an_export_shows_one_moment(index: EmbeddedIndex) -> None:
    await index.upsert(RECORDS)
    found = []
    async for page in index.export_pages(size=15):
        found += page.records
        await index.upsert([Record(f"late-{len(found)}", "later")])
        await index.delete(ids=["food-39"])
    assert [record.id for record in found] == [record.id for record in RECORDS]
    assert all(record.vector is not None and record.sparse is not None for record in found)


async def test_an_abandoned_export_lets_the_file_go(index: EmbeddedIndex) -> None:
    await index.upsert(RECORDS)
    pages = index.export_pages(size=5)
    await anext(pages)
    await pages.aclose()
    await index.reset()
    assert await ids(index) == []


async def test_an_export_that_is_cancelled_while_it_begins_lets_the_file_go(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    filled = open_index(path)
    await filled.upsert(RECORDS)
    await filled.aclose()
    other = sqlite3.connect(path)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN IMMEDIATE")
    index = open_index(path)
    export = asyncio.create_task(anext(index.export_pages()))
    await asyncio.sleep(0)
    while index._thread._reads:  # noqa: ASYNC110 - a thread takes it away, and sets no event
        await asyncio.sleep(0)
    export.cancel()
    await asyncio.sleep(0)
    other.close()
    with pytest.raises(asyncio.CancelledError):
        await export
    await index.upsert([Record("late", "written after the export")])
    checker = sqlite3.connect(path)
    assert checker.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    checker.close()
    await index.aclose()


async def test_exporting_a_missing_index_yields_nothing(index: EmbeddedIndex) -> None:
    assert [page async for page in index.export_pages()] == []


async def test_a_place_that_cannot_be_looked_at_is_an_error_with_a_hint(tmp_path: Path) -> None:
    index = open_index(tmp_path / ("x" * 300) / "index.db")
    with pytest.raises(IndexUnavailable) as raised:
        await index.info()
    assert raised.value.hint
    assert [finding.severity for finding in await index.diagnose()][1] == "error"
    await index.aclose()


async def test_vectors_of_two_models_are_not_mixed_when_the_file_is_made_meanwhile(tmp_path: Path) -> None:
    loaded, made = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    class Renamed(BuiltinEmbedder):
        name = "another-model-256"

        def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
            loop.call_soon_threadsafe(loaded.set)
            made.wait()
            return super().embed_documents(texts)

    late, early = open_index(tmp_path / "index.db", dense=Renamed), open_index(tmp_path / "index.db")
    upsert = asyncio.create_task(late.upsert(RECORDS[:1]))
    await loaded.wait()
    await early.upsert(RECORDS[1:2])
    made.set()
    with pytest.raises(IndexMismatch):
        await upsert
    assert await ids(early) == ["food-1"]
    for index in (late, early):
        await index.aclose()


# First fill


async def test_a_new_index_needs_a_first_fill_until_it_is_finished(index: EmbeddedIndex, tmp_path: Path) -> None:
    assert await index.needs_first_fill()
    await index.begin_first_fill()
    assert await index.fill(RECORDS[:5])
    assert await index.needs_first_fill()
    again = open_index(tmp_path / "index.db")
    assert await again.needs_first_fill()
    assert await again.fill(RECORDS[5:])
    await again.finish_first_fill()
    assert not await index.needs_first_fill()
    assert not await index.fill([Record("late", "too late")])
    assert len(await ids(index)) == 40
    await again.aclose()


@pytest.mark.parametrize("filter", ["  ", "region ="])
async def test_a_delete_that_cannot_be_understood_ends_no_first_fill(index: EmbeddedIndex, filter: str) -> None:
    await index.begin_first_fill()
    with pytest.raises(FilterSyntaxError):
        await index.delete(filter=filter)
    assert await index.needs_first_fill()


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("deed", ["upsert", "delete", "reset"])
async def test_whatever_a_person_does_ends_the_first_fill(index: EmbeddedIndex, deed: str, begun: bool) -> None:
    if begun:
        await index.begin_first_fill()
        await index.fill(RECORDS[:5])
    if deed == "upsert":
        await index.upsert(RECORDS[:1])
    elif deed == "delete":
        await index.delete(ids=["food-0"])
    else:
        await index.reset()
    assert not await index.needs_first_fill()
    await index.begin_first_fill()
    assert not await index.needs_first_fill()
    assert not await index.fill(RECORDS)


async def test_each_namespace_has_a_first_fill_of_its_own(index: EmbeddedIndex, tmp_path: Path) -> None:
    await index.upsert(RECORDS[:1])
    kitchen = open_index(tmp_path / "index.db", namespace="kitchen")
    assert await kitchen.needs_first_fill()
    await kitchen.aclose()


# Closing


async def test_closing_twice_is_fine_and_later_calls_are_refused(tmp_path: Path) -> None:
    index = open_index(tmp_path / "index.db")
    await index.upsert(RECORDS[:1])
    await index.aclose()
    await index.aclose()
    with pytest.raises(IndexUnavailable):
        await index.info()


async def test_closing_finishes_the_batch_under_way(tmp_path: Path) -> None:
    index = open_index(tmp_path / "index.db")
    await index.upsert(RECORDS[:1])
    upsert = asyncio.create_task(index.upsert(RECORDS))
    view = index.export_pages(size=1)
    await anext(view)
    await index.aclose()
    outcome = (await asyncio.gather(upsert, return_exceptions=True))[0]
    await view.aclose()
    again = open_index(tmp_path / "index.db")
    assert len(await ids(again)) == (1 if isinstance(outcome, IndexUnavailable) else 40)
    await again.aclose()

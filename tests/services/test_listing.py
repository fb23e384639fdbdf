from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile import HOSTILE, forbidden_in
from tui.core.errors import IndexUnavailable
from tui.core.paths import Paths
from tui.core.records import Record, SparseVector
from tui.core.settings import Settings
from tui.index.base import VectorIndex
from tui.services.listing import PAGE, Listing, line_of
from tui.wiring import build_services


def record(id: str, text: str = "Some text.", **metadata: object) -> Record:
    import numpy as np

    vector = np.zeros(256, np.float32)
    vector[0] = 1.0
    return Record(id, text, metadata, vector=vector, sparse=SparseVector([1], [1.0]))


@pytest.fixture
async def index(tmp_path: Path):  # type: ignore[no-untyped-def]
    services = build_services(Settings(), Paths.below(tmp_path))
    yield services.index
    await services.aclose()


async def read_all(index: VectorIndex, words: str = "") -> Listing:
    listing = Listing(words)
    while not listing.complete:
        await listing.read_page(index)
    return listing


def ids(listing: Listing) -> list[str]:
    return [line.id for line in listing.lines]


async def test_pages_come_in_insertion_order_and_say_how_far_they_are(index: VectorIndex) -> None:
    await index.upsert([record(f"r{number}") for number in range(PAGE + 5)])
    listing = Listing()
    await listing.read_page(index)
    assert (len(listing.lines), listing.read, listing.total, listing.complete) == (PAGE, PAGE, PAGE + 5, False)
    await listing.read_page(index)
    assert (len(listing.lines), listing.total, listing.complete) == (PAGE + 5, PAGE + 5, True)
    assert ids(listing) == [f"r{number}" for number in range(PAGE + 5)]


async def test_an_index_without_a_file_is_empty(index: VectorIndex) -> None:
    listing = await read_all(index)
    assert (listing.lines, listing.total) == ([], 0)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", ["pho", "ramen"]),
        ("PHO", ["pho"]),
        ("noodle soup", ["pho", "ramen"]),
        ("noodle vietnam", ["pho"]),
        ("Nhat", ["ramen"]),
        ("ｐｈｏ", ["pho"]),
        ("enriched", ["ramen"]),
        ("nothing like it", []),
        ("  ", ["pho", "ramen"]),
    ],
)
async def test_every_word_must_be_somewhere_in_a_record(index: VectorIndex, words: str, found: list[str]) -> None:
    await index.upsert(
        [
            record("pho", "A soup.", name="Phở", region="Vietnam", type="Noodle Soup"),
            record("ramen", "Its enriched text.", original_text="A soup with noodles.", region="Nhật Bản"),
        ]
    )
    assert ids(await read_all(index, words)) == found


async def test_a_version_tells_whether_a_listing_is_still_true(index: VectorIndex) -> None:
    await index.upsert([record("a")])
    listing = await read_all(index)
    assert listing.version == await index.version()
    await index.upsert([record("b")])
    assert listing.version != await index.version()


async def test_an_index_that_shrinks_between_two_pages_ends_the_listing(index: VectorIndex) -> None:
    await index.upsert([record(f"r{number}") for number in range(3 * PAGE)])
    listing = Listing()
    await listing.read_page(index)
    await index.reset()
    await listing.read_page(index)
    assert listing.complete
    assert listing.total == PAGE


async def test_a_record_that_is_written_while_pages_are_read_comes_once(index: VectorIndex) -> None:
    await index.upsert([record(f"r{number}") for number in range(PAGE + 1)])
    listing = Listing()
    await listing.read_page(index)
    await index.delete(ids=["r0"])
    await index.upsert([record("r0")])
    await listing.read_page(index)
    assert sorted(ids(listing)) == sorted({f"r{number}" for number in range(PAGE + 1)})


async def test_an_error_leaves_the_listing_as_it_was(index: VectorIndex) -> None:
    await index.upsert([record(f"r{number}") for number in range(PAGE + 1)])
    listing = Listing()
    await listing.read_page(index)
    await index.aclose()
    with pytest.raises(IndexUnavailable):
        await listing.read_page(index)
    assert (len(listing.lines), listing.read, listing.complete) == (PAGE, PAGE, False)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_lines_are_safe_to_show(text: str) -> None:
    line = line_of(Record("x", text, {"name": text, "region": text, "type": {"nested": [text]}}))
    for cell in (line.heading, line.region, line.type):
        assert not forbidden_in(cell)
        assert "\n" not in cell
        assert len(cell) <= 200

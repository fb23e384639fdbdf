"""What the browser shows: the records of an index, or those that contain some words, read page by page."""

from __future__ import annotations

import asyncio
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui.core.text import clean, clean_line

if TYPE_CHECKING:
    from tui.core.records import Record
    from tui.index.base import VectorIndex

PAGE = 200
"""Records read at once: some 10 ms of an embedded index, a few hundred KB of answer from a host."""
LONGEST_CELL = 200
"""Characters of a heading, a region or a type that are kept; no terminal is so wide that more could be read."""
_SLICE_CHARACTERS = 200_000
"""Text that is searched in one go: a few milliseconds, after which keys go first."""


@dataclass(frozen=True, slots=True)
class RecordLine:
    """What a list needs to know about a record. `id` is exactly the record's; the rest is cleaned for showing."""

    id: str
    heading: str
    region: str
    type: str


class Listing:
    """The records of an index in insertion order, one `RecordLine` each, as far as they have been read.

    With `words` only records that contain all of them count: in heading, id, region, type or text, whatever the case
    and the accents. `read` records were looked at so far, of `total` when the reading began; `version` is the index's
    at that time, empty where it cannot tell. `complete` says that there is no more.
    """

    def __init__(self, words: str = "") -> None:
        self.words = tuple(folded(words).split())
        self.lines: list[RecordLine] = []
        self.read = 0
        self.total = 0
        self.version = ""
        self.complete = False
        self._begun = False
        self._cursor = ""
        self._seen: set[str] = set()

    async def read_page(self, index: VectorIndex) -> None:
        """Reads the next page. Cancelling it or an error of the index leaves everything as it was."""
        if not self._begun:
            version = await index.version()
            self.total = (await index.info()).records
            self.version = version
            self._begun = True
        page = await index.scan(cursor=self._cursor, limit=PAGE)
        found = await self._matching(page.records)
        for line in found:
            # A record that is written again while pages are read may come twice.
            if line.id not in self._seen:
                self._seen.add(line.id)
                self.lines.append(line)
        self.read += len(page.records)
        self._cursor = page.next_cursor
        self.complete = not page.next_cursor
        self.total = self.read if self.complete else max(self.total, self.read + 1)

    async def _matching(self, records: Sequence[Record]) -> list[RecordLine]:
        found = []
        searched = 0
        for record in records:
            line = line_of(record)
            if self.words:
                searched += 200 + len(record.text)
                if not contains(record, line, self.words):
                    continue
            found.append(line)
            if searched > _SLICE_CHARACTERS:
                searched = 0
                await asyncio.sleep(0)
        return found


def line_of(record: Record) -> RecordLine:
    """Returns what a list shows of `record`."""
    metadata = record.metadata
    # Regions and types are few, and a long list should hold each of them once.
    region, type_ = (sys.intern(_cell(metadata.get(key))) for key in ("region", "type"))
    return RecordLine(record.id, _cell(record.heading) or _cell(record.id), region, type_)


def contains(record: Record, line: RecordLine, words: Sequence[str]) -> bool:
    """Returns whether every one of the folded `words` is in the record's heading, id, region, type or text."""
    parts = [line.heading, record.id, line.region, line.type, record.text]
    if record.passage is not record.text:
        parts.append(record.passage)
    text = folded("\n".join(parts))
    return all(word in text for word in words)


def folded(text: str) -> str:
    """Returns `text` as it is compared: cleaned, without case and accents."""
    text = clean(text).casefold()
    if text.isascii():
        return text
    return "".join(part for part in unicodedata.normalize("NFKD", text) if not unicodedata.combining(part))


def _cell(value: object) -> str:
    if value is None:
        return ""
    # Cut before cleaning too, so that a megabyte costs nothing.
    return clean_line(str(value)[: LONGEST_CELL * 20])[:LONGEST_CELL]

"""Reads records for the browser in the background: from the index's pages to messages for the screen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from textual.message import Message
from textual.screen import Screen

from tui.core.errors import RagfoodError
from tui.screens.background import Background
from tui.screens.opening import Opening
from tui.services.listing import Listing
from tui.widgets.guarded import Unexpected

if TYPE_CHECKING:
    from tui.core.records import Record
    from tui.services.bundle import Services
    from tui.services.listing import RecordLine


class ListingGrew(Message):
    """There is more of `listing` to show, or its reading is over: complete, stopped, or with an `error`."""

    def __init__(self, listing: Listing, *, error: RagfoodError | None = None) -> None:
        super().__init__()
        self.listing = listing
        self.error = error


class RecordRead(Message):
    """The record of `line` was read; it is None when the index has it no more, or when there was an `error`."""

    def __init__(self, line: RecordLine, record: Record | None, *, error: RagfoodError | None = None) -> None:
        super().__init__()
        self.line = line
        self.record = record
        self.error = error


class VersionRead(Message):
    """The index is at `version`, empty where it cannot tell."""

    def __init__(self, version: str) -> None:
        super().__init__()
        self.version = version


class _Job:
    """Work of one kind, of which only the newest matters: starting it anew stops the one before."""

    def __init__(self, screen: Screen[None], name: str) -> None:
        self._screen = screen
        self._name = name
        self._number = 0
        self._running: Background | None = None

    @property
    def busy(self) -> bool:
        return self._running is not None and self._running.busy

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        self.stop()
        # A group for each, so that Textual leaves stopping to us: it would forget what has not begun.
        self._number += 1
        self._running = Background(self._screen, f"browse-{self._name}-{self._number}")
        self._running.start(f"browse {self._name}", work)

    def stop(self) -> bool:
        return self._running is not None and self._running.stop()


class Browsing:
    """Reads one listing and one record at a time in workers of the screen. What comes late is never told."""

    def __init__(self, screen: Screen[None], opening: Opening) -> None:
        self._screen = screen
        self._opening = opening
        self._list = _Job(screen, "list")
        self._record = _Job(screen, "record")
        self._version = _Job(screen, "version")
        self._wanted = 0

    @property
    def busy(self) -> bool:
        """Whether a listing is being read."""
        return self._list.busy

    def read(self, listing: Listing, *, wanted: int, hold: int = 0) -> None:
        """Reads `listing` instead of any other, up to `wanted` lines, or to its end when it is searched for words.

        The first message comes when there are `hold` lines, or when that is all there is.
        """
        self._wanted = wanted
        self._list.start(partial(self._read, listing, hold))

    def want(self, listing: Listing, wanted: int) -> None:
        """Goes on with `listing`, which must be the one that was read last, up to `wanted` lines."""
        if self.busy:
            self._wanted = max(self._wanted, wanted)
        elif not listing.complete:
            self.read(listing, wanted=wanted)

    def stop(self) -> bool:
        """Stops reading the listing; returns whether it was being read."""
        return self._list.stop()

    def fetch(self, line: RecordLine) -> None:
        """Reads the record of `line`, instead of any other."""
        self._record.start(partial(self._fetch, line))

    def check_version(self) -> None:
        """Asks the index for its version, if it is open; an index that fails will say so to whoever reads next."""
        if not self._version.busy and self._opening.services is not None:
            self._version.start(self._check_version)

    def forget_record(self) -> None:
        """Stops reading a record."""
        self._record.stop()

    async def _read(self, listing: Listing, hold: int) -> None:
        ended = ListingGrew(listing)

        async def pages(services: Services) -> None:
            while not listing.complete and (listing.words or len(listing.lines) < self._wanted):
                await listing.read_page(services.index)
                if len(listing.lines) >= hold:
                    self._screen.post_message(ListingGrew(listing))

        try:
            ended.error = await self._failure(pages)
        finally:
            self._screen.post_message(ended)

    async def _fetch(self, line: RecordLine) -> None:
        found: list[Record | None] = []

        async def fetch(services: Services) -> None:
            found.extend(await services.index.fetch([line.id], include_vectors=True))

        error = await self._failure(fetch)
        self._screen.post_message(RecordRead(line, found[0] if found else None, error=error))

    async def _check_version(self) -> None:
        async def check(services: Services) -> None:
            self._screen.post_message(VersionRead(await services.index.version()))

        await self._failure(check)

    async def _failure(self, work: Callable[[Services], Awaitable[None]]) -> RagfoodError | None:
        """Does `work` with the services and returns why it failed, None when it did not."""
        try:
            await work(await self._opening.get())
        except RagfoodError as error:
            return error
        except Exception as error:  # noqa: BLE001 - nothing is swallowed: the app logs it and shows it
            self._screen.post_message(Unexpected(error))
            return RagfoodError("Something unexpected ended the reading of the index.")
        return None

"""Browse: every record of the index in a list that can be filtered, and the chosen one beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Footer, Input, Static

from tui.core.text import clean_line, shorten
from tui.screens.browsing import Browsing, ListingGrew, RecordRead, VersionRead
from tui.screens.opening import Opening
from tui.services.listing import PAGE, Listing
from tui.widgets.guarded import Guarded
from tui.widgets.record_detail import RecordDetail
from tui.widgets.record_list import RecordList
from tui.widgets.transcript import Note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tui.core.errors import RagfoodError

FETCH_AFTER = 0.06
"""Seconds that the choice has to rest before the record is read: a key held down should not cost a request a line."""
FOLLOW_EVERY = 2.0
"""Seconds between two looks at whether the index has changed while it is shown."""
LONGEST_FILTER = 200
"""Characters of a filter."""
LONGEST_NAME = 120
"""Characters of a heading that go into a question."""


class FilterBox(Input):
    """Where the words of the filter are typed; moves through the list without leaving."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "screen.move(-1)", show=False, id="browse.up"),
        Binding("down", "screen.move(1)", show=False, id="browse.down"),
        Binding("pageup", "screen.move_page(-1)", show=False, id="browse.page_up"),
        Binding("pagedown", "screen.move_page(1)", show=False, id="browse.page_down"),
    ]

    def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        self.replace(clean_line(event.text[: 10 * LONGEST_FILTER]), *self.selection)


class BrowseScreen(Guarded, Screen[None]):
    """Shows what the index holds; nothing here changes it."""

    CSS_PATH = Path(__file__).with_name("browse.tcss")
    AUTO_FOCUS = "#list"

    KEYS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/", id="browse.filter", tooltip="Show what contains words"),
        Binding("enter", "open", "Whole record", id="browse.open", tooltip="Read the whole record"),
        Binding("a", "ask", "Ask about it", id="browse.ask", tooltip="Put a question about it into the prompt"),
        Binding("c", "copy_id", "Copy id", id="browse.copy"),
        Binding("r", "read_again", "Read the index again", show=False, id="browse.again"),
        Binding("escape", "peel", "Back: stop reading, clear the filter, to the chat", show=False, id="browse.back"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "app.help", "Help", id="app.help", tooltip="The keys"),
        Binding("f2", "app.leave_browse", "Chat", id="pane.chat", tooltip="Back to the prompt"),
        Binding("f3", "app.browse", "Browse", show=False, id="pane.browse"),
        Binding("f4", "app.leave_browse('index')", "Index", show=False, id="pane.index"),
        *KEYS,
        Binding("question_mark", "app.help", "Help", show=False, id="app.help.letter"),
    ]

    class Asked(Message):
        """A question about a record should go into the prompt, to be sent or changed there."""

        def __init__(self, question: str) -> None:
            super().__init__()
            self.question = question

    def __init__(self, opening: Opening) -> None:
        """Shows the index of the services of `opening`, once they are open."""
        super().__init__()
        self.opening = opening
        self.browsing = Browsing(self, opening)
        self.listing = Listing()
        """What is shown; while another is being read it stays until there is something of that to show."""
        self._coming: Listing | None = None
        self._stopped = False
        self._place_of: str | None = None
        self._failed = False
        self._checked: str | None = None
        self._fetch_timer: Timer | None = None
        self._follow_timer: Timer | None = None

    def compose(self) -> ComposeResult:
        with Horizontal(id="panes"):
            with Vertical(id="records"):
                yield RecordList(id="list")
                with Horizontal(id="filter-row"):
                    yield Static(Content("/"), markup=False, id="filter-marker")
                    yield FilterBox(
                        placeholder="Filter by words…",
                        id="filter",
                        compact=True,
                        select_on_focus=False,
                        max_length=LONGEST_FILTER,
                    )
            yield RecordDetail(id="detail")
        yield Footer(show_command_palette=True)

    def on_mount(self) -> None:
        self.detail.border_title = "Record"
        self.detail.show_nothing()
        self._follow_timer = self.set_interval(FOLLOW_EVERY, self.browsing.check_version, name="follow")
        self._begin(Listing())
        self._show_title()

    def on_screen_resume(self) -> None:
        self._checked = None
        if self._follow_timer is not None:
            self._follow_timer.resume()
            self.browsing.check_version()

    def on_screen_suspend(self) -> None:
        if self._follow_timer is not None:
            self._follow_timer.pause()

    # -- the panes

    @property
    def records(self) -> RecordList:
        """The records."""
        return self.query_one(RecordList)

    @property
    def detail(self) -> RecordDetail:
        """The chosen record."""
        return self.query_one(RecordDetail)

    @property
    def filter_box(self) -> FilterBox:
        """The words that records must contain."""
        return self.query_one(FilterBox)

    @property
    def title_text(self) -> str:
        """What the title of the list says."""
        return str(self.query_one("#records").border_title or "")

    def commands(self) -> Iterator[SystemCommand]:
        """What the command palette offers here."""
        yield SystemCommand("Filter the records", "Show only those that contain some words", self.action_filter)
        yield SystemCommand("Whole record", "Read everything about the chosen record", self.action_open)
        yield SystemCommand("Ask about the record", "Put a question about it into the prompt", self.action_ask)
        yield SystemCommand("Copy the record's id", "To the clipboard", self.action_copy_id)
        yield SystemCommand("Read the index again", "From the first record on", self.action_read_again)
        yield SystemCommand("Back from browsing", "Stop reading, clear the filter, to the chat", self.action_peel)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self.set_class(event.widget is self.detail, "-detail")

    # -- keys

    def action_filter(self) -> None:
        """Moves into the filter."""
        self.remove_class("-detail")
        if self.filter_box.focusable:
            self.set_focus(self.filter_box)
        else:
            self.filter_box.focus()

    def action_move(self, step: int) -> None:
        """Goes `step` records down."""
        self.records.action_move(step)

    def action_move_page(self, pages: int) -> None:
        """Goes `pages` pages down."""
        self.records.action_page(pages)

    @on(RecordList.Opened)
    @on(Input.Submitted)
    def action_open(self) -> None:
        """Goes on from the filter to the list, and from the list to the whole record."""
        if self.focused is self.filter_box:
            self.records.focus()
        elif self.records.chosen is not None:
            self.add_class("-detail")
            self.detail.focus()

    def action_ask(self) -> None:
        """Hands over a question about the chosen record."""
        line = self.records.chosen
        if line is not None:
            self.post_message(self.Asked(f"Tell me about {shorten(line.heading, LONGEST_NAME)}"))

    def action_copy_id(self) -> None:
        """Copies the id of the chosen record."""
        line = self.records.chosen
        if line is not None:
            self.app.copy_to_clipboard(line.id)
            self.notify(f"Copied {shorten(line.id, 60)}, if your terminal allows it.", markup=False)

    def action_read_again(self) -> None:
        """Reads everything again, and stays at the chosen record if it is still there."""
        self._begin(Listing(self.filter_box.value), keep=True)

    async def action_peel(self) -> None:
        """Takes one layer off: the whole record, the reading under way, the filter, and at last the browser."""
        if self.focused is self.detail or self.has_class("-detail"):
            self.remove_class("-detail")
            self.records.focus()
        elif not self._stop():
            if self.filter_box.value:
                self.filter_box.value = ""
            elif self.focused is self.filter_box:
                self.records.focus()
            else:
                await self.run_action("app.leave_browse")

    def interrupt(self) -> bool:
        """Does what Ctrl+C means here: stops the reading, else clears the filter; returns whether there was either."""
        if self._stop():
            return True
        had_filter = bool(self.filter_box.value)
        self.filter_box.value = ""
        return had_filter

    def _stop(self) -> bool:
        """Stops a search, or the way to an end that is far; what comes anyway is not worth a key."""
        waited_for = bool(self.listing.lines) and self.records.chosen is None
        if (self._coming or self.listing).words or waited_for:
            self._stopped = self.browsing.stop()
            return self._stopped
        return False

    # -- reading

    @on(Input.Changed)
    def _filter_changed(self, event: Input.Changed) -> None:
        listing = Listing(event.value)
        newest = self._coming or self.listing
        if listing.words != newest.words:
            self._begin(listing)

    def _begin(self, listing: Listing, *, keep: bool = False) -> None:
        """Reads `listing`; with `keep` it is to take the place of the same one without being noticed."""
        self._coming = listing
        self._stopped = False
        chosen = self.records.chosen
        self._place_of = chosen.id if keep and chosen is not None else None
        # What is shown goes when there is as much of what will be shown.
        hold = min(len(self.listing.lines), self.records.shown_until) if keep else 0
        self.browsing.read(listing, wanted=max(hold, PAGE), hold=hold)

    @on(RecordList.Wanted)
    def _more_wanted(self, event: RecordList.Wanted) -> None:
        if self._coming is None and not self.listing.words:
            self._stopped = False
            self.browsing.want(self.listing, event.count)

    @on(ListingGrew)
    def _listing_grew(self, message: ListingGrew) -> None:
        listing = message.listing
        if listing is not (self._coming or self.listing):
            return
        place = None
        if listing is self._coming:
            self._coming = None
            if message.error is not None and self._place_of is not None:
                # What was read before is worth more than nothing.
                listing = self.listing
            else:
                place = self._place_in(listing)
                self.listing = listing
        over = not self.browsing.busy
        self._failed = message.error is not None
        loaded = len(listing.lines)
        if over and self._stopped and self.records.place >= loaded:
            place = loaded - 1
        growing = not (listing.words or listing.complete or self._failed)
        self.records.show(listing.lines, listing.total if growing else loaded, place=place)
        self._show_note(listing, message.error, over=over)
        self._show_title()

    def _place_in(self, listing: Listing) -> int:
        """Returns where in `listing` the record is that is to stay chosen, or the place where it was."""
        if self._place_of is None:
            return 0
        for number, line in enumerate(listing.lines):
            if line.id == self._place_of:
                return number
        return self.records.place

    def _show_title(self) -> None:
        self.query_one("#records").border_title = title(self.listing, busy=self.browsing.busy, stopped=self._stopped)

    def _show_note(self, listing: Listing, error: RagfoodError | None, *, over: bool) -> None:
        """Says why there is nothing, or no more, and what can be done."""
        note = None
        if error is not None:
            note = Note(error.message, f"{error.hint} Press r to try again.".strip(), severity="error")
        elif over and not listing.lines and listing.words:
            note = Note("No record contains these words.", "Esc clears the filter.")
        elif over and not listing.lines and not self.opening.filled.is_set():
            note = Note("The index is being filled for the first time.", "Its records will appear here.")
        elif over and not listing.lines:
            note = Note(
                "The index holds no records.",
                "Upsert the foods file from the index panel (F4, then u), or bring a snapshot back with: "
                "ragfood index restore FILE",
                severity="warning",
            )
        self.query("#records Note").remove()
        if note is not None:
            self.query_one("#records").mount(note, before="#list")

    # -- following

    @on(VersionRead)
    def _version_read(self, message: VersionRead) -> None:
        """Reads everything again when the index has changed, and rests: not after each batch of an upsert."""
        previous, self._checked = self._checked, message.version
        if self._coming is not None or self.browsing.busy:
            return
        # An index that cannot tell is read again each time the browser is opened.
        changed = message.version != self.listing.version if message.version else previous is None
        rests = previous in (None, message.version) or not self.listing.lines
        if self._failed or (changed and rests):
            self.action_read_again()

    # -- the record

    @on(RecordList.Moved)
    def _moved(self) -> None:
        if self._fetch_timer is not None:
            self._fetch_timer.stop()
        self._fetch_timer = self.set_timer(FETCH_AFTER, self._fetch, name="fetch record")

    def _fetch(self) -> None:
        line = self.records.chosen
        if line is None:
            self.browsing.forget_record()
            self.detail.show_nothing()
            self.remove_class("-detail")
        else:
            self.detail.show_loading(line)
            self.browsing.fetch(line)

    @on(RecordRead)
    def _record_read(self, message: RecordRead) -> None:
        line = message.line
        if line != self.records.chosen:
            return
        if message.record is not None:
            self.detail.show_record(line, message.record)
        elif message.error is not None:
            self.detail.show_problem(line, message.error.message, message.error.hint)
        else:
            self.detail.show_problem(line, "This record is not in the index any more.", "Press r to read it again.")


def title(listing: Listing, *, busy: bool, stopped: bool) -> str:
    """Returns what the list holds, and how far the reading is; our own words and numbers only."""
    found = len(listing.lines)
    state = " · stopped" if stopped else " · Esc stops" if busy and listing.words else ""
    if listing.words and listing.complete:
        return f"Records · {found:,} of {listing.total:,} match"
    if listing.words:
        return f"Records · {found:,} match · {listing.read:,} of {listing.total:,} searched{state}"
    if listing.complete:
        return f"Records · {found:,}"
    if not listing.total:
        return "Records · opening…" if busy else "Records"
    return f"Records · {found:,} of {listing.total:,} loaded{state}"

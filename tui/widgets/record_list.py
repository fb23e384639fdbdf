"""A list of records, drawn line by line: as quick with a hundred thousand of them as with ten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.core.text import clean_line
from tui.widgets.guarded import Guarded

if TYPE_CHECKING:
    from tui.services.listing import RecordLine

MARKER = "> "
"""In front of the chosen line, so that no colour is needed to find it."""
GAP = 2
LEAST_HEADING = 14
"""Cells below which a heading is not squeezed for the sake of another column."""
COLUMNS = (("id", 10, 26), ("region", 9, 22), ("type", 11, 16))
"""The columns beside the heading, in the order in which they give way last: name, fewest and most cells."""
HEAD_FROM = 5
"""Rows from which on the names of the columns are worth one."""
AHEAD = 200
"""Lines that are asked for beyond the last one that is shown."""

Part = tuple[str, Style]
"""A piece of a line and how it looks."""


def column_widths(width: int) -> tuple[int, ...]:
    """Returns the cells of heading, id, region and type in a line of `width` cells; 0 for a column left out."""
    room = width - cell_len(MARKER)
    shown: list[tuple[int, int]] = []
    for _, fewest, most in COLUMNS:
        if room - sum(low + GAP for low, _ in shown) - fewest - GAP < LEAST_HEADING:
            break
        shown.append((fewest, most))
    spare = max(0, room - sum(low + GAP for low, _ in shown) - LEAST_HEADING)
    widths = []
    for low, most in shown:
        # The heading takes half of what is left over, the others share the rest evenly.
        widths.append(min(most, low + spare // (2 * len(shown))))
    heading = max(0, room - sum(size + GAP for size in widths))
    return (heading, *widths, *(0 for _ in COLUMNS[len(shown) :]))


class RecordList(Guarded, ScrollView, can_focus=True):
    """Records, one a line, of which one is chosen.

    Lines that have not been loaded yet have room already: coming near them posts `Wanted`.
    """

    DEFAULT_CSS = """
    RecordList {
        height: 1fr;
        overflow-x: hidden;
        overflow-y: scroll;
        scrollbar-size-vertical: 1;
        & > .record-list--head { color: $foreground 60%; text-style: underline; }
        & > .record-list--heading { color: $foreground; }
        & > .record-list--rest { color: $foreground 70%; }
        & > .record-list--chosen { text-style: bold; background: $foreground 12%; }
        &:focus > .record-list--chosen { background: $block-cursor-background; color: $block-cursor-foreground; }
    }
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "record-list--head",
        "record-list--heading",
        "record-list--rest",
        "record-list--chosen",
    }

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Record above", show=False, id="browse.up"),
        Binding("down,j", "move(1)", "Record below", show=False, id="browse.down"),
        Binding("pageup", "page(-1)", "A page up", show=False, id="browse.page_up"),
        Binding("pagedown", "page(1)", "A page down", show=False, id="browse.page_down"),
        Binding("home", "first", "First record", show=False, key_display="Home", id="browse.first"),
        Binding("end", "last", "Last record", show=False, key_display="End", id="browse.last"),
    ]

    class Moved(Message):
        """Another record is chosen, or none; the control's `chosen` says which."""

    class Opened(Message):
        """The chosen record was clicked once more."""

    class Wanted(Message):
        """The first `count` lines are shown, or about to be."""

        def __init__(self, count: int) -> None:
            super().__init__()
            self.count = count

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: Sequence[RecordLine] = ()
        self._rows = 0
        self._place = 0
        self._announced = ""
        self._wanted = 0

    # -- what is shown

    @property
    def chosen(self) -> RecordLine | None:
        """The chosen record; None while it is not loaded, and in an empty list."""
        return self._lines[self._place] if self._place < len(self._lines) else None

    @property
    def place(self) -> int:
        """The number of the chosen line, from 0."""
        return self._place

    @property
    def rows(self) -> int:
        """How many lines the list has room for, loaded or not."""
        return self._rows

    @property
    def shown_until(self) -> int:
        """How many lines there are down to the last one in view."""
        return round(self.scroll_y) + self._visible

    def show(self, lines: Sequence[RecordLine], rows: int, *, place: int | None = None) -> None:
        """Shows `lines`, which may go on growing, in a list of `rows` lines; `place` is the one to choose."""
        self._lines = lines
        self._rows = max(rows, len(lines))
        self._wanted = min(self._wanted, len(lines))
        self._resize_list()
        self._choose(self._place if place is None else place)
        self.refresh()

    # -- moving

    def action_move(self, step: int) -> None:
        """Goes `step` lines down."""
        self._choose(self._place + step)

    def action_page(self, pages: int) -> None:
        """Goes `pages` pages down."""
        self._choose(self._place + pages * max(1, self._visible - 1))

    def action_first(self) -> None:
        """Goes to the first line."""
        self._choose(0)

    def action_last(self) -> None:
        """Goes to the last line, loaded or not."""
        self._choose(self._rows - 1)

    def _choose(self, place: int) -> None:
        before, self._place = self._place, min(max(0, place), max(0, self._rows - 1))
        if self._place != before:
            self._refresh_row(before)
            self._refresh_row(self._place)
        self._reveal()
        self._announce()
        self._want()

    def _reveal(self) -> None:
        top = round(self.scroll_y)
        if self._place < top:
            top = self._place
        elif self._visible and self._place >= top + self._visible:
            top = self._place - self._visible + 1
        self.scroll_to(y=max(0, min(top, self._rows - self._visible)), animate=False, force=True)

    def _announce(self) -> None:
        line = self.chosen
        name = f"id {line.id}" if line is not None else ""
        if name != self._announced:
            self._announced = name
            self.post_message(self.Moved())

    def _want(self) -> None:
        wanted = min(self._rows, max(self._place + 1, self.shown_until) + AHEAD)
        if wanted > len(self._lines) and wanted > self._wanted:
            self._wanted = wanted
            self.post_message(self.Wanted(wanted))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._want()

    def on_resize(self) -> None:
        self._resize_list()
        self._choose(self._place)

    async def on_key(self, event: events.Key) -> None:
        # A binding runs only after its key has bubbled up to the app. Of words that are typed or sent in one go with
        # the key that leads to the filter, none should be lost: so that key acts here and now, and what was meant for
        # whoever has got the focus is handed on.
        focused = self.screen.focused
        bound = self.screen.active_bindings.get(event.key)
        if focused is not None and focused is not self and event.is_printable:
            event.stop()
            focused.post_message(events.Key(event.key, event.character))
        elif bound is not None and bound.binding.id == "browse.filter":
            event.stop()
            await self.app.run_action(bound.binding.action, bound.node)

    def on_click(self, event: events.Click) -> None:
        row = event.y - self._head
        place = round(self.scroll_y) + row
        if row >= 0 and place < self._rows:
            again = place == self._place
            self._choose(place)
            if again and self.chosen is not None:
                self.post_message(self.Opened())

    # -- drawing

    @property
    def _head(self) -> int:
        return 1 if self.size.height >= HEAD_FROM else 0

    @property
    def _visible(self) -> int:
        return max(0, self.size.height - self._head)

    def _resize_list(self) -> None:
        self.virtual_size = Size(self.scrollable_content_region.width, self._rows + self._head)

    def _refresh_row(self, place: int) -> None:
        self.refresh_line(place + self._head)

    def render_line(self, y: int) -> Strip:
        """Draws one row of the terminal: the names of the columns, a record, or the room of one that is not loaded."""
        width = self.scrollable_content_region.width
        widths = column_widths(width)
        base = self.rich_style
        if y < self._head:
            style = self.get_component_rich_style("record-list--head")
            cells = ("name", *(name for name, *_ in COLUMNS))
            return _strip([(" " * len(MARKER), base), *_cells(cells, widths, style, style, base)], width, base)
        place = round(self.scroll_y) + y - self._head
        if place >= self._rows:
            return Strip.blank(width, base)
        first, rest = (self.get_component_rich_style(f"record-list--{name}") for name in ("heading", "rest"))
        blank = base
        if place == self._place:
            first = rest = blank = self.get_component_rich_style("record-list--chosen")
        marker = MARKER if place == self._place else " " * len(MARKER)
        if place >= len(self._lines):
            return _strip([(f"{marker}…", rest)], width, blank)
        line = self._lines[place]
        cells = (line.heading, clean_line(line.id), line.region, line.type)
        return _strip([(marker, first), *_cells(cells, widths, first, rest, blank)], width, blank)


def _cells(cells: Sequence[str], widths: Sequence[int], first: Style, rest: Style, gap: Style) -> list[Part]:
    """Returns the cells of a line at their widths, with gaps between them."""
    parts: list[Part] = []
    for number, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        if width:
            if number:
                parts.append((" " * GAP, gap))
            parts.append((fitted(cell, width), rest if number else first))
    return parts


def fitted(text: str, width: int) -> str:
    """Returns `text` in exactly `width` cells, with an ellipsis where it had to be cut."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + "…" if width > 1 else set_cell_size(text, width)


def _strip(parts: Sequence[Part], width: int, blank: Style) -> Strip:
    segments = [Segment(text, style) for text, style in parts]
    return Strip(segments).adjust_cell_length(width, blank)

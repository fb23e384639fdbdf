"""An answer in Markdown that grows while it is shown.

One widget draws all of it, row by row from `Page`: what is finished is parsed and wrapped once and never again, only
the unfinished end is done anew, at most `1 / DRAW_EVERY` times a second, and only visible rows are ever drawn. A widget
for each piece, the usual way, costs a hundred times the memory and a layout of all pieces at each step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Self

from rich.segment import Segment
from textual import events
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.message import Message
from textual.selection import Selection
from textual.strip import Strip
from textual.style import Style
from textual.timer import Timer
from textual.visual import Visual
from textual.widget import Widget

from tui.core.text import clean
from tui.widgets.markdown_code import TOKENS_A_STEP, CodeBlock, highlight
from tui.widgets.markdown_lines import Part
from tui.widgets.markdown_marks import BLOCK, MARKS
from tui.widgets.markdown_page import Page

DRAW_EVERY = 0.05
"""Seconds between two drawings: 20 a second look fluent and leave the loop free for keys."""
CATCH_UP_EVERY = 0.0125
"""Seconds between two steps while there is more than one step's worth waiting."""
MOST_UNREAD = 1_200
"""Characters that may wait before `drain` makes those who append wait."""
STEPS_A_DRAWING = 4
"""Steps between two drawings then: laying out and painting the screen costs more than reading."""
STEP = 3_000
"""Characters read in one step: a few milliseconds of work."""
KEPT_ROWS = 300
"""Drawn rows that are remembered, of all answers together: some screens. A row with its caches takes about 10 KB."""

_drawn_rows: LRUCache[tuple[int, int], Strip] = LRUCache(KEPT_ROWS)
"""Rows as they were drawn, by the number of the drawing they belong to and their own."""
_drawings = count()


LOOKS: Mapping[str, str] = {
    "emphasis": "italic",
    "strong": "bold",
    "strike": "strike",
    "code": "$text-accent on $foreground 8%",
    "link": "$text-primary underline",
    "address": "$foreground 60% not underline",
    "citation": "bold $text-secondary",
    "unknown": "bold $text-warning",
    "heading": "bold $text-primary",
    "title": "bold underline",
    "marker": "bold $text-secondary",
    "bar": "$foreground 50%",
    "quoted": "italic",
    "rule": "$foreground 50%",
    "block": "on $foreground 6%",
    "label": "italic $foreground 60%",
    "cell-head": "bold",
    "keyword": "bold $text-accent",
    "name": "$text-primary",
    "string": "$text-success",
    "number": "$text-warning",
    "comment": "italic $foreground 60%",
}
"""The style of each mark, in the theme's variables. Component classes would cost 100 KB an answer: Textual makes a node
of each for every widget."""


class StreamedMarkdown(Widget):
    """Markdown that is appended to.

    Nothing in the text is obeyed: HTML and Textual's markup are shown as they are, links show their addresses and open
    nothing. ``[n]`` is a citation when there is a source of that number, and flagged otherwise; a click on one posts
    `CitationSelected`. What a citation is is known from the parsed text only, so no text can forge one that does more.
    """

    ALLOW_MAXIMIZE = False
    DEFAULT_CSS = """
    StreamedMarkdown {
        height: auto;
        width: 1fr;
    }
    """

    class CitationSelected(Message):
        """A citation of a known source was chosen."""

        def __init__(self, widget: StreamedMarkdown, number: int) -> None:
            super().__init__()
            self.widget = widget
            self.number = number

        @property
        def control(self) -> StreamedMarkdown:
            """The answer that the citation stands in."""
            return self.widget

    class Settled(Message):
        """Everything that was appended before `finish` is on the screen in its final form."""

        def __init__(self, widget: StreamedMarkdown) -> None:
            super().__init__()
            self.widget = widget

        @property
        def control(self) -> StreamedMarkdown:
            """The answer."""
            return self.widget

    def __init__(
        self,
        text: str = "",
        citations: int = 0,
        *,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """Begins with `text`, which is drawn in steps once the widget is mounted; `citations` sources are known."""
        super().__init__(name=name, id=id, classes=classes)
        self._citations = citations
        self._arrived: list[str] = []
        self._finished = False
        self._timer: Timer | None = None
        self._was_read = asyncio.Event()
        self._forget_all_rows()
        self._styles_of: dict[tuple[int, int], Style] = {}
        self._begin_again()
        if text:
            self.append(text)

    # -- what is shown

    @property
    def source(self) -> str:
        """The exact text as it was appended."""
        if len(self._arrived) > 1:
            self._arrived[:] = ["".join(self._arrived)]
        return self._arrived[0] if self._arrived else ""

    @property
    def plain(self) -> str:
        """The words as they are shown, without what is still waiting to be drawn."""
        return self._page.text

    @property
    def settled(self) -> bool:
        """Whether everything appended so far is shown, and in its final form if `finish` was called."""
        waiting = self._waiting or self._waiting_text or self._jobs
        return not waiting and (self._ended or not self._finished)

    @property
    def citations(self) -> int:
        """How many sources are known."""
        return self._citations

    # -- growing

    def append(self, text: str) -> None:
        """Adds text at the end; cheap, as it is read and drawn within `DRAW_EVERY` seconds."""
        if not text:
            return
        self._arrived.append(text)
        self._wait(text)
        self._finished = False
        self._schedule(DRAW_EVERY)

    async def drain(self) -> None:
        """Waits, if too much waits to be read, until that has been; call it where the text comes from.

        Text that is already here comes without a pause, and a loop that never pauses starves Textual's own threads, one
        of which reads the keyboard: they get Python's lock only while the loop sleeps.
        """
        while self._unread > MOST_UNREAD and self.is_attached:
            self._was_read.clear()
            await self._was_read.wait()

    def finish(self) -> None:
        """Says that the text is complete: what is left is drawn, nothing that was drawn before is touched."""
        if self._finished:
            return
        self._finished = True
        if self.is_attached:
            self._stop_timer()
            self._step()

    def replace(self, text: str) -> None:
        """Shows `text` instead of everything that came so far; `finish` holds for it if it was called."""
        self._arrived[:] = [text] if text else []
        self._read_again()

    def set_citations(self, citations: int) -> None:
        """Says how many sources are known; what was already shown is read again if that changes anything."""
        if citations == self._citations:
            return
        self._citations = citations
        self._read_again()

    def _begin_again(self) -> None:
        self._page = Page(self._citations)
        self._jobs: list[tuple[CodeBlock, Iterator[int]]] = []
        self._waiting: list[str] = []
        self._waiting_text = ""
        self._after_return = False
        self._unread = 0
        self._ended = False
        self._undrawn = 0
        self._changed_from = 0

    def _read_again(self) -> None:
        width = self._page.width
        self._begin_again()
        self._page.set_width(width)
        if self._arrived:
            self._wait(self.source)
        if self.is_attached:
            self._stop_timer()
            self.refresh(layout=True)
            self._step()

    def _wait(self, text: str) -> None:
        """Puts `text` in line, with every kind of line end as one newline, also where a chunk's end cuts CR LF."""
        if self._after_return and text.startswith("\n"):
            text = text[1:]
            self._after_return = False
        if text:
            self._after_return = text.endswith("\r")
            self._waiting.append(clean(text))
            self._unread += len(text)

    # -- drawing

    def on_mount(self) -> None:
        """Begins to draw what the widget was made with."""
        if self._waiting or self._finished:
            self._step()

    def on_unmount(self) -> None:
        """Lets go of whoever waits in `drain`."""
        self._unread = 0
        self._was_read.set()

    def _schedule(self, seconds: float) -> None:
        if self._timer is None and self.is_attached:
            self._timer = self.set_timer(seconds, self._timed_step, name="markdown")

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _timed_step(self) -> None:
        self._timer = None
        self._step()

    def _step(self) -> None:
        """Reads at most `STEP` characters, or colours a bit of code, and says when to go on."""
        if self._waiting:
            self._waiting_text += "".join(self._waiting)
            self._waiting.clear()
        text, self._waiting_text = self._waiting_text[:STEP], self._waiting_text[STEP:]
        self._unread = len(self._waiting_text)
        self._was_read.set()
        ends = self._finished and not self._waiting_text and not self._ended
        if text or ends:
            self._read(text, ends=ends)
        elif self._jobs:
            self._colour()
        if self._waiting_text or self._jobs or (self._finished and not self._ended):
            # Colours can wait while more text may come.
            self._schedule(CATCH_UP_EVERY if self._waiting_text or self._finished else DRAW_EVERY)
        elif self._ended:
            self.post_message(self.Settled(self))

    def _read(self, text: str, *, ends: bool) -> None:
        page = self._page
        rows = page.rows
        if self._ended:
            self._ended = False
        changed = page.read(text, ends=ends)
        self._ended = ends
        self._undrawn += 1
        self._jobs += [(block, highlight(block)) for block in page.code]
        page.code.clear()
        self._forget_rows(changed, max(rows, page.rows))
        self._changed_from = min(self._changed_from, changed)
        if not self._waiting_text or self._undrawn >= STEPS_A_DRAWING:
            self._draw()

    def _draw(self) -> None:
        """Has the screen show what changed since the last drawing."""
        page = self._page
        if page.rows != self.size.height or not page.width:
            # Not our own `refresh`, for what has not changed need not be drawn again.
            super().refresh(layout=True)
        else:
            self._refresh_rows(self._changed_from, page.rows)
        self._undrawn = 0
        self._changed_from = page.rows

    def _colour(self) -> None:
        """Colours finished code, small blocks together."""
        left = TOKENS_A_STEP
        while self._jobs and left > 0:
            block, job = self._jobs[0]
            tokens = next(job, 0)
            left -= max(tokens, TOKENS_A_STEP // 20)
            if not tokens:
                del self._jobs[0]
                last = block.first + len(block.lines) - 1
                self._refresh_rows(self._page.first_row(block.first), self._page.last_row(last))

    def _refresh_rows(self, start: int, end: int) -> None:
        if end > start:
            self._forget_rows(start, end)
            self.refresh(Region(0, start, self.size.width, end - start))

    def _forget_rows(self, start: int, end: int) -> None:
        for y in range(start, end):
            _drawn_rows.discard((self._drawing, y))

    def _forget_all_rows(self) -> None:
        self._drawing = next(_drawings)

    # -- what Textual asks for

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Takes the width there is."""
        return container.width

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Returns the number of rows at `width`, wrapping anew only when that has changed."""
        if not width:
            return 0
        if self._page.set_width(width):
            self._forget_all_rows()
        return self._page.rows

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draws the rows in `crop`; those that have not changed since they were drawn are taken as they were.

        Textual's own cache of rows forgets them all whenever the widget grows.
        """
        if self.styles.gutter or self.opacity < 1.0:
            return super().render_lines(crop)
        background = self.background_colors[1]
        filters = self.get_line_filters()
        drawing = self._drawing
        self._styles_of.clear()
        strips = []
        for y in crop.line_range:
            strip = _drawn_rows.get((drawing, y))
            if strip is None:
                _drawn_rows[drawing, y] = strip = self.render_line(y)
            for line_filter in filters:
                strip = strip.apply_filter(line_filter, background)
            strips.append(strip)
        if crop.column_span != (0, self.size.width):
            strips = [strip.crop(crop.x, crop.right) for strip in strips]
        return strips

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """Draws again; without regions, everything."""
        if repaint and not regions:
            self._forget_all_rows()
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def render_line(self, y: int) -> Strip:
        """Draws one row."""
        width = self.content_size.width
        page = self._page
        if not page.width or not 0 <= y < page.rows:
            return Strip.blank(width, self.visual_style.rich_style)
        line, base, parts = page.row(y)
        selection = self.text_selection
        span = selection.get_span(line) if selection is not None else None
        if span is not None:
            parts = _cut(parts, *span)
        segments = []
        for part in parts:
            style = self._style(base | part.marks, part.citation)
            if span is not None and span[0] <= part.offset and (span[1] < 0 or part.offset < span[1]):
                style += self._selection_style
            segments.append(Segment(part.text, style.rich_style_with_offset(part.offset, line)))
        strip = Strip(segments)
        rest = width - strip.cell_length
        if rest > 0:
            end = parts[-1].offset + len(parts[-1].text) if parts else 0
            fill = self._style(base & BLOCK, 0).rich_style_with_offset(end, line)
            return Strip([*segments, Segment(" " * rest, fill)], width)
        return strip.crop(0, width)

    def _style(self, marks: int, citation: int) -> Style:
        """Returns the style of a combination of marks, as the theme has it now."""
        style = self._styles_of.get((marks, citation))
        if style is None:
            style = self.visual_style
            parse = self.app.stylesheet.parse_style
            for place, mark in enumerate(MARKS):
                if marks >> place & 1:
                    style += parse(LOOKS[mark])
            if citation:
                style += Style.from_meta({"citation": citation})
            self._styles_of[marks, citation] = style
        return style

    @property
    def _selection_style(self) -> Style:
        return Style.from_styles(self.screen.get_component_styles("screen--selection"))

    def notify_style_update(self) -> None:
        """Forgets the looks of another theme."""
        self._styles_of.clear()
        self._forget_all_rows()
        super().notify_style_update()

    def render(self) -> Visual | str:
        """Returns the plain text; drawing goes by rows."""
        return ""

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """Returns the selected text as it is shown, without wrapping."""
        return self._page.selected(selection), "\n"

    def on_click(self, event: events.Click) -> None:
        """Chooses the citation under the pointer, if there is one."""
        number = event.style.meta.get("citation")
        if isinstance(number, int) and 0 < number <= self._citations:
            event.stop()
            self.post_message(self.CitationSelected(self, number))


def _cut(parts: list[Part], start: int, end: int) -> list[Part]:
    """Cuts parts at both ends of a selection."""
    found: list[Part] = []
    for part in parts:
        places = sorted({place - part.offset for place in (start, end) if 0 < place - part.offset < len(part.text)})
        position = 0
        for place in (*places, len(part.text)):
            found.append(part._replace(text=part.text[position:place], offset=part.offset + position))
            position = place
    return found

"""Text that grows while it is shown: what is finished is drawn once, only the tail is drawn again."""

from __future__ import annotations

from textual import events
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from tui.core.text import clean

DRAW_EVERY = 0.04
"""Seconds between two drawings of the tail: 25 a second looks fluent and leaves the loop free for keys."""
LONG_TAIL = 600
"""Characters after which the finished lines of the tail are sealed: few enough to wrap 25 times a second without being
felt, many enough to keep the number of widgets low, which is what a layout costs."""


class StreamedText(Widget):
    """Plain text in pieces. Each finished piece is a widget that is mounted once and never changes again.

    The last child is the tail. Once it is long, a piece of it is sealed: up to a line break, or, in a long paragraph,
    up to the end of a drawn line, so that no seam shows; when the width changes such paragraphs are laid out anew.
    """

    DEFAULT_CSS = """
    StreamedText {
        height: auto;
        layout: stream;
    }
    """

    def __init__(self, *, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self._text: list[str] = []
        self._waiting: list[str] = []
        self._tail = ""
        self._timer: Timer | None = None
        self._tail_lines = 0
        self._seamed_at = 0

    @property
    def text(self) -> str:
        """Everything that was added, drawn or not yet."""
        return "".join((*self._text, *self._waiting))

    def append(self, text: str) -> None:
        """Adds `text` at the end; it is drawn now or within `DRAW_EVERY` seconds."""
        text = clean(text)
        if not self._text and not self._waiting:
            text = text.lstrip()
        if not text:
            return
        self._waiting.append(text)
        if self._timer is None:
            self._draw()
            self._timer = self.set_timer(DRAW_EVERY, self._timed_draw, name="streamed text")

    def finish(self) -> None:
        """Draws what is left; nothing that was drawn before is touched."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self._draw()

    def replace(self, text: str) -> None:
        """Shows `text` instead of everything that came so far."""
        self._waiting.clear()
        self._text = [text]
        self._lay_out_again()

    def _timed_draw(self) -> None:
        self._timer = None
        if self._waiting:
            self._draw()
            self._timer = self.set_timer(DRAW_EVERY, self._timed_draw, name="streamed text")

    def _draw(self) -> None:
        if not self._waiting or not self.is_attached:
            return
        arrived = "".join(self._waiting)
        self._waiting.clear()
        self._text.append(arrived)
        tail = self._tail + arrived
        width = self.content_size.width
        end, seam = finished_end(tail, width)
        with self.app.batch_update():
            if end:
                if seam:
                    self._seamed_at = width
                self._show(tail[:end].removesuffix("\n"), sealed=True)
            self._tail = tail[end:]
            if self._tail:
                self._show(self._tail, sealed=False)

    def _show(self, text: str, *, sealed: bool) -> None:
        """Puts `text` into the tail's widget, or a new one; a sealed widget is the tail no longer."""
        content = Content(text)
        lines = len(content.wrap(self.content_size.width)) if self.content_size.width else 0
        last = self.children[-1] if self.children else None
        if isinstance(last, Static) and last.has_class("-tail"):
            # A layout costs as much as the conversation is long, so only a new line asks for one.
            last.update(content, layout=lines != self._tail_lines or not lines)
            piece = last
        else:
            piece = Static(content, markup=False, classes="-tail")
            self.mount(piece)
        self._tail_lines = lines
        piece.set_class(not sealed, "-tail")

    def on_resize(self, event: events.Resize) -> None:
        if self._seamed_at and event.size.width != self._seamed_at:
            self._lay_out_again()

    def _lay_out_again(self) -> None:
        self._seamed_at = 0
        text = "".join(self._text)
        lines, _, tail = text.rpartition("\n")
        with self.app.batch_update():
            self.remove_children()
            if lines:
                self.mount(Static(Content(lines), markup=False))
            self._tail = tail
            if tail:
                self.mount(Static(Content(tail), markup=False, classes="-tail"))


def finished_end(text: str, width: int) -> tuple[int, bool]:
    """Returns how many characters of `text` will never change again, and whether they end within a paragraph.

    `width` is in cells; 0 when it is not known yet.
    """
    if len(text) <= LONG_TAIL:
        return 0, False
    end = text.rfind("\n") + 1
    if width <= 0 or len(text) - end <= LONG_TAIL:
        return end, False
    paragraph = text[end:]
    position = start_of_last = 0
    for line in Content(paragraph).wrap(width):
        plain = line.plain.rstrip()
        found = paragraph.find(plain, position)
        if found < 0:
            return end, False
        start_of_last = found
        position = found + len(plain)
    return (end + start_of_last, True) if start_of_last else (end, False)

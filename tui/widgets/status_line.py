"""The line at the top: which index, how many foods, who answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

from tui.core.text import clean_line

if TYPE_CHECKING:
    from tui.core.records import IndexInfo

_NAME = "ragfood"
_GAP = 3


class StatusLine(Widget):
    """What is in use right now, so that nothing about an answer has to be guessed.

    One widget that lays out its own line, because it is part of the first paint.
    """

    DEFAULT_CSS = """
    StatusLine {
        height: 1;
        padding: 0 1;
        background: $panel;
        color: $foreground;
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.index_text = "opening the index"
        self.answerer_text = ""

    def render(self) -> Content:
        """Returns name, index and answerer; where there is no room for all, the answerer gives way first."""
        width = self.content_size.width
        left = Content.assemble((_NAME, "bold"), " " * _GAP, self.index_text).truncate(width, ellipsis=True)
        room = width - left.cell_length - _GAP
        if room <= 0 or not self.answerer_text:
            return left
        right = Content(self.answerer_text).truncate(room, ellipsis=True)
        return Content.assemble(left, " " * (width - left.cell_length - right.cell_length), right)

    def show_index(self, info: IndexInfo) -> None:
        """Shows kind, namespace and size of the index."""
        parts = [info.kind.value]
        if info.namespace:
            parts.append(clean_line(info.namespace))
        parts.append(f"{info.records:,} food" if info.records == 1 else f"{info.records:,} foods")
        if info.pending:
            parts.append(f"{info.pending:,} pending")
        self.show_index_text(" · ".join(parts))

    def show_index_text(self, text: str) -> None:
        """Shows a few words in the place of the index."""
        self.index_text = clean_line(text)
        self.refresh()

    def show_answerer(self, name: str, *, reason: str = "") -> None:
        """Shows who answers; with a `reason`, that answers are extractive because of it."""
        reason = clean_line(reason).rstrip(".")
        self.answerer_text = f"extractive ({reason})" if reason else clean_line(name)
        self.refresh()

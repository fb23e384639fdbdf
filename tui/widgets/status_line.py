"""The line at the top: which index, how many foods, who answers."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

from tui.core.records import IndexInfo
from tui.core.text import clean_line


class StatusLine(Horizontal):
    """What is in use right now, so that nothing about an answer has to be guessed."""

    DEFAULT_CSS = """
    StatusLine {
        height: 1;
        width: 1fr;
        background: $panel;
        color: $foreground;
        Static { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
        #status-name { width: auto; padding: 0 1; text-style: bold; }
        #status-index { width: auto; min-width: 8; max-width: 50%; padding: 0 2; }
        #status-answerer { width: 1fr; padding: 0 1; text-align: right; }
    }
    """

    def compose(self) -> ComposeResult:
        yield Static(Content("ragfood"), id="status-name", markup=False)
        yield Static(Content("opening the index"), id="status-index", markup=False)
        yield Static(Content(""), id="status-answerer", markup=False)

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
        self.query_one("#status-index", Static).update(Content(clean_line(text)))

    def show_answerer(self, name: str, *, reason: str = "") -> None:
        """Shows who answers; with a `reason`, that answers are extractive because of it."""
        name = clean_line(name)
        reason = clean_line(reason).rstrip(".")
        text = f"extractive ({reason})" if reason else name
        self.query_one("#status-answerer", Static).update(Content(text))

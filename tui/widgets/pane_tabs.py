"""One line that names the panes where they do not fit beside each other."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

PANES = {"chat": "Chat", "sources": "Sources", "index": "Index"}
"""The panes by name, in the order of the tabs and of the Tab key."""


class PaneTabs(Horizontal):
    """The tabs; the shown pane's is reversed, so that no colour is needed to see it."""

    DEFAULT_CSS = """
    PaneTabs {
        height: 1;
        background: $surface;
        Static { width: auto; padding: 0 1; margin-right: 1; color: $text-muted; }
        Static:hover { text-style: underline; }
        .-shown { text-style: reverse bold; color: $foreground; }
    }
    """

    class Chosen(Message):
        """A tab was clicked."""

        def __init__(self, pane: str) -> None:
            super().__init__()
            self.pane = pane

    def __init__(self, shown: str, *, id: str | None = None) -> None:
        """Names the panes; `shown` is the one that is shown."""
        super().__init__(id=id)
        self._shown = shown

    def compose(self) -> ComposeResult:
        for pane, title in PANES.items():
            classes = "-shown" if pane == self._shown else None
            yield Static(Content(title), id=f"tab-{pane}", markup=False, classes=classes)

    def show_pane(self, pane: str) -> None:
        """Marks the tab of `pane`."""
        for name in PANES:
            self.query_one(f"#tab-{name}", Static).set_class(name == pane, "-shown")

    def show_count(self, pane: str, count: int | None) -> None:
        """Puts a number behind the title of `pane`; None removes it."""
        title = PANES[pane] if count is None else f"{PANES[pane]} {count}"
        self.query_one(f"#tab-{pane}", Static).update(Content(title))

    def on_click(self, event: events.Click) -> None:
        if event.widget is not None and event.widget.id and event.widget.id.startswith("tab-"):
            self.post_message(self.Chosen(event.widget.id.removeprefix("tab-")))

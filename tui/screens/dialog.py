"""What all dialogs share: one question each, the safe answer first, Esc for it, at home in the smallest terminal."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Static

from tui.core.text import clean
from tui.widgets.guarded import Guarded

Answer = TypeVar("Answer")


class Dialog(Guarded, ModalScreen[Answer], Generic[Answer]):
    """A titled text, room for one field, and a row of buttons. `SAFE` is the answer of Esc and Ctrl+C."""

    CSS_PATH = Path(__file__).with_name("dialog.tcss")
    SAFE: ClassVar[object] = None

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss_safely", "Close", show=False, id="dialog.close"),
        Binding("f1", "app.help", "Help", show=False),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
        Binding("pageup", "scroll_text(-1)", show=False),
        Binding("pagedown", "scroll_text(1)", show=False),
    ]

    def __init__(self, title: str, text: str) -> None:
        """Shows `title`, which must be our own words, in the border, and `text`, in which nothing is interpreted.

        What follows a tab stands in a column of its own, beside what comes before.
        """
        super().__init__()
        self.heading = title
        self.text = text

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = self.heading
            with VerticalScroll(classes="dialog-text", can_focus=False):
                yield from _columns(clean(self.text))
            with Vertical(classes="dialog-foot"):
                yield from self.compose_field()
                with Horizontal(classes="dialog-buttons"):
                    yield from self.compose_buttons()

    def compose_field(self) -> Iterable[Widget]:
        """What stands between the text and the buttons: nothing, unless a dialog asks for something to be typed."""
        return ()

    def compose_buttons(self) -> Iterable[Widget]:
        """The buttons from left to right; the first of them gets the focus."""
        yield Button("Close", id="safe", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "safe":
            self.action_dismiss_safely()
        else:
            self.on_chosen()

    def on_chosen(self) -> None:
        """Called for the button that is not the safe one."""

    def action_dismiss_safely(self) -> None:
        """Closes the dialog with its safe answer."""
        self.dismiss(self.SAFE)  # type: ignore[arg-type]  # each dialog's SAFE is one of its answers

    def action_scroll_text(self, pages: int) -> None:
        """Scrolls the text by a page, whatever has the focus."""
        view = self.query_one(".dialog-text", VerticalScroll)
        if pages < 0:
            view.scroll_page_up(animate=False)
        else:
            view.scroll_page_down(animate=False)


def _columns(text: str) -> Iterable[Widget]:
    """Draws lines without a tab as they are, together, and each line with a tab as two columns that wrap apart."""
    for has_columns, lines in groupby(text.split("\n"), key=lambda line: "\t" in line):
        if not has_columns:
            yield Static(Content("\n".join(lines)), markup=False)
            continue
        for line in lines:
            left, _, right = line.partition("\t")
            with Horizontal(classes="dialog-row"):
                yield Static(Content(left), markup=False, classes="dialog-left")
                yield Static(Content(right), markup=False, classes="dialog-right")

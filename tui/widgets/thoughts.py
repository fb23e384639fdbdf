"""What a model thought before it answered, folded under one line."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from tui.core.text import clean
from tui.widgets.facts import seconds
from tui.widgets.guarded import Guarded

LONGEST_SHOWN = 20_000
"""Characters that are drawn when it is unfolded; the end is what led to the answer."""


class Thoughts(Guarded, Widget, can_focus=True):
    """One line with the time the thinking took; a click or Enter unfolds what was thought."""

    DEFAULT_CSS = """
    Thoughts {
        height: auto;
        layout: stream;
        color: $text-muted;
        &:focus { text-style: bold; }
        .thoughts-text { display: none; padding-left: 2; }
        &.-open .thoughts-text { display: block; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "unfold", "Fold or unfold what was thought", show=False, id="thoughts.toggle"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[str] = []
        self._seconds: float | None = None
        self._line = Static(Content("▸ thinking"), markup=False)
        self._text = Static(Content(""), markup=False, classes="thoughts-text")

    def compose(self) -> ComposeResult:
        yield self._line
        yield self._text

    @property
    def text(self) -> str:
        """Everything that was thought."""
        return clean("".join(self._pieces)).strip()

    def append(self, text: str) -> None:
        """Adds a piece; it is drawn when the thinking is over or when it is unfolded anew."""
        self._pieces.append(text)

    def finish(self, duration: float) -> None:
        """Says that the thinking is over after so many seconds."""
        if self._pieces and self._seconds is None:
            self._seconds = duration
            self._draw()

    def action_unfold(self) -> None:
        """Folds or unfolds the text."""
        self.toggle_class("-open")
        self._draw()

    def on_click(self) -> None:
        self.action_unfold()

    def _draw(self) -> None:
        is_open = self.has_class("-open")
        said = "thinking" if self._seconds is None else f"thought for {seconds(self._seconds)}"
        self._line.update(Content(f"{'▾' if is_open else '▸'} {said}"))
        if is_open:
            text = self.text
            self._text.update(Content(text if len(text) <= LONGEST_SHOWN else f"… {text[-LONGEST_SHOWN:]}"))

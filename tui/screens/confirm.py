"""Small typed dialogs: yes or no, a word to type, a file to name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from tui.screens.dialog import Dialog


class Confirm(Dialog[bool]):
    """One question with yes and no. The focus is on no, unless yes does no harm."""

    SAFE = False

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "choose", "Yes", show=False),
        Binding("n", "dismiss_safely", "No", show=False),
    ]

    def __init__(self, title: str, text: str, *, yes: str, no: str = "Cancel", harmless: bool = False) -> None:
        """Asks `text`; `yes` and `no` are the words on the buttons, `harmless` puts the focus on yes."""
        super().__init__(title, text)
        self._yes = yes
        self._no = no
        self._harmless = harmless

    def compose_buttons(self) -> Iterable[Widget]:
        yield Button(self._no, id="safe", compact=True)
        yield Button(self._yes, id="yes", compact=True, variant="primary")

    def on_mount(self) -> None:
        if self._harmless:
            self.query_one("#yes", Button).focus()

    def on_chosen(self) -> None:
        self.dismiss(True)

    def action_choose(self) -> None:
        """Answers yes."""
        self.dismiss(True)


class TypedConfirm(Dialog[bool]):
    """A question whose yes has to be typed as a word, for what removes things."""

    SAFE = False

    def __init__(self, title: str, text: str, *, word: str) -> None:
        """Asks `text`; only typing `word` is a yes."""
        super().__init__(title, text)
        self._word = word

    def compose_field(self) -> Iterable[Widget]:
        yield Input(placeholder=f"type {self._word}", id="word", compact=True, select_on_focus=False)
        yield Static(Content(f"Type {self._word} to go on, or Esc."), id="hint", markup=False)

    def compose_buttons(self) -> Iterable[Widget]:
        yield Button("Cancel", id="safe", compact=True)
        yield Button(self._word.capitalize(), id="yes", compact=True, variant="error", disabled=True)

    def on_mount(self) -> None:
        self.query_one("#word", Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        matches = self._matches(event.value)
        self.query_one("#yes", Button).disabled = not matches
        if matches:
            self.query_one("#hint").display = False

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if self._matches(event.value):
            self.dismiss(True)
        elif not event.value.strip():
            self.action_dismiss_safely()
        else:
            self.query_one("#hint").display = True

    def on_chosen(self) -> None:
        if self._matches(self.query_one("#word", Input).value):
            self.dismiss(True)

    def _matches(self, typed: str) -> bool:
        return typed.strip().lower() == self._word


class AskPath(Dialog[str | None]):
    """Asks for the name of a file; the answer is None when there is none."""

    SAFE = None

    def __init__(self, title: str, text: str, *, suggestion: str, yes: str) -> None:
        """Asks `text` with `suggestion` filled in; `yes` is the word on the button."""
        super().__init__(title, text)
        self._suggestion = suggestion
        self._yes = yes

    def compose_field(self) -> Iterable[Widget]:
        yield Input(self._suggestion, id="path", compact=True, select_on_focus=False)

    def compose_buttons(self) -> Iterable[Widget]:
        yield Button("Cancel", id="safe", compact=True)
        yield Button(self._yes, id="yes", compact=True, variant="primary")

    def on_mount(self) -> None:
        self.query_one("#path", Input).focus()

    def on_input_submitted(self) -> None:
        self.on_chosen()

    def on_chosen(self) -> None:
        path = self.query_one("#path", Input).value.strip()
        if path:
            self.dismiss(path)
        else:
            self.app.bell()

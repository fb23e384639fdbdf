"""Texts to read and copy: what an index says about itself, and what nobody foresaw."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from pathlib import Path

from textual.widget import Widget
from textual.widgets import Button

from tui.core.text import clean, shorten
from tui.screens.dialog import Dialog

_SORRY = (
    "ragfood ran into something nobody foresaw. What you were doing may not have finished; what was answered and "
    "written before is safe, and you can go on."
)
_ROOT = Path(__file__).resolve().parent.parent


class Report(Dialog[None]):
    """A text with a button that copies it."""

    def compose_buttons(self) -> Iterable[Widget]:
        yield Button("Close", id="safe", compact=True)
        yield Button("Copy", id="copy", compact=True)

    def on_chosen(self) -> None:
        self.app.copy_to_clipboard(clean(self.copied_text()))
        self.notify("Copied, if your terminal allows it.", markup=False)

    def copied_text(self) -> str:
        """What the button copies."""
        return self.text.replace("\t", " ")


class Failure(Report):
    """Says that something unexpected happened, in a sentence, and offers what a bug report needs."""

    def __init__(self, error: BaseException, *, log_file: str = "") -> None:
        """Describes `error`; `log_file` is where the details were written, if anywhere."""
        lines = [
            _SORRY,
            "",
            f"{type(error).__name__}: {shorten(str(error), 300) or 'no message'}",
        ]
        if log_file:
            lines += ["", f"The details are in {log_file}"]
        super().__init__("Something went wrong", "\n".join(lines))
        self._where = where(error)

    def copied_text(self) -> str:
        """The text, and the places in the code that the error came through; no values of variables."""
        return f"{self.text}\n\n{self._where}"


def where(error: BaseException) -> str:
    """Returns the places that `error` came through, innermost last, without values and without foreign folders."""
    lines = []
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        name = path.relative_to(_ROOT.parent).as_posix() if path.is_relative_to(_ROOT) else path.name
        lines.append(f"{name}:{frame.lineno} {frame.name}")
    return "\n".join(lines)

"""Text for people in columns: broken at words as wide as the terminal, and the lines that describe a hit."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from tui.core.text import clean, clean_line

if TYPE_CHECKING:
    from tui.core.records import Hit

LONGEST_LINE = 100
"""Columns of a line at most, however wide the terminal: longer lines are hard to read."""

_SHORTEST_LINE = 20
_INDENT = " " * 10
_PIECE = re.compile(r"\n|[^\S\n]+|\S+")


def cells(text: str) -> int:
    """Returns how many columns `text` takes on a terminal: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


class WrappedStream:
    """Breaks a text at words while it arrives in pieces; `width` is in columns, None leaves lines as they are.

    A word is given out when it is complete, so that one cut in two by the pieces is still moved as a whole.
    """

    def __init__(self, width: int | None) -> None:
        self._width = width
        self._column = 0
        self._gap = ""
        self._word = ""

    def feed(self, text: str) -> str:
        """Returns what of the text so far can be printed now."""
        if self._width is None:
            return text
        printed = []
        for piece in _PIECE.findall(text):
            if piece.isspace():
                printed.append(self._end_word())
                if piece == "\n":
                    printed.append(piece)
                    self._column, self._gap = 0, ""
                else:
                    self._gap += piece
            else:
                self._word += piece
        return "".join(printed)

    def end(self) -> str:
        """Returns what is left; the stream may be fed again afterwards."""
        return self._end_word()

    def _end_word(self) -> str:
        if not self._word or self._width is None:
            return ""
        word, gap = self._word, self._gap
        self._word = self._gap = ""
        width = cells(word)
        if self._column and self._column + cells(gap) + width > self._width:
            self._column = width
            return "\n" + word
        self._column += cells(gap) + width
        return gap + word


def wrap(text: str, width: int | None, indent: str = "") -> str:
    """Returns `text` with every line behind `indent` and, unless `width` is None, at most `width` columns wide.

    A single word that is wider stays whole.
    """
    stream = WrappedStream(None if width is None else max(width - len(indent), _SHORTEST_LINE))
    wrapped = stream.feed(text) + stream.end()
    return "\n".join((indent + line).rstrip() for line in wrapped.split("\n"))


def cut(text: str, width: int) -> str:
    """Returns `text` on one line of at most `width` columns, with an ellipsis where something is missing."""
    line = clean_line(text[: width * 20])
    if cells(line) <= width:
        return line
    while line and cells(line) > width - 1:
        line = line[:-1]
    return line.rstrip() + "…"


def describe_hit(number: int, hit: Hit, *, whole: bool, width: int | None, cited: bool = True) -> str:
    """Returns the lines of a hit: number, relevance, heading, id, region and type; then its text.

    `whole` shows all of the text, else one line of it. `cited` false draws the number without the brackets that mark a
    source that an answer can cite.
    """
    relevance = "  – " if hit.relevance is None else f"{hit.relevance:.2f}"
    mark = f"[{number}]" if cited else f"{number}. "
    metadata = hit.record.metadata
    about = [clean_line(str(metadata[key])) for key in ("region", "type") if metadata.get(key)]
    heading = clean_line(hit.record.heading)
    head = wrap(" · ".join([f"{heading} ({clean_line(hit.id)})", *about]), width, _INDENT)
    head = f"{mark} {relevance} ".ljust(len(_INDENT)) + head[len(_INDENT) :]
    passage = hit.record.passage
    if clean_line(passage).rstrip(".") == heading:
        return head
    text = clean(passage).strip() if whole else cut(passage, (width or LONGEST_LINE) - len(_INDENT))
    return f"{head}\n{wrap(text, width, _INDENT)}"


def pointed_at(text: str, position: int, width: int) -> str:
    """Returns two lines: the part of `text` around `position`, and a caret below that character."""
    around = max(width - 4, _SHORTEST_LINE)
    start = max(0, min(position - around // 2, len(text) - around))
    # A control character takes no column or many; its place must not move the caret.
    shown = "".join(char if char.isprintable() else "?" for char in text[start : start + around])
    return f"{shown}\n{' ' * cells(shown[: position - start])}^"

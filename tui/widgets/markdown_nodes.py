"""What Markdown is made of while it is read: what is open, and what reading gives out."""

from __future__ import annotations

from dataclasses import dataclass

from tui.widgets.markdown_lines import Columns, Line
from tui.widgets.markdown_marks import Run

BULLETS = "•◦▪"


@dataclass(slots=True)
class Quote:
    """A quote; `shown` whether something in it has been drawn."""

    shown: bool = False


@dataclass(slots=True)
class Item:
    """An item of a list. `width` is how far its content is indented; `shown` whether its marker has been drawn."""

    kind: str
    width: int
    number: int
    level: int
    shown: bool = False
    empty: bool = True

    @property
    def marker(self) -> str:
        """What stands before its first row."""
        return f"{self.number}{self.kind} " if self.kind in ".)" else f"{BULLETS[self.level % len(BULLETS)]} "


@dataclass(slots=True)
class Paragraph:
    """Running text that is not finished; `level` is that of a heading, and `given` whether its line has begun."""

    text: str = ""
    level: int = 0
    given: bool = False
    lines: int = 1


@dataclass(slots=True)
class Fence:
    """Code between fences; `opener` is the fence itself, or empty for indented code."""

    opener: str
    indent: int
    language: str = ""
    lines: int = 0
    blanks: int = 0


@dataclass(slots=True)
class Table:
    """A table. Until its columns are settled its rows wait, the head first."""

    alignments: tuple[str, ...]
    waiting: tuple[str, ...]
    columns: Columns | None = None
    first: tuple[Run, ...] = ()


Leaf = Paragraph | Fence | Table


@dataclass(frozen=True, slots=True)
class Grown:
    """The last line goes on with these runs."""

    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class CodeEnded:
    """The last `lines` lines are one finished block of code."""

    language: str
    lines: int


Step = Line | Grown | CodeEnded
"""What reading adds: a new line, more of the last one, or news about the last ones."""

"""An answer as lines: what is final stays as it is, what is only a preview is taken back before the next step."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from textual.selection import Selection

from tui.widgets.markdown_blocks import BlockReader
from tui.widgets.markdown_code import CodeBlock
from tui.widgets.markdown_lines import Line, Mark, Part, TextLine
from tui.widgets.markdown_nodes import CodeEnded, Grown, Step


class Page:
    """The lines of one answer, laid out to a width.

    `read` takes text; then `rows` is how many rows there are, and `row` what stands in each. `code` are the finished
    blocks of code that have not been highlighted yet.
    """

    def __init__(self, citations: int = 0) -> None:
        self.lines: list[Line] = []
        self.code: list[CodeBlock] = []
        self.width = 0
        self._reader = BlockReader(citations)
        self._first_rows: list[int] = []
        self._height = 0
        self._final = 0
        self._final_mark: Mark | None = None

    def read(self, text: str, *, ends: bool = False) -> int:
        """Takes more text, or the end of it, and returns the first row that may have changed."""
        changed = self._take_back()
        self._add(self._reader.feed(text), final=True)
        if ends:
            self._add(self._reader.close(), final=True)
        self._final = len(self.lines)
        last = self.lines[-1] if self.lines else None
        self._final_mark = last.mark() if isinstance(last, TextLine) else None
        if not ends:
            self._add(self._reader.preview(), final=False)
        return changed

    def _take_back(self) -> int:
        """Removes the preview, and returns the first row that what comes now may change."""
        if len(self.lines) > self._final:
            self._height = self._first_rows[self._final]
            del self.lines[self._final :], self._first_rows[self._final :]
        last = self.lines[-1] if self.lines else None
        if isinstance(last, TextLine) and self._final_mark is not None:
            last.rewind(self._final_mark)
            self._measure_last()
            # Where its last row begins depends on the word there, which may grow.
            return max(self._first_rows[-1], self._height - 2)
        return self._height

    def _add(self, steps: Iterable[Step], *, final: bool) -> None:
        for step in steps:
            if isinstance(step, Grown):
                last = self.lines[-1]
                if isinstance(last, TextLine):
                    last.extend(step.runs)
                    self._measure_last()
            elif isinstance(step, CodeEnded):
                if final:
                    self._note_code(step)
            else:
                self.lines.append(step)
                self._first_rows.append(self._height)
                self._measure_last()

    def _note_code(self, step: CodeEnded) -> None:
        lines = [line for line in self.lines[-step.lines :] if isinstance(line, TextLine)]
        self.code.append(CodeBlock(step.language, len(self.lines) - step.lines, lines))

    def _measure_last(self) -> None:
        if self.width:
            self._height = self._first_rows[-1] + self.lines[-1].height(self.width)

    # -- rows

    @property
    def rows(self) -> int:
        """How many rows there are at the current width; 0 before `set_width`."""
        return self._height

    def set_width(self, width: int) -> bool:
        """Lays everything out in `width` cells; returns false when it already was."""
        if width == self.width:
            return False
        self.width = width
        height = 0
        for number, line in enumerate(self.lines):
            self._first_rows[number] = height
            height += line.height(width)
        self._height = height
        return True

    def row(self, number: int) -> tuple[int, int, list[Part]]:
        """Returns the line that row `number` belongs to, the marks of the whole row, and what stands in it."""
        place = bisect_right(self._first_rows, number) - 1
        line = self.lines[place]
        return place, line.base, line.row(number - self._first_rows[place], self.width)

    def first_row(self, line: int) -> int:
        """Returns the row at which line number `line` begins."""
        return self._first_rows[line]

    def last_row(self, line: int) -> int:
        """Returns the row after the last one of line number `line`."""
        return self._first_rows[line + 1] if line + 1 < len(self._first_rows) else self._height

    # -- text

    @property
    def text(self) -> str:
        """What is shown, line by line and unwrapped."""
        return "\n".join(line.copied[line.hidden :] for line in self.lines)

    def selected(self, selection: Selection) -> str:
        """Returns the text between two places, as given by line and offset in `Line.copied`."""
        start_line, start = (selection.start.y, selection.start.x) if selection.start else (0, 0)
        end_line, end = (selection.end.y, selection.end.x) if selection.end else (len(self.lines), 0)
        found: list[str] = []
        for number, line in enumerate(self.lines[start_line : end_line + 1], start=start_line):
            low = max(line.hidden, start if number == start_line else 0)
            text = line.copied
            found.append(text[low:end] if number == end_line else text[low:])
        return "\n".join(found)

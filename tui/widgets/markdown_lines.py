"""Lines of a rendered answer: text with its looks, wrapped to a width when that is known, drawn row by row.

A line is what ends with a break in the source's meaning (a paragraph, an item, a line of code, a row of a table); a row
is what fits the width. Lines grow at their end only, and only the rows from the last break on are wrapped again.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, Protocol

from rich.cells import cell_len, chop_cells, get_character_cell_size

from tui.widgets.markdown_marks import BAR, CELL_HEAD, RULE, Run, Span, plain

SMALLEST_WIDTH = 8
"""Cells that text keeps beside its indentation; deeper indentation gives way."""
COLUMN_GAP = " │ "
NARROWEST_COLUMN = 3
"""Cells; a table that would need narrower columns is written as running text."""


class Part(NamedTuple):
    """What stands in a row: `offset` is where the text is in the line's `copied` text."""

    text: str
    marks: int
    citation: int
    offset: int


class Line(Protocol):
    """A line of an answer."""

    @property
    def text(self) -> str:
        """The words, without what only shows structure."""
        ...

    @property
    def copied(self) -> str:
        """The text that offsets count in."""
        ...

    @property
    def hidden(self) -> int:
        """How many characters of `copied` a copy leaves out at its start."""
        ...

    @property
    def base(self) -> int:
        """The marks that the whole row has, up to the right edge."""
        ...

    def height(self, width: int) -> int:
        """Returns the number of rows at `width` cells."""
        ...

    def row(self, number: int, width: int) -> list[Part]:
        """Returns what stands in a row, from the left."""
        ...


@lru_cache(maxsize=256)
def _row_pattern(width: int) -> re.Pattern[str]:
    """A row of words with the space after it, or as much of a long word as fits."""
    return re.compile(rf".{{1,{width}}}(?![^ ]) *|[^ ]{{{width}}}|.{{1,{width}}}", re.DOTALL)


_WORD = re.compile(" *[^ ]*")


@lru_cache(maxsize=4096)
def _is_one_cell(character: str) -> bool:
    return get_character_cell_size(character) == 1


def one_cell_each(text: str) -> bool:
    """Whether every character of `text` takes exactly one cell."""
    return text.isascii() or all(map(_is_one_cell, set(text)))


def breaks(text: str, width: int, start: int, *, simple: bool, fold: bool = False) -> list[int]:
    """Returns the offsets after `start` at which rows begin, where `start` begins one.

    `simple` promises one cell a character; `fold` breaks anywhere instead of at spaces.
    """
    if simple:
        if fold:
            return list(range(start + width, len(text), width))
        ends = [match.end() for match in _row_pattern(width).finditer(text, start)]
        return ends[:-1]
    return _measured_breaks(text, width, start, fold=fold)


def _measured_breaks(text: str, width: int, start: int, *, fold: bool) -> list[int]:
    found: list[int] = []
    used = 0
    words = [text[start:]] if fold else _WORD.findall(text, start)
    position = start
    for word in words:
        bare = word if fold else word.lstrip(" ")
        space = len(word) - len(bare)
        cells = cell_len(bare)
        if used and used + space + cells > width:
            position += space
            if bare:
                found.append(position)
            used = 0
        else:
            position += space
            used += space
        if cells > width:
            # A wide character in a single column leaves an empty piece before it.
            pieces = [piece for piece in chop_cells(bare, width) if piece]
            for piece in pieces[:-1]:
                position += len(piece)
                found.append(position)
            position += len(pieces[-1])
            used = cell_len(pieces[-1])
        else:
            position += len(bare)
            used += cells
    return found


Mark = tuple[int, tuple[Span, ...], bool]
"""How far a line had come: its length, its spans, and whether it was simple."""


@dataclass(slots=True)
class TextLine:
    """A line of running text or code.

    `first` stands before its first row, `rest` before the others. `base` holds the marks of the whole row; `fold`
    breaks anywhere, and `bare` leaves `first` out of copies.
    """

    first: tuple[Run, ...] = ()
    rest: tuple[Run, ...] = ()
    text: str = ""
    spans: tuple[Span, ...] = ()
    base: int = 0
    fold: bool = False
    bare: bool = False
    _simple: bool = True
    _width: int = 0
    _breaks: tuple[int, ...] = ()

    def extend(self, runs: Iterable[Run]) -> None:
        """Adds runs at the end."""
        added: list[str] = []
        spans: list[Span] = []
        position = len(self.text)
        for text, marks, citation in runs:
            end = position + len(text)
            if marks:
                last = spans[-1] if spans else self.spans[-1] if self.spans else (0, -1, 0, 0)
                if last[1:] == (position, marks, citation):
                    position = last[0]
                    if spans:
                        spans.pop()
                    else:
                        self.spans = self.spans[:-1]
                spans.append((position, end, marks, citation))
            added.append(text)
            position = end
        if spans:
            self.spans += tuple(spans)
        text = "".join(added)
        self._simple = self._simple and one_cell_each(text)
        self.text += text
        self._wrap_again()

    def colour(self, start: int, end: int, marks: int) -> None:
        """Gives text after all spans so far a look, which changes no break."""
        self.spans += ((start, end, marks, 0),)

    def mark(self) -> Mark:
        """Returns what `rewind` needs to undo later extensions."""
        return len(self.text), self.spans, self._simple

    def rewind(self, mark: Mark) -> None:
        """Takes back everything that was added since `mark`."""
        length, spans, simple = mark
        if len(self.text) == length:
            return
        self.text = self.text[:length]
        self.spans = spans
        self._simple = simple
        self._breaks = self._breaks[: bisect_left(self._breaks, length)]
        self._wrap_again()

    @property
    def copied(self) -> str:
        return plain(self.first) + self.text

    @property
    def hidden(self) -> int:
        return len(plain(self.first)) if self.bare else 0

    def height(self, width: int) -> int:
        room = self._room(width)
        if self._width != room:
            self._width = room
            self._breaks = tuple(breaks(self.text, room, 0, simple=self._simple, fold=self.fold))
        return len(self._breaks) + 1

    def row(self, number: int, width: int) -> list[Part]:
        self.height(width)
        start = self._breaks[number - 1] if number else 0
        end = self._breaks[number] if number < len(self._breaks) else len(self.text)
        text = self.text[start:end]
        if not self.fold:
            end = start + len(text.rstrip(" "))
        prefix = self.first if not number else self.rest
        indent = len(plain(self.first))
        parts = _prefix_parts(prefix, max(0, start + indent - len(plain(prefix))) if number else 0)
        if parts and self._room(width) == width:
            parts = []
        parts += spans_between(self.text, self.spans, start, end, indent)
        return parts

    def _room(self, width: int) -> int:
        indent = max(cell_len(plain(self.first)), cell_len(plain(self.rest)))
        return width - indent if width - indent >= SMALLEST_WIDTH else max(1, width)

    def _wrap_again(self) -> None:
        """Wraps from the last certain break on: the one at the end was decided by a word that may have changed."""
        if not self._width:
            return
        certain = self._breaks[:-1]
        start = certain[-1] if certain else 0
        self._breaks = (*certain, *breaks(self.text, self._width, start, simple=self._simple, fold=self.fold))


@dataclass(slots=True)
class RuleLine:
    """A line across."""

    first: tuple[Run, ...] = ()

    @property
    def text(self) -> str:
        return ""

    @property
    def copied(self) -> str:
        return plain(self.first) + "───"

    @property
    def hidden(self) -> int:
        return 0

    @property
    def base(self) -> int:
        return 0

    def height(self, width: int) -> int:
        return 1

    def row(self, number: int, width: int) -> list[Part]:
        parts = _prefix_parts(self.first, 0)
        room = max(1, width - sum(cell_len(part.text) for part in parts))
        return [*parts, Part("─" * room, RULE, 0, len(plain(self.first)))]


class Cell(NamedTuple):
    """The text of one cell of a table with its looks."""

    text: str
    spans: tuple[Span, ...]


@dataclass(slots=True)
class Columns:
    """The columns of one table: how wide their first rows are, and how they are aligned (``<``, ``^`` or ``>``)."""

    natural: tuple[int, ...]
    alignments: tuple[str, ...]
    _width: int = -1
    _fitted: tuple[int, ...] = ()

    def fitted(self, width: int) -> tuple[int, ...]:
        """Returns the cells of each column in `width`, empty when the columns do not fit side by side."""
        if width != self._width:
            self._width = width
            self._fitted = fit_columns(self.natural, width - len(COLUMN_GAP) * (len(self.natural) - 1))
        return self._fitted


def fit_columns(natural: Sequence[int], room: int) -> tuple[int, ...]:
    """Returns widths that add up to at most `room`: narrow columns keep theirs, the others share the rest evenly."""
    if sum(natural) <= room:
        return tuple(natural)
    if room < NARROWEST_COLUMN * len(natural):
        return ()
    fitted = list(natural)
    left, waiting = room, sorted(range(len(natural)), key=natural.__getitem__)
    for place, column in enumerate(waiting):
        share = left // (len(waiting) - place)
        fitted[column] = min(natural[column], share)
        left -= fitted[column]
    return tuple(fitted)


@dataclass(slots=True)
class TableLine:
    """A row of a table, or with `is_rule` the line under its head."""

    first: tuple[Run, ...]
    columns: Columns
    cells: tuple[Cell, ...]
    is_head: bool = False
    is_rule: bool = False
    _width: int = -1
    _rows: list[list[Part]] = field(default_factory=list)

    @property
    def text(self) -> str:
        return COLUMN_GAP.join(cell.text for cell in self.cells)

    @property
    def copied(self) -> str:
        return plain(self.first) + ("───" if self.is_rule else self.text)

    @property
    def hidden(self) -> int:
        return 0

    @property
    def base(self) -> int:
        return 0

    def height(self, width: int) -> int:
        if width != self._width:
            self._width = width
            self._rows = self._drawn(width)
        return len(self._rows)

    def row(self, number: int, width: int) -> list[Part]:
        self.height(width)
        return self._rows[number]

    def _drawn(self, width: int) -> list[list[Part]]:
        prefix = _prefix_parts(self.first, 0)
        room = max(1, width - sum(cell_len(part.text) for part in prefix))
        widths = self.columns.fitted(room)
        indent = len(plain(self.first))
        if not widths:
            return self._as_text(prefix, room, indent)
        if self.is_rule:
            return [[*prefix, Part("─┼─".join("─" * cells for cells in widths), BAR, 0, indent)]]
        columns: list[list[tuple[int, int]]] = []
        for cell, cells in zip(self.cells, widths, strict=True):
            starts = [0, *breaks(cell.text, cells, 0, simple=one_cell_each(cell.text))]
            columns.append(list(zip(starts, [*starts[1:], len(cell.text)], strict=True)))
        return [
            prefix + self._side_by_side(columns, widths, number, indent) for number in range(max(map(len, columns)))
        ]

    def _side_by_side(
        self, columns: list[list[tuple[int, int]]], widths: tuple[int, ...], number: int, indent: int
    ) -> list[Part]:
        parts: list[Part] = []
        offset = indent
        for place, (cell, rows) in enumerate(zip(self.cells, columns, strict=True)):
            if place:
                parts.append(Part(COLUMN_GAP, BAR, 0, offset - len(COLUMN_GAP)))
            start, end = rows[number] if number < len(rows) else (len(cell.text), len(cell.text))
            text = cell.text[start:end].rstrip(" ")
            space = widths[place] - cell_len(text)
            alignment = self.columns.alignments[place]
            before = space if alignment == ">" else space // 2 if alignment == "^" else 0
            if before:
                parts.append(Part(" " * before, 0, 0, offset + start))
            parts += self._cell_parts(cell, start, start + len(text), offset)
            if space - before:
                parts.append(Part(" " * (space - before), 0, 0, offset + start + len(text)))
            offset += len(cell.text) + len(COLUMN_GAP)
        return parts

    def _cell_parts(self, cell: Cell, start: int, end: int, offset: int) -> list[Part]:
        parts = spans_between(cell.text, cell.spans, start, end, offset)
        return [part._replace(marks=part.marks | CELL_HEAD) for part in parts] if self.is_head else parts

    def _as_text(self, prefix: list[Part], room: int, indent: int) -> list[list[Part]]:
        """Too many columns to stand side by side: one running text, nothing left out."""
        if self.is_rule:
            return [[*prefix, Part("─" * room, BAR, 0, indent)]]
        runs: list[Run] = []
        for place, cell in enumerate(self.cells):
            runs += [Run(COLUMN_GAP, BAR)] if place else []
            runs += [Run(*part[:3]) for part in self._cell_parts(cell, 0, len(cell.text), 0)]
        line = TextLine()
        line.extend(runs)
        rows = [line.row(number, room) for number in range(line.height(room))]
        return [prefix + [part._replace(offset=part.offset + indent) for part in row] for row in rows]


def spans_between(text: str, spans: Sequence[Span], start: int, end: int, offset: int) -> list[Part]:
    """Returns `text[start:end]` cut at its spans; `offset` is added to where the parts are."""
    parts: list[Part] = []
    position = start
    place = max(0, bisect_right(spans, (start + 1,)) - 1)
    while position < end and place < len(spans):
        span_start, span_end, marks, citation = spans[place]
        place += 1
        if span_end <= position:
            continue
        if span_start >= end:
            break
        if span_start > position:
            parts.append(Part(text[position:span_start], 0, 0, position + offset))
            position = span_start
        stop = min(span_end, end)
        parts.append(Part(text[position:stop], marks, citation, position + offset))
        position = stop
    if position < end:
        parts.append(Part(text[position:end], 0, 0, position + offset))
    return parts


def _prefix_parts(runs: Sequence[Run], offset: int) -> list[Part]:
    parts = []
    for text, marks, citation in runs:
        parts.append(Part(text, marks, citation, offset))
        offset += len(text)
    return parts

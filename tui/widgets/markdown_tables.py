"""Tables of Markdown (GFM): from a row's text to its cells, and from the first rows to the columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.cells import cell_len

from tui.widgets.markdown_inline import parse_inline
from tui.widgets.markdown_lines import Cell, Columns, TableLine
from tui.widgets.markdown_marks import Run, Span, plain

TABLE_SAMPLE = 9
"""Rows, with the head, that decide how wide columns are; later ones wrap within them."""

_DELIMITERS = re.compile(r"[ ]{0,3}\|?[ ]*:?-+:?[ ]*(?:\|[ ]*:?-+:?[ ]*)*\|?[ ]*$")
_SEPARATOR = re.compile(r"(?<!\\)\|")


def alignments_of(text: str) -> tuple[str, ...] | None:
    """Returns the alignment of every column, if `text` is the line under the head of a table."""
    if "-" not in text or not _DELIMITERS.match(text):
        return None
    return tuple(
        "^" if cell.startswith(":") and cell.endswith(":") else ">" if cell.endswith(":") else "<"
        for cell in cells_of(text)
    )


def is_row(text: str) -> bool:
    """Whether a line after a table's head belongs to the table: here, unlike in GFM, only if it has a separator."""
    return _SEPARATOR.search(text) is not None


def cells_of(text: str) -> list[str]:
    """Returns the source of every cell of a row."""
    text = text.strip(" ")
    text = text.removeprefix("|")
    if text.endswith("|") and not text.endswith("\\|"):
        text = text[:-1]
    return [cell.strip(" ").replace("\\|", "|") for cell in _SEPARATOR.split(text)]


def table_columns(rows: Sequence[Sequence[str]], alignments: tuple[str, ...], citations: int) -> Columns:
    """Returns the columns that fit the sampled rows."""
    natural = [1] * len(alignments)
    for row in rows:
        for place, source in enumerate(_fitted(row, len(alignments))):
            natural[place] = max(natural[place], cell_len(_cell(source, citations).text))
    return Columns(tuple(natural), alignments)


def table_line(
    text: str,
    columns: Columns,
    first: tuple[Run, ...],
    citations: int,
    *,
    is_head: bool = False,
    is_rule: bool = False,
) -> TableLine:
    """Returns a row of a table as a line."""
    sources = _fitted(cells_of(text), len(columns.alignments))
    cells = tuple(_cell(source, citations) for source in sources)
    return TableLine(first, columns, cells, is_head=is_head, is_rule=is_rule)


def _fitted(cells: Sequence[str], count: int) -> list[str]:
    """As many cells as there are columns; what is too much stays in the last one."""
    if len(cells) > count:
        return [*cells[: count - 1], " | ".join(cells[count - 1 :])]
    return [*cells, *[""] * (count - len(cells))]


def _cell(source: str, citations: int) -> Cell:
    runs = parse_inline(source, citations).runs
    spans: list[Span] = []
    position = 0
    for text, marks, citation in runs:
        if marks:
            spans.append((position, position + len(text), marks, citation))
        position += len(text)
    return Cell(plain(runs).replace("\n", " "), tuple(spans))
